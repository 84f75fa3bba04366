"""The critic of the projected GAN: small heads on frozen features and on the pixels.

Paper: Sauer et al. 2021, 'Projected GANs Converge Faster': the critic sees features of a
frozen network instead of pixels, at several depths. This network is small here
(projected_features.py) and misses details, so one more head sees the pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..alpha import over_grey
from ..blocks import LEAK
from .batches import GROUP
from .config import nominal_edge
from .layers import ClassEmbedding, initialise_normal


class ProjectedCritic(nn.Module):
    """A critic with one head for each tensor that `critic_views` returns."""

    def __init__(
        self, views: list[tuple[int, int, int]], classes: int, width: int, fine: int
    ) -> None:
        """`views`: (channels, H, W) of each tensor; `fine`: see `CriticHead`, first head only."""
        super().__init__()
        self.heads = nn.ModuleList(
            CriticHead(view, classes, width, fine if number == 0 else 0)
            for number, view in enumerate(views)
        )

    def forward(self, views: list[Tensor], class_weights: Tensor) -> list[Tensor]:
        """Returns scores of each head, (N, places) each: high for pictures that look real."""
        return [head(x, class_weights) for head, x in zip(self.heads, views, strict=True)]


def critic_views(images: Tensor, features: nn.Module, grown: int) -> list[Tensor]:
    """Returns the inputs of the heads for pictures (N, C, H, W): pixels, and maps of `features`.

    The features see pictures with alpha in front of grey.

    If fine-tuning has doubled the size `grown` times, the first heads see the picture reduced to
    the size before. For each larger size, two more heads see its pixels and its finest map.
    """
    sizes = [images]
    for _ in range(grown):
        sizes.append(F.avg_pool2d(sizes[-1], 2))
    base, *finer = reversed(sizes)
    views = [F.pixel_unshuffle(base, 2), *features(over_grey(base))]
    for view in finer:
        views += [F.pixel_unshuffle(view, 2), features(over_grey(view))[0]]
    return views


class CriticHead(nn.Module):
    """Convolutions down to 8 px or less, then a score for every place, given the class.

    The class is an input by projection (Miyato and Koyama 2018, eq. 3). One more feature is the
    standard deviation within the group (Karras et al. 2018, section 3, but within one class), so
    that the critic detects a generator that repeats itself.
    """

    def __init__(self, view: tuple[int, int, int], classes: int, width: int, fine: int) -> None:
        """`fine`: width of two convolutions at full size, which see thin lines; 0 for none."""
        super().__init__()
        channels, edge = view[0], nominal_edge(*view[1:])
        layers: list[nn.Module] = []
        for inputs in (channels, fine) if fine else ():
            layers += [nn.Conv2d(inputs, fine, 3, 1, 1), nn.LeakyReLU(LEAK)]
            channels = fine
        while edge > 8:
            layers += [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(LEAK)]
            channels, edge = width, edge // 2
        layers += [nn.Conv2d(channels, width, 3, 1, 1), nn.LeakyReLU(LEAK)]
        self.body = nn.Sequential(*layers)
        self.mix = nn.Conv2d(width + 1, width, 1)
        self.score = nn.Conv2d(width, 1, 1)
        self.embedding = ClassEmbedding(classes, width, std=1 / math.sqrt(width))

    def forward(self, x: Tensor, class_weights: Tensor) -> Tensor:
        """Returns scores (N, places) for x (N, channels, H, W), N a multiple of GROUP."""
        hidden = self.body(x)
        hidden = torch.cat([hidden, group_deviation(hidden).to(hidden.dtype)], 1)
        hidden = F.leaky_relu(self.mix(hidden), LEAK)
        class_vector = self.embedding(class_weights)[:, :, None, None]
        scores: Tensor = self.score(hidden) + (hidden * class_vector).sum(1, keepdim=True)
        return scores.flatten(1).float()

    def initialise_(self, random: torch.Generator) -> None:
        initialise_normal(self.score, 0.6, random)


def group_deviation(x: Tensor) -> Tensor:
    """Returns the standard deviation within each group, averaged over channels: (N, 1, H, W)."""
    groups = x.float().view(-1, GROUP, *x.shape[1:])
    mean = groups.mean(1)  # Tensor.var is several times slower over an outer dimension
    variance = (groups * groups).mean(1) - mean * mean
    deviation = variance.clamp_min(1e-6).sqrt().mean(1, keepdim=True)
    return deviation.repeat_interleave(GROUP, 0)
