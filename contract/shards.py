"""Shards of a dataset: their places, and the addresses that the user allows.

A value that was made from shards contains the digest of their list, and not their place. So it is
the same wherever they are. The runner remembers the place of each list that it has seen.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from .errors import GraphError, InputError, NodeError

ALLOWED = "ARTGRAPH_ALLOW_SOURCE"  # environment variable: addresses with spaces between
# The kinds of addresses that are read; other ones of fsspec run programs or write to the disk.
PROTOCOLS = (
    *("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "http", "https", "hf"),
    *("sftp", "ssh", "ftp", "smb", "webdav", "oci"),
)
_FILES = (".tar", ".parquet", ".json")
_PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")  # not read
_LONGEST = 120  # characters of an address in a message
_MOST_NAMES = 100_000  # names that a pattern may mean
_RANGE = re.compile(r"([0-9]+)\.\.([0-9]+)")
_BRACES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Shards:
    """A folder of shards, or some of the files in it.

    place:   the folder, as a path or an address.
    pattern: the name of a file, perhaps with braces that mean several names; "" for all.
    """

    place: str
    pattern: str = ""

    @property
    def is_remote(self) -> bool:
        """Whether the place is an address."""
        return "://" in self.place

    @property
    def name(self) -> str:
        """What messages call them."""
        place = without_secrets(self.place) if self.is_remote else Path(self.place).name
        return (
            f"{place}/{self.pattern}" if self.pattern and self.is_remote else self.pattern or place
        )

    def __str__(self) -> str:
        return f"{self.place}/{self.pattern}" if self.pattern else self.place


def split_address(text: str) -> tuple[str, str]:
    """Returns the folder of a path or an address with a pattern, and the pattern.

    The pattern is empty unless the last part contains braces or is the name of a file.

    Raises: InputError if other parts contain braces.
    """
    place, _, last = text.rstrip("/").rpartition("/")
    is_file = "{" in last or last.lower().endswith((*_FILES, *_PACKED))
    if "{" in place or (not is_file and "{" in text):
        what = f"{_short(text)!r} has braces in the name of a folder"
        raise InputError(what, "write them in the name of the files, as in shards-{000..099}.tar")
    if not is_file or text.endswith("/"):
        return text.rstrip("/") or text[:1], ""
    return place or ("/" if text.startswith("/") else ""), last


def names_of(pattern: str) -> list[str]:
    """Returns the names that a pattern with braces means: {00..09} or {a,b}, each once.

    Raises: InputError if they are wrong, or mean too many names.
    """
    parts: list[list[str]] = []
    count, end = 1, 0
    for found in _BRACES.finditer(pattern):
        parts.append([pattern[end : found.start()]])
        numbers = _RANGE.fullmatch(found[1])
        if numbers is None:
            parts.append(found[1].split(","))
            count *= len(parts[-1])
        else:
            first, last = int(numbers[1]), int(numbers[2])
            count *= max(0, last - first + 1)
            if not 0 < count <= _MOST_NAMES:
                break
            width = len(numbers[1]) if numbers[1][0] == "0" else 0
            parts.append([f"{number:0{width}}" for number in range(first, last + 1)])
        end = found.end()
    if not 0 < count <= _MOST_NAMES:
        what = f"{_short(pattern)!r} means {'no' if count < 1 else 'too many'} names"
        raise InputError(what, "write the smaller number first, as in {000..099}")
    parts.append([pattern[end:]])
    names = list(dict.fromkeys("".join(chosen) for chosen in product(*parts)))
    if any("{" in name or "}" in name or "/" in name for name in names):
        what = f"the braces in {_short(pattern)!r} can't be read"
        raise InputError(what, "write {000..099} for numbers, or {a,b} for names")
    return names


def address_of(text: str, trusted: bool) -> Shards:
    """Returns the shards at an address such as s3://bucket/folder.

    trusted: the user typed it; otherwise the user must have allowed it (`allow`).

    Raises: InputError if it is of a kind that is not read, or not allowed.
    """
    protocol = text.partition("://")[0].lower()
    shown = _short(without_secrets(text))
    if protocol in ("file", "local"):
        raise InputError(f"{shown!r} is a file on this computer", "write its path")
    if protocol not in PROTOCOLS or "::" in text:
        advice = "begin it with s3://, gs://, https://, sftp:// or the like"
        raise InputError(f"{shown!r} is not an address that is read", advice)
    if ".." in unquote(text).replace("\\", "/").split("/"):
        raise InputError(f"{shown!r} leads out of its folder", "write the address without ..")
    if not trusted and not is_allowed(text):
        start = _short(without_secrets(split_address(text)[0]))
        raise InputError(
            f"the graph wants to read {shown!r}, which you have not allowed",
            f"allow it with --allow-source {start} if you trust the graph",
        )
    return Shards(*split_address(text))


def allow(address: str) -> str:
    """Allow graphs to read what is at an address and below it, in this process and its children.

    Raises: GraphError if it is not an address.
    """
    if address.partition("://")[0].lower() not in PROTOCOLS or not urlsplit(address).netloc:
        advice = "write an address such as s3://bucket/folder or https://host/folder"
        raise GraphError(f"--allow-source {_short(address)}: it is not an address", advice)
    allowed = os.environ.get(ALLOWED, "").split()
    if address not in allowed:
        os.environ[ALLOWED] = " ".join([*allowed, address])
    return address


def is_allowed(address: str) -> bool:
    """Returns whether the user allowed graphs to read what is at this address."""
    folders = (allowed.rstrip("/") for allowed in os.environ.get(ALLOWED, "").split())
    return any(address == folder or address.startswith(f"{folder}/") for folder in folders)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def without_secrets(address: str) -> str:
    """Returns an address without a name and password, and without a query, which may be a key."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address.partition("?")[0]
    if "://" not in address:
        return address
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


_places: dict[str, str] = {}  # the place of each list of shards, by its digest


def remember(digest: str, shards: Shards) -> None:
    """Remember the place of the shards of a list."""
    _places[digest] = shards.place


def place_of(digest: str) -> str:
    """Returns the place of the shards of a list.

    Raises: NodeError if it is not known in this process, or if the folder is on another machine.
    """
    if digest not in _places:
        raise NodeError(
            "the place of the shards of this dataset is not known",
            "run the graph with its node stream_dataset",
        )
    place = _places[digest]
    if "://" not in place and not Path(place).is_dir():
        raise NodeError(
            f"the folder {place} with the shards is not on the machine {socket.gethostname()}",
            "share it under the same path, or use an address such as s3://bucket/folder",
        )
    return place


def known_places() -> dict[str, str]:
    """Returns the places of all lists that this process knows, for another process."""
    return dict(_places)


def add_places(places: Mapping[str, str]) -> None:
    """Remember the places that another process knows."""
    _places.update(places)
