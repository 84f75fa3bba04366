"""Which pictures of a set are most like given ones: brute force, in parts that fit into memory."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import to_signed
from .training.numerics import Numerics

Vectors = Callable[[Tensor], Tensor]  # uint8 (N, S, S, 3) to float32 (N, D) on the processor

PART = 256  # pictures at a time
EDGE = 32  # pixels that are compared, at most: finer detail is no sign of a copy
USUAL = 1024  # pictures of the set at most that tell how far they are from each other


def pixel_vectors(images: Tensor) -> Tensor:
    """Colours at EDGE px; a distance is the root of the mean squared difference, in 0..1."""
    planes = images.permute(0, 3, 1, 2).float().div_(255)
    small = F.interpolate(planes, [min(EDGE, images.shape[1])] * 2, mode="area").flatten(1)
    return small / math.sqrt(small.shape[1])


def feature_vectors(network: nn.Module, numerics: Numerics) -> Vectors:
    """The averages over the picture of what a network's feature maps show."""

    def vectors(images: Tensor) -> Tensor:
        with torch.no_grad(), numerics.autocast():
            maps = network(to_signed(images.to(numerics.device)))
        return torch.cat([m.float().mean((2, 3)) for m in maps], 1).cpu()

    return vectors


def nearest_rows(
    given: Tensor,
    images: Tensor,
    count: int,
    vectors: Vectors,
    progress: Callable[[float, float], None],
) -> tuple[Tensor, Tensor]:
    """For each given picture its `count` nearest of `images`, mirrored or not, nearest first.

    Pictures are uint8 (N, S, S, 3); `count` is at most their number. The row numbers, int64
    (N, count), and the distances, float32 (N, count).
    """
    mine = torch.cat([vectors(part) for part in given.split(PART)])
    rows = torch.zeros(len(given), 0, dtype=torch.int64)
    distances = torch.zeros(len(given), 0)
    for start in range(0, len(images), PART):
        found = _apart(mine, images[start : start + PART], vectors)
        numbers = torch.arange(start, start + found.shape[1]).expand_as(found)
        distances, rows = torch.cat([distances, found], 1), torch.cat([rows, numbers], 1)
        order = distances.argsort(dim=1, stable=True)[:, :count]
        distances, rows = distances.gather(1, order), rows.gather(1, order)
        progress(min(start + PART, len(images)), len(images))
    return rows, distances


def usual_distance(images: Tensor, vectors: Vectors) -> float:
    """The mean distance from a picture to the one of the others that is most like it."""
    chosen = torch.linspace(0, len(images) - 1, min(len(images), USUAL), dtype=torch.float64).long()
    some = images[chosen]
    mine = torch.cat([vectors(part) for part in some.split(PART)])
    apart = torch.cat([_apart(mine, part, vectors) for part in some.split(PART)], 1)
    return float(apart.fill_diagonal_(math.inf).amin(1).mean())


def _apart(mine: Tensor, part: Tensor, vectors: Vectors) -> Tensor:
    """Distances (N, M) to pictures or to their mirror images, whichever is nearer."""
    both = (vectors(part), vectors(part.flip(2)))
    exact = "donot_use_mm_for_euclid_dist"  # so that a copy is at a distance of 0
    first, second = (torch.cdist(mine, other, compute_mode=exact) for other in both)
    return torch.minimum(first, second)
