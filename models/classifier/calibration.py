"""Calibration of a classifier's probabilities, and its metrics on labelled pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ..groups import choose_per_class
from ..training.rng import rng

SHARPEST, SOFTEST = 0.05, 20.0  # lowest and highest temperature
BINS = 15  # bins of the calibration error
MOST_HELD = 4096  # most pictures in shards that are held out, which takes as long as reading them
HELD = 3  # first counter of the random stream that chooses the held-out pictures

Columns = dict[str, list[Any]]


def held_out_mask(labels: Tensor, groups: Tensor, share: float, seed: int) -> Tensor:
    """Choose the pictures that are not trained on: `share` of each class, rounded.

    The share of a small class may be rounded to zero pictures. Pictures with the same number in
    `groups` (N,) stay together, so the share is not exact if there are large groups.

    Returns a mask (N,).
    """
    return choose_per_class(
        labels,
        groups,
        lambda size: round(share * size),
        lambda label: rng(seed, HELD, label),
    )


def held_out_of_stream(labels: Tensor, share: float, seed: int) -> Tensor:
    """Choose the pictures in shards that are not trained on: `share` of each class, but not many.

    Returns a mask (N,).
    """
    held = torch.zeros(len(labels), dtype=torch.bool)
    share = min(share, MOST_HELD / len(labels))
    for label in labels.unique().tolist():
        own = (labels == label).nonzero()[:, 0]
        order = torch.randperm(len(own), generator=rng(seed, HELD, label))
        held[own[order[: round(share * len(own))]]] = True
    return held


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Returns the temperature that calibrates the logits (N, C) of pictures with labels (N,).

    Logits are to be divided by it. The negative log-likelihood is convex in 1 / temperature, so the
    root of its slope is found by bisection (Guo et al. 2017, "On calibration of modern neural
    networks", section 4.2). The target is (N + 1) / (N + 2) for the true class, and the others
    share the rest (Platt 1999, section 2.2), so that the classifier does not become overconfident
    if there are few pictures and all of them are recognised.
    """
    count, classes = logits.shape
    if count == 0 or classes < 2:
        return 1.0
    logits = logits.double()
    targets = torch.full_like(logits, 1 / (count + 2) / (classes - 1))
    targets[torch.arange(count), labels] = (count + 1) / (count + 2)
    low, high = 1 / SOFTEST, 1 / SHARPEST
    for _ in range(50):
        sharpness = math.sqrt(low * high)
        slope = (((logits * sharpness).softmax(1) - targets) * logits).sum()
        low, high = (low, sharpness) if slope > 0 else (sharpness, high)
    return 1 / math.sqrt(low * high)


def negative_log_likelihood(probabilities: Tensor, labels: Tensor) -> float:
    """Returns the mean of -ln p of the true classes, from probabilities (N, C) and labels (N,)."""
    true = probabilities[torch.arange(len(labels)), labels].double()
    return float(-true.clamp(min=1e-12).log().mean())


def calibration_error(probabilities: Tensor, labels: Tensor) -> float:
    """Returns the expected calibration error: how much confidence differs from accuracy, in 0..1.

    It is the mean over BINS equal bins of the likeliest class's probability, weighted by the
    number of pictures in them (Guo et al. 2017, eq. 5). It is too large for few pictures.
    """
    confidence, predicted = probabilities.double().max(1)
    excess = confidence - (predicted == labels).double()
    bins = (confidence * BINS).ceil().long().clamp(1, BINS) - 1
    sums = torch.zeros(BINS, dtype=torch.float64).index_add_(0, bins, excess)
    return float(sums.abs().sum() / len(labels))


def metrics_and_confusion(
    probabilities: Tensor, labels: Tensor, classes: tuple[str, ...]
) -> tuple[Columns, Columns]:
    """Returns a table of metrics and the confusion matrix, from probabilities (N, C), labels (N,).

    The table has rows for accuracy, negative log-likelihood and calibration error, then for the
    accuracy of each class that is present. The confusion matrix has a row for each true class,
    with the number of its pictures that were predicted as each class.
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
    for i in range(count):
        if totals[i] > 0:
            values[_unused(classes[i], values)] = float(right[i] / totals[i])
    table: Columns = {"metric": list(values), "value": list(values.values())}
    confusion: Columns = {"true class": list(classes)}
    for i, name in enumerate(classes):
        confusion[_unused(name, confusion)] = counts[:, i].tolist()
    return table, confusion


def _unused(name: str, taken: Iterable[str]) -> str:
    """Returns the name of a class, or another that is not in use: it may be called "accuracy"."""
    used = set(taken)
    while name in used:
        name = f"{name} (class)"
    return name
