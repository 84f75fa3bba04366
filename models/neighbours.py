"""Find the pictures of a set that are most like other pictures.

The search compares all pairs, in parts that fit into memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from .blocks import to_signed
from .training.in_parts import each_part, in_parts
from .training.numerics import Numerics

Vectors = Callable[[Tensor], Tensor]  # uint8 (N, H, W, 3) to float32 (N, D) on the CPU

PART = 256  # pictures compared at a time, fewer if memory runs out
EDGE = 32  # longest side in pixels at which pictures are compared; a copy may differ in detail
USUAL = 1024  # most pictures of the set used to measure how far apart they usually are


def pixel_vectors(images: Tensor) -> Tensor:
    """Returns the colours of pictures reduced to EDGE px.

    The distance of two such vectors is their root mean squared difference, in 0..1.
    """
    planes = images.permute(0, 3, 1, 2).float().div_(255)
    scale = min(1.0, EDGE / max(planes.shape[2:]))
    size = [max(1, round(scale * side)) for side in planes.shape[2:]]
    small = F.interpolate(planes, size, mode="area").flatten(1)
    return small / math.sqrt(small.shape[1])


class VectorNetwork(Protocol):
    """A network that computes vectors by which pictures can be compared."""

    def vectors(self, x: Tensor) -> Tensor:
        """Returns vectors (N, D) of pictures (N, 3, H, W) in -1..1."""


def feature_vectors(network: VectorNetwork, numerics: Numerics) -> Vectors:
    """Returns a function from pictures to the vectors that a network computes."""

    def vectors(images: Tensor) -> Tensor:
        with torch.no_grad(), numerics.autocast():
            found = network.vectors(to_signed(images.to(numerics.device)))
        return found.float().cpu()

    return vectors


def nearest_rows(
    queries: Tensor,
    images: Tensor,
    count: int,
    vectors: Vectors,
    progress: Callable[[float, float], None],
) -> tuple[Tensor, Tensor]:
    """Find the `count` pictures of `images` that are nearest to each of `queries`, nearest first.

    A picture of `images` is compared as it is and mirrored. Pictures are uint8 (N, H, W, 3), and
    `count` must not exceed the number of `images`.

    Returns the row numbers, int64 (N, count), and the distances, float32 (N, count).
    """
    query_vectors = in_parts(vectors, queries, batch=PART)
    rows = torch.zeros(len(queries), 0, dtype=torch.int64)
    distances = torch.zeros(len(queries), 0)
    done = 0

    def distances_to(part: Tensor) -> Tensor:
        return _distances(query_vectors, part, vectors)

    for more in each_part(distances_to, images, batch=PART):
        numbers = torch.arange(done, done + more.shape[1]).expand_as(more)
        distances, rows = torch.cat([distances, more], 1), torch.cat([rows, numbers], 1)
        order = distances.argsort(dim=1, stable=True)[:, :count]
        distances, rows = distances.gather(1, order), rows.gather(1, order)
        done += more.shape[1]
        progress(done, len(images))
    return rows, distances


def usual_distance(images: Tensor, vectors: Vectors) -> float:
    """Returns the mean distance from a picture of a set to the nearest other one."""
    chosen = torch.linspace(0, len(images) - 1, min(len(images), USUAL), dtype=torch.float64).long()
    compared = images[chosen]
    every = in_parts(vectors, compared, batch=PART)
    # one row for each picture of a part, so that the parts can be joined
    distances = in_parts(lambda part: _distances(every, part, vectors).T, compared, batch=PART)
    return float(distances.T.fill_diagonal_(math.inf).amin(1).mean())


def _distances(queries: Tensor, images: Tensor, vectors: Vectors) -> Tensor:
    """Returns the distances (N, M) of vectors to pictures or their mirror images, if nearer."""
    both = (vectors(images), vectors(images.flip(2)))
    exact = "donot_use_mm_for_euclid_dist"  # so that the distance of a copy is 0
    first, second = (torch.cdist(queries, other, compute_mode=exact) for other in both)
    return torch.minimum(first, second)
