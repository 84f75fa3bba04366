"""Training a classifier, from scratch or from a trained one, and calibrating it.

From scratch, training takes seconds on procedural art. It also works for an artist's folder with
few pictures per class, thanks to the augmentation and the averaged weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import blank, initialise, measure_norms, to_bytes, to_signed
from ..configs import Size, size_of
from ..groups import groups_of, together
from ..training import team
from ..training.average import Average
from ..training.diverged import UnsuitableError
from ..training.inputs import Number
from ..training.loop import State, Stateful, TrainingResult, TrainingRun, train
from ..training.parallel import on_devices
from ..training.rng import rng
from ..training.sampler import micro_batches
from ..training.steps import Steps
from ..training.windows import sampler_of, streamed
from .calibration import fit_temperature, held_out_mask, held_out_of_stream
from .examples import Examples, ExampleSet
from .networks import AT_ONCE, ClassifierConfig, Method, logits_of, make_classifier

WARM_UP = 20  # steps of linear warm-up
SMOOTHING = 0.1  # label smoothing (Szegedy et al. 2016, section 7)
MEASURED = 512  # pictures used to measure the batch norms' statistics at the end
PREVIEWS = 16  # pictures in a preview


class HeldOut(NamedTuple):
    """Predictions for the pictures that were not trained on; there may be none."""

    probabilities: Tensor  # calibrated, (M, classes)
    labels: Tensor  # (M,)


class Recipe(NamedTuple):
    """How a kind of network is trained.

    rate:          learning rate after the warm-up.
    weight_decay:  of AdamW.
    decay:         of the averaged weights.
    pixels:        number of pixels of a picture as the network sees it.
    recolour:      whether augmentation also changes colours and mixes pictures.
    """

    rate: float
    weight_decay: float
    decay: float
    pixels: int
    recolour: bool = True


class _Inputs(NamedTuple):
    parts: list[Examples]
    labels: Tensor  # of all parts
    rate: Number
    weight: Number  # of the network in the average


@dataclass(frozen=True)
class ClassifierSettings:
    """How to train a classifier.

    seed:      seed of all random numbers.
    method:    method of a new network; ignored if the training continues from a classifier.
    batch:     pictures per step.
    augment:   whether to mirror, shift and recolour the pictures, and mix some (CutMix).
    held_out:  share of each class that is not trained on, but used to fit the temperature.
    """

    seed: int
    method: Method = "residual"
    batch: int = 64
    augment: bool = True
    held_out: float = 0.1


@on_devices
def train_classifier(
    images: Tensor,
    labels: Tensor,
    classes: tuple[str, ...],
    settings: ClassifierSettings,
    run: TrainingRun,
    *,
    steps: int,
    start: tuple[ClassifierConfig, State] | None = None,
    groups: Tensor | None = None,
    draws: Tensor | None = None,
) -> TrainingResult[ClassifierConfig, HeldOut]:
    """Train a classifier on uint8 images (N, H, W, 3).

    labels: int64 (N,), indices into `classes`.
    start: a classifier to continue from, with its method, width and depth. The rows of its last
        layer are matched by the names of the classes.
    groups: int64 (N,), the same number for pictures of the same source. These pictures, and
        identical ones, are held out together or not at all.
    draws: rows of the pictures, each as often as an epoch contains it; None for each once.

    Returns the averaged weights, and a config with the fitted temperature. The curves contain the
    loss, and the accuracy in 0..1 on the training pictures.
    Raises: ValueError if the pictures are too small, too large or too narrow, or a label is not an
    index into `classes`.
    """
    if labels.min() < 0 or labels.max() >= len(classes):
        raise ValueError(
            f"labels must be in 0..{len(classes) - 1} for {len(classes)} classes, not"
            f" {labels.min()}..{labels.max()}"
        )
    previous = None if start is None else start[0]
    config = _config_for(settings.method, size_of(*images.shape[1:3]), classes, previous)
    config = replace(config, mirrored=settings.augment)
    rows, held = split_rows(images, labels, groups, draws, settings, run)
    trainee = fresh_trainee(config, images, labels, rows, settings, run)
    if start is not None:
        trainee.start_from(config, *start)
    curves = train(trainee, steps=steps, run=run)
    trainee.steps.close()
    final = trainee.final_network()
    logits = torch.empty(0, len(classes))
    for part in held.split(AT_ONCE) if len(held) else ():
        more = logits_of(final, images[part], run.numerics, mirrored=config.mirrored)
        logits = torch.cat([logits, more])
    temperature = fit_temperature(logits, labels[held])
    state = {key: value.cpu().contiguous() for key, value in final.state_dict().items()}
    config = replace(config, temperature=temperature)
    held_out = HeldOut((logits / temperature).softmax(1), labels[held])
    return TrainingResult(config, state, curves, held_out)


def fresh_trainee(
    config: ClassifierConfig,
    images: Tensor,
    labels: Tensor,
    rows: Tensor,
    settings: ClassifierSettings,
    run: TrainingRun,
) -> ClassifierTrainee:
    """Returns a new network in training.

    rows: numbers of the pictures to train on, each as often as an epoch contains it.
    """
    network, copy = (blank(lambda: make_classifier(config)) for _ in range(2))
    initialise(network, rng(settings.seed, 0, 0))
    residual = config.method == "residual"
    rate, weight_decay = (3e-3, 0.05) if residual else (1e-3, 0.0)
    recipe = Recipe(rate, weight_decay, 0.998, math.prod(config.shape))
    networks = network, copy
    return ClassifierTrainee(
        networks, len(config.classes), recipe, images, labels, rows, settings, run
    )


def split_rows(
    images: Tensor,
    labels: Tensor,
    groups: Tensor | None,
    draws: Tensor | None,
    settings: ClassifierSettings,
    run: TrainingRun,
) -> tuple[Tensor, Tensor]:
    """Returns the rows of the pictures to train on, as often as in `draws`, and of the held out."""
    if streamed(images) is not None:
        held = held_out_of_stream(labels, settings.held_out, settings.seed)
        run.log(
            "identical pictures are not looked for in shards, so some may be both trained on and"
            " held out"
        )
        return (~held).nonzero()[:, 0], held.nonzero()[:, 0]
    groups = groups_of(images, groups) if settings.held_out else torch.arange(len(images))
    if line := together(groups):
        run.log(line)
    held = held_out_mask(labels, groups, settings.held_out, settings.seed)
    draws = torch.arange(len(images)) if draws is None else draws
    return draws[~held[draws]], torch.nonzero(held)[:, 0]


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """Returns a weight for each class, so that all have the same total weight, (classes,)."""
    counts = labels.bincount(minlength=classes).float()
    return len(labels) / ((counts > 0).sum() * counts.clamp(min=1))


def _config_for(
    method: Method, size: Size, classes: tuple[str, ...], previous: ClassifierConfig | None
) -> ClassifierConfig:
    """Returns the config of a new network, or of one that continues from a previous one."""
    if previous is None:
        return ClassifierConfig(method, size, classes)
    halvings = previous.depth if previous.method == "residual" else 0
    return replace(previous, size=size, classes=classes, halvings=halvings, temperature=1.0)


class ClassifierTrainee:
    """A classifier in training: network, optimiser and averaged weights."""

    def __init__(
        self,
        networks: tuple[nn.Module, nn.Module],
        classes: int,
        recipe: Recipe,
        images: Tensor,
        labels: Tensor,
        rows: Tensor,
        settings: ClassifierSettings,
        run: TrainingRun,
    ) -> None:
        """Begin with a network whose weights are set.

        networks: that network, and one like it with uninitialised weights.
        rows: numbers of the pictures to train on, each as often as an epoch contains it.
        """
        numerics, (network, copy) = run.numerics, networks
        self._recipe, self._settings, self._numerics = recipe, settings, numerics
        self.steps = Steps(run)
        weights = class_weights(labels[rows], classes)
        self._data = ExampleSet(
            numerics.preload(images), labels, classes, settings.augment, recipe.recolour
        )
        self._rows = rows
        self._network = numerics.compile(numerics.place(network))
        self.average = Average(self._network, numerics.place(copy), recipe.decay)
        self._optimiser = torch.optim.AdamW(
            [weight for weight in self._network.parameters() if weight.requires_grad],
            recipe.rate,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self._sampler = sampler_of(images, rows, settings.batch, settings.seed)
        self._weights = weights.to(numerics.device)
        self._slices = micro_batches(settings.batch, recipe.pixels)
        self._parts = team.parts(self._slices, together=team.share_norms(self._network))

    @torch.no_grad()
    def start_from(self, config: ClassifierConfig, start: ClassifierConfig, state: State) -> None:
        """Load the weights of a trained network that fit a network of `config`.

        The rows of new classes become zero. Weights of another shape stay as they were initialised,
        like the classic method's dense layer if the pictures have another size.
        """
        dense = "dense" if config.method == "residual" else "dense2"
        initial = self._network.state_dict()
        weights = {}
        for name, fresh in initial.items():
            value = state.get(name)
            if value is None:
                raise UnsuitableError(
                    f"the classifier to start from has no {name}",
                    "wire another classifier to `start`, or leave `start` unwired",
                )
            if name.startswith(f"{dense}."):
                rows = dict(zip(start.classes, value, strict=True))
                zero = torch.zeros_like(value[0])
                value = torch.stack([rows.get(c, zero) for c in config.classes])
            weights[name] = value if value.shape == fresh.shape else fresh
        self._network.load_state_dict(weights)
        self.average.network.load_state_dict(weights)

    def stateful(self) -> Mapping[str, Stateful]:
        return {
            "network": self._network,
            "optimiser": self._optimiser,
            "average": self.average,
        }

    def step(self, step: int) -> Mapping[str, Tensor]:
        return self.steps.do(self, step)

    def compute(self, inputs: _Inputs) -> Mapping[str, Tensor]:
        """Do a step with inputs on the device. Returns the metrics."""
        total = self._weights[inputs.labels].sum()
        self._network.train()
        losses, correct = [], []
        for part, examples in zip(self._parts, inputs.parts, strict=True):
            pictures, truth = (of[part.inner] for of in self._data.pictures(examples))
            with self._numerics.autocast():
                logits = self._network(pictures).float()
            sums = F.cross_entropy(
                logits, truth, self._weights, label_smoothing=SMOOTHING, reduction="sum"
            )
            loss = sums / total
            loss.backward()
            losses.append(loss.detach())
            correct.append(logits.argmax(1) == truth.argmax(1))
        for group in self._optimiser.param_groups:
            group["lr"] = inputs.rate
        team.sum_gradients(self._network)
        self._optimiser.step()
        self._optimiser.zero_grad()
        self.average.update(self._network, inputs.weight)
        share = sum(part.size for part in self._parts) / self._settings.batch
        accuracy = torch.cat(correct).float().mean() * share
        return team.summed_metrics({"loss": torch.stack(losses).sum(), "accuracy": accuracy})

    def inputs(self, step: int) -> _Inputs:
        """Returns what step number `step` needs, on the processor."""
        chosen = self._sampler.indices(step)
        random = rng(self._settings.seed, 1, step)
        examples = [self._data.choose(chosen[part], random) for part in self._slices]
        parts = [examples[part.number] for part in self._parts]
        rate = self._recipe.rate * min(1.0, (step + 1) / WARM_UP)
        return _Inputs(parts, self._data.labels[chosen], rate, self.average.weight(step))

    def final_network(self) -> nn.Module:
        """Returns the averaged network, with batch norms measured without augmentation."""
        numerics = self._numerics
        order = torch.randperm(len(self._rows), generator=rng(self._settings.seed, 2, 0))
        chosen = self._rows[order[:MEASURED]]
        slices = micro_batches(len(chosen), self._recipe.pixels)
        with numerics.autocast():
            measure_norms(
                self.average.network,
                (to_signed(numerics.take(self._data.images, chosen[part])) for part in slices),
            )
        return self.average.network

    @torch.no_grad()
    def preview(self) -> Tensor:
        """Returns pictures from the whole set, framed in green if recognised and in red if not."""
        numerics = self._numerics
        chosen = torch.unique(torch.linspace(0, len(self._data.images) - 1, PREVIEWS).long())
        pictures = to_signed(numerics.take(self._data.images, chosen))
        network = self.average.network.eval()
        with numerics.autocast():
            predicted = network(pictures).argmax(1)
        correct = (predicted == numerics.take(self._data.labels, chosen)).cpu()[:, None, None, None]
        pictures = pictures.cpu()
        green, red = (
            torch.tensor(rgb).view(3, 1, 1) for rgb in ([-1.0, 0.6, -1.0], [1.0, -1.0, -1.0])
        )
        edge = max(1, min(pictures.shape[2:]) // 32)
        framed = torch.where(correct, green, red).expand_as(pictures).clone()
        inside = (slice(None), slice(None), slice(edge, -edge), slice(edge, -edge))
        framed[inside] = pictures[inside]
        return to_bytes(framed)
