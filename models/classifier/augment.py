"""Augmentation for small sets of pictures, which should not change what a picture shows.

Colours are the exception. Half of the pictures get another palette: with few pictures per class,
the network would learn the palettes of the pictures instead of the classes. The other half keep
their palette, since the palette may be what defines a class.

The random numbers of a change are drawn first, on the CPU, as a tuple of its own. `apply` changes
pictures by them on any device, by the same operations for any numbers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

REPAINTED = 0.5  # share of the pictures that get another palette
MIXED = 0.5  # share of the batches whose pictures are mixed


def shifted_places(
    chosen: Tensor, height: int, width: int, random: torch.Generator
) -> tuple[Tensor, ...]:
    """Returns the places in images (N, H, W, 3) of the pixels of the chosen ones, moved at random.

    `images[places]` are the chosen images (B, H, W, 3), mirrored at random and shifted by up to a
    sixteenth of each side. What a shift uncovers is filled by reflection.
    """
    rows, columns = (_shifted(len(chosen), side, random) for side in (height, width))
    mirrored = torch.rand(len(chosen), 1, generator=random) < 0.5
    columns = torch.where(mirrored, width - 1 - columns, columns)
    rows, columns = (
        (side - 1) - ((side - 1) - at.abs()).abs()
        for side, at in ((height, rows), (width, columns))
    )
    return chosen[:, None, None], rows[:, :, None], columns[:, None, :]


def _shifted(count: int, side: int, random: torch.Generator) -> Tensor:
    """Returns the places (count, side) of a side of pixels, shifted at random."""
    reach = max(1, side // 16)
    return torch.arange(side) + torch.randint(-reach, reach + 1, (count, 1), generator=random)


class Recolouring(NamedTuple):
    """Changes of contrast, brightness and, a little, the tint of each picture."""

    gain: Tensor  # (B, 1, 1, 1)
    lift: Tensor  # (B, 3, 1, 1)

    @classmethod
    def draw(cls, count: int, random: torch.Generator) -> Recolouring:
        contrast = torch.exp(torch.rand(count, 1, 1, 1, generator=random) - 0.5)
        brightness = 0.6 * torch.rand(count, 1, 1, 1, generator=random) - 0.3
        tint = 0.1 * torch.rand(count, 3, 1, 1, generator=random) - 0.05
        return cls(contrast, brightness + tint)

    def apply(self, pictures: Tensor) -> Tensor:
        """Change pictures (B, 3, H, W) in -1..1 in place."""
        middle = pictures.mean((1, 2, 3), keepdim=True)
        return pictures.sub_(middle).mul_(self.gain).add_(self.lift + middle).clamp_(-1, 1)


class Repainting(NamedTuple):
    """Another palette for half of the pictures.

    Their channels are permuted, and half of them also become negatives. Both preserve edges and
    contrast.
    """

    rows: Tensor  # (B, 1)
    channels: Tensor  # (B, 3)
    sign: Tensor  # (B, 1, 1, 1)

    @classmethod
    def draw(cls, count: int, random: torch.Generator) -> Repainting:
        others = torch.rand(count, 3, generator=random).argsort(1)
        draw = torch.rand(count, 1, generator=random)
        channels = torch.where(draw < REPAINTED, others, torch.arange(3))
        sign = torch.where(draw < REPAINTED / 2, -1.0, 1.0)[..., None, None]
        return cls(torch.arange(count)[:, None], channels, sign)

    def apply(self, pictures: Tensor) -> Tensor:
        """Returns pictures (B, 3, H, W) in -1..1, changed."""
        repainted = pictures[self.rows, self.channels].mul_(self.sign)
        return repainted.contiguous(memory_format=torch.channels_last)


class CutMix(NamedTuple):
    """In half of the batches, each picture gets a rectangle of another picture of the batch.

    Paper: Yun et al. 2019, "CutMix", equation 2, with an area uniform in 0..1.
    """

    others: Tensor  # (B,): from which picture
    rows: Tensor  # (H, 1): which rows are in the rectangle; none if the batch is not mixed
    columns: Tensor  # (W,): which columns are
    area: Tensor  # (): the rectangle's share of the picture

    @classmethod
    def draw(cls, count: int, height: int, width: int, random: torch.Generator) -> CutMix:
        mixed, area, *centre = torch.rand(4, generator=random).tolist()
        others = torch.randperm(count, generator=random)
        half = math.sqrt(area) / 2 if mixed < MIXED else 0.0
        (top, bottom), (left, right) = (
            (max(0, round(side * at - side * half)), min(side, round(side * at + side * half)))
            for side, at in zip((height, width), centre, strict=True)
        )
        rows, columns = (
            (torch.arange(side) >= a) & (torch.arange(side) < b)
            for side, a, b in ((height, top, bottom), (width, left, right))
        )
        share = torch.tensor((bottom - top) * (right - left) / (height * width))
        return cls(others, rows[:, None], columns, share)

    def apply(self, pictures: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        """Returns pictures (B, 3, H, W), and `truth` changed by the area of the rectangle.

        truth: the share of each class in each picture, (B, C).
        """
        mixed = torch.where(self.rows & self.columns, pictures[self.others], pictures)
        return mixed, truth.lerp(truth[self.others], self.area)
