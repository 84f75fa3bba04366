"""What a GAN knows: a sample of its pictures, and how near the nearest of them usually is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..alpha import over_grey
from ..training.loop import Progress
from ..training.numerics import Numerics
from .codes import Points, random_points
from .config import GanConfig

SAMPLES = 2048  # pictures of which the sample consists
NEAREST = 3  # pictures that are shown of the sample
SHARE = 0.98  # of the GAN's own pictures that count as known
CELL = 4  # pixels along an edge of a cell, in small pictures
AT_ONCE = 64  # pictures that are drawn at once

Vectors = Callable[[Tensor], Tensor]  # features (N, D) of pictures (N, 3, H, W) in -1..1


class Known(NamedTuple):
    """A sample of a GAN's pictures.

    points:  their latents.
    small:   the pictures, reduced by CELL: (N, C, h, w).
    vectors: their features, float32 (N, D).
    limit:   a distance to the nearest of the sample that a share SHARE of the GAN's own pictures
             does not exceed.
    """

    points: Points
    small: Tensor
    vectors: Tensor
    limit: float

    def distances(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Returns distances to the NEAREST pictures, and their numbers, both (N, NEAREST)."""
        found = torch.cdist(vectors, self.vectors).topk(NEAREST, largest=False)
        return found.values, found.indices

    def starts(self, pictures: Tensor, count: int) -> list[Points]:
        """Returns the latents of the nearest pictures by pixels, from the first to number `count`.

        pictures: (N, C, H, W) in -1..1.
        """
        apart = torch.cdist(reduced(pictures).flatten(1), self.small.flatten(1))
        near = apart.topk(count, largest=False).indices
        return [self.points.rows(near[:, number]) for number in range(count)]


def known_of(
    network: nn.Module,
    config: GanConfig,
    vectors: Vectors,
    numerics: Numerics,
    *,
    seed: int,
    progress: Progress | None = None,
) -> Known:
    """Draws SAMPLES pictures, and measures how far each is from the nearest other one."""
    points = random_points(config, SAMPLES, seed)
    small, features = [], []
    for start in range(0, SAMPLES, AT_ONCE):
        part = points.rows(slice(start, start + AT_ONCE)).to(numerics.device)
        with torch.no_grad(), numerics.autocast():
            pictures = part.draw(network).clamp(-1, 1)
            features.append(vectors(over_grey(pictures)).float().cpu())
        small.append(reduced(pictures).cpu())
        if progress is not None:
            progress(start + len(pictures), SAMPLES)
    found = torch.cat(features)
    others = torch.cdist(found, found).fill_diagonal_(float("inf")).amin(1)
    limit = float(others.quantile(SHARE))
    return Known(points, torch.cat(small), found, limit)


def features_of(pictures: Tensor, vectors: Vectors, numerics: Numerics) -> Tensor:
    """Returns the features of pictures (N, C, H, W) in -1..1, on the processor."""
    found = []
    for part in pictures.split(AT_ONCE):
        with torch.no_grad(), numerics.autocast():
            found.append(vectors(over_grey(part.to(numerics.device))).float().cpu())
    return torch.cat(found)


def reduced(pictures: Tensor) -> Tensor:
    """Returns pictures (N, C, H, W), smaller by CELL."""
    return F.avg_pool2d(pictures, CELL)
