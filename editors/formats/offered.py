"""What the widgets of nodes offer to choose from: pictures, folders, archives and models."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ...pictures.suffixes import is_readable
from ...pictures.walk import natural_order
from ...runner.graph.folders import SHIPPED

_MOST_LISTED = 1_000  # names that a widget lists of each kind
_MOST_FILES = 50_000  # files that are looked at
_DEEPEST = 4  # levels of folders that are looked at
OUTPUT = " [output]"  # ending of a value that names a file of the output folder


class Offered(NamedTuple):
    """Paths in the input folder, separated by "/".

    files: all files that are not pictures.
    """

    pictures: list[str]
    folders: list[str]
    files: list[str]

    def ending_with(self, suffixes: tuple[str, ...]) -> list[str]:
        """Returns the files with these suffixes."""
        return [name for name in self.files if name.lower().endswith(suffixes)][:_MOST_LISTED]


def offered(folder: Path) -> Offered:
    """Returns what the input folder offers, in natural order.

    Hidden files and links that lead out of the folder are not listed.
    """
    found = Offered([], [], [])
    for name in _files(folder):
        if not is_readable(Path(name)):
            found.files.append(name)
        elif len(found.pictures) < _MOST_LISTED:
            found.pictures.append(name)
    with_pictures = {
        str(parent) for name in found.pictures for parent in PurePosixPath(name).parents
    }
    found.folders.extend(sorted(with_pictures - {"."}, key=natural_order))
    return found


def newest(folder: Path) -> list[str]:
    """Returns the pictures in a folder, those that were changed last first."""

    def changed(name: str) -> float:
        try:
            return (folder / name).stat().st_mtime
        except OSError:
            return 0.0

    return sorted(offered(folder).pictures, key=changed, reverse=True)


def models(input_files: Offered, out: Path, suffixes: tuple[str, ...]) -> list[str]:
    """Returns the models that come with artgraph, those of the input folder, and of all runs."""
    saved = [f"{name}{OUTPUT}" for name in _files(out) if name.lower().endswith(suffixes)]
    found = input_files.ending_with(suffixes)
    return [*shipped_models(suffixes), *found, *saved[:_MOST_LISTED]]


def shipped_models(suffixes: tuple[str, ...]) -> list[str]:
    """Returns the paths of the models that come with artgraph."""
    shipped = sorted(path.relative_to(SHIPPED) for path in (SHIPPED / "base").iterdir())
    return [path.as_posix() for path in shipped if path.name.endswith(suffixes)]


def _files(root: Path) -> Iterator[str]:
    """Yields the paths of the files in a folder, those directly in it first."""
    waiting, looked_at, real = [""], 0, os.path.realpath(root)
    while waiting:
        folder = waiting.pop(0)
        try:
            with os.scandir(root / folder) as entries:
                there = sorted(entries, key=lambda entry: natural_order(entry.name))
        except OSError:
            continue
        for entry in there:
            name = f"{folder}/{entry.name}" if folder else entry.name
            looked_at += 1
            if looked_at > _MOST_FILES:
                return
            if entry.name.startswith(".") or not entry.name.isprintable():
                continue
            if entry.is_dir(follow_symlinks=False):
                if name.count("/") < _DEEPEST:
                    waiting.append(name)
            elif entry.is_file() and not _leads_out(entry, real):
                yield name


def _leads_out(entry: os.DirEntry[str], root: str) -> bool:
    return entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(root)
