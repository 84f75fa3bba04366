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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from .blocks import to_signed
from .training.in_parts import in_parts
from .training.numerics import Numerics
from .training.rng import rng

ROWS = 512  # rows of a distance table that are in memory at a time
SMALLEST = 4  # fewest pictures of a set or stratum whose halves are compared
HALVES = 32  # number of pairs of random halves from which a kernel distance's error is estimated
# The distance to this neighbour is the radius of a picture's neighbourhood (Naeem et al. 2020).
NEIGHBOURS = 5


class Space(NamedTuple):
    """Columns of feature vectors in which kernel distances are computed.

    width:   number of columns.
    centred: whether they are centred and divided by the deviation of all their numbers first.
    """

    width: int
    centred: bool = True


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


def kernel_distance(
    real: Tensor,
    labels: Tensor,
    drawn: Tensor,
    drawn_labels: Tensor,
    spaces: Sequence[Space] | None = None,
) -> tuple[float, tuple[float, ...]]:
    """Returns the kernel distance of real and drawn pictures, in units of that of two real ones.

    It is E k(x, x') + E k(y, y') - 2 E k(x, y) for real x and drawn y, with the cubic kernel
    (Binkowski et al. 2018, 'Demystifying MMD GANs', eq. 4), over E k(x, x) - E k(x, x'). It is the
    mean of those in the given spaces, which are one after another in the columns of the vectors;
    without any, all columns are one centred space. The result is near 0 if both sets are of the
    same distribution. No picture is compared with itself, so its expected value does not depend on
    how many pictures there are. The classes of both sets count as much as those of the real ones.

    Returns also the distances between HALVES random halves of both sets, which are the same halves
    for the same labels. All are NaN for fewer than four real pictures, or if these are all equal.
    """
    if len(real) < SMALLEST:
        return math.nan, (math.nan,) * HALVES
    strata = _strata(labels)
    sets = strata[labels], strata[drawn_labels]
    tables = _tables(real, sets[0], drawn, spaces)
    whole = _excess(tables, sets, [torch.ones(1, len(s)).double() for s in sets])
    parts = _excess(tables, sets, [_random_halves(s, number) for number, s in enumerate(sets)])
    distances = torch.cat([whole, parts])
    distance, *halved = distances.where(distances.isfinite(), math.nan).tolist()
    return distance, (*halved,)


def kernel_floor(
    real: Tensor, labels: Tensor, count: int, spaces: Sequence[Space] | None = None
) -> float:
    """Returns a kernel distance that `count` other real pictures seldom exceed.

    It is the 95th percentile of the distances between one half of the real ones and the other one,
    for random halves, corrected for their numbers: if both sets are of the same distribution, the
    distance is proportional to 1 / N + 1 / M. Only the first half normalises the vectors, as the
    real ones do in `kernel_distance`: that matters for few pictures. NaN for fewer than four
    pictures, or if all are equal.
    """
    if len(real) < SMALLEST:
        return math.nan
    strata = _strata(labels)[labels]
    found = []
    for half in _random_halves(strata, 0).bool():
        sets = strata[half], strata[~half]
        tables = _tables(real[half], sets[0], real[~half], spaces)
        found.append(_excess(tables, sets, [torch.ones(1, len(s)).double() for s in sets]))
    size = len(real) // 2
    inverses = 1 / size + 1 / (len(real) - size)
    return float(torch.cat(found).quantile(0.95)) * (1 / len(real) + 1 / count) / inverses


def _strata(labels: Tensor) -> Tensor:
    """Returns the stratum of each class: all pictures of a stratum are compared alike.

    A class is a stratum. Classes with fewer than SMALLEST pictures are one stratum together; if it
    is still too small, it is joined with the smallest other one.
    """
    counts = labels.bincount()
    strata = torch.arange(len(counts))
    small = counts < SMALLEST
    large = torch.nonzero(~small).flatten()
    if 0 < int(counts[small].sum()) < SMALLEST and len(large):
        strata[small] = large[counts[large].argmin()]
    else:
        strata[small] = len(counts)
    numbered: Tensor = strata.unique(return_inverse=True)[1]
    return numbered


