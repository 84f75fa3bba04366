"""The cache's folder, and how large the cache may grow."""

from __future__ import annotations

import os
import re
import sys
from fractions import Fraction
from pathlib import Path

from ...contract.errors import GraphError
from ...contract.paths import home as user_home
from ...contract.paths import typed_path


def cache_folder(option: Path | None = None) -> Path:
    """Returns the cache's folder: `option`, or `$ARTGRAPH_CACHE`, or the user's own.

    Raises: GraphError.
    """
    if option is not None:
        return option
    variable = os.environ.get("ARTGRAPH_CACHE")
    if variable:
        return typed_path(variable, "ARTGRAPH_CACHE=")
    return own_cache_folder(sys.platform)


def own_cache_folder(platform: str) -> Path:
    """Returns the customary cache folder of the user on the system `platform` (sys.platform).

    On macOS and Windows, an existing `~/.cache/artgraph` of an earlier artgraph remains in use as
    long as the customary folder does not exist.
    """
    variable = os.environ.get("XDG_CACHE_HOME")
    if variable:  # also on other systems than Linux, if the user sets it
        return typed_path(variable, "XDG_CACHE_HOME=") / "artgraph"
    home = user_home("set it, or name the folder of the cache with --cache or ARTGRAPH_CACHE")
    earlier = home / ".cache" / "artgraph"
    if platform == "darwin":
        folder = home / "Library" / "Caches" / "artgraph"
    elif platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local"
        folder = Path(base) / "artgraph" / "Cache"
    else:
        return earlier
    return earlier if earlier.is_dir() and not folder.is_dir() else folder


def is_utf8(path: str) -> bool:
    """Returns whether the bytes of a path are UTF-8, so that other libraries understand it."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def cache_budget() -> int:
    """Returns the bytes that the cache may take: `$ARTGRAPH_CACHE_MAX`, or 50 GB.

    Raises: GraphError.
    """
    name = "ARTGRAPH_CACHE_MAX"
    return size_of(f"{name}=", os.environ.get(name) or "50GB") or 0


def size_of(option: str, text: str | None) -> int | None:
    """Returns the number of bytes of a size such as 10GB or 0.5 gib; None for None.

    A size needs a unit, since a number alone may mean anything from bytes to gigabytes; only 0
    needs none. KB and KiB both are 1024 bytes, and so on.

    option: what is before the size as the user wrote it, such as `--memory `.

    Raises: GraphError that contains the option.
    """
    if text is None:
        return None
    written = " ".join(text.split()).lower()
    match = re.fullmatch(
        r"([0-9]{1,18}(?:\.[0-9]{1,18})?|\.[0-9]{1,18}) ?(?:(b|bytes)|([kmgt])(?:i?b)?)?", written
    )
    if match is None:
        if re.fullmatch(r"[-\u2212].*[0-9].*", written):
            raise GraphError(f"{option}{text}: a size can't be negative", "write one such as 10GB")
        raise GraphError(f"{option}{text}: not a size", "write one such as 10GB or 500MB")
    number, in_bytes, letter = match.groups()
    if not (in_bytes or letter or Fraction(number) == 0):
        raise GraphError(
            f"{option}{text}: the unit is missing", f"write {number}MB or {number}GB, for example"
        )
    return int(Fraction(number) * 2 ** {"k": 10, "m": 20, "g": 30, "t": 40}.get(letter, 0))


def age_of(option: str, text: str | None) -> float | None:
    """Returns the seconds of an age such as 30d, 12h or 2 weeks; None for None.

    option: what is before the age as the user wrote it, such as `--older-than `.

    Raises: GraphError that contains the option.
    """
    if text is None:
        return None
    match = re.fullmatch(
        r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(h|d|w)(?:ours?|ays?|eeks?)?", text.strip().lower()
    )
    if match is None:
        raise GraphError(f"{option}{text}: not an age", "write one such as 12h, 30d or 8w")
    return float(match[1]) * {"h": 3_600, "d": 86_400, "w": 604_800}[match[2]]
