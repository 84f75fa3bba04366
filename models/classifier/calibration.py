"""How good a classifier's probabilities are: calibration, and the report on labelled pictures."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..training.rng import rng

SHARPEST, SOFTEST = 0.05, 20.0  # temperatures that are tried
BINS = 15  # of the calibration error
HELD = 3  # counter that keeps the choice of held-out pictures apart from other draws

Columns = dict[str, list[Any]]


def held_back(labels: Tensor, share: float, seed: int) -> Tensor:
    """Which pictures to keep from training, as a mask (N,): `share` of each class, rounded.

    So a class too small for that gives none.
    """
    held = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique().tolist():
        members = torch.nonzero(labels == label)[:, 0]
        order = torch.randperm(len(members), generator=rng(seed, HELD, label))
        held[members[order[: round(share * len(members))]]] = True
    return held


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature by which to divide logits (N, C), so that the softmax of labels (N,) fits.

    The negative log-likelihood is convex in 1 / temperature: its slope is bisected (Guo et al.
    2017, "On calibration of modern neural networks", section 4.2). The true class counts for
    (N + 1) / (N + 2) and the others share the rest (Platt 1999, section 2.2), so that a few
    pictures, all recognised, don't make it certain.
    """
    count, classes = logits.shape
    if count == 0 or classes < 2:
        return 1.0
    logits = logits.double()
    wanted = torch.full_like(logits, 1 / (count + 2) / (classes - 1))
    wanted[torch.arange(count), labels] = (count + 1) / (count + 2)
    low, high = 1 / SOFTEST, 1 / SHARPEST
    for _ in range(50):
        sharpness = math.sqrt(low * high)
        slope = (((logits * sharpness).softmax(1) - wanted) * logits).sum()
        low, high = (low, sharpness) if slope > 0 else (sharpness, high)
    return 1 / math.sqrt(low * high)


def negative_log_likelihood(probabilities: Tensor, labels: Tensor) -> float:
    """The mean of -ln of the true class's probability, of (N, C) for labels (N,)."""
    true = probabilities[torch.arange(len(labels)), labels].double()
    return float(-true.clamp(min=1e-12).log().mean())


def calibration_error(probabilities: Tensor, labels: Tensor) -> float:
    """Expected calibration error: by how much confidence differs from accuracy, 0..1.

    Over BINS equal bins of the likeliest class's probability, weighted by their pictures (Guo et
    al. 2017, eq. 5). Few pictures make it too large.
    """
    sure, found = probabilities.double().max(1)
    excess = sure - (found == labels).double()
    bins = (sure * BINS).ceil().long().clamp(1, BINS) - 1
    sums = torch.zeros(BINS, dtype=torch.float64).index_add_(0, bins, excess)
    return float(sums.abs().sum() / len(labels))


def metrics_and_confusion(
    probabilities: Tensor, labels: Tensor, classes: tuple[str, ...]
) -> tuple[Columns, Columns]:
    """Returns a table of metrics, and the confusion, of probabilities (N, C) for labels (N,).

    The table has a row for accuracy, negative log-likelihood and calibration error, then the
    share recognised of each class that is present. The confusion has a row for each true class
    with the counts of what its pictures were taken for.
    """
    count = len(classes)
    cells = torch.bincount(labels * count + probabilities.argmax(1), minlength=count * count)
    counts = cells.view(count, count)
    right, totals = counts.diagonal(), counts.sum(1)
    values = {
        "accuracy": float(right.sum() / totals.sum()),
        "negative log-likelihood": negative_log_likelihood(probabilities, labels),
        "calibration error": calibration_error(probabilities, labels),
    }
    rows = [*values.items()]
    rows += [(classes[i], float(right[i] / totals[i])) for i in range(count) if totals[i] > 0]
    table: Columns = {"metric": [name for name, _ in rows], "value": [v for _, v in rows]}
    confusion: Columns = {"true class": list(classes)}
    for i, name in enumerate(classes):
        confusion[_column(name, confusion)] = counts[:, i].tolist()
    return table, confusion


def _column(name: str, taken: Columns) -> str:
    """A column's name that is not taken yet: a class may be called "true class"."""
    return name if name not in taken else f"{name} (class)"
