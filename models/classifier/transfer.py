"""Training a classifier from a pretrained network: a probe of its features, then fine-tuning."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ..blocks import to_signed
from ..configs import size_of
from ..pretrained.network import PretrainedConfig, PretrainedNet, load_pretrained
from ..training.in_parts import in_parts
from ..training.loop import State, TrainingResult, TrainingRun, train
from ..training.numerics import Numerics
from ..training.parallel import on_devices
from ..training.rng import rng
from ..training.stages import STEP, Stage
from .calibration import fit_temperature
from .networks import logits_of
from .probe import fit_probe
from .trainee import ClassifierSettings, ClassifierTrainee, HeldOut, Recipe, split_rows

RATE = 3e-5  # learning rate of the fine-tuning
WEIGHT_DECAY = 0.05
DECAY = 0.99  # decay of the averaged weights
PROBED = 4096  # most pictures that the probe is fitted to; a repeated one counts as several
BATCH = 64  # pictures whose features are computed at a time


@on_devices
def train_pretrained(
    images: Tensor,
    labels: Tensor,
    classes: tuple[str, ...],
    settings: ClassifierSettings,
    run: TrainingRun,
    *,
    steps: int,
    start: tuple[PretrainedConfig, State],
    groups: Tensor | None = None,
    draws: Tensor | None = None,
) -> TrainingResult[PretrainedConfig, HeldOut]:
    """Train a classifier on uint8 images (N, H, W, 3), from a pretrained network.

    First a linear layer is fitted to its features (see `fit_probe`). Then this layer and the last
    part of the network are trained for `steps` steps at a low rate. The trained network is returned
    if it recognises clearly more of the held-out pictures, and otherwise the probe, fitted again to
    all pictures. A line in the log says which.

    The arguments are those of `train_classifier`. The last layer of `start` is not used.
    """
    config = replace(
        start[0],
        size=size_of(*images.shape[1:3]),
        classes=classes,
        temperature=1.0,
        mirrored=settings.augment,
    )
    rows, held = split_rows(images, labels, groups, draws, settings, run)
    body = {name: value for name, value in start[1].items() if not name.startswith("head.")}
    bare = load_pretrained(replace(config, classes=()), body)
    drawn = torch.arange(len(images)) if draws is None else draws
    seen = min(len(drawn), PROBED) * (1 + settings.augment)
    first, main = run.in_stages(
        Stage("fitting a probe: picture", seen, seen / settings.batch), Stage(STEP, steps, steps)
    )
    order = torch.randperm(len(drawn), generator=rng(settings.seed, 4))
    probed = drawn[order[:PROBED].sort().values]
    head = _fitted_heads(bare, images, labels, probed, len(classes), settings, first)
    learned = ~torch.isin(probed, held)
    probe = body | head(learned)
    networks = _to_train(load_pretrained(config, probe)), load_pretrained(config, probe)
    # Other colours, as in a training from scratch, make the pretrained features worse.
    recipe = Recipe(RATE, WEIGHT_DECAY, DECAY, config.edge**2, recolour=False)
    trainee = ClassifierTrainee(networks, len(classes), recipe, images, labels, rows, settings, run)
    curves = train(trainee, steps=steps, run=main)
    trainee.steps.close()
    tuned = {k: v.cpu().contiguous() for k, v in trainee.final_network().state_dict().items()}
    logits = [_logits(config, state, images[held], run.numerics) for state in (probe, tuned)]
    tuning_helps = _tuning_helps(logits[0], logits[1], labels[held], run)
    if not tuning_helps and not learned.all():
        probe = body | head(torch.ones_like(learned))
    temperature = fit_temperature(logits[tuning_helps], labels[held])
    held_out = HeldOut((logits[tuning_helps] / temperature).softmax(1), labels[held])
    config = replace(config, temperature=temperature, fine_tuned=config.fine_tuned or tuning_helps)
    return TrainingResult(config, tuned if tuning_helps else probe, curves, held_out)


def _fitted_heads(
    network: PretrainedNet,
    images: Tensor,
    labels: Tensor,
    rows: Tensor,
    classes: int,
    settings: ClassifierSettings,
    run: TrainingRun,
) -> Callable[[Tensor], State]:
    """Returns a function that returns the weights of the last layer that `fit_probe` finds.

    Its argument is a mask of the pictures in `rows` that the layer is fitted to. A picture that
    `rows` contains several times counts as often, and is seen once.
    """
    chosen, places = rows.unique(return_inverse=True)
    run.log(f"fitting a probe to the pretrained features of {len(chosen)} pictures first")
    numerics = run.numerics
    numerics.place(network).eval()
    views, done = (1, 2)[settings.augment], 0
    widths: list[int] = []

    def features(part: Tensor) -> Tensor:
        nonlocal done
        with torch.no_grad(), numerics.autocast():
            found = network.parts(to_signed(part.to(numerics.device)))
        widths[:] = [len(vectors[0]) for vectors in found]
        done += len(part)
        run.progress(done, views * len(chosen))
        return torch.cat([vectors.float().cpu() for vectors in found], 1)

    pictures = images[chosen]
    found = [in_parts(features, pictures, batch=BATCH)]
    if settings.augment:
        found.append(in_parts(features, pictures.flip(2), batch=BATCH))

    def head(mask: Tensor) -> State:
        parts = torch.cat([view[places[mask]] for view in found]).split(widths, 1)
        weight, bias = fit_probe([*parts], labels[rows[mask]].repeat(views), classes)
        return {"head.weight": weight, "head.bias": bias}

    return head


def _to_train(network: PretrainedNet) -> PretrainedNet:
    """Returns the network, of which only the last part is trained.

    Paper: Yosinski et al. 2014, "How transferable are features in deep neural networks?".
    """
    network.requires_grad_(False)
    for module in network.last_part():
        module.requires_grad_(True)
    return network


def _logits(
    config: PretrainedConfig, state: Mapping[str, Tensor], images: Tensor, numerics: Numerics
) -> Tensor:
    """Returns the logits (N, classes) of uint8 images (N, H, W, 3)."""
    if not len(images):
        return torch.empty(0, len(config.classes))
    network = load_pretrained(config, state)
    return logits_of(network, images, numerics, mirrored=config.mirrored, batch=BATCH)


def _tuning_helps(probe: Tensor, tuned: Tensor, labels: Tensor, run: TrainingRun) -> bool:
    """Returns whether fine-tuning helps, by the logits (M, classes) of held-out pictures.

    It helps if it recognises more of them by over a standard error (McNemar 1947). The log says it.
    """
    if not len(labels):
        run.log(
            "no picture is held out to show whether the fine-tuning helps, so the probe is used -"
            " set `held_out`, or set `steps` to 1 to save time"
        )
        return False
    by_probe, by_tuned = (logits.argmax(1) == labels for logits in (probe, tuned))
    gained, lost = int((by_tuned & ~by_probe).sum()), int((by_probe & ~by_tuned).sum())
    helps = gained - lost > math.sqrt(gained + lost)
    shares = [f"{hits.float().mean():.1%}" for hits in (by_probe, by_tuned)]
    used = "the fine-tuned network" if helps else "the probe, fitted again to all pictures,"
    run.log(
        f"of {len(labels)} held-out pictures, the probe recognises {shares[0]} and the fine-tuned"
        f" network {shares[1]}: {used} is used"
    )
    return helps
