"""Generative adversarial networks: training one, and drawing pictures with it.

The methods: `projected` (projected.py), `r3` (r3.py), `classic` (classic.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ..training.in_parts import in_parts
from ..training.loop import Preview, State, TrainingResult, TrainingRun, train
from ..training.numerics import Numerics
from .augment import Augmentation
from .batches import GROUP, TrainingSet
from .classic import ClassicGenerator, ClassicMethod
from .config import GanConfig, Method
from .method import GanMethod, GanSettings, GanSetup, Loss
from .projected import ProjectedMethod
from .projected_networks import ProjectedGenerator
from .r3 import R3Generator, R3Method
from .start import start_from, started_config
from .trainee import GanTrainee, cool_steps
from .watch import Watched

__all__ = ["GanConfig", "GanSettings", "Loss", "Method", "generate", "make_generator", "train_gan"]

FEW = 200  # pictures; with fewer, a GAN should not start from nothing


def make_generator(config: GanConfig) -> nn.Module:
    """A generator: z (N, latent_dim), class_weights (N, C) -> float32 (N, 3, S, S), about -1..1."""
    kinds = {"projected": ProjectedGenerator, "r3": R3Generator, "classic": ClassicGenerator}
    return kinds[config.method](config)


def train_gan(
    images: Tensor,
    labels: Tensor,
    classes: tuple[str, ...],
    settings: GanSettings,
    run: TrainingRun,
    *,
    steps: int,
    features: nn.Module | None = None,
    start: tuple[GanConfig, State] | None = None,
) -> TrainingResult[GanConfig, Watched]:
    """Train up to `steps` steps in all, and let the weights settle in a fifth as many more.

    images: uint8 (N, S, S, 3), perhaps a memory map; read batch by batch, never written.
    labels: int64 (N,), numbers of `classes`.
    features: a network from pictures (N, 3, S, S) in -1..1 to a list of maps for the projected
        critic, frozen here and not part of the returned weights; None to train a small one.
    start: a GAN to go on from, as returned here; its method, size and channels hold.

    The names of the weights begin with `generator.` (the average, for drawing), `critic.` and, if
    they were trained here, `features.`. The curves have the losses by step, and how certain the
    critic is of real pictures.
    """
    _check(images, labels, classes, settings)
    if start is None and len(images) < FEW:
        run.log(
            f"{len(images)} pictures are few for a GAN that starts from nothing - it will learn"
            " more if it goes on from another one (start), as in the graph finetune"
        )
    if start is None:
        config = GanConfig.default(settings.method, images.shape[1], classes, settings.channels)
    else:
        config = started_config(start[0], images.shape[1], classes)
    run = _counting_all(run, steps)
    data = TrainingSet.kept(images, labels, len(classes), settings.mirror, run.numerics)
    augmentation = Augmentation(settings.augment, len(images), settings.seed, run.numerics.device)
    setup = GanSetup(config, settings, run.numerics, augmentation)
    trainee = GanTrainee(_make_method(setup, features), data, run)
    if start is not None:
        start_from(trainee, *start)
    curves = train(trainee, steps=steps, run=run)
    trainee.cool_down(steps)
    watched = trainee.watch.finish(steps + cool_steps(steps), trainee.draw)
    return TrainingResult(config, trainee.weights(), curves, watched)


def _make_method(setup: GanSetup, features: nn.Module | None) -> GanMethod[Any]:
    if setup.config.method == "projected":
        return ProjectedMethod(setup, features)
    return R3Method(setup) if setup.config.method == "r3" else ClassicMethod(setup)


def _counting_all(run: TrainingRun, steps: int) -> TrainingRun:
    """Returns the run with a progress whose total includes the steps in which weights settle."""

    def progress(done: float, total: float, preview: Preview | None = None) -> None:
        run.progress(done, steps + cool_steps(steps), preview)

    return replace(run, progress=progress)


def generate(
    network: nn.Module,
    z: Tensor,
    class_weights: Tensor,
    numerics: Numerics,
    batch: int = 64,
) -> Tensor:
    """Draw pictures: float32 (N, S, S, 3) in 0..1, on the processor.

    z (N, latent_dim) and class_weights (N, C) may lie anywhere; `network` on numerics.device.
    """
    network.eval()

    def drawn(part: Tensor, weights: Tensor) -> Tensor:
        images: Tensor = network(part.to(numerics.device), weights.to(numerics.device))
        return images.float().clamp(-1, 1).add(1).div(2).permute(0, 2, 3, 1).cpu()

    with torch.no_grad(), numerics.autocast():
        return in_parts(drawn, z, class_weights, batch=batch).contiguous()


def _check(images: Tensor, labels: Tensor, classes: tuple[str, ...], settings: GanSettings) -> None:
    """Raises: ValueError, in one line, for a training set or settings that cannot be used."""
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(f"images are uint8 (N, S, S, 3), not {images.dtype} {[*images.shape]}")
    if images.shape[1] != images.shape[2]:
        raise ValueError(f"a GAN draws squares, and the pictures are {[*images.shape[1:3]]}")
    if not len(images) or len(labels) != len(images):
        raise ValueError(f"{len(images)} pictures cannot have {len(labels)} labels")
    if not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
        raise ValueError(f"labels must be numbers from 0 to {len(classes) - 1}")
    if settings.batch < GROUP or settings.batch % GROUP:
        raise ValueError(f"batch must be a multiple of {GROUP}, not {settings.batch}")
    if settings.loss != "non-saturating" and settings.method != "classic":
        raise ValueError(f"loss {settings.loss!r} is an option of the classic method alone")
