"""Small datasets and short trainings for the tests of GANs."""

from __future__ import annotations

import pytest
import torch
from shelf import training_run

from artgraph.models.gan import evaluation
from artgraph.models.gan import projected_features as gan_features
from artgraph.models.gan.api import GanSettings, Judge, train_gan
from artgraph.models.training.rng import rng

SMALL = {"projected": (16, 8), "r3": (16, 16, 8), "classic": (16, 16, 8)}
METHODS = tuple(SMALL)


class Textures(torch.nn.Module):
    """A judge's network: how coarse colours, and their fluctuations around them, are spread."""

    def forward(self, x):
        small = torch.nn.functional.adaptive_avg_pool2d(x, 8)
        fine = (torch.nn.functional.interpolate(small, x.shape[2:]) - x).abs()
        pooled = [torch.nn.functional.adaptive_avg_pool2d(m, 4).flatten(1) for m in (x, fine)]
        return torch.cat(pooled, 1)


JUDGE = Judge("textures", Textures())


@pytest.fixture(autouse=True)
def quick(monkeypatch, one_thread):
    """Shortens the training of the features and the evaluations; one thread."""
    monkeypatch.setattr(gan_features, "STEPS", 3)
    monkeypatch.setattr(gan_features, "BATCH", 8)
    monkeypatch.setattr(evaluation, "COMPARED", 16)
    monkeypatch.setattr(evaluation, "DRAWN", 16)


def pictures(count, classes, size=32):
    random = rng(7, count, classes)
    images = torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, generator=random)
    return images, torch.arange(count) % classes


def train(
    images,
    labels,
    classes,
    steps,
    shelf=None,
    *,
    features=None,
    further=None,
    start=None,
    at_step=0,
    **options,
):
    """Train a small GAN.

    classes: the names of the classes, or their number.
    options: settings of the GAN, and arguments of `training_run`.
    """
    run = training_run(
        shelf, **{k: options.pop(k) for k in ("log", "progress", "warn") if k in options}
    )
    options = {"seed": 3, "batch": 8} | options
    if isinstance(classes, int):
        classes = tuple(f"class {i}" for i in range(classes))
    if start is None:
        options.setdefault("channels", SMALL.get(options.get("method", "projected")))
    settings = GanSettings(**options)
    return train_gan(
        images,
        labels,
        classes,
        settings,
        run,
        steps=steps,
        judge=JUDGE,
        features=features,
        further=further,
        start=start,
        at_step=at_step,
    )


def assert_same(first, second):
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.equal(value, second[key]), key
