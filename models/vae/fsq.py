"""Finite scalar quantisation: each number of a latent is rounded to one of a few levels.

Mentzer et al. 2023, "Finite scalar quantization: VQ-VAE made simple". There is no codebook that
could collapse, and no extra loss. Groups of numbers form codes: with levels (8, 5, 5, 5), four
numbers form one of 1,000 codes.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

LEVELS = (8, 5, 5, 5)  # section 4.1 of the paper: about 2^10 codes
MARGIN = 1e-3  # relative excess of the range, so that values can reach the outermost levels


def quantise(z: Tensor, levels: tuple[int, ...]) -> Tensor:
    """Squash z (N, C, h, w) and round it to levels in -1..1.

    Gradients pass through the rounding unchanged. `levels` is repeated over the channels, so C must
    be a multiple of its length. Each must be 3 or more: with 2, the gradient at 0 would vanish.
    """
    count = _per_channel(z, levels)
    half = (count - 1) * (1 + MARGIN) / 2
    offset = (count % 2 == 0) / 2
    bounded = (z + (offset / half).atanh()).tanh() * half - offset
    rounded = bounded + (bounded.round() - bounded).detach()
    quantised: Tensor = rounded / (count // 2)
    return quantised


def nearest(values: Tensor, levels: tuple[int, ...]) -> Tensor:
    """Round values (N, C, h, w) to the nearest levels, like those of `quantise`."""
    count = _per_channel(values, levels)
    rounded: Tensor = _level_numbers(values, count) / (count // 2)
    return rounded


def codes(values: Tensor, levels: tuple[int, ...]) -> Tensor:
    """Returns the codes, int64 (N, C / len(levels), h, w), of quantised values (N, C, h, w)."""
    count = _per_channel(values, levels)
    digits = (_level_numbers(values, count) + count // 2).long()
    places = [math.prod(levels[:i]) for i in range(len(levels))]
    grouped = digits.unflatten(1, (-1, len(levels)))
    numbers: Tensor = (grouped * torch.tensor(places, device=values.device).view(-1, 1, 1)).sum(2)
    return numbers


def _level_numbers(values: Tensor, count: Tensor) -> Tensor:
    """Returns the numbers of the nearest levels, whole numbers around 0."""
    scaled = (values * (count // 2)).round()
    return scaled.maximum(-(count // 2)).minimum((count - 1) // 2)


def _per_channel(values: Tensor, levels: tuple[int, ...]) -> Tensor:
    """Returns the number of levels of each channel, (C, 1, 1)."""
    return _counts(levels, values.shape[1], values.dtype, values.device)


@cache  # to create it each time would make the CPU wait for a GPU
@torch.inference_mode(False)  # ComfyUI runs nodes in inference mode; training can't use its tensors
def _counts(
    levels: tuple[int, ...], channels: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    count = torch.tensor(levels, dtype=dtype, device=device)
    return count.repeat(channels // len(levels)).view(-1, 1, 1)
