"""What the tests of GANs share: small sets, short trainings."""

from __future__ import annotations

import pytest
import torch
from shelf import Shelf

from artgraph.models import gan_features, gan_watch
from artgraph.models.gan import train_gan
from artgraph.models.numerics import Numerics
from artgraph.models.training import generator

NUMERICS = Numerics("cpu", "float32", 1)
SMALL = {"projected": (16, 8), "r3": (16, 16, 8), "classic": (16, 16, 8)}
METHODS = tuple(SMALL)


@pytest.fixture(autouse=True)
def quick(monkeypatch, one_thread):
    """A first network and looks of a moment; one thread."""
    monkeypatch.setattr(gan_features, "STEPS", 3)
    monkeypatch.setattr(gan_features, "BATCH", 8)
    monkeypatch.setattr(gan_watch, "COMPARED", 16)


def pictures(count, classes, size=32):
    random = generator(7, count, classes)
    images = torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, generator=random)
    return images, torch.arange(count) % classes


def train(images, labels, classes, steps, shelf=None, **options):
    """`classes`: their names, or how many."""
    options = {"method": "projected", "seed": 3, "batch": 8, "numerics": NUMERICS} | options
    options.setdefault("report", lambda done, total, preview=None: None)
    if isinstance(classes, int):
        classes = tuple(f"class {i}" for i in range(classes))
    if "start" not in options:
        options.setdefault("channels", SMALL.get(options["method"]))
    return train_gan(
        images,
        labels,
        classes,
        steps=steps,
        checkpoint=shelf or Shelf(),
        **options,
    )


def assert_same(first, second):
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.equal(value, second[key]), key
