"""Find the pictures of a set that are most like other pictures.

The search compares all pairs, in parts that fit into memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import to_signed
from .training.numerics import Numerics

Vectors = Callable[[Tensor], Tensor]  # uint8 (N, S, S, 3) to float32 (N, D) on the CPU

PART = 256  # pictures compared at a time
EDGE = 32  # longest side in pixels at which pictures are compared; a copy may differ in detail
USUAL = 1024  # most pictures of the set used to measure how far apart they usually are


def pixel_vectors(images: Tensor) -> Tensor:
    """Returns the colours of pictures reduced to EDGE px.

    The distance of two such vectors is their root mean squared difference, in 0..1.
    """
    planes = images.permute(0, 3, 1, 2).float().div_(255)
    small = F.interpolate(planes, [min(EDGE, images.shape[1])] * 2, mode="area").flatten(1)
    return small / math.sqrt(small.shape[1])


def feature_vectors(network: nn.Module, numerics: Numerics) -> Vectors:
    """Returns a function from pictures to the means of a network's feature maps."""

    def vectors(images: Tensor) -> Tensor:
        with torch.no_grad(), numerics.autocast():
            maps = network(to_signed(images.to(numerics.device)))
        return torch.cat([m.float().mean((2, 3)) for m in maps], 1).cpu()

    return vectors


def nearest_rows(
    queries: Tensor,
    images: Tensor,
    count: int,
    vectors: Vectors,
    progress: Callable[[float, float], None],
) -> tuple[Tensor, Tensor]:
    """Find the `count` pictures of `images` that are nearest to each of `queries`, nearest first.

    A picture of `images` is compared as it is and mirrored. Pictures are uint8 (N, S, S, 3), and
    `count` must not exceed the number of `images`.

    Returns the row numbers, int64 (N, count), and the distances, float32 (N, count).
    """
    query_vectors = torch.cat([vectors(part) for part in queries.split(PART)])
    rows = torch.zeros(len(queries), 0, dtype=torch.int64)
    distances = torch.zeros(len(queries), 0)
    for start in range(0, len(images), PART):
        more = _distances(query_vectors, images[start : start + PART], vectors)
        numbers = torch.arange(start, start + more.shape[1]).expand_as(more)
        distances, rows = torch.cat([distances, more], 1), torch.cat([rows, numbers], 1)
        order = distances.argsort(dim=1, stable=True)[:, :count]
        distances, rows = distances.gather(1, order), rows.gather(1, order)
        progress(min(start + PART, len(images)), len(images))
    return rows, distances


def usual_distance(images: Tensor, vectors: Vectors) -> float:
    """Returns the mean distance from a picture of a set to the nearest other one."""
    chosen = torch.linspace(0, len(images) - 1, min(len(images), USUAL), dtype=torch.float64).long()
    parts = images[chosen].split(PART)
    every = torch.cat([vectors(part) for part in parts])
    distances = torch.cat([_distances(every, part, vectors) for part in parts], 1)
    return float(distances.fill_diagonal_(math.inf).amin(1).mean())


def _distances(queries: Tensor, images: Tensor, vectors: Vectors) -> Tensor:
    """Returns the distances (N, M) of vectors to pictures or their mirror images, if nearer."""
    both = (vectors(images), vectors(images.flip(2)))
    exact = "donot_use_mm_for_euclid_dist"  # so that the distance of a copy is 0
    first, second = (torch.cdist(queries, other, compute_mode=exact) for other in both)
    return torch.minimum(first, second)
