"""Batches of pictures that need not fit into memory.

A node that takes its pictures one by one, or only passes some on, annotates the input `Pictures`
where others write `Image`: the same socket, but a stored batch is handed over unread, and is read
part by part. These functions take tensors as well, so that the node stays an ordinary function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from torch import Tensor

# Of float32 pictures. Fixed: what is computed together depends on sizes, never on the machine.
PART_BYTES = 1 << 24

Read = Callable[[Sequence[int]], "Tensor"]


class PictureBatch:
    """Pictures, float32 (N, H, W, 3) in 0..1, that are read when they are wanted.

    `len`, `shape` and iterating are as a tensor's; an index gives one picture (H, W, 3), a slice
    a batch again. `size` is (H, W, 3); `read` gives the rows that it is given as a tensor.
    """

    def __init__(self, size: Sequence[int], rows: Sequence[int], read: Read) -> None:
        self.shape = (len(rows), *size)
        self._rows, self._read = rows, read

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self.take(range(len(self))[index])
        return self._read([self._rows[index]])[0]

    def __iter__(self) -> Iterator[Tensor]:
        for part in self.split(part_length(self.shape)):
            yield from part

    def take(self, rows: Sequence[int]) -> PictureBatch:
        """Some of the pictures."""
        return PictureBatch(self.shape[1:], [self._rows[row] for row in rows], self._read)

    def split(self, count: int) -> Iterator[Tensor]:
        """All pictures in order, `count` at a time."""
        for start in range(0, len(self), count):
            yield self._read(self._rows[start : start + count])

    def clone(self) -> PictureBatch:
        """Itself, as nobody can change it."""
        return self


def _as_tensor(batch: PictureBatch) -> Tensor:
    """What a node may return in its place."""
    return cast("Tensor", batch)


def part_length(*shapes: Sequence[int]) -> int:
    """How many pictures to take at a time, where they are of these shapes (N, H, W, 3)."""
    return int(max(1, PART_BYTES // max(height * width * 12 for _, height, width, *_ in shapes)))


def parts(image: Any) -> Iterator[Tensor]:
    """The pictures of a tensor or a batch, some at a time."""
    return iter(image.split(part_length(image.shape)))


def by_part(function: Callable[[Tensor], Tensor], image: Any, height: int, width: int) -> Tensor:
    """`function` of the pictures, which gives each by itself at another size.

    What is too large for one part is computed when the result is read, part by part.
    """
    import torch

    count = part_length(image.shape, (1, height, width))
    if not isinstance(image, PictureBatch):
        return function(image)
    if len(image) <= count:
        return torch.cat([function(part) for part in image.split(count)])

    def read(rows: Sequence[int]) -> Tensor:
        return torch.cat([function(part) for part in image.take(rows).split(count)])

    return _as_tensor(PictureBatch((height, width, 3), range(len(image)), read))


def each_part(function: Callable[[Tensor], Tensor], image: Any) -> Tensor:
    """`function` of the pictures, some at a time; what it gives of all fits into memory."""
    import torch

    return torch.cat([function(part) for part in parts(image)])


def joined(batches: Sequence[Any]) -> Tensor:
    """Batches of one size, one after the other."""
    import torch

    if not any(isinstance(batch, PictureBatch) for batch in batches):
        return torch.cat(list(batches))
    where = [(batch, row) for batch in batches for row in range(len(batch))]

    def read(rows: Sequence[int]) -> Tensor:
        return torch.stack([where[row][0][where[row][1]] for row in rows])

    return _as_tensor(PictureBatch(batches[0].shape[1:], range(len(where)), read))


def taken(levels: Tensor, rows: Sequence[int]) -> Tensor:
    """Some of the pictures of a data set, uint8 (N, H, W, 3), as an image."""
    import torch

    def read(rows: Sequence[int]) -> Tensor:
        return levels[torch.tensor(rows)].float().div_(255)

    batch = PictureBatch(levels.shape[1:], rows, read)
    return read(rows) if len(rows) <= part_length(batch.shape) else _as_tensor(batch)


def levels_of(image: Any) -> Tensor:
    """A tensor or a batch as 8 bits a colour: uint8 (N, H, W, 3)."""
    import torch

    levels = torch.empty(tuple(image.shape), dtype=torch.uint8)
    start = 0
    for part in parts(image):
        levels[start : start + len(part)] = in_levels(part)
        start += len(part)
    return levels


def in_levels(pictures: Tensor) -> Tensor:
    """Float in 0..1 as the nearest of 256 levels, uint8 on the CPU."""
    import torch

    with torch.inference_mode():
        return pictures.cpu().clamp(0, 1).mul_(255).add_(0.5).to(torch.uint8)
