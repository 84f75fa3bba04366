"""How far generated pictures are from real ones: distances between sets of feature vectors.

This is not FID, which uses the features of Inception. The features here are those of a small
network of ours, so the value of a Fréchet distance means nothing by itself. It is reported as a
multiple of the distance between two halves of the real pictures. The Fréchet distance hardly
notices pixel noise; recall, coverage and diversity notice a mode collapse. Precision and density
are left out, since a collapsed generator scores best in them.

Vectors are float64 (N, D), one row per picture. Everything here is deterministic.
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

ROWS = 512  # rows of a distance table that are in memory at a time
# The distance to this neighbour is the radius of a picture's neighbourhood (Naeem et al. 2020).
NEIGHBOURS = 5


class FeatureNetwork(Protocol):
    """A network that computes a feature vector of a picture: the input of its last layer."""

    def pooled(self, x: Tensor) -> Tensor:
        """Returns feature vectors (N, D) of pictures (N, 3, H, W) in -1..1."""


@dataclass(frozen=True)
class Comparison:
    """The result of comparing drawn pictures with as many real ones of the same classes.

    frechet:    Fréchet distance: the mean of two, each between one half of the real and one half
                of the drawn pictures.
    floor:      Fréchet distance between the two halves of the real pictures, caused by chance.
    recall:     share of the real pictures in the neighbourhood of a drawn one, in 0..1.
    coverage:   share of the real pictures with a drawn one in their neighbourhood, in 0..1.
    diversity:  for each class, the mean distance between its drawn pictures, divided by that
                between its real ones: 0 if the drawn ones are all alike, 1 if they are as varied
                as the real ones. NaN for fewer than two pictures.
    """

    frechet: float
    floor: float
    recall: float
    coverage: float
    diversity: tuple[float, ...]

    @property
    def multiple(self) -> float:
        """Fréchet distance divided by the floor: 1 for pictures that are as good as real ones."""
        return self.frechet / self.floor if self.floor > 0 else math.nan


def compare(real: Tensor, drawn: Tensor, labels: Tensor) -> Comparison:
    """Compare feature vectors (N, D) of real and drawn pictures.

    Row i of both belongs to a picture of class `labels[i]`, int64 (N,).
    Raises: ValueError if the shapes differ, or for fewer than 4 pictures.
    """
    if real.shape != drawn.shape or len(labels) != len(real):
        raise ValueError(
            f"{len(real)} real pictures with {len(labels)} labels need as many drawn ones, "
            f"not {len(drawn)}"
        )
    if len(real) < 4:
        raise ValueError(f"a comparison needs at least 4 pictures, not {len(real)}")
    return Comparison(
        frechet_by_halves(real, drawn, labels),
        real_floor(real, labels),
        recall(real, drawn),
        coverage(real, drawn),
        tuple(diversity(real, labels, drawn, labels)),
    )


def features(
    network: FeatureNetwork, images: Tensor, numerics: Numerics, batch: int = 256
) -> Tensor:
    """Returns the feature vectors (N, D) of uint8 pictures (N, H, W, 3), on the CPU."""

    def vectors(part: Tensor) -> Tensor:
        with torch.no_grad(), numerics.autocast():
            return network.pooled(to_signed(part.to(numerics.device))).cpu().double()

    return in_parts(vectors, images, batch=batch)


def halves(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Split the rows into two halves, with half of each class in either.

    Returns two tensors of row numbers.
    """
    order = labels.argsort(stable=True)
    return order[::2], order[1::2]


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Returns the distance of Gaussians with the vectors' means and covariances.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Dowson and Landau 1982, eq. 4). The result is too
    large for few vectors, so compare only distances that come from equal numbers of vectors.
    """
    means = [x.mean(0) for x in (first, second)]
    one, two = (torch.atleast_2d(torch.cov(x.T)) for x in (first, second))
    # C1 C2 has the eigenvalues of the symmetric C1^(1/2) C2 C1^(1/2).
    values, vectors = torch.linalg.eigh(one)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    shared = torch.linalg.eigvalsh(root @ two @ root).clamp_min(0).sqrt().sum()
    offset = (means[0] - means[1]).square().sum()
    return max(0.0, float(offset + one.trace() + two.trace() - 2 * shared))


def frechet_by_halves(real: Tensor, drawn: Tensor, labels: Tensor) -> float:
    """Returns the mean Fréchet distance between halves of both sets, to compare with the floor."""
    distances = [frechet_distance(real[half], drawn[half]) for half in halves(labels)]
    return sum(distances) / len(distances)


def real_floor(real: Tensor, labels: Tensor) -> float:
    """Returns the Fréchet distance between two halves of the real pictures."""
    first, second = halves(labels)
    return frechet_distance(real[first], real[second])


def recall(real: Tensor, drawn: Tensor, neighbours: int = NEIGHBOURS) -> float:
    """Returns the share of the real pictures that are in the neighbourhood of a drawn one.

    Paper: Kynkäänniemi et al. 2019, 'Improved Precision and Recall Metric', eq. 2.
    """
    radius = _radius(drawn, neighbours)
    inside = [(distances <= radius).any(1) for distances in _distances(real, drawn)]
    return float(torch.cat(inside).double().mean())


def coverage(real: Tensor, drawn: Tensor, neighbours: int = NEIGHBOURS) -> float:
    """Returns the share of the real pictures that have a drawn one in their neighbourhood.

    Paper: Naeem et al. 2020, 'Reliable Fidelity and Diversity Metrics', eq. 4.
    """
    return float((nearest(real, drawn) <= _radius(real, neighbours)).double().mean())


def diversity(
    real: Tensor, real_labels: Tensor, drawn: Tensor, drawn_labels: Tensor
) -> list[float]:
    """Returns the ratio of the mean distances of drawn and of real pictures, for each class."""
    ratios = []
    for label in range(int(real_labels.max()) + 1):
        drawn_spread, real_spread = (
            spread(x[labels == label]) for x, labels in ((drawn, drawn_labels), (real, real_labels))
        )
        ratios.append(drawn_spread / real_spread if real_spread > 0 else math.nan)
    return ratios


def spread(vectors: Tensor) -> float:
    """Returns the mean distance between two different rows; NaN for fewer than two rows."""
    count = len(vectors)
    if count < 2:
        return math.nan
    total = sum(float(distances.sum()) for distances in _distances(vectors, vectors))
    return total / (count * (count - 1))


def novelty(drawn: Tensor, training: Tensor, fresh: Tensor | None = None) -> float:
    """Returns how new the drawn pictures are: near 0 for copies, about 1 for new pictures.

    The result is the mean distance of the drawn pictures to the nearest training picture, divided
    by that of `fresh` pictures, which were not used in training. Without `fresh`, it is divided by
    the mean distance of a training picture to the nearest other one. NaN if those are all alike.
    """
    usual = nearest(training) if fresh is None else nearest(fresh, training)
    expected = float(usual.mean())
    return float(nearest(drawn, training).mean()) / expected if expected > 0 else math.nan


def nearest(vectors: Tensor, others: Tensor | None = None) -> Tensor:
    """Returns the distance (N,) of each row to the nearest of `others`, or of the other rows."""
    if others is None:
        return _radius(vectors, 1)
    return torch.cat([distances.amin(1) for distances in _distances(vectors, others)])


def _radius(vectors: Tensor, neighbours: int) -> Tensor:
    """Returns the distance (N,) of each row to its `neighbours`-th nearest other row."""
    rank = min(neighbours + 1, len(vectors))  # rank 1 is the row itself
    radii = [distances.kthvalue(rank, 1).values for distances in _distances(vectors, vectors)]
    return torch.cat(radii)


def _distances(first: Tensor, second: Tensor) -> Iterator[Tensor]:
    """Yields Euclidean distances (rows, M) of a few rows of (N, D) at a time to all of (M, D).

    They are computed by differences: by matrix products, the distance of a copy would not be 0.
    """
    for part in first.split(ROWS):
        yield torch.cdist(part, second, compute_mode="donot_use_mm_for_euclid_dist")
