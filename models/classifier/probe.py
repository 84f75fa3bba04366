"""A linear classifier on the features of a pretrained network: a probe.

Paper: Alain and Bengio 2016, "Understanding intermediate layers using linear classifier probes".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .trainee import class_weights

PENALTY = 5e-4  # weight of the squared weights in the loss; half or twice as much is as good
ITERATIONS = 100  # most iterations of the optimiser


def fit_probe(parts: list[Tensor], labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Returns weight (classes, D) and bias (classes,) of a linear layer on joined features.

    parts: features of different layers, (N, width) each; D is the sum of the widths.

    The layer minimises the cross-entropy, with the same total weight for each class, and a penalty.
    The features are standardised, and the parts are scaled so that they count equally.
    """
    scale = torch.cat([_scale(part.double()) for part in parts])
    x = torch.cat(parts, 1).double()
    mean = x.mean(0)
    x = (x - mean) / scale
    # The solution is a combination of the pictures' vectors. With few of them it is found faster.
    basis = torch.linalg.qr(x.T).Q if len(x) < x.shape[1] else None
    weight, bias = _minimise(x if basis is None else x @ basis, labels, classes)
    weight = (weight if basis is None else basis @ weight) / scale[:, None]
    return weight.T.float().contiguous(), (bias - mean @ weight).float()


def _scale(part: Tensor) -> Tensor:
    """Returns the number by which each feature of a part is divided, (width,)."""
    deviation = part.std(0, correction=0)
    least = 1e-3 * deviation.mean().clamp(min=1e-9)
    return (deviation + least) * math.sqrt(part.shape[1])


def _minimise(x: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Returns weight (D, classes) and bias (classes,) that minimise the loss."""
    weight = x.new_zeros(x.shape[1], classes, requires_grad=True)
    bias = x.new_zeros(classes, requires_grad=True)
    balance = class_weights(labels, classes).double()
    optimiser = torch.optim.LBFGS(
        [weight, bias],
        max_iter=ITERATIONS,
        tolerance_change=1e-7,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(x @ weight + bias, labels, balance)
        value = value + PENALTY / 2 * weight.square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    return weight.detach(), bias.detach()
