"""Processing many pictures in parts that fit into memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from .loop import Progress
from .numerics import empty_cuda_cache, is_out_of_memory


def in_parts(
    function: Callable[..., Tensor],
    *tensors: Tensor,
    batch: int,
    progress: Progress | None = None,
) -> Tensor:
    """Returns the joined results of `function`, called as by `each_part`.

    progress: called after each part with the number of rows that are done, so that it can stop.
    """
    results: list[Tensor] = []
    done = 0
    for result in each_part(function, *tensors, batch=batch):
        results.append(result)
        done += len(result)
        if progress is not None:
            progress(done, len(tensors[0]))
    return torch.cat(results)


def each_part(function: Callable[..., Tensor], *tensors: Tensor, batch: int) -> Iterator[Tensor]:
    """Yields the results of `function`, called with `batch` rows of each tensor at a time.

    If memory runs out, it warns and continues with half as many rows. On some devices the last bits
    of a row depend on how many rows are computed together.
    """
    start = 0
    while start < len(tensors[0]):
        try:
            result = function(*(tensor[start : start + batch] for tensor in tensors))
        except (MemoryError, RuntimeError) as error:
            if batch == 1 or not is_out_of_memory(error):
                raise
        else:
            start += batch
            yield result
            continue
        batch //= 2  # not in `except`: the error still references its tensors there
        if torch.cuda.is_available():
            empty_cuda_cache()
        warnings.warn(f"out of memory; continuing with {batch} pictures at a time", stacklevel=2)
