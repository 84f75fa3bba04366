"""Small GANs of every kind, and calls of nodes with them, for the tests of editing GANs."""

from __future__ import annotations

from functools import cache

import torch
from gans import train

from artgraph.contract.context import Context
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.models import Gan
from artgraph.models.training.rng import rng

NODES = load_nodes()


def run(node, inputs, /, *, log=None, warn=None, **widgets):
    spec = NODES[node]
    given, problems = spec.check(widgets)
    assert not problems, problems
    lines = [] if log is None else log
    return spec(
        inputs, given, Context(log=lines.append, warn=(lines if warn is None else warn).append)
    )


@cache
def gan(method="projected", kind="square", seed=3, classes=("a", "b")):
    height, width, channels = {"wide": (24, 40, 3), "alpha": (32, 32, 4)}.get(kind, (32, 32, 3))
    images = trained_on(height, width, channels, len(classes))
    labels = torch.arange(8) % len(classes)
    # Otherwise the generator of r3 draws the same picture for all classes.
    done = train(images, labels, classes, 2, method=method, seed=seed)
    if kind == "grown":
        start = (done.config, done.state)
        images = trained_on(64, 64, 3, len(classes))
        done = train(images, labels, classes, 2, start=start)
    return Gan(done.config.to_dict(), done.state)


def trained_on(height, width, channels, count):
    shape = (8, height, width, channels)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng(7, count))


def drawn(model, truncation=1.0, style="each"):
    return run("sample_latent", {"gan": model}, count=4, seed=1, truncation=truncation, style=style)


def image(model):
    return drawn(model)["image"]
