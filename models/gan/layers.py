"""Layers that several GANs share, and initialisations of weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..blocks import halvings
from .config import GanConfig


class ClassEmbedding(nn.Module):
    """Vectors of the classes, averaged by class weights: (N, C) to (N, width)."""

    def __init__(self, classes: int, width: int, std: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, width))
        self._std = std

    def forward(self, class_weights: Tensor) -> Tensor:
        return class_weights @ self.weight

    def initialise_(self, random: torch.Generator) -> None:
        nn.init.normal_(self.weight, 0, self._std, generator=random)


def coarsest_map(config: GanConfig) -> tuple[int, int]:
    """Returns height and width of pictures after strided convolutions down to an edge of 4.

    An odd side loses a pixel when it is halved.
    """
    times = halvings(config.edge, 4)
    height, width = (side >> times for side in config.shape)
    return height, width


def initialise_normal(layer: nn.Linear | nn.Conv2d, gain: float, random: torch.Generator) -> None:
    """Draw the weights from N(0, gain^2 / inputs)."""
    nn.init.normal_(layer.weight, 0, gain / math.sqrt(layer.weight[0].numel()), generator=random)


def initialise_patches(pixels: nn.Conv2d, planes: int, random: torch.Generator) -> None:
    """Make all pixels of a patch equal, so that no grid is visible at first.

    `pixels` is the layer before a pixel shuffle to `planes` channels.
    Paper: Aitken et al. 2017, ICNR.
    """
    weight = pixels.weight
    one = torch.empty(planes, 1, *weight.shape[1:])
    nn.init.normal_(one, 0, 0.6 / math.sqrt(weight[0].numel()), generator=random)
    with torch.no_grad():
        weight.copy_(one.expand(-1, len(weight) // planes, -1, -1, -1).reshape(weight.shape))
