"""How far drawn pictures are from real ones: distances between sets of feature vectors.

Not FID: that is one of Inception's features. Here they are those of a small network of ours, so a
Fréchet distance means nothing by itself, and is told as a multiple of that between two halves of
the real pictures. It hardly sees pixel noise; recall, coverage and diversity see a collapse.
Precision and density are left out, since a collapsed generator scores best there.

Vectors are float64 (N, D), a row for each picture. Everything here is deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .blocks import to_signed
from .training.in_parts import in_parts
from .training.numerics import Numerics

ROWS = 512  # of a table of distances that are in memory at a time
NEIGHBOURS = 5  # whose distance is the radius of a picture's surroundings (Naeem et al. 2020)


class Pooling(Protocol):
    """A network that gives a vector for a picture: what its last layer decides on."""

    def pooled(self, x: Tensor) -> Tensor:
        """Pictures (N, 3, S, S) in -1..1 to (N, D)."""


@dataclass(frozen=True)
class Comparison:
    """Drawn pictures against as many real ones of the same classes.

    frechet:    Fréchet distance, the mean of two, each of one half of both.
    floor:      the same between the two halves of the real pictures: what chance leaves.
    recall:     share of the real pictures that lie among drawn ones, in 0..1.
    coverage:   share of the real pictures with a drawn one near, in 0..1.
    diversity:  for each class, how far its drawn pictures are from each other, over the same of
                its real ones: 0 where they are all alike, 1 as varied. NaN for fewer than two.
    """

    frechet: float
    floor: float
    recall: float
    coverage: float
    diversity: tuple[float, ...]

    @property
    def multiple(self) -> float:
        """The Fréchet distance in floors: 1 for pictures that are as good as real ones."""
        return self.frechet / self.floor if self.floor > 0 else math.nan

    @property
    def mean_diversity(self) -> float:
        """Over the classes that have it; NaN where none has."""
        known = [value for value in self.diversity if not math.isnan(value)]
        return sum(known) / len(known) if known else math.nan


def compare(real: Tensor, drawn: Tensor, labels: Tensor) -> Comparison:
    """Compare vectors (N, D) each; row i of both is a picture of class `labels[i]`, int64 (N,).

    Raises: ValueError where the shapes differ, or for fewer than 4 pictures.
    """
    if real.shape != drawn.shape or len(labels) != len(real):
        raise ValueError(
            f"{len(real)} real pictures are compared with as many drawn ones of the same classes, "
            f"not with {len(drawn)}"
        )
    if len(real) < 4:
        raise ValueError(f"at least 4 pictures can be compared, not {len(real)}")
    return Comparison(
        frechet_by_halves(real, drawn, labels),
        real_floor(real, labels),
        recall(real, drawn),
        coverage(real, drawn),
        tuple(diversity(real, labels, drawn, labels)),
    )


def features(network: Pooling, images: Tensor, numerics: Numerics, batch: int = 256) -> Tensor:
    """The vectors (N, D) of uint8 pictures (N, S, S, 3), on the processor."""

    def vectors(part: Tensor) -> Tensor:
        with torch.no_grad(), numerics.autocast():
            return network.pooled(to_signed(part.to(numerics.device))).cpu().double()

    return in_parts(vectors, images, batch=batch)


def halves(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Two sets of row numbers with each class in turn: as many of each class as can be."""
    order = labels.argsort(stable=True)
    return order[::2], order[1::2]


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Between Gaussians with the vectors' means and covariances (Dowson and Landau 1982, eq. 4).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)). It is biased upwards, the more so the fewer
    vectors there are: compare only distances of equally many.
    """
    means = [x.mean(0) for x in (first, second)]
    one, two = (torch.atleast_2d(torch.cov(x.T)) for x in (first, second))
    # C1 C2 has the eigenvalues of the symmetric C1^(1/2) C2 C1^(1/2).
    values, vectors = torch.linalg.eigh(one)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    shared = torch.linalg.eigvalsh(root @ two @ root).clamp_min(0).sqrt().sum()
    apart = (means[0] - means[1]).square().sum()
    return max(0.0, float(apart + one.trace() + two.trace() - 2 * shared))


def frechet_by_halves(real: Tensor, drawn: Tensor, labels: Tensor) -> float:
    """The mean Fréchet distance of two, each of one half of both: to be held against the floor."""
    parts = [frechet_distance(real[half], drawn[half]) for half in halves(labels)]
    return sum(parts) / len(parts)


def real_floor(real: Tensor, labels: Tensor) -> float:
    """The Fréchet distance between two halves of the real pictures."""
    first, second = halves(labels)
    return frechet_distance(real[first], real[second])


def recall(real: Tensor, drawn: Tensor, neighbours: int = NEIGHBOURS) -> float:
    """Share of the real pictures within a drawn picture's surroundings.

    Paper: Kynkäänniemi et al. 2019, 'Improved Precision and Recall Metric', eq. 2.
    """
    radius = _radius(drawn, neighbours)
    inside = [(distances <= radius).any(1) for distances in _distances(real, drawn)]
    return float(torch.cat(inside).double().mean())


def coverage(real: Tensor, drawn: Tensor, neighbours: int = NEIGHBOURS) -> float:
    """Share of the real pictures that have a drawn one in their surroundings.

    Paper: Naeem et al. 2020, 'Reliable Fidelity and Diversity Metrics', eq. 4.
    """
    return float((nearest(real, drawn) <= _radius(real, neighbours)).double().mean())


def diversity(
    real: Tensor, real_labels: Tensor, drawn: Tensor, drawn_labels: Tensor
) -> list[float]:
    """For each class, the mean distance between two drawn pictures over that of real ones."""
    ratios = []
    for label in range(int(real_labels.max()) + 1):
        mine, theirs = (
            spread(x[labels == label]) for x, labels in ((drawn, drawn_labels), (real, real_labels))
        )
        ratios.append(mine / theirs if theirs > 0 else math.nan)
    return ratios


def spread(vectors: Tensor) -> float:
    """Mean distance between two different rows; NaN for fewer than two."""
    count = len(vectors)
    if count < 2:
        return math.nan
    total = sum(float(distances.sum()) for distances in _distances(vectors, vectors))
    return total / (count * (count - 1))


def novelty(drawn: Tensor, training: Tensor, fresh: Tensor | None = None) -> float:
    """How new the drawn pictures are: about 1 as new as others of their kind, near 0 copies.

    Their mean distance to the nearest training picture, over the same of `fresh` pictures that
    were not trained on. Without `fresh`, the training pictures themselves stand for it, each
    against the others. NaN where those are all alike.
    """
    usual = nearest(training) if fresh is None else nearest(fresh, training)
    expected = float(usual.mean())
    return float(nearest(drawn, training).mean()) / expected if expected > 0 else math.nan


def nearest(vectors: Tensor, others: Tensor | None = None) -> Tensor:
    """Distance of each row to the nearest of `others`, or of the other rows: (N,)."""
    if others is None:
        return _radius(vectors, 1)
    return torch.cat([distances.amin(1) for distances in _distances(vectors, others)])


def _radius(vectors: Tensor, neighbours: int) -> Tensor:
    """Distance of each row to its neighbour of that number among the other rows: (N,)."""
    number = min(neighbours + 1, len(vectors))  # the row itself comes first
    found = [distances.kthvalue(number, 1).values for distances in _distances(vectors, vectors)]
    return torch.cat(found)


def _distances(first: Tensor, second: Tensor) -> Iterator[Tensor]:
    """Euclidean distances (rows, M), some rows of (N, D) at a time against all of (M, D).

    By differences and not by products, which would not put a copy at a distance of 0.
    """
    for part in first.split(ROWS):
        yield torch.cdist(part, second, compute_mode="donot_use_mm_for_euclid_dist")
