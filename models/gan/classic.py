"""The classic convolutional GAN: DCGAN.

Paper: Radford et al. 2015, 'Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks'; the losses are those of Goodfellow et al. 2014, section 3. It
has no classes: class weights are ignored.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import LEAK, blank, halvings
from .bends import Bends
from .config import CELLS, GanConfig
from .layers import coarsest_map
from .method import Batch, Draws, GanMethod, GanSetup, Loss, Metrics

RATE, BETAS = 2e-4, (0.5, 0.999)  # of Adam, for generator and critic
OF_A_LEVEL = 3  # layers of each level of the generator: transposed convolution, norm, ReLU
SECOND = 3  # position of the second transposed convolution among the generator's layers


class ClassicGenerator(nn.Module):
    """Transposed convolutions from 1 px to 4, 8, ... and the picture's size, with batch norms.

    If pictures are not square, the first one makes a map of their aspect. An odd number of cells is
    cut from the second one.
    """

    def __init__(self, config: GanConfig) -> None:
        super().__init__()
        widths = config.channels
        first = nn.ConvTranspose2d(config.latent, widths[0], config.map_shape(4), bias=False)
        layers: list[nn.Module] = [first]
        for a, b in pairwise(widths):
            layers += [nn.BatchNorm2d(a), nn.ReLU()]
            layers += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU()]
        layers += [nn.ConvTranspose2d(widths[-1], config.planes, 4, 2, 1, bias=False)]
        self.layers = nn.Sequential(*layers)
        self._cells = config.map_shape(CELLS)
        self.bends = Bends(config.bends)

    def forward(self, z: Tensor, class_weights: Tensor) -> Tensor:
        """Returns pictures float32 (N, C, H, W) in -1..1 for latents; ignores class weights."""
        height, width = self._cells
        x = z[:, :, None, None]
        for number, layer in enumerate(self.layers):
            x = layer(x)
            if number == SECOND:
                x = x[:, :, :height, :width]
            if number % OF_A_LEVEL == OF_A_LEVEL - 1:
                x = self.bends(x, number // OF_A_LEVEL)
        return x.float().tanh()

    def initialise_(self, random: torch.Generator) -> None:
        _initialise_all(self, random)


class ClassicCritic(nn.Module):
    """Strided convolutions with batch norms down to 4 px, and one score."""

    def __init__(self, config: GanConfig) -> None:
        super().__init__()
        width = config.critic
        first = nn.Conv2d(config.planes, width, 4, 2, 1, bias=False)
        layers: list[nn.Module] = [first, nn.LeakyReLU(LEAK)]
        for _ in range(halvings(config.edge, 8)):
            wider = min(512, 2 * width)
            layers += [nn.Conv2d(width, wider, 4, 2, 1, bias=False), nn.BatchNorm2d(wider)]
            layers += [nn.LeakyReLU(LEAK)]
            width = wider
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 1, coarsest_map(config), bias=False))

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits (N,) of (N, C, H, W): high for pictures that look real."""
        return self.layers(images).flatten().float()  # type: ignore[no-any-return]

    def initialise_(self, random: torch.Generator) -> None:
        _initialise_all(self, random)


class ClassicMethod(GanMethod[Batch]):
    """Goodfellow 2014, algorithm 1, with the optimiser of Radford 2015."""

    betas = BETAS, BETAS
    views = 3

    def __init__(self, setup: GanSetup) -> None:
        super().__init__(setup, ClassicGenerator, blank(lambda: ClassicCritic(setup.config)))
        self.numerics.compile(self.critic)

    def rates(self, step: int, age: int) -> tuple[float, float]:
        rate = RATE * self.setup.settings.rate
        return rate, rate

    def batch(self, reals: Tensor, classes: Tensor, z: Tensor, draws: Draws) -> Batch:
        return self.plain_batch(reals, classes, z, draws)

    def critic_loss(self, batch: Batch) -> tuple[Tensor, Tensor, Metrics]:
        with self.numerics.autocast():
            real_logits = self.critic(self.augmentation(batch.reals, batch.draws.changes[0]))
            logits = self.critic(self.augmentation(batch.fakes.detach(), batch.draws.changes[1]))
        loss = F.softplus(-real_logits).mean() + F.softplus(logits).mean()
        return loss, real_logits, {"critic": loss}

    def generator_loss(self, batch: Batch) -> tuple[Tensor, Metrics]:
        with self.numerics.autocast():
            logits = self.critic(self.augmentation(batch.fakes, batch.draws.changes[2]))
        loss = adversarial_loss(logits, self.setup.settings.loss)
        return loss, {"generator": loss}


def adversarial_loss(logits: Tensor, loss: Loss) -> Tensor:
    """Returns the mean of -log D, or of log(1 - D) as in Goodfellow 2014, eq. 1.

    D = sigmoid(logits).
    """
    if loss == "min-max":
        return -F.softplus(logits).mean()
    return F.softplus(-logits).mean()


def _initialise_all(net: nn.Module, random: torch.Generator) -> None:
    """Draw weights from N(0, 0.02^2), of norms from N(1, 0.02^2) (Radford 2015, section 4)."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0, 0.02, generator=random)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.02, generator=random)
