"""Which files of a folder are uploaded as a set of pictures, and under which names."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ...contract.values.files import same_name
from ...contract.values.safe_names import safe_part
from ...pictures.sources.names import PACKED, beside_pictures, is_table
from ...pictures.survey import Survey
from ...pictures.walk import Entry, kind_in_archive

_USUAL_NAME = "pictures"  # of a set whose files come from no folder


class Chosen(NamedTuple):
    """What is uploaded of a folder.

    names: the names in the set, by the number of the file.
    left:  what is left out, for people; empty if all is taken.
    notes: why that is, and what to do about it, as sentences.
    """

    names: dict[int, str]
    left: str
    notes: list[str]


def choose(paths: Sequence[str], place: Path) -> Chosen:
    """Returns which of these files are pictures, tables of labels beside them, or archives of them.

    Archives are only taken if there are no pictures, as by the node that loads them.

    paths: the paths of the files in the folder, separated by "/".
    place: an empty folder.
    """
    entries: dict[int, Entry] = {}
    for number, path in enumerate(paths):
        name = unicodedata.normalize("NFC", path)
        kind, skipped = kind_in_archive(name, "file")
        if kind is not None:
            entries[number] = Entry("", name if kind in ("picture", "file") else skipped, kind)
    taken = {number for number, entry in entries.items() if entry.kind == "picture"}
    files = [entry for entry in entries.values() if entry.kind == "file"]
    beside = {entry.name for entry in beside_pictures(files, bool(taken))}
    taken |= {n for n, e in entries.items() if e.kind == "file" and e.name in beside}
    others = [e for n, e in entries.items() if e.kind == "picture" or n not in taken]
    survey = Survey(place, dict.fromkeys(others))
    notes = [f"{why} - {advice}" for why, advice in survey.unused()]
    return Chosen(_safe({n: entries[n].name for n in taken}), survey.skipped(), notes)


def set_name(text: str) -> str:
    """Returns the name of a set: that of its folder, with as few changes as make it safe."""
    name = unicodedata.normalize("NFC", text).strip()
    return safe_part(name) if name else _USUAL_NAME


def file_name(path: str) -> str:
    """Returns the last part of a path as the name of a file, with as few changes as make it safe.

    The suffix stays.
    """
    name = unicodedata.normalize("NFC", path).replace("\\", "/").rpartition("/")[2]
    return _safe_file(name) if name else ""


def is_archive(name: str) -> bool:
    """Returns whether a file of a set is an archive, which may be larger than a picture."""
    return name.lower().endswith(PACKED) and not is_table(name)


def free_name(name: str, there: Iterable[str]) -> str:
    """Returns the name of a set that is not there yet: with a number, if it is."""
    taken, number, free = {*map(same_name, there)}, 1, name
    while same_name(free) in taken:
        number += 1
        free = f"{name} ({number})"
    return free


def unused_name(name: str, taken: set[str]) -> str:
    """Returns a name in a folder that is not taken: with a number before its suffix, if it is.

    taken: names in the form of `same_name`.
    """
    folder, slash, last = name.rpartition("/")
    stem, suffix = Path(last).stem, Path(last).suffix
    unused, number = name, 1
    while same_name(unused) in taken:
        number += 1
        unused = f"{folder}{slash}{stem} ({number}){suffix}"
    return unused


def _safe(paths: dict[int, str]) -> dict[int, str]:
    """Returns names that are safe on every system, and different on every system."""
    taken: set[str] = set()
    names: dict[int, str] = {}
    for number in sorted(paths):
        *folders, last = paths[number].split("/")
        parts = [*map(safe_part, filter(None, folders)), _safe_file(last)]
        names[number] = unused_name("/".join(parts), taken)
        taken.add(same_name(names[number]))
    return names


def _safe_file(name: str) -> str:
    return f"{safe_part(Path(name).stem)}{Path(name).suffix}"
