"""Which pictures a training step sees, and how many of them at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .rng import rng

PIXELS_AT_ONCE = 1 << 21  # pixels of a batch's pictures that a network sees together


class Sampler:
    """Which of `count` pictures each step sees: every epoch is a fresh permutation.

    The permutation of an epoch depends on (seed, epoch) alone.
    """

    def __init__(self, count: int, batch: int, seed: int) -> None:
        self._count, self._batch, self._seed = count, batch, seed
        self._epochs: dict[int, Tensor] = {}

    def indices(self, step: int) -> Tensor:
        """(batch,) int64, of step number `step` (from 0)."""
        start = step * self._batch
        first, last = start // self._count, (start + self._batch - 1) // self._count
        self._epochs = {e: self._epoch(e) for e in range(first, last + 1)}
        order = torch.cat(list(self._epochs.values()))
        return order[start - first * self._count :][: self._batch]

    def _epoch(self, epoch: int) -> Tensor:
        known = self._epochs.get(epoch)
        if known is not None:
            return known
        return torch.randperm(self._count, generator=rng(self._seed, epoch))


def micro_batches(batch: int, size: int, group: int = 1) -> list[slice]:
    """Returns the slices of a batch of pictures of `size` px that go through one after another.

    They bound the memory of a step: each has at most PIXELS_AT_ONCE pixels, or one group, and is a
    multiple of `group`; gradients are summed over them. Usual sizes have a single slice. The slices
    depend on these numbers alone: free memory must not decide the bits.
    """
    most = max(group, PIXELS_AT_ONCE // size**2 // group * group)
    count = math.ceil(batch / most)
    each = math.ceil(batch / count / group) * group
    return [slice(start, min(start + each, batch)) for start in range(0, batch, each)]
