"""A plain convolutional GAN with a loss that provably converges: R3GAN.

Paper: Huang et al. 2024, 'The GAN is dead; long live the GAN! A Modern GAN Baseline'. The loss
is the paper's. The networks are smaller and of dense convolutions, since a processor without a
graphics card computes the paper's grouped ones ten times slower; the critic halves by strides.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import LEAK, blank, halvings
from .config import GanConfig
from .layers import ClassEmbedding, initialise_patches
from .method import Batch, GanMethod, GanSetup, Metrics

RATE = 2e-4


class R3Generator(nn.Module):
    """Residual blocks at 4, 8, ... px without norms; the last layer draws patches of 2 px."""

    def __init__(self, config: GanConfig) -> None:
        super().__init__()
        widths = config.channels
        self.embedding = ClassEmbedding(len(config.classes), 32)
        self.start = nn.Linear(config.latent + 32, widths[0] * 16)
        self.levels = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(width) for _ in range(config.blocks))) for width in widths
        )
        self.between = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in pairwise(widths))
        self.pixels = nn.Conv2d(widths[-1], 12, 3, padding=1)

    def forward(self, z: Tensor, class_weights: Tensor) -> Tensor:
        """Latents (N, latent_dim), class weights (N, C) -> float32 (N, 3, S, S), about -1..1.

        Not bounded, as in the paper: a tanh saturates under so strong a critic, and learning ends.
        """
        x = self.start(torch.cat([z, self.embedding(class_weights)], 1)).unflatten(1, (-1, 4, 4))
        x = x.contiguous(memory_format=torch.channels_last)
        for level, blocks in enumerate(self.levels):
            if level > 0:
                x = F.interpolate(self.between[level - 1](x), scale_factor=2, mode="bilinear")
            x = blocks(x)
        return F.pixel_shuffle(self.pixels(F.leaky_relu(x, LEAK)), 2).float()

    def initialise_(self, random: torch.Generator) -> None:
        initialise_patches(self.pixels, random)


class ResidualBlock(nn.Module):
    """x + conv(act(conv(act(x)))), with a last convolution that starts at zero.

    Paper: Zhang et al. 2019, 'Fixup Initialization', which lets it do without norms.
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
    """Halves a picture down to 4 px, then one score, given the class (Miyato and Koyama 2018)."""

    def __init__(self, config: GanConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for level in range(halvings(config.size, 4)):
            width = config.critic * min(8, 1 << level)
            layers += [nn.Conv2d(inputs, width, 4, 2, 1), nn.LeakyReLU(LEAK)]
            inputs = width
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(inputs * 16, 64))
        self.score = nn.Linear(64, 1)
        self.embedding = ClassEmbedding(len(config.classes), 64, std=1 / 8)

    def forward(self, images: Tensor, class_weights: Tensor) -> Tensor:
        """(N, 3, S, S) -> scores (N,): high for what looks real."""
        hidden: Tensor = self.body(images)
        match = (hidden * self.embedding(class_weights)).sum(1)
        scores: Tensor = self.score(hidden)[:, 0] + match
        return scores.float()


class R3Method(GanMethod[Batch]):
    """Relativistic pairing with both zero-centred gradient penalties (Huang 2024, eq. 2 and 4)."""

    betas = (0.0, 0.99), (0.0, 0.99)

    def __init__(self, setup: GanSetup) -> None:
        # The critic is not compiled, which would leave it without second derivatives.
        super().__init__(setup, R3Generator, blank(lambda: StridedCritic(setup.config)))
        self._gamma = penalty_weight(setup.config.size)

    def rates(self, step: int, age: int) -> tuple[float, float]:
        rate = RATE * self.setup.settings.rate
        return rate, rate

    def batch(self, reals: Tensor, classes: Tensor, z: Tensor, counters: tuple[int, ...]) -> Batch:
        return self.plain_batch(reals, classes, z, counters)

    def critic_loss(self, batch: Batch) -> tuple[Tensor, Tensor, Metrics]:
        """In float32: penalties by half-precision gradients are off."""
        reals = batch.reals.requires_grad_(True)
        drawn = batch.drawn.detach().requires_grad_(True)
        real_scores = self.critic(self.augmentation(reals, 0, *batch.counters), batch.classes)
        scores = self.critic(self.augmentation(drawn, 1, *batch.counters), batch.classes)
        loss = F.softplus(scores - real_scores).mean()
        r1, r2 = gradient_penalty(reals, real_scores), gradient_penalty(drawn, scores)
        metrics = {"critic": loss, "r1": r1, "r2": r2}
        return loss + self._gamma / 2 * (r1 + r2), real_scores - scores, metrics

    def generator_loss(self, batch: Batch) -> tuple[Tensor, Metrics]:
        with self.numerics.autocast():
            scores = self.critic(self.augmentation(batch.drawn, 2, *batch.counters), batch.classes)
            with torch.no_grad():
                reals = self.augmentation(batch.reals, 3, *batch.counters)
                real_scores = self.critic(reals, batch.classes)
        loss = F.softplus(real_scores - scores).mean()
        return loss, {"generator": loss}


def gradient_penalty(images: Tensor, scores: Tensor) -> Tensor:
    """Mean over pictures of |d score / d picture|^2 (Mescheder et al. 2018, eq. 9), exactly."""
    (slope,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def penalty_weight(size: int) -> float:
    """The penalties' gamma, growing with the number of pixels: 0.3 at 32 px."""
    return 0.3 * (size / 32) ** 2
