"""One way to read pictures, whether they are in a folder, in archives or in Parquet files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from ..beside import SPLITS
from ..packed import Packed, SourceError
from ..reading import UnreadableError, size_of_picture
from ..walk import Entry, walk
from .choose import NO_TABLE, choose_table
from .names import PACKED, beside_pictures, format_of
from .parquet import Parquet
from .tars import Tar
from .zips import Zip

_FORMATS: dict[str, type[Zip | Tar | Parquet]] = {"zip": Zip, "tar": Tar, "parquet": Parquet}


class Source(Protocol):
    """Pictures, and what is beside them.

    entries: what there is, as a walk yields it, without the files that only contain labels.
    labels:  the class of each picture by its name, None if several are written; or None if
             the folders are the classes.
    origin:  what contains the labels, for people.
    notes:   what can't be used and what looks like a mistake, as sentences.
    """

    entries: list[Entry]
    labels: dict[str, str | None] | None
    origin: str
    notes: list[str]

    def read(
        self, wanted: Sequence[Entry]
    ) -> Iterator[tuple[int, Path | Packed | UnreadableError]]:
        """Yields these pictures with their places in `wanted`, in the order of the source."""


class Folder:
    """The pictures in a folder; its classes are sub-folders, or in a table."""

    def __init__(self, entries: Sequence[Entry], table: str, label: str) -> None:
        self.labels: dict[str, str | None] | None = None
        self.origin = ""
        names = [entry.name for entry in entries if entry.kind == "picture"]
        files = beside_pictures(entries, True) if names else []
        tables = {entry.name: partial(_opened, entry) for entry in files}
        found, self.notes = choose_table(tables, names, table, label)
        if found is not None:
            self.labels, self.origin = found.labels, f"{found.table} ({found.column})"
            self.notes += found.notes
        self.entries = [entry for entry in entries if entry.name not in tables]

    def read(self, wanted: Sequence[Entry]) -> Iterator[tuple[int, Path]]:
        """Yields the paths of these pictures with their places."""
        for place, entry in enumerate(wanted):
            yield place, Path(entry.path)


def _opened(entry: Entry) -> IO[bytes]:
    return Path(entry.path).open("rb")


def open_source(path: Path, table: str = "", label: str = "") -> Source:
    """Returns what is in a folder, an archive or a Parquet file.

    A folder without pictures may contain archives of one format, which are read as one.

    table: the file name of the table of labels; "none" for none; or "" for the one that fits.
    label: the column of the labels, or "" for the usual ones.

    Raises: SourceError if it can't be used; OSError if the folder can't be listed, or if the disk
    has a fault.
    """
    if not path.is_dir():
        kind = format_of(path.name)
        if kind is None:
            what = f"it is not a folder and not one of {', '.join(PACKED)}"
            raise SourceError(what, "choose a folder of pictures or such a file")
        return _labelled(_FORMATS[kind]([path], table, label), label)
    entries = list(walk(path))
    shards = beside_pictures(entries, any(entry.kind == "picture" for entry in entries))
    if not shards or format_of(shards[0].name) is None:
        return _labelled(Folder(entries, table, label), label)
    packed = _FORMATS[format_of(shards[0].name) or ""]
    source = packed([Path(entry.path) for entry in shards], table, label)
    names = {entry.name for entry in shards}
    source.entries += [entry for entry in entries if entry.name and entry.name not in names]
    splits = [name for name in names if re.split("[^a-z]", name.lower())[0] in SPLITS]
    if len({re.split("[^a-z]", name.lower())[0] for name in splits}) > 1:
        shown = ", ".join(sorted(splits)[:3])
        source.notes.append(
            f"the files look like parts of one dataset, and all of them are loaded ({shown}) - load"
            " each part with a node of its own"
        )
    return _labelled(source, label)


def sizes_in(path: Path) -> dict[str, tuple[int, int]]:
    """Returns width and height of the pictures in a folder or an archive, by their names.

    Pictures that can't be read are left out.

    Raises: SourceError; OSError.
    """
    source = open_source(path, NO_TABLE)
    pictures = [entry for entry in source.entries if entry.kind == "picture"]
    sizes: dict[str, tuple[int, int]] = {}
    for place, file in source.read(pictures):
        size = None if isinstance(file, UnreadableError) else size_of_picture(file)
        if size is not None:
            sizes[pictures[place].name] = size
    return sizes


def _labelled(source: Source, label: str) -> Source:
    """Returns a source whose pictures without one label are skipped, if it has labels."""
    labels = source.labels
    if labels is None:
        if label and not source.notes:
            source.notes.append(f"`label` is {label}, but there is no table with this column")
        return source
    entries = []
    for entry in source.entries:
        if entry.kind == "picture" and labels.get(entry.name) is None:
            entry = entry._replace(kind="two labels" if entry.name in labels else "no label")
        if entry.kind != "folder":  # folders are not classes
            entries.append(entry)
    source.entries = entries
    return source
