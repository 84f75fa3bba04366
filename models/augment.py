"""Light augmentation for small sets: nothing that would change what a picture is."""

from __future__ import annotations

import torch
from torch import Tensor


def moved_pictures(images: Tensor, chosen: Tensor, random: torch.Generator) -> Tensor:
    """The chosen uint8 images (B, S, S, 3), each mirrored by chance and shifted by up to S / 16.

    What a shift uncovers is filled by reflection. The images may lie on a device, the choice
    and the generator are the processor's.
    """
    size, count = images.shape[1], len(chosen)
    reach = max(1, size // 16)
    shifts = torch.randint(-reach, reach + 1, (2, count, 1), generator=random)
    mirrored = torch.rand(count, 1, generator=random) < 0.5
    rows, columns = torch.arange(size) + shifts
    columns = torch.where(mirrored, size - 1 - columns, columns)
    rows, columns = ((size - 1) - ((size - 1) - at.abs()).abs() for at in (rows, columns))
    places = chosen[:, None, None], rows[:, :, None], columns[:, None, :]
    return images[tuple(place.to(images.device, non_blocking=True) for place in places)]


def recoloured(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Pictures (B, 3, S, S) in -1..1 with a little other contrast, brightness and tint."""
    count = len(pictures)
    contrast = 0.85 + 0.3 * torch.rand(count, 1, 1, 1, generator=random)
    brightness = 0.2 * torch.rand(count, 1, 1, 1, generator=random) - 0.1
    tint = 0.1 * torch.rand(count, 3, 1, 1, generator=random) - 0.05
    gain, lift = (v.to(pictures.device, non_blocking=True) for v in (contrast, brightness + tint))
    return pictures.mul_(gain).add_(lift).clamp_(-1, 1)