def _tables(
    real: Tensor, strata: Tensor, drawn: Tensor, spaces: Sequence[Space] | None
) -> list[Tensor]:
    """Returns `_table` among the real ones, from these to the drawn ones, and among these.

    They are means over the spaces. The unit of each is the mean among the real ones.
    """
    spaces = spaces or [Space(real.shape[1])]
    whole, widths = torch.ones(1, len(real)).double(), [space.width for space in spaces]
    found = []
    for space, x, y in zip(spaces, real.split(widths, 1), drawn.split(widths, 1), strict=True):
        if space.centred:
            centre = x.mean(0)
            size = (x - centre).square().mean().sqrt()
            x, y = (x - centre) / size, (y - centre) / size
        tables = [_table(x, x), _table(x, y), _table(y, y)]
        unit = _mean_distance(tables[0], strata, whole, strata)
        found.append([table / unit for table in tables])
    return [torch.stack(tables).mean(0) for tables in zip(*found, strict=True)]


def _table(first: Tensor, second: Tensor) -> Tensor:
    """Returns (k(x, x) + k(y, y)) / 2 - k(x, y) for all rows x and y of two sets.

    This is half the squared distance of x and y in the space of the kernel. It is 0 for equal rows,
    and the kernel distance is that of Szekely and Rizzo 2013, eq. 5, with it (Sejdinovic et al.
    2013, theorem 22).
    """
    width = first.shape[1]
    own = [(rows.square().sum(1) / width + 1) ** 3 for rows in (first, second)]
    return (own[0][:, None] + own[1]) / 2 - (first @ second.T / width + 1) ** 3


def _excess(
    tables: Sequence[Tensor], strata: tuple[Tensor, Tensor], subsets: list[Tensor]
) -> Tensor:
    """Returns 2 E d(x, y) - E d(x, x') - E d(y, y') (R,) of subsets of both sets.

    tables:  the distances d between real ones, from real to drawn ones, and between drawn ones.
    subsets: which real and which drawn pictures are in each subset, 0 or 1 (R, N) and (R, M).
    """
    real, drawn = (
        _weights(its, subset, strata[0]) for its, subset in zip(strata, subsets, strict=True)
    )
    across = ((real @ tables[1]) * drawn).sum(1)
    within = [
        _mean_distance(table, its, subset, strata[0])
        for table, its, subset in zip(tables[::2], strata, subsets, strict=True)
    ]
    return 2 * across - within[0] - within[1]


def _mean_distance(table: Tensor, strata: Tensor, subset: Tensor, shares: Tensor) -> Tensor:
    """Returns the mean distance (R,) between two different pictures of each subset."""
    weights = _weights(strata, subset, shares)
    # A picture has one partner less in its own stratum than there are pictures in it.
    others = (subset @ F.one_hot(strata).double() - 1)[:, strata]
    same = table * (strata[:, None] == strata)
    inner = weights / others.clamp_min(1).sqrt()
    return ((weights @ table) * weights).sum(1) + ((inner @ same) * inner).sum(1)


def _weights(strata: Tensor, subset: Tensor, shares: Tensor) -> Tensor:
    """Returns the weights of the pictures in each subset (R, N), whose sum is 1.

    shares: strata of pictures; each stratum has the share that it has among these.
    """
    share = shares.bincount().double() / len(shares)
    return subset * (share / (subset @ F.one_hot(strata, len(share)).double()))[:, strata]


def _random_halves(strata: Tensor, stream: int) -> Tensor:
    """Returns which pictures are in each of HALVES random halves: 0 or 1, (HALVES, N).

    Each half has N // 2 pictures, and half of each stratum.
    """
    chosen = torch.zeros(HALVES, len(strata), dtype=torch.float64)
    for number, row in enumerate(chosen):
        order = torch.randperm(len(strata), generator=rng(0, stream, number))
        row[order[halves(strata[order])[1]]] = 1
    return chosen


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
