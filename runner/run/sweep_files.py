"""The files of a sweep: its tables, its sheets of pictures, and the folders of its combinations.

While the sweep runs, the tables and sheets so far are in `previews/`, and are written again and
again. A page of a sheet is only drawn again if something on it has changed.
"""

from __future__ import annotations

import io
import itertools
import json
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from ...contract.values.files import Files, file_stem
from ...pictures.suffixes import is_displayable
from ..store.temporary import write_whole
from .axes import Space
from .earlier import MARK, OWN, hash_bytes
from .events import SweepFinished
from .publish import Publisher
from .sweep import Combination

if TYPE_CHECKING:
    from ...pictures.xy_sheet import Place

_NUMBERS = f"{OWN}combinations"  # the file that says which folder belongs to which combination
_PREVIEWS = "previews"
_SECONDS = 2.0  # shortest time between two writings of what is there so far
_LINES = 3  # most lines of values below a picture
_SHARE = 20  # how many times longer than a writing takes the sweep then goes on


class SweepFiles:
    """Writes the tables and sheets of a sweep into the folder that contains its combinations.

    As a context, it locks the folder. If this contains a sweep with other values, the combinations
    that both have keep their folders, and the rest is moved aside.
    """

    def __init__(self, combinations: Sequence[Combination], space: Space, folder: Path) -> None:
        self._combinations, self._space, self._folder = combinations, space, folder
        self._publisher = Publisher(folder, "", space.about)
        self._sheets: dict[str, _Sheet] = {}
        self._next = 0.0  # the earliest time of the next writing
        self._moved: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._publisher.begin(self._choose_folders)
        shutil.rmtree(self._folder / _PREVIEWS, ignore_errors=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._publisher.close()

    def update(self) -> None:
        """Write what is there so far into `previews/`, unless that was done a moment ago."""
        start = time.monotonic()
        if start >= self._next:
            self.write_previews()
            end = time.monotonic()
            cost = end - start if self._next else 0.0  # the first one also imports
            self._next = end + max(_SECONDS, _SHARE * cost)

    def write_previews(self) -> list[str]:
        """Write what is there so far into `previews/`. Returns the paths."""
        files = [self._folder / _PREVIEWS / MARK]
        self._publisher.write(files[0], b"")
        for name, data in self._tables(has_seconds=True).items():
            files.append(self._folder / _PREVIEWS / name)
            self._publisher.write(files[-1], data)
        for sheet in self._differing():
            files += sheet.write(self._combinations)
        return list(map(str, files[1:]))

    def finish(self, is_interrupted: bool) -> SweepFinished:
        """Write the tables and sheets for the last time. Returns the last event."""
        counts = Counter(combination.status for combination in self._combinations)
        files = self.write_previews() if is_interrupted else self._write()
        status: Literal["done", "failed"] = "failed" if counts["failed"] else "done"
        return SweepFinished(
            status="interrupted" if is_interrupted else status,
            files=files,
            total=len(self._combinations),
            done=counts["done"],
            reused=sum(combination.is_reused for combination in self._combinations),
            failed=counts["failed"],
            moved=self._moved,
        )

    def _write(self) -> list[str]:
        written: list[str] = []
        lasting = self._tables(has_seconds=False)
        for name, data in self._tables(has_seconds=True).items():
            written += self._publish(name, lasting[name], data)
        for sheet in self._differing():
            for path in sheet.write(self._combinations):
                data = path.read_bytes()
                written += self._publish(path.name, data, data)
        self._moved = self._publisher.finish({**self._space.about, "nodes": {}}, True)
        shutil.rmtree(self._folder / _PREVIEWS, ignore_errors=True)
        return written

    def _choose_folders(self) -> set[str]:
        """Choose the folder of each combination: that of an earlier sweep, or a free number.

        Returns the names of the folders that were there.
        """
        path = self._folder / _NUMBERS
        try:
            known = dict(json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            known = {}
        names = {_identity(combination): "" for combination in self._combinations}
        kept = {i: known[i] for i in names if str(known.get(i)).isdecimal()}
        taken = set(map(int, kept.values()))
        width, number = len(str(len(names))), 0
        for identity in names:
            if identity in kept:
                names[identity] = kept[identity]
                continue
            number += 1
            while number in taken:
                number += 1
            names[identity] = f"{number:0{width}}"
        for combination, name in zip(self._combinations, names.values(), strict=True):
            combination.folder = self._folder / name
        self._publisher.write(path, json.dumps(names, indent=0).encode())
        return set(kept.values())

    def _publish(self, name: str, content: bytes, data: bytes) -> list[str]:
        return self._publisher.publish(name, hash_bytes(content), lambda: Files({name: data}))

    def _tables(self, has_seconds: bool) -> dict[str, bytes]:
        from ...pictures.encoding import encode_table

        columns = _table(self._combinations)
        if not has_seconds:
            del columns["seconds"]
        return {f"table.{kind}": encode_table(columns, kind) for kind in ("csv", "json")}

    def _differing(self) -> list[_Sheet]:
        """Returns the sheet of each node whose pictures differ."""
        ended = [c for c in self._combinations if c.status in ("done", "failed")]
        for node in dict.fromkeys(node for c in ended for node in c.files):
            digests = {c.digests.get(node) for c in ended}
            shown = any(node in c.files and is_displayable(c.files[node]) for c in ended)
            if shown and len(digests) > 1 and node not in self._sheets:
                folder = self._folder / _PREVIEWS
                self._sheets[node] = _Sheet(node, self._space, self._combinations, folder)
        return list(self._sheets.values())


class _Sheet:
    """The sheet of one node's pictures, in pages.

    folder: the folder of the pages.
    """

    def __init__(
        self, node: str, space: Space, combinations: Sequence[Combination], folder: Path
    ) -> None:
        self._node, self._folder = node, folder
        self._sizes: dict[Path, tuple[int, int] | None] = {}
        self._drawn: dict[Path, Any] = {}  # what each page shows
        first, *rest = space.varied
        self._titles: tuple[str, ...] = (first.title, ", ".join(axis.title for axis in rest))
        self._across: tuple[str, ...] = ()
        self._down: tuple[str, ...] = ()
        if space.sample is not None:
            self._titles = ("folder", *self._titles)
        else:
            down = itertools.product(*(axis.labels for axis in rest))
            self._across, self._down = tuple(first.labels), tuple(map(", ".join, down))
        self._labels = tuple(_label(c, space) for c in combinations)

    def write(self, combinations: Sequence[Combination]) -> list[Path]:
        """Write the pages on which something has changed. Returns the paths of all pages."""
        from ...pictures.xy_sheet import Layout

        places = [self._place(combination) for combination in combinations]
        sizes = frozenset(filter(None, (self._size(p.path) for p in places if p.path)))
        layout = Layout(self._across, self._down, self._labels, self._titles, sizes)
        paths = {self._path(page, layout.pages): page for page in range(layout.pages)}
        for path in self._drawn.keys() - paths.keys():  # the number of pages has changed
            del self._drawn[path]
            path.unlink(missing_ok=True)
        for path, page in paths.items():
            first = page * layout.per_page
            shown = layout, places[first : first + layout.per_page]
            if self._drawn.get(path) != shown and (any(p.note or p.path for p in shown[1])):
                buffer = io.BytesIO()
                layout.draw(page, places).save(buffer, "PNG")
                write_whole(path, buffer.getvalue())
                self._drawn[path] = shown
        return [path for path in paths if path in self._drawn]

    def _path(self, page: int, pages: int) -> Path:
        number = f".{page + 1:0{len(str(pages))}}" if pages > 1 else ""
        return self._folder / f"{file_stem(self._node)}{number}.png"

    def _place(self, combination: Combination) -> Place:
        from ...pictures.xy_sheet import Place

        path = combination.files.get(self._node)
        if path is not None and is_displayable(path):
            return Place(path)
        if combination.status in ("failed", "interrupted"):
            return Place(None, combination.status, combination.status == "failed")
        return Place(None, "no picture" if combination.status == "done" else "")

    def _size(self, path: Path) -> tuple[int, int] | None:
        from ...pictures.xy_sheet import size_of

        if path not in self._sizes:
            self._sizes[path] = size_of(path)
        return self._sizes[path]


def _label(combination: Combination, space: Space) -> tuple[str, ...]:
    """Returns the lines below a picture: a value each; for a sample first the folder's name."""
    lines = [", ".join(combination.settings[t] for t in axis.targets) for axis in space.varied]
    lines[_LINES - 1 :] = [", ".join(lines[_LINES - 1 :])] if len(lines) >= _LINES else []
    return tuple([combination.folder.name] * (space.sample is not None) + lines)


def _identity(combination: Combination) -> str:
    """Returns what identifies a combination in other sweeps of the same graph."""
    return json.dumps(combination.settings, sort_keys=True)


def _table(combinations: Sequence[Combination]) -> dict[str, list[Any]]:
    """Returns the columns of the table.

    They are the settings, status, error and seconds, the numbers that vary, the folder, and the
    first file of each node that saves.
    """
    columns: dict[str, list[Any]] = {
        target: [c.settings[target] for c in combinations] for target in combinations[0].settings
    }
    columns["status"] = [c.status for c in combinations]
    columns["error"] = [c.error for c in combinations]
    columns["seconds"] = [round(c.seconds, 3) for c in combinations]
    for name in dict.fromkeys(name for c in combinations for name in c.numbers):
        values = [c.numbers.get(name) for c in combinations]
        if any(value != values[0] for value in values):
            columns[name] = values
    columns["folder"] = [str(c.folder) for c in combinations]
    for node in dict.fromkeys(node for c in combinations for node in c.files):
        columns[f"{node}.file"] = [str(c.files.get(node, "")) for c in combinations]
    return columns
