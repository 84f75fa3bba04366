"""What the three GANs' trainings share: latents, augmentation, the average, looks, the preview."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import blank, initialise, to_bytes
from .diffaugment import Strength, diff_augment
from .gan_config import GanConfig
from .gan_pictures import AUGMENT, GROUP, LATENTS, PREVIEW, WATCH, WEIGHTS, Batches, Pictures
from .gan_watch import Watch
from .numerics import Numerics
from .parts import in_parts
from .training import Average, Report, Stateful, generator, micro_batches

Augment = Literal["auto", "on", "off"]

MOST_COOL_STEPS = 500  # at the end, for a fifth of the training's steps
SMALL_SET = 1000  # pictures; with fewer, a critic may come to know them by heart
# The average's window grows with the run, an eighteenth of it, up to 1,000 steps: so a short
# training and a long one both end well without a schedule (compare Karras et al. 2024, EDM2).
EMA_DECAY = 0.999


@dataclass(frozen=True)
class Recipe:
    """How to train, whatever the method."""

    batch: int
    seed: int
    numerics: Numerics
    augment: Augment  # what the critic sees; auto: as far as a small set needs it
    rate: float = 1.0  # the learning rates, as a multiple of the method's own
    say: Callable[[str], None] = lambda line: None  # hears what the user should know by now
    pause: Callable[[float], None] = lambda share: None  # told within a long first step


@dataclass(frozen=True)
class Batch:
    """Pictures of a step, or of a part of it, (B, 3, S, S) in -1..1, all on the device.

    counters: what tells the part's random numbers from others'.
    """

    reals: Tensor
    drawn: Tensor
    classes: Tensor  # weights (B, C), of both
    counters: tuple[int, ...]


B = TypeVar("B", bound=Batch)


class GanTrainee(Generic[B]):
    """A Trainee whose method brings its critic and the losses of both sides."""

    clip: float | None = None  # largest norm of the generator's gradient

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
        self.generator = numerics.compile(numerics.place(source)).train()
        self.critic = numerics.place(critic).train()
        self.average = Average(self.generator, numerics.place(copy), EMA_DECAY).eval()
        self.batches = Batches(pictures, recipe.batch, seed)
        self.optimisers: dict[str, torch.optim.Optimizer] = {}
        adaptive = recipe.augment == "auto" and len(pictures.images) < SMALL_SET
        self.augments = adaptive or recipe.augment == "on"
        self.strength = Strength(float(recipe.augment == "on"), adaptive).to(numerics.device)
        self.watch = Watch(pictures, seed, numerics)
        self.cooling = 1.0  # factor of the learning rates, below 1 in the last steps
        self.age = 0  # steps that a GAN started from has behind it

    def networks(self) -> dict[str, nn.Module]:
        """The networks under the names that `outcome` keeps their weights by."""
        return {"generator": self.generator, "critic": self.critic}

    def parts(self) -> Mapping[str, Stateful]:
        networks = {"live": self.generator, "average": self.average, "critic": self.critic}
        others: dict[str, Stateful] = {"strength": self.strength, "watch": self.watch}
        return {**networks, **others, **self.optimisers}

    def step(self, step: int) -> Mapping[str, Tensor]:
        """Optimisation step number `step`, as in `Trainee`: the critic's, then the generator's.

        A batch of large pictures goes through in parts, which are drawn once for either side,
        since together they would not fit.
        """
        reals, classes = self.reals(step)
        z = self.latents(len(reals), step)
        parts = micro_batches(len(reals), self.config.size, GROUP)
        told = dict[str, Tensor]()
        signs = []

        def batch(part: slice) -> B:
            return self.batch(reals[part], classes[part], z[part], step, part.start)

        def learn(part: slice, loss: Tensor, metrics: Mapping[str, Tensor]) -> None:
            share = (part.stop - part.start) / len(reals)
            (loss * share).backward()
            for name, value in metrics.items():
                told[name] = told.get(name, 0) + value.detach() * share

        for part in parts:
            compared = batch(part)
            loss, scores, metrics = self.critic_loss(compared)
            signs.append(scores.detach().sign().flatten())
            learn(part, loss, metrics)
        self.apply("critic_adam")
        self.critic.requires_grad_(False)
        for part in parts:
            loss, metrics = self.generator_loss(compared if len(parts) == 1 else batch(part))
            learn(part, loss, metrics)
        self.critic.requires_grad_(True)
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.generator.parameters(), self.clip)
        self.apply("generator_adam")
        self.follow(step)
        return {**told, **self._adapt(torch.cat(signs))}

    def batch(self, reals: Tensor, classes: Tensor, z: Tensor, *counters: int) -> B:
        """Real pictures beside drawn ones, through which gradients flow to the generator."""
        with self.numerics.autocast():
            drawn = self.generator(z, classes)
        return Batch(reals, drawn, classes, counters)  # type: ignore[return-value]

    def critic_loss(self, batch: B) -> tuple[Tensor, Tensor, Mapping[str, Tensor]]:
        """The critic's loss, the scores of real pictures whose signs tell its certainty, metrics.

        The loss is a mean over groups of pictures; no gradient reaches the generator.
        """
        raise NotImplementedError

    def generator_loss(self, batch: B) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The generator's loss, and metrics; a mean likewise. The critic is frozen."""
        raise NotImplementedError

    def reals(self, step: int) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, S, S) in -1..1 and their class weights (B, C), on the device."""
        pictures, labels = self.batches.reals(step)
        weights = F.one_hot(labels, len(self.config.classes)).float()
        return pictures, self.numerics.put(weights)

    def latents(self, count: int, *counters: int) -> Tensor:
        """(count, latent_dim) of N(0, 1), on the device."""
        random = generator(self.seed, LATENTS, *counters)
        return self.numerics.put(torch.randn(count, self.config.latent_dim, generator=random))

    def seen(self, images: Tensor, *counters: int) -> Tensor:
        """What the critic gets to see of `images`: augmented, where that is on."""
        if not self.augments:
            return images
        random = generator(self.seed, AUGMENT, *counters)
        return diff_augment(images, self.strength.value, random)

    def _adapt(self, signs: Tensor) -> Mapping[str, Tensor]:
        """Let augmentation follow how sure the critic is; the metrics that tell of both.

        signs: of the real pictures' scores, -1, 0 or 1.
        """
        certainty = signs.mean()
        if not self.strength.adaptive:
            return {"certainty": certainty}
        self.strength.adapt(certainty, self.recipe.batch)
        return {"certainty": certainty, "augment": self.strength.value.clone()}

    def apply(self, optimiser: str) -> None:
        """Let the named optimiser use up the gradients."""
        group = self.optimisers[optimiser].param_groups[0]
        rate = group["lr"]
        group["lr"] = rate * self.cooling
        self.optimisers[optimiser].step()
        group["lr"] = rate
        self.optimisers[optimiser].zero_grad()

    def follow(self, step: int) -> None:
        """Let the average take in the generator; half the step makes its window half as long.

        Where a look is due, take it.
        """
        self.average.update(self.generator, (self.age + step) // 2)
        if self.cooling == 1 and self.watch.is_due(step + 1):
            for line in self.watch.visit(step + 1, self.draw):
                self.recipe.say(f"step {step + 1}: {line}")

    def draw(self, labels: Tensor, stream: int = WATCH) -> Tensor:
        """Pictures of the average, of these classes: uint8 (N, S, S, 3); always the same ones."""
        weights = F.one_hot(labels, len(self.config.classes)).float()

        def drawn(z: Tensor, weights: Tensor) -> Tensor:
            with torch.no_grad(), self.numerics.autocast():
                return to_bytes(self.average.network(z, weights.to(z.device))).cpu()

        return in_parts(drawn, self.latents(len(labels), stream), weights, batch=64)

    def preview(self) -> Tensor:
        """Pictures of the average: uint8 (N, S, S, 3), up to eight classes in turn."""
        return self.draw(torch.arange(16) % min(len(self.config.classes), 8), PREVIEW)

    def outcome(self) -> dict[str, Tensor]:
        """The networks' weights as they are kept: `generator.*` is the average."""
        return {
            **prefixed("generator", self.average.network),
            **prefixed("critic", self.critic),
        }


def cool_down(trainee: GanTrainee[Any], steps: int, report: Report) -> None:
    """Some steps after the last one, at rates that fall to nothing.

    Large steps keep the weights in motion around what they tend to, and small ones let them
    settle there (Hu et al. 2024, 'MiniCPM', section 4: warm-up, stable, decay). No checkpoint
    holds these steps: a longer training goes on from where they began.
    """
    count = cool_steps(steps)
    for step in range(steps, steps + count):
        trainee.cooling = (steps + count - step) / (count + 1)
        trainee.step(step)
        report(step + 1, steps + count, trainee.preview)


def cool_steps(steps: int) -> int:
    """How many steps a training of so many steps ends with, in addition."""
    return min(steps // 5, MOST_COOL_STEPS)


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
