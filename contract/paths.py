"""Paths that a person types: options, arguments, environment variables and `--set`."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from .errors import GraphError
from .wording import shortened

_UNUSABLE = {errno.ENAMETOOLONG: "the name is too long", errno.ELOOP: "its links form a circle"}


def typed_path(text: str, source: str = "") -> Path:
    """Returns the path that a person typed, with `~` and `~user` replaced by the home folder.

    source: what is before the path as it was typed, such as `--out ` or `ARTGRAPH_CACHE=`.

    Raises: GraphError if it can't be the path of anything.
    """
    typed = f"{source}{shortened(text)}" if text else source.rstrip(" =") or repr(text)
    if not text:
        raise GraphError(f"{typed}: the path is empty", "write a path; . is the current folder")
    if text == "-":
        raise GraphError(
            f"{typed}: standard input and output can't be used", "name a file or folder"
        )
    if "\0" in text:
        raise GraphError(f"{typed!r}: the path contains a zero byte", "correct the path")
    path = Path(_expanded(text, typed))
    try:
        path.lstat()
    except OSError as error:
        if error.errno in _UNUSABLE:
            raise GraphError(f"{typed}: {_UNUSABLE[error.errno]}", "choose another path") from error
    return path


def typed_folder(text: str, source: str) -> Path:
    """Returns the path of a folder that a person typed; it need not exist.

    Raises: GraphError as `typed_path`, and if a file has this name, or that of a folder above it.
    """
    path = typed_path(text, source)
    there = next((place for place in (path, *path.parents) if os.path.lexists(place)), None)
    if there is not None and not os.path.isdir(there):  # noqa: PTH112 - never raises
        kind = "a link to nothing" if not os.path.exists(there) else "a file"  # noqa: PTH110
        raise GraphError(f"{there} is {kind}", f"choose a folder with {source.strip(' =')}")
    return path


def typed_file(text: str, source: str = "") -> Path:
    """Returns the path of a file that a person typed; it need not exist.

    Raises: GraphError as `typed_path`, and if it can only be the path of a folder.
    """
    path = typed_path(text, source)
    if text.endswith(("/", os.sep)):
        raise GraphError(f"{source}{shortened(text)}: this is a folder", "name a file")
    return path


def home(advice: str) -> Path:
    """Returns the user's home folder.

    Raises: GraphError with this advice if it is unknown.
    """
    found = os.path.expanduser("~")  # noqa: PTH111 - `Path.home` returns / if HOME is empty
    if os.environ.get("HOME") == "" or found.startswith("~"):
        raise GraphError("the home folder is unknown, because HOME is not set", advice)
    return Path(found)


def _expanded(text: str, typed: str) -> str:
    if not text.startswith("~"):
        return text
    user = Path(text).parts[0]
    if user == "~":
        try:
            home("")
        except GraphError as error:
            raise GraphError(f"{typed}: {error.what}", "write the whole path") from error
    found = os.path.expanduser(text)  # noqa: PTH111 - it leaves unknown users as they are
    if found.startswith("~"):
        advice = f"write ./{shortened(text)} if a file or folder has this name"
        raise GraphError(f"{typed}: there is no user {user[1:]!r}", advice)
    return found
