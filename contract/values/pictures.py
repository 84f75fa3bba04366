"""Batches of pictures that need not fit into memory.

If a node reads its pictures one by one, or only passes some on, it annotates the input `Pictures`
instead of `Image`. The socket is the same, but the node receives a `PictureBatch`, which is read
from the store in parts. The functions here accept tensors too, so the node can be called with
either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, cast

if TYPE_CHECKING:
    from torch import Tensor

CHANNELS = (3, 4)  # red, green and blue; and alpha, which does not change the colours
# Size of a part as float32. It is fixed, so that the parts do not depend on the machine.
PART_BYTES = 1 << 24

Read = Callable[[Sequence[int]], "Tensor"]


class PictureBatch:
    """Pictures (N, H, W, C) that are read when they are used.

    They are float32 in 0..1, or uint8 if they are those of a dataset.

    `len`, `shape` and iteration work as with a tensor. An index returns one picture (H, W, C), a
    slice returns a batch, and a tensor of row numbers returns these pictures as a tensor.

    size:  (H, W, C).
    rows:  numbers of the pictures to read.
    read:  returns the pictures with these numbers as a tensor.
    """

    def __init__(self, size: Sequence[int], rows: Sequence[int], read: Read) -> None:
        self.shape = (len(rows), *size)
        self._rows, self._read = rows, read

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | slice | Tensor) -> Any:
        if isinstance(index, slice):
            return self.take(range(len(self))[index])
        if isinstance(index, int):
            return self._read([self._rows[index]])[0]
        return self._read([self._rows[row] for row in index.tolist()])

    def __iter__(self) -> Iterator[Tensor]:
        for part in self.split(pictures_per_part(self.shape)):
            yield from part

    def take(self, rows: Sequence[int]) -> PictureBatch:
        """Returns some of the pictures."""
        return PictureBatch(self.shape[1:], [self._rows[row] for row in rows], self._read)

    def split(self, count: int) -> Iterator[Tensor]:
        """Yields all pictures in order, `count` at a time."""
        for start in range(0, len(self), count):
            yield self._read(self._rows[start : start + count])

    def clone(self) -> PictureBatch:
        """Returns the batch itself, because it cannot be changed."""
        return self


def _as_tensor(batch: PictureBatch) -> Tensor:
    """Returns the batch with the type that a node returns, for mypy."""
    return cast("Tensor", batch)


def read_rows(file: BinaryIO, start: int, size: Sequence[int], rows: Sequence[int]) -> Tensor:
    """Returns some rows, each uint8 of this size, of a file in which they begin at `start`."""
    import torch

    pictures = torch.empty((len(rows), *size), dtype=torch.uint8)
    for number, row in enumerate(rows):
        picture = pictures[number].numpy().data.cast("B")
        file.seek(start + row * len(picture))
        file.readinto(picture)  # type: ignore[attr-defined]
    return pictures


def take(pictures: Any, rows: Tensor) -> Any:
    """Returns some of the pictures of a tensor or a batch, with these row numbers, int64 (M,)."""
    return pictures.take(rows.tolist()) if isinstance(pictures, PictureBatch) else pictures[rows]


def pictures_per_part(*shapes: Sequence[int]) -> int:
    """Returns how many pictures of the largest of these shapes (N, H, W, C) are in one part."""
    return int(max(1, PART_BYTES // max(math.prod(shape[1:]) * 4 for shape in shapes)))


def parts(image: Any) -> Iterator[Tensor]:
    """Yields the pictures of a tensor or a batch, some at a time."""
    return iter(image.split(pictures_per_part(image.shape)))


def by_part(
    function: Callable[[Tensor], Tensor],
    image: Any,
    height: int,
    width: int,
    channels: int | None = None,
) -> Tensor:
    """Returns `function` of the pictures, which must treat each picture separately.

    height, width, channels: of the pictures that `function` returns; None for as many channels.

    If the pictures do not fit into one part, they are computed in parts when the result is read.
    """
    import torch

    size = (height, width, channels or image.shape[3])
    count = pictures_per_part(image.shape, (1, *size))
    if not isinstance(image, PictureBatch):
        return function(image)
    if len(image) <= count:
        return torch.cat([function(part) for part in image.split(count)])

    def read(rows: Sequence[int]) -> Tensor:
        return torch.cat([function(part) for part in image.take(rows).split(count)])

    return _as_tensor(PictureBatch(size, range(len(image)), read))


def by_rows(
    read: Callable[[Sequence[int]], Tensor], batches: Sequence[Any], count: int, size: Sequence[int]
) -> Tensor:
    """Returns `count` pictures (H, W, C), of which `read` returns those with some row numbers.

    batches: what `read` uses.

    If one of these is read from the store and the result does not fit into one part, `read` is
    called with the numbers of a part when the result is read.
    """
    stored = any(isinstance(batch, PictureBatch) for batch in batches)
    rows = pictures_per_part((1, *size))
    if count <= rows or not stored:
        return read(range(count))
    return _as_tensor(PictureBatch(size, range(count), read))


def each_part(function: Callable[[Tensor], Tensor], image: Any) -> Tensor:
    """Returns `function` of the pictures, computed in parts; the result must fit into memory."""
    import torch

    return torch.cat([function(part) for part in parts(image)])


def concatenate(batches: Sequence[Any]) -> Tensor:
    """Returns batches of pictures of one size, and with as many channels, as one batch."""
    import torch

    if not any(isinstance(batch, PictureBatch) for batch in batches):
        return torch.cat(list(batches))
    sources = [(batch, row) for batch in batches for row in range(len(batch))]

    def read(rows: Sequence[int]) -> Tensor:
        return torch.stack([sources[row][0][sources[row][1]] for row in rows])

    return _as_tensor(PictureBatch(batches[0].shape[1:], range(len(sources)), read))


def select(pixels: Tensor, rows: Sequence[int]) -> Tensor:
    """Returns some of the pictures of a dataset, uint8 (N, H, W, C), as an image."""
    import torch

    def read(rows: Sequence[int]) -> Tensor:
        return pixels[torch.tensor(rows)].float().div_(255)

    batch = PictureBatch(pixels.shape[1:], rows, read)
    return read(rows) if len(rows) <= pictures_per_part(batch.shape) else _as_tensor(batch)


def to_uint8(image: Any) -> Tensor:
    """Returns a tensor or a batch of pictures as uint8 (N, H, W, C)."""
    import torch

    pixels = torch.empty(tuple(image.shape), dtype=torch.uint8)
    start = 0
    for part in parts(image):
        pixels[start : start + len(part)] = quantise(part)
        start += len(part)
    return pixels


def quantise(pictures: Tensor) -> Tensor:
    """Returns floats in 0..1 as the nearest of 256 levels, uint8 on the CPU."""
    import torch

    with torch.inference_mode():
        return pictures.cpu().clamp(0, 1).mul_(255).add_(0.5).to(torch.uint8)
