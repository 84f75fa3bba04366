"""What is beside a folder of pictures and seems to belong to it: tables, archives, reviews, parts.

Only the names directly in the parent folder are looked at.
"""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from .walk import natural_order, printable

SPLITS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval"}
ARCHIVES = {"7z", "bz2", "gz", "rar", "tar", "tbz2", "tgz", "txz", "xz", "zip", "zst"}
TABLES = {"csv", "json", "jsonl", "ods", "parquet", "tsv", "xls", "xlsx"}
_MOST_ENTRIES = 1000  # entries of a parent folder above which nothing in it is reported
_LISTS = {*TABLES, "txt"}
_ARCHIVE = re.compile(rf"(.+?)(?:\.tar)?\.(?:{'|'.join(sorted(ARCHIVES))})")
_LABELS = re.compile(r"(?:^|[\W_])(labels?|captions?|metadata|annotations?|classes)(?:$|[\W_])")


class Beside(NamedTuple):
    """A table, archive or review beside a folder, or another part of the same dataset."""

    kind: Literal["table", "archive", "review", "part"]
    name: str


def beside(folder: Path) -> list[Beside]:
    """Returns what is beside a folder or an archive and seems to belong to it, in natural order.

    Beside an archive, only tables and reviews are looked for; beside other files, nothing is.

    The list is empty if the parent folder is the home folder or the root, has very many entries,
    or can't be read.
    """
    path = Path(os.path.realpath(folder))
    parent, own = path.parent, path.name
    try:
        if parent in (Path(parent.anchor), Path.home().resolve()):
            return []
        with os.scandir(parent) as entries:
            there = list(islice(entries, _MOST_ENTRIES + 1))
        if len(there) > _MOST_ENTRIES:
            return []
        if path.is_dir():
            found = [(_kind(entry, own.casefold()), printable(entry.name)) for entry in there]
        elif archive := _ARCHIVE.fullmatch(own.casefold()):
            kinds = [(_kind(entry, archive[1]), entry.name) for entry in there]
            found = [(kind, printable(name)) for kind, name in kinds if kind in ("table", "review")]
        else:
            return []
    except (OSError, RuntimeError):  # RuntimeError: the home folder is unknown
        return []
    belonging = [Beside(kind, name) for kind, name in found if kind is not None]
    return sorted(belonging, key=lambda item: (item.kind, natural_order(item.name)))


def is_review(name: str, own: str = "") -> bool:
    """Returns whether a file is called like a review of a folder `own`, or of any folder."""
    return name.casefold() in {
        f"{stem}.{suffix}" for stem in ("review", f"{own}.review") for suffix in ("yaml", "yml")
    }


def _kind(
    entry: os.DirEntry[str], own: str
) -> Literal["table", "archive", "review", "part"] | None:
    """Returns how an entry belongs to the folder `own`, or None if it does not.

    own: the name of the folder in lower case.
    """
    name = entry.name.casefold()
    if name == own or name.startswith("."):
        return None
    if own in SPLITS and name in SPLITS:
        return "part" if entry.is_dir(follow_symlinks=False) else None
    archive = _ARCHIVE.fullmatch(name)
    stem, _, suffix = name.rpartition(".")
    if archive and archive[1] == own:
        kind: Literal["table", "archive", "review"] = "archive"
    elif is_review(name, own):
        kind = "review"
    elif (suffix in TABLES and stem == own) or (suffix in _LISTS and _is_labels(stem, own)):
        kind = "table"
    else:
        return None
    return kind if entry.is_file(follow_symlinks=False) else None


def _is_labels(stem: str, own: str) -> bool:
    return _LABELS.search(stem.removeprefix(own)) is not None
