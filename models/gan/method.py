"""The base class of the methods of training GANs: networks, losses and learning rates.

`GanTrainee` in trainee.py does the training steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from ..blocks import blank, initialise
from ..training.loop import TrainingRun
from ..training.numerics import Numerics
from ..training.rng import rng
from ..training.team import Part
from .augment import Augment, Augmentation, Changes, changes_of
from .batches import WEIGHTS, TrainingSet
from .config import GanConfig, Method

Loss = Literal["non-saturating", "min-max"]
Metrics = Mapping[str, Tensor]
Betas = tuple[float, float]


@dataclass(frozen=True)
class GanSettings:
    """How to train a GAN.

    seed:      seed of all random numbers.
    method:    the method of training; ignored if the training continues from a GAN.
    batch:     number of pictures in a step, a multiple of GROUP.
    augment:   whether the critic sees augmented pictures: always ("on"), never ("off"), or with an
               adaptive probability if there are fewer than SMALL_SET pictures ("auto").
    mirror:    whether pictures may be mirrored left to right.
    loss:      the generator's loss; the methods projected and r3 have their own.
    rate:      factor of the method's learning rates.
    channels:  width of the generator's levels; None for that of `GanConfig.default`.
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
    """What every method is created from."""

    config: GanConfig
    settings: GanSettings
    numerics: Numerics
    augmentation: Augmentation  # augments the pictures that the critic sees


class Own(NamedTuple):
    """The pictures of a slice with which a process computes: `size` of `whole`, from `first` on."""

    first: int
    size: int
    whole: int


class Draws(NamedTuple):
    """The random numbers of a slice of a step, or of the part of it that a process computes.

    changes:  those of each augmentation in the order of their use; None if it is off.
    places:   positions of the patches that are compared (projected only).
    own:      the pictures of the slice that they are for.
    """

    changes: list[Changes | None]
    places: list[Tensor]
    own: Own

    def of(self, part: Part) -> Draws:
        """Returns those of the pictures of a part of the slice."""
        inner = part.inner
        changes = [None if c is None else changes_of(c, inner) for c in self.changes]
        return Draws(changes, self.places, Own(inner.start, part.size, part.whole))


@dataclass(frozen=True)
class Batch:
    """The pictures of a step, or of a slice of it, on the device.

    reals:    real pictures (B, C, H, W) in -1..1.
    fakes:    generated pictures, likewise.
    classes:  class weights (B, C) of the real and of the generated pictures.
    draws:    random numbers.
    """

    reals: Tensor
    fakes: Tensor
    classes: Tensor
    draws: Draws


B = TypeVar("B", bound=Batch)


class GanMethod(ABC, Generic[B]):
    """A method of training a GAN.

    networks:  "generator", "critic", and further networks of the GAN; their weights are stored
               under these names.
    betas:     the betas of Adam for the generator and for the critic.
    clip:      largest norm of the generator's gradient; None for no limit.
    views:     number of augmentations in a slice of a step.
    together:  whether a loss compares all pictures of a slice with each other, and not only those
               of a group.
    """

    betas: tuple[Betas, Betas]
    clip: float | None = None
    views: int
    together = False

    def __init__(
        self, setup: GanSetup, make: Callable[[GanConfig], nn.Module], critic: nn.Module
    ) -> None:
        """Create and initialise the generator with `make`, and initialise the blank `critic`."""
        self.setup, self._make = setup, make
        self.numerics, self.augmentation = setup.numerics, setup.augmentation
        generator, seed = self.blank_generator(), setup.settings.seed
        initialise(generator, rng(seed, WEIGHTS, 0))
        initialise(critic, rng(seed, WEIGHTS, 1))
        self.generator = self.numerics.compile(self.numerics.place(generator)).train()
        self.critic = self.numerics.place(critic).train()
        self.networks = {"generator": self.generator, "critic": self.critic}

    def blank_generator(self) -> nn.Module:
        """Returns a generator with uninitialised weights."""
        return blank(lambda: self._make(self.setup.config))

    def prepare(self, data: TrainingSet, run: TrainingRun) -> None:
        """Prepare the networks before the first step, unless the training continues from a GAN."""

    @abstractmethod
    def rates(self, step: int, age: int) -> tuple[float, float]:
        """Returns the learning rates of the generator and the critic at step number `step`.

        age: number of earlier steps to assume for the GAN that the training continues from.
        """

    def draw(self, count: int, step: int, first: int) -> Draws:
        """Returns the random numbers of a slice of `count` pictures, on the processor.

        first: the index of the slice's first picture in the step.
        """
        shape = self.setup.config.shape
        views = range(self.views)
        changes = [self.augmentation.draw(count, shape, k, step, first) for k in views]
        return Draws(changes, [], Own(0, count, count))

    @abstractmethod
    def batch(self, reals: Tensor, classes: Tensor, z: Tensor, draws: Draws) -> B:
        """Returns real and generated pictures; gradients of the latter reach the generator."""

    @abstractmethod
    def critic_loss(self, batch: B) -> tuple[Tensor, Tensor, Metrics]:
        """Returns the critic's loss, its scores of the real pictures, and metrics.

        The loss is a mean over groups of pictures. No gradient may reach the generator. The share
        of positive scores measures how certain the critic is of the real pictures.
        """

    @abstractmethod
    def generator_loss(self, batch: B) -> tuple[Tensor, Metrics]:
        """Returns the generator's loss, a mean over groups, and metrics. The critic is frozen."""

    def plain_batch(self, reals: Tensor, classes: Tensor, z: Tensor, draws: Draws) -> Batch:
        """Returns a batch without augmentation, for methods that augment in their losses."""
        with self.numerics.autocast():
            fakes = self.generator(z, classes)
        return Batch(reals, fakes, classes, draws)


def adam(network: nn.Module, betas: Betas) -> torch.optim.Adam:
    """Returns fused Adam, which updates all weights in one kernel. Each step sets its rate."""
    return torch.optim.Adam(network.parameters(), betas=betas, fused=True)
