"""Names for saved files that are made of the names of other files, such as pictures of a folder.

A name that some system does not allow is changed as little as possible, and no two names are the
same on any system.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from .files import (
    FORBIDDEN,
    MAX_SOURCE,
    OUR_FILES,
    OUR_FOLDERS,
    RESERVED,
    SOURCE,
    is_unprintable,
    same_name,
    shortened_name,
)

_SHOWN = 3  # names that `renamed` lists


class Original(NamedTuple):
    """The path of a file, whose folders are separated by `/`, in two parts.

    stem:   the path without the ending of the file.
    ending: the ending with its dot; empty if there is none.
    """

    stem: str
    ending: str

    @property
    def path(self) -> str:
        return self.stem + self.ending


def safe_names(files: Sequence[Original], in_folder: bool = False) -> list[str]:
    """Returns a name without an ending for each file; no two of them are the same on any system.

    It is the stem of the file. If several files have the same one, their endings become part of
    their names (`a.jpg` and `a.png`), and if that is not enough, a number.

    in_folder: the files get a folder of their own, in which artgraph's own names are allowed.
    """
    stems = [_safe_path(file.stem, in_folder) for file in files]
    counts = Counter(map(same_name, stems))
    names = [stem if counts[same_name(stem)] == 1 else "" for stem in stems]
    taken = {same_name(name) for name in names if name}
    for place, (name, file) in enumerate(zip(names, files, strict=True)):
        if not name:
            names[place] = name = _unused(_safe_path(file.path, in_folder), taken)
            taken.add(same_name(name))
    return names


def renamed(files: Sequence[Original], names: Sequence[str]) -> str:
    """Returns a line about the files whose names are not their stems; empty if there are none.

    It shows the names with `.*` for the endings of the files that are saved.
    """
    changed = [(f.path, n) for f, n in zip(files, names, strict=True) if n != f.stem]
    if not changed:
        return ""
    shown = ", ".join(f"{path!r} as '{name}.*'" for path, name in changed[:_SHOWN])
    more = f" and {len(changed) - _SHOWN:,} more" if len(changed) > _SHOWN else ""
    number = "1 picture gets" if len(changed) == 1 else f"{len(changed):,} pictures get"
    why = "as some system does not allow its own name, or two pictures have the same one"
    return f"{number} another name, {why}: {shown}{more}"


def _safe_path(path: str, in_folder: bool) -> str:
    first, *rest = map(safe_part, SOURCE.sub("source", path).split("/"))
    if not in_folder and first.casefold() in (*OUR_FOLDERS, *OUR_FILES):
        first += "_"
    if not in_folder and first.startswith("~"):
        first = f"_{first}"
    return "/".join([first, *rest])


def safe_part(part: str) -> str:
    """Returns the name of a file or folder with as few changes as make it safe."""
    safe = "".join("_" if c in FORBIDDEN or is_unprintable(c) else c for c in part)
    if safe.rstrip(". ") != safe:
        safe = safe.rstrip(". ") + "_"
    device = safe.split(".")[0].rstrip(" ").casefold()
    if safe[:1] in ("", ".", " ") or device in RESERVED:
        safe = f"_{safe}"
    if len(safe.encode()) > MAX_SOURCE:
        digest = hashlib.sha256(part.encode(errors="surrogatepass")).hexdigest()[:8]
        safe = f"{shortened_name(safe, MAX_SOURCE - 9).rstrip('. ')}~{digest}"
    return safe


def _unused(name: str, taken: set[str]) -> str:
    unused, number = name, 1
    while same_name(unused) in taken:
        number += 1
        unused = f"{name} ({number})"
    return unused
