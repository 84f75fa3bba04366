"""Which pictures a training step uses, and how many of them at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .rng import rng

# How often pictures with 0 to 5 stars are drawn. Relative to 3 stars, these are the weights 0, 1/4,
# 1/2, 1, 3/2 and 2.
COPIES = (0, 1, 2, 4, 6, 8)
MOST_COPIES = max(COPIES)
_USUAL = 3  # stars that a picture counts as if it is not rated
PIXELS_AT_ONCE = 1 << 21  # largest number of pixels that a network processes at once


def weight_of(stars: int) -> float:
    """Returns how often a picture is drawn, relative to one that is not rated, by its stars."""
    return COPIES[stars if stars >= 0 else _USUAL] / COPIES[_USUAL]


def draws_by_stars(stars: Tensor) -> Tensor:
    """Returns the rows of pictures, int64, each as often as an epoch contains it.

    stars: int64 (N,), 0 to 5; less than 0 for a picture that is not rated.

    If all pictures have the same weight, each row occurs once, as for pictures without stars.
    """
    copies = torch.tensor(COPIES)[stars.where(stars >= 0, _USUAL)]
    copies //= max(1, math.gcd(*copies.unique().tolist()))
    return torch.arange(len(stars)).repeat_interleave(copies)


class Sampler:
    """Chooses the pictures of each step: every epoch is a new permutation of `rows`.

    rows: int64, the numbers of the pictures, each as often as an epoch contains it.

    The permutation of an epoch depends on (seed, epoch) and the number of rows alone.
    """

    def __init__(self, rows: Tensor, batch: int, seed: int) -> None:
        self._rows, self._count, self._batch, self._seed = rows, len(rows), batch, seed
        self._epochs: dict[int, Tensor] = {}

    def indices(self, step: int) -> Tensor:
        """Returns the rows of step number `step` (from 0), int64 (batch,)."""
        start = step * self._batch
        first, last = start // self._count, (start + self._batch - 1) // self._count
        self._epochs = {e: self._epoch(e) for e in range(first, last + 1)}
        order = torch.cat(list(self._epochs.values()))
        return self._rows[order[start - first * self._count :][: self._batch]]

    def _epoch(self, epoch: int) -> Tensor:
        if epoch in self._epochs:
            return self._epochs[epoch]
        return torch.randperm(self._count, generator=rng(self._seed, epoch))


def micro_batches(batch: int, pixels: int, group: int = 1) -> list[slice]:
    """Returns slices that divide a batch of pictures; each slice is processed on its own.

    pixels: number of pixels of a picture.

    This bounds the memory of a step; gradients are summed over the slices. Each slice consists of
    whole groups of `group` pictures, and has at most PIXELS_AT_ONCE pixels or a single group.
    Batches of usual sizes need one slice. The slices depend on the arguments alone, not on free
    memory, so that every machine computes the same bits.
    """
    most = max(group, PIXELS_AT_ONCE // pixels // group * group)
    count = math.ceil(batch / most)
    each = math.ceil(batch / count / group) * group
    return [slice(start, min(start + each, batch)) for start in range(0, batch, each)]
