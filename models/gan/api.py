"""Generative adversarial networks: training a GAN, and drawing pictures with it.

The methods are `projected` (projected.py), `r3` (r3.py) and `classic` (classic.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ..alpha import drawn
from ..blocks import to_signed
from ..configs import size_of
from ..training.diverged import UnsuitableError
from ..training.in_parts import in_parts
from ..training.loop import Progress, State, TrainingResult, TrainingRun, train
from ..training.numerics import Numerics
from ..training.parallel import on_devices
from ..training.stages import STEP, Stage
from ..training.team import from_first
from .augment import Augmentation
from .batches import GROUP, TrainingSet
from .classic import ClassicGenerator, ClassicMethod
from .config import GanConfig, Method
from .energy import ScaledMaps
from .evaluation import Judge
from .kept import nearest_step
from .method import GanMethod, GanSettings, GanSetup, Loss
from .projected import ProjectedMethod
from .projected_features import STEPS as FEATURE_STEPS
from .projected_features import feature_work
from .projected_networks import ProjectedGenerator
from .r3 import R3Generator, R3Method
from .start import fine_tuned_config, is_striped, start_from
from .trainee import GanTrainee, cooldown_steps
from .watch import WatchResult

__all__ = [
    "GanConfig",
    "GanSettings",
    "Judge",
    "Loss",
    "Method",
    "generate",
    "make_generator",
    "train_gan",
]

MEASURED = 64  # pictures used to measure the scale of the maps of a further network
FEW_PICTURES = 200  # with fewer pictures, a GAN should continue from another one


def make_generator(config: GanConfig) -> nn.Module:
    """Returns a generator of latents (N, latent_dim) and class weights (N, C).

    Its pictures are float32 (N, C, H, W), about -1..1.
    """
    generators = {"projected": ProjectedGenerator, "r3": R3Generator, "classic": ClassicGenerator}
    return generators[config.method](config)


@on_devices
def train_gan(
    images: Tensor,
    labels: Tensor,
    classes: tuple[str, ...],
    settings: GanSettings,
    run: TrainingRun,
    *,
    steps: int,
    judge: Judge,
    features: nn.Module | None = None,
    further: nn.Module | None = None,
    start: tuple[GanConfig, State] | None = None,
    draws: Tensor | None = None,
    at_step: int = 0,
) -> TrainingResult[GanConfig, WatchResult]:
    """Train a GAN until `steps` steps are done in total, and then do the cool-down steps.

    images: uint8 (N, H, W, C), perhaps a memory map; read in batches, never written. C is 3, or 4
        with straight alpha; it must be 4 if `start` has alpha.
    labels: int64 (N,), the indices of their classes in `classes`.
    judge: the features in which `WatchResult.progress` compares the pictures.
    features: a network that returns a list of feature maps for pictures (N, 3, H, W) in -1..1. The
        projected method freezes it, and its weights are not returned. None to train a small one.
    further: a network of the same kind, such as a pretrained one, which the critic does not see.
        The projected method adds the energy distances in its maps to the generator's loss.
    start: config and weights of a GAN to continue from. Its method and channels replace those of
        `settings`. Its pictures may have another aspect.
    draws: rows of the pictures, each as often as it is drawn (see `draws_by_stars`); None for each
        once. Classes are drawn equally often.
    at_step: the GAN at the kept step nearest to this one is returned, without cool-down steps; its
        weights are rounded to float16. 0 for the GAN at the end, -1 for the best of all these.

    The names of the returned weights begin with `generator.` (the average, for drawing), `critic.`
    and, if they were trained here, `features.`. The curves contain the losses, and how certain the
    critic is of the real pictures.

    Raises: ValueError for a training set or settings that cannot be used, and DivergedError.
    """
    _check(images, labels, classes, settings)
    size = size_of(*images.shape[1:3])
    if start is None and len(images) < FEW_PICTURES:
        run.log(
            f"{len(images)} pictures are few for training a GAN from scratch - continue from"
            " another GAN (wire `start`), as the graph finetune does"
        )
    if start is None:
        config = GanConfig.default(settings.method, size, classes, settings.channels)
        config = replace(config, alpha=images.shape[3] == 4)
    else:
        config = fine_tuned_config(start[0], size, classes, images.shape[3] == 4)
        if config.method == "projected" and not is_striped(images):
            config = replace(config, smooth=True)
        if config.alpha and not start[0].alpha:
            run.log(
                "`start` draws no transparency: all its weights are used, and its pictures begin"
                " nearly opaque"
            )
    numerics, mirror = run.numerics, settings.mirror
    data = TrainingSet.preloaded(images, labels, len(classes), mirror, numerics, draws)
    augmentation = Augmentation(settings.augment, len(images), settings.seed, run.numerics.device)
    setup = GanSetup(config, settings, run.numerics, augmentation)
    maps = _scaled(further, data, numerics)

    first, main, last = _in_stages(
        run,
        steps,
        0 if at_step > 0 else cooldown_steps(steps),
        0
        if start is not None or features is not None or config.method != "projected"
        else feature_work(settings.batch),
    )

    def make_trainee() -> GanTrainee[Any]:
        trainee = GanTrainee(_make_method(setup, features, maps), data, first, judge)
        if start is not None:
            start_from(trainee, *start)
        return trainee

    trainee = make_trainee()
    curves = train(trainee, steps=steps, run=main)
    kept = trainee.kept_steps(steps)
    if at_step > 0:
        step = _kept_step(kept, at_step, run)
        weights = trainee.weights() | _weights_at(step, make_trainee, main)
        return TrainingResult(config, weights, curves, trainee.watch.at(step, kept))
    trainee.cool_down(steps, last)
    end = steps + cooldown_steps(steps)
    found = from_first(lambda: trainee.watch.finish(end, trainee.draw, kept, best=at_step != 0))
    weights = trainee.weights()
    if at_step and found.best != end:
        run.log(f"the pictures of step {found.best} are the best, so this is the GAN at that step")
        weights |= _weights_at(found.best, make_trainee, main)
    return TrainingResult(config, weights, curves, found)


def _kept_step(kept: list[int], step: int, run: TrainingRun) -> int:
    """Returns the kept step that is nearest to `step`; warns if it is another one.

    Raises: UnsuitableError if there is none.
    """
    nearest = nearest_step(kept, step)
    if nearest != step:
        run.warn(
            f"step {step} is not kept, so this is the GAN at step {nearest} - the column `kept` of"
            " `progress` says which steps are kept"
        )
    return nearest


def _weights_at(
    step: int, make_trainee: Callable[[], GanTrainee[Any]], run: TrainingRun
) -> dict[str, Tensor]:
    """Returns the weights after `step` steps, by training again if they were deleted."""
    weights = run.checkpoint.load_kept(step)
    if weights is None:
        run.log(f"the weights of step {step} are no longer stored, so it is trained again")
        trainee = make_trainee()
        train(trainee, steps=step, run=run)
        weights = trainee.kept_weights()
    return {name: w.float() if w.is_floating_point() else w for name, w in weights.items()}


def _scaled(network: nn.Module | None, data: TrainingSet, numerics: Numerics) -> ScaledMaps | None:
    """Returns maps of the network, scaled by what it sees in pictures from the whole set."""
    if network is None:
        return None
    chosen = torch.linspace(0, len(data.images) - 1, MEASURED).long().unique()
    return ScaledMaps(network, to_signed(numerics.take(data.images, chosen)), numerics)


def _make_method(
    setup: GanSetup, features: nn.Module | None, further: ScaledMaps | None
) -> GanMethod[Any]:
    if setup.config.method == "projected":
        return ProjectedMethod(setup, features, further)
    return R3Method(setup) if setup.config.method == "r3" else ClassicMethod(setup)


def _in_stages(
    run: TrainingRun, steps: int, cooldown: int, feature_work: float
) -> list[TrainingRun]:
    """Returns the runs of the first network's training, of the steps, and of the cool-down."""
    return run.in_stages(
        Stage("learning features: step", FEATURE_STEPS, feature_work),
        Stage(STEP, steps, steps),
        Stage("settling: step", cooldown, cooldown),
    )


