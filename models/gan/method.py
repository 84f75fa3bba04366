"""What a method of training GANs is: networks, losses and rates; `gan_training` does the steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import torch
from torch import Tensor, nn

from ..blocks import blank, initialise
from ..training.loop import TrainingRun
from ..training.numerics import Numerics
from ..training.rng import rng
from .augment import Augment, Augmentation
from .batches import WEIGHTS, TrainingSet
from .config import GanConfig, Method

Loss = Literal["non-saturating", "min-max"]
Metrics = Mapping[str, Tensor]
Betas = tuple[float, float]


@dataclass(frozen=True)
class GanSettings:
    """How to train a GAN.

    seed:      decides all random numbers.
    method:    of training; ignored if the training goes on from a GAN, as that has its own.
    batch:     pictures in a step, a multiple of 4: it consists of fours of the same class.
    augment:   whether the critic sees augmented pictures: always, never, or (auto), in sets of
               less than SMALL_SET pictures, as often as its certainty calls for.
    mirror:    whether pictures may be mirrored left to right.
    loss:      of the classic generator alone.
    rate:      the learning rates, as a multiple of the method's own.
    channels:  of the generator's levels; None for those of `GanConfig.default`.
    """

    seed: int
    method: Method = "projected"
    batch: int = 32
    augment: Augment = "auto"
    mirror: bool = True
    loss: Loss = "non-saturating"
    rate: float = 1.0
    channels: tuple[int, ...] | None = None


@dataclass(frozen=True)
class GanSetup:
    """What every method is made from."""

    config: GanConfig
    settings: GanSettings
    numerics: Numerics
    augmentation: Augmentation  # of what the critic sees


@dataclass(frozen=True)
class Batch:
    """Pictures of a step, or of a slice of it, (B, 3, S, S) in -1..1, all on the device.

    counters: keep the random numbers of this slice apart from others', (step, first picture).
    """

    reals: Tensor
    drawn: Tensor
    classes: Tensor  # weights (B, C), of both
    counters: tuple[int, ...]


B = TypeVar("B", bound=Batch)


class GanMethod(ABC, Generic[B]):
    """One way to train a GAN.

    networks:  "generator", "critic" and what else is trained with them; the GAN's weights are
               stored under these names.
    betas:     Adam's, of the generator and of the critic.
    clip:      largest norm of the generator's gradient.
    """

    betas: tuple[Betas, Betas]
    clip: float | None = None

    def __init__(
        self, setup: GanSetup, make: Callable[[GanConfig], nn.Module], critic: nn.Module
    ) -> None:
        """`make`: the generator's class; `critic`: a blank one."""
        self.setup, self._make = setup, make
        self.numerics, self.augmentation = setup.numerics, setup.augmentation
        generator, seed = self.blank_generator(), setup.settings.seed
        initialise(generator, rng(seed, WEIGHTS, 0))
        initialise(critic, rng(seed, WEIGHTS, 1))
        self.generator = self.numerics.compile(self.numerics.place(generator)).train()
        self.critic = self.numerics.place(critic).train()
        self.networks = {"generator": self.generator, "critic": self.critic}

    def blank_generator(self) -> nn.Module:
        """Returns a generator without weights."""
        return blank(lambda: self._make(self.setup.config))

    def prepare(self, data: TrainingSet, run: TrainingRun) -> None:
        """Do what comes before the first step of a training from nothing."""

    @abstractmethod
    def rates(self, step: int, age: int) -> tuple[float, float]:
        """Returns the learning rates of generator and critic at step number `step`.

        age: steps that the GAN started from has behind it.
        """

    @abstractmethod
    def batch(self, reals: Tensor, classes: Tensor, z: Tensor, counters: tuple[int, ...]) -> B:
        """Returns real pictures beside drawn ones; gradients flow from these to the generator."""

    @abstractmethod
    def critic_loss(self, batch: B) -> tuple[Tensor, Tensor, Metrics]:
        """Returns the critic's loss, scores of the real pictures, and metrics.

        The loss is a mean over groups of pictures; no gradient reaches the generator. The signs of
        the scores say how certain the critic is.
        """

    @abstractmethod
    def generator_loss(self, batch: B) -> tuple[Tensor, Metrics]:
        """Returns the generator's loss, a mean likewise, and metrics. The critic is frozen."""

    def plain_batch(
        self, reals: Tensor, classes: Tensor, z: Tensor, counters: tuple[int, ...]
    ) -> Batch:
        """Returns the pictures as they are, for methods whose losses augment them."""
        with self.numerics.autocast():
            drawn = self.generator(z, classes)
        return Batch(reals, drawn, classes, counters)


def adam(network: nn.Module, betas: Betas) -> torch.optim.Adam:
    """Returns Adam in its fused form: one pass over all weights. Each step sets the rate."""
    return torch.optim.Adam(network.parameters(), betas=betas, fused=True)
