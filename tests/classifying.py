"""Small classifiers for tests: patterns to learn, and a training without a runner."""

from __future__ import annotations

import torch
from shelf import PLAIN, Shelf, silent

from artgraph.models.blocks import blank
from artgraph.models.classifier import make_classifier
from artgraph.models.classifier_training import Recipe, train_classifier
from artgraph.models.training import generator

NAMES = ("rows", "columns", "checks")


def patterns(count: int, size: int, seed: int, noise: int = 20):
    """Stripes this way, that way, and both, in noise."""
    random = generator(seed)
    labels = torch.arange(count) % 3
    wave = 60 * torch.sin(torch.arange(size) * 2.0)
    rows, columns = wave[:, None].expand(size, size), wave[None].expand(size, size)
    clean = torch.stack([rows, columns, (rows + columns) / 2])[labels][..., None] + 128
    noisy = clean + noise * torch.randn(count, size, size, 3, generator=random)
    return noisy.clamp(0, 255).to(torch.uint8), labels


def trained(
    images, labels, names=NAMES, *, batch=16, augment=True, seed=1, numerics=PLAIN, **settings
):
    defaults = {"steps": 4, "held_out": 0.0, "checkpoint": Shelf(), "report": silent}
    recipe = Recipe(batch, augment, seed, numerics)
    return train_classifier(images, labels, names, recipe, **(defaults | settings))


def network_of(done):
    network = blank(lambda: make_classifier(done.config))
    network.load_state_dict(done.state)
    return network