def generate(
    network: nn.Module,
    z: Tensor,
    class_weights: Tensor,
    numerics: Numerics,
    batch: int = 64,
    progress: Progress | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """Returns pictures for latents: float32 (N, H, W, C) in 0..1, on the processor.

    z (N, latent_dim) and class_weights (N, C) may be on any device, and `network` must be on
    numerics.device. `shift` is added to the styles of the levels (see `GanLatent`).
    """
    network.eval()

    def draw_part(*parts: Tensor) -> Tensor:
        images: Tensor = network(*(part.to(numerics.device) for part in parts))
        return drawn(images.float().clamp(-1, 1)).add(1).div(2).permute(0, 2, 3, 1).cpu()

    with torch.no_grad(), numerics.autocast():
        latents = (z, class_weights) if shift is None else (z, class_weights, shift)
        return in_parts(
            draw_part, *latents, batch=batch, progress=progress, network=network
        ).contiguous()


def _check(images: Tensor, labels: Tensor, classes: tuple[str, ...], settings: GanSettings) -> None:
    """Raises: ValueError, with a text of one line, for arguments that cannot be used."""
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[3] not in (3, 4):
        raise ValueError(
            f"images must be uint8 (N, H, W, 3 or 4), not {images.dtype} {(*images.shape,)}"
        )
    if not len(images):
        raise ValueError("there are no pictures to train on")
    if len(labels) != len(images):
        raise ValueError(
            f"each picture needs a label: {len(images)} pictures, {len(labels)} labels"
        )
    if not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
        raise ValueError(f"labels must be whole numbers from 0 to {len(classes) - 1}")
    if settings.batch < GROUP or settings.batch % GROUP:
        raise ValueError(f"batch must be a multiple of {GROUP}, not {settings.batch}")
    if settings.loss != "non-saturating" and settings.method != "classic":
        raise UnsuitableError(
            f"the loss {settings.loss!r} needs the method classic, not {settings.method}",
            "set loss: non-saturating, or method: classic",
        )
