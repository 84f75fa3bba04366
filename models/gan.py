"""Generative adversarial networks: training one, and drawing pictures with it.

The methods: `projected` (gan_projected.py), `r3` (gan_r3.py), `classic` (gan_classic.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .gan_classic import ClassicGenerator, ClassicTrainee, Loss
from .gan_config import GanConfig, Method
from .gan_pictures import GROUP, Pictures
from .gan_projected import ProjectedGenerator
from .gan_projected_training import ProjectedTrainee
from .gan_r3 import R3Generator, R3Trainee
from .gan_start import start_from, started_config
from .gan_training import Augment, GanTrainee, Recipe, cool_down, cool_steps
from .numerics import Numerics
from .parts import in_parts
from .training import Checkpoint, Preview, Report, State, train

__all__ = ["GanConfig", "Loss", "Method", "generate", "make_generator", "train_gan"]

FEW = 200  # pictures; with fewer, a GAN should not start from nothing


class Trained(NamedTuple):
    """What `train_gan` gives.

    state:    weights, whose names begin with `generator.` (the average, for drawing), `critic.`
              and, where they were trained here, `features.`.
    curves:   the losses by step, and how sure the critic is of real pictures.
    progress: distances and diversity at some steps (see `gan_watch.Look`), the last included.
    warnings: what is wrong with the pictures now, in plain words.
    """

    config: GanConfig
    state: State
    curves: dict[str, list[float]]
    progress: dict[str, list[float]]
    warnings: list[str]


def make_generator(config: GanConfig) -> nn.Module:
    """A generator: z (N, latent_dim), class_weights (N, C) -> float32 (N, 3, S, S), about -1..1."""
    kinds = {"projected": ProjectedGenerator, "r3": R3Generator, "classic": ClassicGenerator}
    return kinds[config.method](config)


def train_gan(
    images: Tensor,
    labels: Tensor,
    classes: tuple[str, ...],
    *,
    steps: int,
    seed: int,
    numerics: Numerics,
    checkpoint: Checkpoint,
    report: Report,
    method: Method = "projected",
    channels: tuple[int, ...] | None = None,
    batch: int = 32,
    loss: Loss = "non-saturating",
    augment: Augment = "auto",
    flip: bool = True,
    rate: float = 1.0,
    features: nn.Module | None = None,
    start: tuple[GanConfig, State] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Trained:
    """Train up to `steps` steps in all, and let the weights settle in a fifth as many more.

    images: uint8 (N, S, S, 3), perhaps a memory map; read batch by batch, never written.
    labels: int64 (N,), numbers of `classes`.
    channels: of the generator's levels; None for those of `GanConfig.default`.
    batch: pictures in a step, a multiple of 4: it is made of fours of the same class.
    loss: of the classic generator alone.
    augment: whether the critic sees augmented pictures: always, never, or (auto), in sets of less
        than SMALL_SET pictures, as often as its certainty calls for.
    flip: whether pictures may be mirrored left to right.
    rate: the learning rates, as a multiple of the method's own.
    features: a network from pictures (N, 3, S, S) in -1..1 to a list of maps for the projected
        critic, frozen here and not part of the returned weights; None to train a small one.
    start: a GAN to go on from, as returned here; its method, size and channels hold.
    say: hears lines for the user, such as an early warning.
    """
    _check(images, labels, classes, batch, method, loss)
    if start is None and len(images) < FEW:
        say(
            f"{len(images)} pictures are few for a GAN that starts from nothing - it will learn"
            " more if it goes on from another one (start), as in the graph finetune"
        )
    if start is None:
        config = GanConfig.default(method, images.shape[1], classes, channels)
    else:
        config = started_config(start[0], images.shape[1], classes)
    pictures = Pictures.kept(images, labels, len(classes), flip, numerics)
    total = steps + cool_steps(steps)
    recipe = Recipe(batch, seed, numerics, augment, rate, say, lambda share: report(share, total))
    trainee: GanTrainee[Any]
    if config.method == "projected":
        trainee = ProjectedTrainee(config, pictures, recipe, features)
    elif config.method == "r3":
        trainee = R3Trainee(config, pictures, recipe)
    else:
        trainee = ClassicTrainee(config, pictures, recipe, loss)
    if start is not None:
        start_from(trainee, *start)

    def of_all(done: float, total: float, preview: Preview | None = None) -> None:
        report(done, steps + cool_steps(steps), preview)

    curves = train(trainee, steps=steps, checkpoint=checkpoint, report=of_all)
    cool_down(trainee, steps, report)
    progress, warnings = trainee.watch.finish(total, trainee.draw)
    return Trained(config, trainee.outcome(), curves, progress, warnings)


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


def _check(
    images: Tensor, labels: Tensor, classes: tuple[str, ...], batch: int, method: Method, loss: Loss
) -> None:
    """Raises: ValueError, in one line, for a training set or settings that cannot be used."""
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(f"images are uint8 (N, S, S, 3), not {images.dtype} {[*images.shape]}")
    if images.shape[1] != images.shape[2]:
        raise ValueError(f"a GAN draws squares, and the pictures are {[*images.shape[1:3]]}")
    if not len(images) or len(labels) != len(images):
        raise ValueError(f"{len(images)} pictures cannot have {len(labels)} labels")
    if not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
        raise ValueError(f"labels must be numbers from 0 to {len(classes) - 1}")
    if batch < GROUP or batch % GROUP:
        raise ValueError(f"batch must be a multiple of {GROUP}, not {batch}")
    if loss != "non-saturating" and method != "classic":
        raise ValueError(f"loss {loss!r} is an option of the classic method alone")
