"""Kernel distances between sets of feature vectors, which mean the same for few and many pictures.

Vectors are float64 (N, D), one row per picture. Everything here is deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .distances import halves
from .training.rng import rng

SMALLEST = 4  # fewest pictures of a set or stratum whose halves are compared
HALVES = 32  # number of pairs of random halves from which a kernel distance's error is estimated


class Space(NamedTuple):
    """Columns of feature vectors in which kernel distances are computed.

    width:   number of columns.
    centred: whether they are centred and divided by the deviation of all their numbers first.
    """

    width: int
    centred: bool = True


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
