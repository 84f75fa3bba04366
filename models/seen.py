"""What a network sees in a picture, as a loss that keeps it while the picture is repainted.

Paper: Gatys et al. 2016, "Image style transfer using convolutional neural networks", eq. 1; the
vectors have length 1, as in Zhang et al. 2018, "The unreasonable effectiveness of deep features as
a perceptual metric".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .training.numerics import Numerics

EDGE = 128  # smaller pictures are enlarged to the area of such a square for the network
COARSE = 2  # of the maps of the network, so many of the coarsest are compared
FEWEST = 2  # rows and columns of a map that is compared


class Seen:
    """The feature maps of some pictures (N, 3, H, W) in -1..1, and how far others are from them."""

    def __init__(self, features: nn.Module, pictures: Tensor, numerics: Numerics) -> None:
        self._features, self._numerics = features, numerics
        with torch.no_grad():
            self._maps = self._of(pictures)

    def distance(self, pictures: Tensor) -> Tensor:
        """Returns the mean squared distances (N,) of the vectors at each place."""
        pairs = zip(self._of(pictures), self._maps, strict=True)
        parts = [(a - b).square().sum(1).mean((1, 2)) for a, b in pairs]
        return torch.stack(parts).mean(0)

    def _of(self, pictures: Tensor) -> list[Tensor]:
        scale = EDGE / math.sqrt(pictures.shape[2] * pictures.shape[3])
        if scale > 1:
            size = [round(scale * side) for side in pictures.shape[2:]]
            pictures = F.interpolate(pictures, size, mode="bilinear", align_corners=False)
        with self._numerics.autocast():
            maps = self._features(pictures.contiguous(memory_format=torch.channels_last))
        large = [m for m in maps if min(m.shape[2:]) >= FEWEST][-COARSE:] or maps[-1:]
        return [F.normalize(m.float(), dim=1) for m in large]
