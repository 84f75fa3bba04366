"""All kinds of training, run small through their nodes, for tests and the table of the GPU path."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pytest
import state_dicts
import torch

from artgraph.contract.context import Context
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.models import Classifier, Gan
from artgraph.models.gan import evaluation, projected_features
from artgraph.models.gan.bends import Bend, Operation
from artgraph.models.gan.config import GanConfig
from artgraph.models.pretrained.weights import read_file
from artgraph.models.training import loop
from artgraph.models.training.curves import Curves
from artgraph.models.training.numerics import Numerics
from artgraph.models.vae import sharpen

# Steps 4 to 6 are watched: the first steps also make what is needed only once.
FIRST, LAST = 3, 6

# The node, its widgets, and the optional inputs that are wired: their names, or `name=kind`.
TRAININGS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "GAN, projected": ("train_gan", {}, ()),
    "GAN, projected, classifier": ("train_gan", {}, ("classifier",)),
    "GAN, projected, pretrained": ("train_gan", {}, ("classifier=pretrained",)),
    "GAN, r3": ("train_gan", {"method": "r3"}, ()),
    "GAN, classic": ("train_gan", {"method": "classic"}, ()),
    "GAN, projected, bent": ("train_gan", {}, ("start=bent",)),
    "VAE, residual": ("train_vae", {}, ()),
    "VAE, fsq": ("train_vae", {"quantiser": "fsq"}, ()),
    "VAE, features": ("train_vae", {"sharpen": "features"}, ("classifier",)),
    "VAE, pretrained": ("train_vae", {"sharpen": "features"}, ("classifier=pretrained",)),
    "VAE, adversarial": ("train_vae", {"sharpen": "adversarial"}, ()),
    "VAE, classic": ("train_vae", {"method": "classic"}, ()),
    "prior": ("train_prior", {}, ()),
    "classifier, residual": ("train_classifier", {}, ()),
    "classifier, classic": ("train_classifier", {"method": "classic"}, ()),
    "classifier, pretrained": ("train_classifier", {}, ("start=pretrained",)),
}


def train(
    name: str, numerics: Numerics, *, size: int = 32, batch: int = 8, **options: Any
) -> dict[str, Any]:
    """Do LAST steps of a training in TRAININGS, or `steps`; returns what its node returns.

    What it does besides its steps is shortened: the training of features, and the evaluations. It
    stores its state at the end alone, however slow its steps are.
    """
    steps, context = options.pop("steps", LAST), Context(numerics, **options)
    node, widgets, wired = TRAININGS[name]
    spec = load_nodes()[node]
    kinds = {n: n for n, port in spec.inputs.items() if not port.optional}
    kinds |= {name: kind or name for name, _, kind in (entry.partition("=") for entry in wired)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projected_features, "STEPS", 3)
        patch.setattr(projected_features, "BATCH", 8)
        patch.setattr(evaluation, "COMPARED", 16)
        patch.setattr(sharpen, "PATIENCE", 1)
        patch.setattr(loop, "CHECKPOINT_SECONDS", math.inf)
        return _run(
            node,
            context,
            {name: _input(kind, size) for name, kind in kinds.items()},
            steps=steps,
            batch=batch,
            **widgets,
        )


@dataclass
class Watch:
    """What the stand-in counted in each of the steps that are watched, and what it did in them."""

    tallies: list[Counter[str]] = field(default_factory=list)
    calls: list[list[Any]] = field(default_factory=list)


@contextmanager
def watched(gpu: Any, *, strict: bool, first: int = FIRST, last: int = LAST) -> Iterator[Watch]:
    """Watch the steps after `first` and up to `last` of a training.

    gpu:     the stand-in, or None.
    strict:  whether a wait in these steps is an error.
    """
    add, watch, mode = Curves.add, Watch(), torch.cuda.set_sync_debug_mode

    def add_and_watch(curves: Curves, step: int, metrics: Any) -> None:
        add(curves, step, metrics)
        if first <= step <= last:
            mode("error" if strict and step < last else "default")
            if gpu is not None:
                if step > first:
                    watch.tallies.append(gpu.tally.copy())
                    watch.calls.append(list(gpu.calls or ()))
                gpu.tally.clear()
                gpu.calls = None if gpu.calls is None else []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Curves, "add", add_and_watch)
        try:
            yield watch
        finally:
            mode("default")


@cache
def _input(name: str, size: int) -> Any:
    """Returns a small value of a kind for an input, computed on the CPU."""
    cpu = Context.quiet()
    if name == "pretrained":
        return _pretrained()
    if name == "bent":
        return _bent(_input("gan", size))
    if name == "dataset":
        return _run("procedural_art", cpu, {}, count=64, size=size)[name]
    return _run(f"train_{name}", cpu, {"dataset": _input("dataset", size)}, steps=2, batch=8)[name]


def _bent(gan: Gan) -> Gan:
    """Returns the GAN with a bend of each operation."""
    config = GanConfig.from_dict(gan.config)
    bends = tuple(Bend(name, 0.3, i % 2, (0, 3)) for i, name in enumerate(get_args(Operation)))
    return Gan(replace(config, bends=bends).to_dict(), gan.state)


def _pretrained() -> Classifier:
    """Returns a tiny pretrained network that sees pictures of 32 px."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "efficientnet.pth"
        torch.save(state_dicts.efficientnet(), path)
        found = read_file(path)
    return Classifier(asdict(replace(found.config, edge=32)), found.state)


def _run(node: str, context: Context, inputs: dict[str, Any], **widgets: Any) -> dict[str, Any]:
    spec = load_nodes()[node]
    checked, problems = spec.check(widgets)
    assert not problems
    return spec(inputs, checked, context)
