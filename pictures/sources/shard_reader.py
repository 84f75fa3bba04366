"""Reading pictures of a dataset in shards, from their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..fitting import Fit, read_fitted
from ..packed import Packed, SourceError
from ..reading import UnreadableError
from .names import format_of
from .parquet import read_group
from .shard_files import Shard, ShardFiles
from .shard_index import name_of

_SPAN = 1 << 22  # bytes of a tar file that are read at once, unless one picture has more
_GAP = 1 << 16  # bytes between two pictures that are read, too, rather than in two steps

Pixels = NDArray[np.uint8]


class ShardReader:
    """Reads pictures in one shape. It may be used by several threads.

    starts, places: as in `ShardIndex`, perhaps mapped from a file.
    shard_names, shard_ends: its names and their ends.
    height, width, fit, background: as in `read_fitted`.
    """

    def __init__(
        self,
        files: ShardFiles,
        shards: Sequence[Shard],
        starts: Any,
        places: Any,
        shard_names: Any,
        shard_ends: Any,
        shape: tuple[int, int],
        fit: Fit,
        background: str | None,
    ) -> None:
        self._files, self._shards = files, shards
        self._starts, self._places = starts, places
        self._names, self._ends = shard_names, shard_ends
        self._shape, self._fit, self._background = shape, fit, background

    def name(self, row: int) -> str:
        """Returns the name of a picture in its shard."""
        return name_of(self._names, self._ends, row)

    def read(
        self, rows: Sequence[int], note: Callable[[int, str], None]
    ) -> Iterator[tuple[int, Pixels | UnreadableError]]:
        """Yields pictures with their numbers, in the order of the shards.

        note: is called with what could not be used of a picture.

        Raises: SourceError if a shard has changed or can't be read.
        """
        for row, file in self._files_of(sorted(set(rows))):
            if isinstance(file, UnreadableError):
                yield row, file
                continue
            try:
                fitted = read_fitted(
                    file,
                    *self._shape,
                    self._fit,
                    lambda text, row=row: note(row, text),  # type: ignore[misc]
                    self._background,
                )
                yield row, fitted.pixels
            except UnreadableError as error:
                yield row, error

    def _files_of(self, rows: list[int]) -> Iterator[tuple[int, Packed | UnreadableError]]:
        numbers = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(numbers).tolist():
            shard = self._shards[number]
            own = [row for row, at in zip(rows, numbers.tolist(), strict=True) if at == number]
            read = self._in_tar if format_of(shard.name) == "tar" else self._in_parquet
            yield from read(shard, own)

    def _in_tar(self, shard: Shard, rows: list[int]) -> Iterator[tuple[int, Packed]]:
        places = [(row, *map(int, self._places[row])) for row in rows]
        while places:
            start = end = places[0][1]
            count = 0
            for _, offset, size in places:
                if count and (offset + size - start > _SPAN or offset > end + _GAP):
                    break
                count, end = count + 1, max(end, offset + size)
            data = memoryview(self._files.part(shard, start, end))
            for row, offset, size in places[:count]:
                yield row, Packed(self.name(row), bytes(data[offset - start :][:size]))
            places = places[count:]

    def _in_parquet(
        self, shard: Shard, rows: list[int]
    ) -> Iterator[tuple[int, Packed | UnreadableError]]:
        file = cast("Any", self._files.file(shard))
        groups: dict[int, dict[int, int]] = {}
        for row in rows:
            at, group = map(int, self._places[row])
            groups.setdefault(group, {})[at] = row
        for group, places in groups.items():
            names = {at: self.name(row) for at, row in places.items()}

            def read(group: int = group, names: dict[int, str] = names) -> list[Any]:
                return list(read_group(file, group, names))

            found = self._files.tried(read, shard.name)
            if len(found) < len(places):
                raise SourceError(f"{shard.name} has lost rows", "copy the shards again")
            for at, picture in found:
                yield places[at], picture
