"""Training a classifier from a pretrained network: a probe of its features, then fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from ..blocks import to_signed
from ..configs import size_of
from ..pretrained.network import PretrainedConfig, PretrainedNet, load_pretrained
from ..training.in_parts import in_parts
from ..training.loop import State, TrainingResult, TrainingRun, train
from ..training.numerics import Numerics
from ..training.rng import rng
from ..training.stages import STEP, Stage
from .calibration import fit_temperature, negative_log_likelihood
from .networks import logits_of
from .probe import fit_probe
from .trainee import ClassifierSettings, ClassifierTrainee, HeldOut, Recipe, split_rows

RATE = 3e-5  # learning rate of the fine-tuning
WEIGHT_DECAY = 0.05
DECAY = 0.99  # decay of the averaged weights
PROBED = 4096  # most pictures that the probe is fitted to; a repeated one counts as several
BATCH = 64  # pictures whose features are computed at a time


class _Candidate(NamedTuple):
    """A classifier to choose from: its weights, and its logits (M, classes) of the held-out."""

    name: str
    state: State
    logits: Tensor


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
    part of the network are trained for `steps` steps at a low rate. The one of the two is returned
    that recognises the held-out pictures better, and the probe if no picture is held out. A line in
    the log says which.

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
    seen = min(len(rows), PROBED) * (1 + settings.augment)
    first, main = run.in_stages(
        Stage("fitting a probe: picture", seen, seen / settings.batch), Stage(STEP, steps, steps)
    )
    probe = body | _fitted_head(bare, images, labels, rows, len(classes), settings, first)
    networks = _to_train(load_pretrained(config, probe)), load_pretrained(config, probe)
    # Other colours, as in a training from scratch, make the pretrained features worse.
    recipe = Recipe(RATE, WEIGHT_DECAY, DECAY, config.edge**2, recolour=False)
    trainee = ClassifierTrainee(networks, len(classes), recipe, images, labels, rows, settings, run)
    curves = train(trainee, steps=steps, run=main)
    trainee.steps.close()
    tuned = {k: v.cpu().contiguous() for k, v in trainee.final_network().state_dict().items()}
    candidates = [
        _Candidate(name, state, _logits(config, state, images[held], run.numerics))
        for name, state in (("the probe", probe), ("the fine-tuned network", tuned))
    ]
    chosen = _better(candidates, labels[held], run)
    temperature = fit_temperature(chosen.logits, labels[held])
    held_out = HeldOut((chosen.logits / temperature).softmax(1), labels[held])
    fine_tuned = config.fine_tuned or chosen.state is tuned
    config = replace(config, temperature=temperature, fine_tuned=fine_tuned)
    return TrainingResult(config, chosen.state, curves, held_out)


def _fitted_head(
    network: PretrainedNet,
    images: Tensor,
    labels: Tensor,
    rows: Tensor,
    classes: int,
    settings: ClassifierSettings,
    run: TrainingRun,
) -> State:
    """Returns the weights of the last layer that `fit_probe` finds for the pictures in `rows`.

    A picture that `rows` contains several times counts as often, and is seen once.
    """
    order = torch.randperm(len(rows), generator=rng(settings.seed, 4))
    chosen, places = rows[order[:PROBED].sort().values].unique(return_inverse=True)
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
    parts = torch.cat([view[places] for view in found]).split(widths, 1)
    weight, bias = fit_probe([*parts], labels[chosen][places].repeat(views), classes)
    return {"head.weight": weight, "head.bias": bias}


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


def _better(candidates: list[_Candidate], labels: Tensor, run: TrainingRun) -> _Candidate:
    """Returns the one that recognises more of the held-out pictures, and says which it is.

    If both recognise as many, it is the one whose calibrated probabilities are more likely.
    """
    if not len(labels):
        run.log(
            "no picture is held out to show whether the fine-tuning helps, so the probe is used -"
            " set `held_out`, or set `steps` to 1 to save time"
        )
        return candidates[0]
    accuracies, scores = [], []
    for candidate in candidates:
        temperature = fit_temperature(candidate.logits, labels)
        likelihood = negative_log_likelihood((candidate.logits / temperature).softmax(1), labels)
        accuracies.append(float((candidate.logits.argmax(1) == labels).float().mean()))
        scores.append((accuracies[-1], -likelihood))
    better = candidates[scores.index(max(scores))]
    named = zip(candidates, accuracies, strict=True)
    shares = " and ".join(f"{candidate.name} {share:.1%}" for candidate, share in named)
    run.log(f"of {len(labels)} held-out pictures, {shares} are recognised: {better.name} is used")
    return better
