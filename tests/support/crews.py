"""Short trainings that can run on several devices, and what can be seen in their steps."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from classifying import NAMES, patterns
from gans import JUDGE, SMALL, pictures
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from vaes import discs

from artgraph.contract.context import NoCheckpoint
from artgraph.models.classifier.networks import ClassicNet, ResidualNet
from artgraph.models.classifier.trainee import ClassifierSettings, train_classifier
from artgraph.models.gan import projected_features
from artgraph.models.gan.api import GanSettings, train_gan
from artgraph.models.gan.classic import ClassicCritic
from artgraph.models.gan.projected_critic import ProjectedCritic
from artgraph.models.gan.r3 import StridedCritic
from artgraph.models.training import loop, sampler, team
from artgraph.models.training.parallel import on_devices
from artgraph.models.vae import sharpen
from artgraph.models.vae.api import VaeSettings, train_vae

# What sees the pictures first. A VAE in training is not called as a whole, but its patches are.
NETWORKS = (
    StridedCritic,
    ClassicCritic,
    ProjectedCritic,
    nn.PixelUnshuffle,
    ResidualNet,
    ClassicNet,
)


class Maps(nn.Module):
    """A network whose maps are the pictures, smaller and smaller."""

    def forward(self, x):
        return [F.avg_pool2d(x, 2**k) for k in (1, 2, 3, 4)]


def gan(run, steps, **options):
    method = options["method"]
    further = Maps() if options.pop("further", False) else None
    settings = GanSettings(
        **{"seed": 3, "batch": 16, "augment": "on", "channels": SMALL[method]} | options
    )
    return train_gan(
        *pictures(40, 2), ("a", "b"), settings, run, steps=steps, judge=JUDGE, further=further
    )


def vae(run, steps, **options):
    settings = VaeSettings(**{"seed": 1, "batch": 8} | options)
    features = Maps() if settings.sharpen == "features" else None
    return train_vae(discs(20, 32, 1), settings, run, steps=steps, features=features)


def classifier(run, steps, **options):
    settings = ClassifierSettings(**{"seed": 1, "batch": 16, "held_out": 0.2} | options)
    return train_classifier(*patterns(30, 32, 1), NAMES, settings, run, steps=steps)


TRAININGS = {
    "r3": (gan, {"method": "r3"}),
    "r3 in slices": (gan, {"method": "r3"}),
    "classic GAN": (gan, {"method": "classic"}),
    "projected": (gan, {"method": "projected", "further": True}),
    "VAE": (vae, {}),
    "classic VAE": (vae, {"method": "classic"}),
    "quantised VAE": (vae, {"quantiser": "fsq"}),
    "VAE with features": (vae, {"sharpen": "features"}),
    "VAE with a critic": (vae, {"sharpen": "adversarial"}),
    "CNN": (classifier, {}),
    "classic CNN": (classifier, {"method": "classic", "augment": False}),
}


@on_devices
def trained(run, steps, kind="CNN", **options):
    """Train, with a checkpoint after each step, and a line in the log, and a warning, before."""
    run.log("it begins")
    warnings.warn("out of memory, or so", stacklevel=2)
    train, usual = TRAININGS[kind]
    before, loop.CHECKPOINT_SECONDS = loop.CHECKPOINT_SECONDS, 0.0
    try:
        return train(run, steps, **usual | options)
    finally:
        loop.CHECKPOINT_SECONDS = before


def members(parent: int) -> list[int]:
    """Returns the processes of a crew that this process has started, in their order."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
            line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if int(words[1]) == parent and words[0] != "Z" and b"crew_member" in line:
            found.append(int(folder.name))
    return sorted(found)


class Seen(NamedTuple):
    """What was seen in the first step of a training: of all processes, if there are several.

    pictures:  the inputs of each call of a network that is trained.
    gradients: before each step of an optimiser.
    """

    pictures: list[torch.Tensor]
    gradients: list[torch.Tensor]
    curves: dict[str, list[float]]
    same: bool  # whether the gradients and the weights are the same in all processes


@on_devices
def observed(run, names):
    """Do a step of each of these trainings. Returns what was seen by name."""
    with _quick():
        return {name: _observe(name, run) for name in names}


@contextmanager
def _quick():
    """Shorten the training of the features, and let the critic of a VAE have its full weight."""
    before = projected_features.STEPS, projected_features.BATCH, sharpen.PATIENCE
    projected_features.STEPS, projected_features.BATCH, sharpen.PATIENCE = 2, 8, -1000
    yield
    projected_features.STEPS, projected_features.BATCH, sharpen.PATIENCE = before


def _observe(name, run):
    calls, gradients, weights = [], [], []

    def on_call(module, inputs):
        if isinstance(module, NETWORKS) and torch.is_grad_enabled():
            first = inputs[0][0] if isinstance(inputs[0], list) else inputs[0]
            calls.append(first.detach().clone())

    def is_of_features(optimiser):  # of a GAN, which the first process trains alone
        return TRAININGS[name][0] is gan and isinstance(optimiser, torch.optim.AdamW)

    def on_step(optimiser, *_):
        if is_of_features(optimiser):
            return
        found = [
            p.grad.flatten() for p in optimiser.param_groups[0]["params"] if p.grad is not None
        ]
        gradients.append(torch.cat(found).clone())

    def after_step(optimiser, *_):
        if not is_of_features(optimiser):
            weights.extend(p.detach().clone() for p in optimiser.param_groups[0]["params"])

    hooks = [
        register_module_forward_pre_hook(on_call),
        register_optimizer_step_pre_hook(on_step),
        register_optimizer_step_post_hook(after_step),
    ]
    train, options = TRAININGS[name]
    before = sampler.PIXELS_AT_ONCE
    if "slices" in name:
        sampler.PIXELS_AT_ONCE = 8 * 32 * 32
    try:
        done = train(replace(run, checkpoint=NoCheckpoint()), 1, **options)
    finally:
        sampler.PIXELS_AT_ONCE = before
        for hook in hooks:
            hook.remove()
    everything = _of_all((calls, gradients, weights))
    pictures = [torch.cat(of) for of in zip(*(each[0] for each in everything), strict=False)]
    same = all(
        torch.equal(a, b)
        for each in everything
        for mine, first in ((each[1], gradients), (each[2], weights))
        for a, b in zip(mine, first, strict=True)
    )
    return Seen(pictures, gradients, dict(done.curves), same)


def _of_all(value):
    """Returns the values of all processes."""
    if team.count() == 1:
        return [value]
    import torch.distributed as dist

    values = [None] * team.count()
    dist.all_gather_object(values, value)
    return values
