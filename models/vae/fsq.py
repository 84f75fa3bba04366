"""Finite scalar quantisation: each number of a latent is rounded to one of a few levels.

Mentzer et al. 2023, "Finite scalar quantization: VQ-VAE made simple": no codebook, hence none
that collapses, and no loss of its own. Groups of numbers are codes: with levels (8, 5, 5, 5),
four numbers are one of 1,000 codes.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

LEVELS = (8, 5, 5, 5)  # section 4.1 of the paper: about 2^10 codes
MARGIN = 1e-3  # by which the outermost levels can be reached


def quantise(z: Tensor, levels: tuple[int, ...]) -> Tensor:
    """Squash z (N, C, h, w) and round it to its levels, in -1..1; gradients pass the rounding.

    C is a multiple of the number of levels, which repeat; each is 3 or more, for with 2 the
    gradient at 0 would vanish.
    """
    count = _per_channel(z, levels)
    half = (count - 1) * (1 + MARGIN) / 2
    offset = (count % 2 == 0) / 2
    bounded = (z + (offset / half).atanh()).tanh() * half - offset
    rounded = bounded + (bounded.round() - bounded).detach()
    found: Tensor = rounded / (count // 2)
    return found


def nearest(values: Tensor, levels: tuple[int, ...]) -> Tensor:
    """The levels, as `quantise` gives them, that are nearest to values (N, C, h, w)."""
    count = _per_channel(values, levels)
    found: Tensor = _numbers(values, count) / (count // 2)
    return found


def codes(values: Tensor, levels: tuple[int, ...]) -> Tensor:
    """Which code each group of quantised values (N, C, h, w) is: int64 (N, C / groups, h, w)."""
    count = _per_channel(values, levels)
    digits = (_numbers(values, count) + count // 2).long()
    places = [math.prod(levels[:i]) for i in range(len(levels))]
    grouped = digits.unflatten(1, (-1, len(levels)))
    found: Tensor = (grouped * torch.tensor(places, device=values.device).view(-1, 1, 1)).sum(2)
    return found


def _numbers(values: Tensor, count: Tensor) -> Tensor:
    """Whole numbers about 0 that stand for the levels."""
    scaled = (values * (count // 2)).round()
    return scaled.maximum(-(count // 2)).minimum((count - 1) // 2)


def _per_channel(values: Tensor, levels: tuple[int, ...]) -> Tensor:
    """The number of levels of each channel, (C, 1, 1)."""
    return _counts(levels, values.shape[1], values.dtype, values.device)


@cache  # made anew, the processor would wait for a GPU each time
@torch.inference_mode(False)  # lest training meets one that was made in a ComfyUI's mode
def _counts(
    levels: tuple[int, ...], channels: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    count = torch.tensor(levels, dtype=dtype, device=device)
    return count.repeat(channels // len(levels)).view(-1, 1, 1)
