"""Going through many pictures in parts that fit into memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from .numerics import is_out_of_memory


def in_parts(function: Callable[..., Tensor], *tensors: Tensor, batch: int) -> Tensor:
    """`function` of the tensors, `batch` rows at a time, its results joined.

    Where memory runs out, it goes on with half as many rows, and a warning says so. On some
    devices the last bits of a row depend on how many are computed with it.
    """
    rows: list[Tensor] = []
    start = 0
    while start < len(tensors[0]):
        try:
            rows.append(function(*(tensor[start : start + batch] for tensor in tensors)))
            start += batch
            continue
        except (MemoryError, RuntimeError) as error:
            if batch == 1 or not is_out_of_memory(error):
                raise
        batch //= 2  # here, where the error no longer holds on to its tensors
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        warnings.warn(f"out of memory; going on with {batch} pictures at a time", stacklevel=2)
    return torch.cat(rows)
