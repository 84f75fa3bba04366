"""Augmentation for small sets of pictures, which should not change what a picture shows.

Colours are the exception. Half of the pictures get another palette: with few pictures per class,
the network would learn the palettes of the pictures instead of the classes. The other half keep
their palette, since the palette may be what defines a class.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..training.numerics import to_device

REPAINTED = 0.5  # share of the pictures that get another palette
MIXED = 0.5  # share of the batches whose pictures are mixed


def flipped_and_shifted(images: Tensor, chosen: Tensor, random: torch.Generator) -> Tensor:
    """Returns the chosen uint8 images (B, S, S, 3), mirrored at random and shifted by up to S / 16.

    What a shift uncovers is filled by reflection. `images` may be on any device, `chosen` and
    `random` must be on the CPU.
    """
    size, count = images.shape[1], len(chosen)
    reach = max(1, size // 16)
    shifts = torch.randint(-reach, reach + 1, (2, count, 1), generator=random)
    mirrored = torch.rand(count, 1, generator=random) < 0.5
    rows, columns = torch.arange(size) + shifts
    columns = torch.where(mirrored, size - 1 - columns, columns)
    rows, columns = ((size - 1) - ((size - 1) - at.abs()).abs() for at in (rows, columns))
    places = chosen[:, None, None], rows[:, :, None], columns[:, None, :]
    return images[tuple(to_device(place, images.device) for place in places)]


def recoloured(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Change contrast, brightness and, a little, the tint of pictures (B, 3, S, S) in -1..1."""
    count = len(pictures)
    contrast = torch.exp(torch.rand(count, 1, 1, 1, generator=random) - 0.5)
    brightness = 0.6 * torch.rand(count, 1, 1, 1, generator=random) - 0.3
    tint = 0.1 * torch.rand(count, 3, 1, 1, generator=random) - 0.05
    gain, lift = (to_device(v, pictures.device) for v in (contrast, brightness + tint))
    middle = pictures.mean((1, 2, 3), keepdim=True)
    return pictures.sub_(middle).mul_(gain).add_(lift + middle).clamp_(-1, 1)


def repainted(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Replace the palette of half of the pictures (B, 3, S, S) in -1..1.

    Their channels are permuted, and half of them also become negatives. Both preserve edges and
    contrast.
    """
    count = len(pictures)
    others = torch.rand(count, 3, generator=random).argsort(1)
    draw = torch.rand(count, 1, generator=random)
    channels = torch.where(draw < REPAINTED, others, torch.arange(3))
    sign = torch.where(draw < REPAINTED / 2, -1.0, 1.0)[..., None, None]
    device = pictures.device
    rows, channels, sign = (
        to_device(v, device) for v in (torch.arange(count)[:, None], channels, sign)
    )
    return pictures[rows, channels].mul_(sign).contiguous(memory_format=torch.channels_last)


def cutmix(pictures: Tensor, truth: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """In half of the batches, copy a rectangle into each picture from another one of the batch.

    truth: the share of each class in each picture (B, 3, S, S), as (B, C).

    Returns the pictures, and `truth` changed by the area of the rectangle.
    Paper: Yun et al. 2019, "CutMix", equation 2, with an area uniform in 0..1.
    """
    size = pictures.shape[-1]
    mixed, area, *centre = torch.rand(4, generator=random).tolist()
    others = to_device(torch.randperm(len(pictures), generator=random), pictures.device)
    if mixed >= MIXED:
        return pictures, truth
    reach = size * math.sqrt(area) / 2
    (top, bottom), (left, right) = (
        (max(0, round(at * size - reach)), min(size, round(at * size + reach))) for at in centre
    )
    changed = pictures.clone()
    changed[:, :, top:bottom, left:right] = pictures[others, :, top:bottom, left:right]
    return changed, truth.lerp(truth[others], (bottom - top) * (right - left) / size**2)
