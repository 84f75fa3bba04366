"""What the three GANs' trainings share: balanced batches, latents, the average, the preview."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import blank, initialise, to_bytes, to_signed
from .diffaugment import diff_augment
from .gan_config import GanConfig
from .numerics import Numerics
from .training import Average, Sampler, Stateful, generator

GROUP = 4  # pictures of one class that stand together in a batch
# The average's window grows with the run, an eighteenth of it, up to 1,000 steps: so a short
# training and a long one both end well without a schedule (compare Karras et al. 2024, EDM2).
EMA_DECAY = 0.999

# Counters that keep the random streams of one seed apart.
WEIGHTS, REALS, LATENTS, AUGMENT, FEATURES, PATCHES, PREVIEW = range(7)


@dataclass(frozen=True)
class Pictures:
    """The training set: uint8 (N, S, S, 3), perhaps a memory map, and its int64 labels (N,)."""

    images: Tensor
    labels: Tensor
    classes: int
    flip: bool  # mirror every second picture, by chance

    def members(self) -> list[Tensor]:
        """For each class that has pictures, their numbers."""
        found = (torch.nonzero(self.labels == c).flatten() for c in range(self.classes))
        return [numbers for numbers in found if len(numbers)]

    def take(self, numbers: Tensor, random: torch.Generator) -> Tensor:
        """Those pictures as float32 (N, 3, S, S) in -1..1, channels-last."""
        pictures = to_signed(self.images[numbers])
        if self.flip:
            mirrored = torch.rand(len(pictures), generator=random) < 0.5
            pictures = torch.where(mirrored[:, None, None, None], pictures.flip(3), pictures)
        return pictures.contiguous(memory_format=torch.channels_last)


class Batches:
    """Batches of groups: GROUP pictures of the same class, every class equally often.

    Groups let a critic compare pictures of one class with each other, whatever the number of
    classes: with fewer classes than groups some come twice, with more they take turns.
    """

    def __init__(self, pictures: Pictures, batch: int, seed: int) -> None:
        self._pictures, self._seed = pictures, seed
        self._members = pictures.members()
        self._turns = Sampler(len(self._members), -(-batch // GROUP), seed)

    def reals(self, step: int) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, S, S) in -1..1 and their labels (B,), for step number `step`."""
        random = generator(self._seed, REALS, step)
        numbers = torch.cat(
            [self._group(self._members[turn], random) for turn in self._turns.indices(step)]
        )
        return self._pictures.take(numbers, random), self._pictures.labels[numbers]

    def _group(self, members: Tensor, random: torch.Generator) -> Tensor:
        """GROUP of the class's pictures: distinct ones where it has enough."""
        chosen = torch.randperm(len(members), generator=random)[:GROUP]
        return members[chosen.repeat(GROUP)[:GROUP]]


@dataclass(frozen=True)
class Recipe:
    """How to train, whatever the method."""

    batch: int
    seed: int
    numerics: Numerics
    augment: bool  # whether the critic sees augmented pictures
    rate: float = 1.0  # the learning rates, as a multiple of the method's own


