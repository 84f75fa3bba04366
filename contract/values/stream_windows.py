"""Windows of pictures that threads read from shards."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

from ..errors import InputError
from .stream_problems import Problems

if TYPE_CHECKING:
    from torch import Tensor

    from ...pictures.sources.shard_reader import Pixels, ShardReader

_MOST_TRIED = 100  # pictures of a class that are tried instead of one that can't be read
_AT_ONCE = 64  # pictures that one thread reads


class Window:
    """Pictures that are in memory or being read.

    rows:    their numbers, in ascending order.
    pixels:  the pictures.
    starts:  the first place that each of the `futures` reads.
    """

    def __init__(
        self, rows: Tensor, pixels: Tensor, starts: list[int], futures: list[Future[None]]
    ) -> None:
        import torch

        self.rows, self.pixels = rows, pixels
        self._starts, self._futures = torch.tensor(starts, dtype=torch.int64), futures

    def copy(self, wanted: Tensor, into: Tensor, missing: Tensor) -> Tensor:
        """Copy those wanted pictures that are missing. Returns a mask of what was copied."""
        import torch

        if not len(self.rows):
            return torch.zeros_like(missing)
        places = torch.searchsorted(self.rows, wanted).clamp(max=len(self.rows) - 1)
        here = missing & (self.rows[places] == wanted)
        numbers = torch.searchsorted(self._starts, places[here], right=True) - 1
        for number in numbers.unique().tolist():
            self._futures[number].result()
        into[here] = self.pixels[places[here]]
        return here

    def cancel(self) -> None:
        """Do not read what is not read yet."""
        for future in self._futures:
            future.cancel()


class Read:
    """Reads pictures into a tensor, as a thread does.

    labels: the numbers of the pictures' classes. Another picture of the same class replaces one
            that can't be read.
    """

    def __init__(self, reader: ShardReader, labels: Tensor, problems: Problems) -> None:
        self._reader, self._labels, self._problems = reader, labels.numpy(), problems

    def __call__(self, rows: list[int], pixels: Tensor) -> None:
        """Read pictures. Raises: InputError if a shard has changed or can't be read."""
        import torch

        from ...pictures.packed import SourceError
        from ...pictures.reading import UnreadableError

        places = {row: place for place, row in enumerate(rows)}
        try:
            for row, picture in self._reader.read(rows, self._problems.add_note):
                if isinstance(picture, UnreadableError):
                    picture = self._instead(row, str(picture))
                pixels[places[row]] = torch.from_numpy(picture)
        except SourceError as error:
            raise InputError(error.what, error.advice) from error

    def _instead(self, row: int, reason: str) -> Pixels:
        """Returns the next picture of the same class that can be read."""
        import numpy as np

        from ...pictures.reading import UnreadableError

        self._problems.add_bad(row, reason)
        same = np.flatnonzero(self._labels == self._labels[row])
        first = int(np.searchsorted(same, row))
        for other in np.roll(same, -first)[1 : _MOST_TRIED + 1].tolist():
            _, picture = next(self._reader.read([other], lambda row, text: None))
            if not isinstance(picture, UnreadableError):
                return picture
        raise InputError(
            f"neither {self._reader.name(row)!r} nor others of its class can be read ({reason})",
            "replace the damaged pictures, or leave their class out",
        )


def parts_of(rows: Tensor, chunks: Tensor) -> list[tuple[int, int]]:
    """Returns which rows are read together: those of one chunk, but not too many."""
    import torch

    numbers = torch.searchsorted(chunks, rows, right=True)
    _, counts = torch.unique_consecutive(numbers, return_counts=True)
    parts, start = [], 0
    for count in counts.tolist():
        parts += [
            (at, min(at + _AT_ONCE, start + count)) for at in range(start, start + count, _AT_ONCE)
        ]
        start += count
    return parts
