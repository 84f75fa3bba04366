"""A plain convolutional GAN with a loss that provably converges: R3GAN.

Paper: Huang et al. 2024, 'The GAN is dead; long live the GAN! A Modern GAN Baseline'. The loss
is the paper's. The networks are smaller, with dense convolutions: without a graphics card, the
paper's grouped convolutions are ten times slower. The critic uses strided convolutions.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import LEAK, blank, halvings
from ..repeatable import enlarged
from .bends import Bends
from .config import GanConfig
from .layers import ClassEmbedding, coarsest_map, initialise_patches
from .method import Batch, Draws, GanMethod, GanSetup, Metrics

RATE = 2e-4  # learning rate of generator and critic


class R3Generator(nn.Module):
    """Residual blocks at 4, 8, ... px without norms; the last layer draws patches of 2 px."""

    def __init__(self, config: GanConfig) -> None:
        super().__init__()
        widths = config.channels
        self.embedding = ClassEmbedding(len(config.classes), 32)
        self._maps = [config.map_shape(edge) for edge in config.resolutions]
        height, width = self._maps[0]
        self.start = nn.Linear(config.latent + 32, widths[0] * height * width)
        self.levels = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(width) for _ in range(config.blocks))) for width in widths
        )
        self.between = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in pairwise(widths))
        self._planes = config.planes
        self.pixels = nn.Conv2d(widths[-1], 4 * config.planes, 3, padding=1)
        self.bends = Bends(config.bends)

    def forward(self, z: Tensor, class_weights: Tensor) -> Tensor:
        """Returns pictures float32 (N, C, H, W), about -1..1, for latents and class weights (N, C).

        They are not bounded, as in the paper: the critic is so strong that a tanh would saturate,
        and its gradient would vanish.
        """
        x = self.start(torch.cat([z, self.embedding(class_weights)], 1))
        x = x.unflatten(1, (-1, *self._maps[0]))
        x = x.contiguous(memory_format=torch.channels_last)
        for level, (blocks, (height, width)) in enumerate(
            zip(self.levels, self._maps, strict=True)
        ):
            if level > 0:
                x = enlarged(self.between[level - 1](x))[:, :, :height, :width]
            x = self.bends(blocks(x), level)
        return F.pixel_shuffle(self.pixels(F.leaky_relu(x, LEAK)), 2).float()

    def initialise_(self, random: torch.Generator) -> None:
        initialise_patches(self.pixels, self._planes, random)


class ResidualBlock(nn.Module):
    """x + conv(act(conv(act(x)))), with the last convolution zero at first.

    Paper: Zhang et al. 2019, 'Fixup Initialization': so initialised, it needs no norms.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(F.leaky_relu(self.first(F.leaky_relu(x, LEAK)), LEAK))
        return x + change

    def initialise_(self, random: torch.Generator) -> None:
        nn.init.zeros_(self.second.weight)


class StridedCritic(nn.Module):
    """Strided convolutions down to 4 px, and a score, given the class.

    The class is an input by projection (Miyato and Koyama 2018, eq. 3).
    """

    def __init__(self, config: GanConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = config.planes
        for level in range(halvings(config.edge, 4)):
            width = config.critic * min(8, 1 << level)
            layers += [nn.Conv2d(inputs, width, 4, 2, 1), nn.LeakyReLU(LEAK)]
            inputs = width
        height, width = coarsest_map(config)
        values = inputs * height * width
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(values, 64))
        self.score = nn.Linear(64, 1)
        self.embedding = ClassEmbedding(len(config.classes), 64, std=1 / 8)

    def forward(self, images: Tensor, class_weights: Tensor) -> Tensor:
        """Returns scores (N,) of (N, C, H, W): high for pictures that look real."""
        hidden: Tensor = self.body(images)
        match = (hidden * self.embedding(class_weights)).sum(1)
        scores: Tensor = self.score(hidden)[:, 0] + match
        return scores.float()


class R3Method(GanMethod[Batch]):
    """Relativistic pairing with both zero-centred gradient penalties (Huang 2024, eq. 2 and 4)."""

    betas = (0.0, 0.99), (0.0, 0.99)
    views = 4

    def __init__(self, setup: GanSetup) -> None:
        # The critic is not compiled: compiled networks do not have second derivatives.
        super().__init__(setup, R3Generator, blank(lambda: StridedCritic(setup.config)))
        self._gamma = penalty_weight(*setup.config.shape)

    def rates(self, step: int, age: int) -> tuple[float, float]:
        rate = RATE * self.setup.settings.rate
        return rate, rate

    def batch(self, reals: Tensor, classes: Tensor, z: Tensor, draws: Draws) -> Batch:
        return self.plain_batch(reals, classes, z, draws)

    def critic_loss(self, batch: Batch) -> tuple[Tensor, Tensor, Metrics]:
        """Computed in float32: penalties from bfloat16 gradients are inexact."""
        reals = batch.reals.requires_grad_(True)
        fakes = batch.fakes.detach().requires_grad_(True)
        real_scores = self.critic(self.augmentation(reals, batch.draws.changes[0]), batch.classes)
        scores = self.critic(self.augmentation(fakes, batch.draws.changes[1]), batch.classes)
        loss = F.softplus(scores - real_scores).mean()
        r1, r2 = gradient_penalty(reals, real_scores), gradient_penalty(fakes, scores)
        metrics = {"critic": loss, "r1": r1, "r2": r2}
        return loss + self._gamma / 2 * (r1 + r2), real_scores - scores, metrics

    def generator_loss(self, batch: Batch) -> tuple[Tensor, Metrics]:
        with self.numerics.autocast():
            scores = self.critic(
                self.augmentation(batch.fakes, batch.draws.changes[2]), batch.classes
            )
            with torch.no_grad():
                reals = self.augmentation(batch.reals, batch.draws.changes[3])
                real_scores = self.critic(reals, batch.classes)
        loss = F.softplus(real_scores - scores).mean()
        return loss, {"generator": loss}


def gradient_penalty(images: Tensor, scores: Tensor) -> Tensor:
    """Returns the mean over pictures of |d score / d picture|^2 (Mescheder et al. 2018, eq. 9)."""
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def penalty_weight(height: int, width: int) -> float:
    """Returns gamma, the weight of the penalties: 0.3 at 32 px, proportional to the area."""
    return 0.3 * (height * width / 32**2)
