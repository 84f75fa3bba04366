"""The critics of the projected GAN: small heads on frozen features and on the pixels.

Paper: Sauer et al. 2021, 'Projected GANs Converge Faster': the critic judges features of a
fixed network instead of pixels, at several depths. Here that network is small and ours
(projected_features.py), so there is one more critic on the pixels, which sees what the features
miss.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import LEAK
from .batches import GROUP
from .layers import ClassEmbedding, initialise_normal


class ProjectedCritic(nn.Module):
    """One head for each of what `critic_views` gives."""

    def __init__(self, views: list[tuple[int, int]], classes: int, width: int, fine: int) -> None:
        """`views`: (channels, pixels of a side) of each; `fine`: of the first head's."""
        super().__init__()
        self.heads = nn.ModuleList(
            CriticHead(channels, side, classes, width, fine if number == 0 else 0)
            for number, (channels, side) in enumerate(views)
        )

    def forward(self, views: list[Tensor], class_weights: Tensor) -> list[Tensor]:
        """Scores of each head, (N, places) each: high for what looks real."""
        return [h(x, class_weights) for h, x in zip(self.heads, views, strict=True)]


def critic_views(images: Tensor, features: nn.Module, base_size: int) -> list[Tensor]:
    """What the heads see of pictures (N, 3, S, S): the pixels, and all maps of `features`.

    A grown GAN's heads see the picture reduced to the base size, as they know it; further heads
    see the pixels and the finest map of each larger size.
    """
    sizes = [images]
    while sizes[-1].shape[2] > base_size:
        sizes.append(F.avg_pool2d(sizes[-1], 2))
    base, *finer = reversed(sizes)
    views = [F.pixel_unshuffle(base, 2), *features(base)]
    for view in finer:
        views += [F.pixel_unshuffle(view, 2), features(view)[0]]
    return views


class CriticHead(nn.Module):
    """Down to 8 px or less, then a score for every place, given the class.

    The class enters by projection (Miyato and Koyama 2018, eq. 3). Beside the features stands
    how much the pictures of a group differ there (Karras et al. 2018, section 3, but within one
    class), so that a generator that repeats itself is found out.
    """

    def __init__(self, channels: int, side: int, classes: int, width: int, fine: int) -> None:
        """`fine`: width of two convolutions before it goes down, which see thin lines; 0: none."""
        super().__init__()
        layers: list[nn.Module] = []
        for inputs in (channels, fine) if fine else ():
            layers += [nn.Conv2d(inputs, fine, 3, 1, 1), nn.LeakyReLU(LEAK)]
            channels = fine
        while side > 8:
            layers += [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(LEAK)]
            channels, side = width, side // 2
        layers += [nn.Conv2d(channels, width, 3, 1, 1), nn.LeakyReLU(LEAK)]
        self.body = nn.Sequential(*layers)
        self.mix = nn.Conv2d(width + 1, width, 1)
        self.score = nn.Conv2d(width, 1, 1)
        self.embedding = ClassEmbedding(classes, width, std=1 / math.sqrt(width))

    def forward(self, x: Tensor, class_weights: Tensor) -> Tensor:
        """(N, channels, side, side), with N a multiple of GROUP, to scores (N, places)."""
        hidden = self.body(x)
        hidden = torch.cat([hidden, group_deviation(hidden).to(hidden.dtype)], 1)
        hidden = F.leaky_relu(self.mix(hidden), LEAK)
        wanted = self.embedding(class_weights)[:, :, None, None]
        scores: Tensor = self.score(hidden) + (hidden * wanted).sum(1, keepdim=True)
        return scores.flatten(1).float()

    def initialise_(self, random: torch.Generator) -> None:
        initialise_normal(self.score, 0.6, random)


def group_deviation(x: Tensor) -> Tensor:
    """Standard deviation within each group, averaged over channels: (N, 1, H, W) float32."""
    groups = x.float().view(-1, GROUP, *x.shape[1:])
    mean = groups.mean(1)  # Tensor.var is several times slower across an outer dimension
    variance = (groups * groups).mean(1) - mean * mean
    deviation = variance.clamp_min(1e-6).sqrt().mean(1, keepdim=True)
    return deviation.repeat_interleave(GROUP, 0)
