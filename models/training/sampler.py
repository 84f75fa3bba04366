"""Which pictures a training step uses, and how many of them at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .rng import rng

PIXELS_AT_ONCE = 1 << 21  # largest number of pixels that a network processes at once


class Sampler:
    """Chooses the pictures of each step: every epoch is a new permutation of `count` pictures.

    The permutation of an epoch depends on (seed, epoch) alone.
    """

    def __init__(self, count: int, batch: int, seed: int) -> None:
        self._count, self._batch, self._seed = count, batch, seed
        self._epochs: dict[int, Tensor] = {}

    def indices(self, step: int) -> Tensor:
        """Returns the indices of the pictures of step number `step` (from 0), int64 (batch,)."""
        start = step * self._batch
        first, last = start // self._count, (start + self._batch - 1) // self._count
        self._epochs = {e: self._epoch(e) for e in range(first, last + 1)}
        order = torch.cat(list(self._epochs.values()))
        return order[start - first * self._count :][: self._batch]

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
