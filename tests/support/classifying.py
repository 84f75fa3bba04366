"""Patterns that classifiers learn in tests, and a short training without a runner."""

from __future__ import annotations

import torch
from shelf import training_run

from artgraph.models.blocks import blank
from artgraph.models.classifier.networks import make_classifier
from artgraph.models.classifier.trainee import ClassifierSettings, train_classifier
from artgraph.models.training.rng import rng

NAMES = ("rows", "columns", "checks")


def patterns(count: int, size: int, seed: int, noise: int = 20):
    """Returns noisy pictures of horizontal stripes, vertical stripes and both, with labels."""
    random = rng(seed)
    labels = torch.arange(count) % 3
    wave = 60 * torch.sin(torch.arange(size) * 2.0)
    rows, columns = wave[:, None].expand(size, size), wave[None].expand(size, size)
    clean = torch.stack([rows, columns, (rows + columns) / 2])[labels][..., None] + 128
    noisy = clean + noise * torch.randn(count, size, size, 3, generator=random)
    return noisy.clamp(0, 255).to(torch.uint8), labels


def trained(images, labels, names=NAMES, *, steps=4, start=None, shelf=None, **options):
    """`options`: settings of the classifier, and `numerics` and `warn` of the run."""
    run = {name: options.pop(name) for name in ("numerics", "warn") if name in options}
    settings = ClassifierSettings(**({"seed": 1, "batch": 16, "held_out": 0.0} | options))
    run = training_run(shelf, **run)
    return train_classifier(images, labels, names, settings, run, steps=steps, start=start)


def network_of(done):
    network = blank(lambda: make_classifier(done.config))
    network.load_state_dict(done.state)
    return network