class GanTrainee:
    """A Trainee without its step: each method brings that, and its critic."""

    def __init__(
        self,
        config: GanConfig,
        pictures: Pictures,
        recipe: Recipe,
        make: Callable[[GanConfig], nn.Module],
        critic: nn.Module,
    ) -> None:
        """`make`: the generator's class; `critic`: a blank one."""
        self.config, self.recipe = config, recipe
        seed, numerics = self.seed, self.numerics = recipe.seed, recipe.numerics
        source, copy = blank(lambda: make(config)), blank(lambda: make(config))
        initialise(source, generator(seed, WEIGHTS, 0))
        initialise(critic, generator(seed, WEIGHTS, 1))
        self.generator = numerics.place(source).train()
        self.critic = numerics.place(critic).train()
        self.average = Average(self.generator, numerics.place(copy), EMA_DECAY).eval()
        self.batches = Batches(pictures, recipe.batch, seed)
        self.optimisers: dict[str, torch.optim.Optimizer] = {}
        self.age = 0  # steps that a GAN started from has behind it

    def networks(self) -> dict[str, nn.Module]:
        """The networks under the names that `outcome` keeps their weights by."""
        return {"generator": self.generator, "critic": self.critic}

    def parts(self) -> Mapping[str, Stateful]:
        networks = {"live": self.generator, "average": self.average, "critic": self.critic}
        return {**networks, **self.optimisers}

    def reals(self, step: int) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, S, S) in -1..1 and their class weights (B, C), on the device."""
        pictures, labels = self.batches.reals(step)
        weights = F.one_hot(labels, len(self.config.classes)).float()
        return pictures.to(self.numerics.device), weights.to(self.numerics.device)

    def latents(self, count: int, *counters: int) -> Tensor:
        """(count, latent_dim) of N(0, 1), on the device."""
        random = generator(self.seed, LATENTS, *counters)
        return torch.randn(count, self.config.latent_dim, generator=random).to(self.numerics.device)

    def seen(self, images: Tensor, *counters: int) -> Tensor:
        """What the critic gets to see of `images`: augmented, where that is on."""
        if not self.recipe.augment:
            return images
        return diff_augment(images, generator(self.seed, AUGMENT, *counters))

    def apply(self, optimiser: str) -> None:
        """Let the named optimiser use up the gradients."""
        self.optimisers[optimiser].step()
        self.optimisers[optimiser].zero_grad()

    def follow(self, step: int) -> None:
        """Let the average take in the generator; half the step makes its window half as long."""
        self.average.update(self.generator, (self.age + step) // 2)

    def preview(self) -> Tensor:
        """Pictures of the average: uint8 (N, S, S, 3), up to eight classes in turn."""
        count = len(self.config.classes)
        weights = torch.eye(count)[torch.arange(16) % min(count, 8)].to(self.numerics.device)
        with torch.no_grad(), self.numerics.autocast():
            drawn = self.average.network(self.latents(16, PREVIEW), weights)
        return to_bytes(drawn.cpu())

    def outcome(self) -> dict[str, Tensor]:
        """The networks' weights as they are kept: `generator.*` is the average."""
        return {
            **prefixed("generator", self.average.network),
            **prefixed("critic", self.critic),
        }


class ClassEmbedding(nn.Module):
    """Vectors of the classes, mixed by soft weights: (N, C) to (N, width)."""

    def __init__(self, classes: int, width: int, std: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, width))
        self._std = std

    def forward(self, class_weights: Tensor) -> Tensor:
        return class_weights @ self.weight

    def initialise_(self, generator: torch.Generator) -> None:
        nn.init.normal_(self.weight, 0, self._std, generator=generator)


def adam(
    parameters: Iterable[nn.Parameter], rate: float, betas: tuple[float, float]
) -> torch.optim.Adam:
    """Adam in its fused form: one pass over all weights."""
    return torch.optim.Adam(parameters, rate, betas, fused=True)


def initialise_patches(pixels: nn.Conv2d, generator: torch.Generator) -> None:
    """All pixels of a patch alike, so that no grid shows at first (Aitken et al. 2017, ICNR).

    `pixels` goes before a pixel shuffle to three channels.
    """
    weight = pixels.weight
    one = torch.empty(3, 1, *weight.shape[1:])
    nn.init.normal_(one, 0, 0.6 / math.sqrt(weight[0].numel()), generator=generator)
    with torch.no_grad():
        weight.copy_(one.expand(-1, len(weight) // 3, -1, -1, -1).reshape(weight.shape))


def prefixed(name: str, network: nn.Module) -> dict[str, Tensor]:
    """A network's weights on the processor, each name with `name.` before it."""
    return {f"{name}.{key}": value.detach().cpu() for key, value in network.state_dict().items()}
