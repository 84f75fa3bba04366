"""Which files are read as archives and as tables, and how the names inside them are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..walk import Entry, natural_order, printable

TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
FORMATS = {"zip": (".zip",), "tar": TAR, "parquet": (".parquet",)}
PACKED = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
TABLES = (".csv", ".tsv", ".jsonl")
# what fsspec needs besides itself for the addresses of each kind
PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs"}
PACKAGES |= {"http": "aiohttp", "https": "aiohttp", "sftp": "paramiko"}
_DRIVE = re.compile(r"[A-Za-z]:")


def format_of(name: str) -> str | None:
    """Returns the format of an archive by its name: zip, tar or parquet; None if it is neither."""
    lower = name.lower()
    return next((name for name, suffixes in FORMATS.items() if lower.endswith(suffixes)), None)


def is_table(name: str) -> bool:
    """Returns whether a file may be a table of labels by its name."""
    return name.lower().endswith(TABLES)


def beside_pictures(files: Iterable[Entry], has_pictures: bool) -> list[Entry]:
    """Returns the files directly in a folder whose contents matter for its pictures.

    These are tables of labels. If the folder contains no pictures, these are archives, if all of
    them have one format. The node that loads pictures and the fingerprint use this rule.

    files: the files in the folder that are not pictures.
    """
    direct = [entry for entry in files if entry.kind == "file" and "/" not in entry.name]
    if has_pictures:
        return [entry for entry in direct if is_table(entry.name)]
    archives = [entry for entry in direct if format_of(entry.name)]
    return archives if len({format_of(entry.name) for entry in archives}) == 1 else []


def inner_name(name: str) -> str | None:
    r"""Returns a name in an archive or in a table with "/" and in NFC.

    Backslashes separate folders if the name has no other separator, as Windows writes them.

    Returns None if the name is absolute or leads out of its folder.
    """
    if "/" not in name:
        name = name.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or _DRIVE.match(name) or ".." in parts or not parts:
        return None
    return printable("/".join(parts))


def walk_order(name: str) -> list[tuple[int, str, str]]:
    """Returns a key that sorts names as a walk through a folder yields them."""
    *folders, last = name.split("/")
    return [*((1, *natural_order(folder)) for folder in folders), (0, *natural_order(last))]


def common_folder(names: Sequence[str]) -> str:
    """Returns the one folder, with "/", that contains the class folders of all names, or ""."""
    first = names[0].partition("/")[0] + "/" if names else ""
    if not all(name.startswith(first) for name in names):
        return ""
    return first if any(name.count("/") > 1 for name in names) else ""


def one_line(error: Exception) -> str:
    """Returns what a library says about a file, on one line."""
    return printable(" ".join(str(error).split())[:200])
