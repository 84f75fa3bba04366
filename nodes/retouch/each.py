"""How the nodes of this folder go through batches: one picture at a time, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...contract.context import Context
from ...contract.errors import NodeError
from ...contract.values.pictures import by_rows

if TYPE_CHECKING:
    from torch import Tensor

MAX_PIXELS = 100_000_000  # limit for the pixels of one picture


def each_picture(
    function: Callable[..., Any],
    *batches: Any,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    ctx: Context | None = None,
) -> Tensor:
    """Returns `function(row, picture, ...)` for each row of one or more batches.

    function: accepts and returns NumPy arrays, float32 (H, W, C) in 0..1 or masks (H, W). It gets
              None for a batch that is None. Values beyond 0..1 are clipped.
    size:     (H, W) of the results; None: that of the first batch.
    channels: of the results; None: those of the first batch.
    ctx:      gets the progress, if each picture may take long.

    A batch of one picture is used for all rows. Large batches are computed in parts.

    Raises: NodeError if a batch is empty, if the batches differ in length, or if a result would
    have more than 100 million pixels.
    """
    import numpy as np
    import torch

    count = common_length(*batches)
    shape = tuple(batches[0].shape[1:])
    height, width = size or shape[:2]
    if height * width > MAX_PIXELS:
        raise NodeError(
            f"a picture of {width} x {height} pixels has more than 100 million", "make it smaller"
        )
    rest = (channels or shape[2],) if len(shape) == 3 else ()

    def read(rows: Sequence[int]) -> Tensor:
        found = torch.empty((len(rows), height, width, *rest))
        for place, row in enumerate(rows):
            values = function(row, *(_row(batch, row) for batch in batches))
            clipped = np.clip(values, 0, 1).astype(np.float32, copy=False)
            found[place] = torch.from_numpy(np.ascontiguousarray(clipped))
            if ctx is not None:
                ctx.progress(row + 1, count)
        return found

    return by_rows(read, batches, count, (height, width, *rest))


def common_length(*batches: Any) -> int:
    """Returns the length of batches, of which single ones are used for all of the others.

    Raises: NodeError if a batch is empty, or if the batches differ in length.
    """
    lengths = [len(batch) for batch in batches if batch is not None]
    if 0 in lengths:
        raise NodeError("a batch has no pictures", "wire at least one picture")
    if len({*lengths} - {1}) > 1:
        listed = " and ".join(map(str, lengths))
        raise NodeError(
            f"batches of {listed} can't be used together",
            "wire batches of the same length, or single pictures",
        )
    return max(lengths)


def arrays(image: Any) -> Iterator[Any]:
    """Yields the pictures of a batch as NumPy arrays, one at a time."""
    common_length(image)
    for row in range(len(image)):
        yield image[row].numpy()


def _row(batch: Any, row: int) -> Any:
    return None if batch is None else batch[row if len(batch) > 1 else 0].numpy()
