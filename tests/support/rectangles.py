"""Shapes of pictures that are not square, pictures of them, and short trainings with each model."""

from __future__ import annotations

import gans
import torch
import vaes
from shelf import training_run

from artgraph.models.classifier.trainee import ClassifierSettings, train_classifier
from artgraph.models.training.loop import TrainingResult
from artgraph.models.training.rng import rng
from artgraph.models.vae.api import make_vae
from artgraph.models.vae.prior import encode_all

# Height and width for 3:2, 16:9, 9:16 and 1:3 at about 32 px, and one with an odd number of cells.
SHAPES = {"3:2": (24, 40), "16:9": (32, 56), "9:16": (40, 24), "1:3": (48, 16), "odd": (28, 40)}
NAMES = ("a", "b")


def noise(height: int, width: int, count: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns random pictures of two classes, uint8, and their labels."""
    shape = (count, height, width, 3)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng(3, height, width))
    return images, torch.arange(count) % 2


def gan(method: str):
    def train(images, labels, steps, shelf=None, **options) -> TrainingResult:
        options = {"method": method, "augment": "on"} | options
        return gans.train(images, labels, NAMES, steps, shelf, **options)

    return train


def vae(**settings):
    def train(images, labels, steps, shelf=None) -> TrainingResult:
        return vaes.trained(images, steps=steps, shelf=shelf, **settings)

    return train


def prior(images, labels, steps, shelf=None) -> TrainingResult:
    done = vaes.trained(images, steps=1)
    network = make_vae(done.config)
    network.load_state_dict(done.state)
    run = training_run()
    latents = encode_all(network, images, True, run.numerics, lambda *_: None)
    return vaes.learned(latents, labels, NAMES, steps=steps, shelf=shelf)


def classifier(method: str):
    def train(images, labels, steps, shelf=None) -> TrainingResult:
        settings = ClassifierSettings(seed=1, method=method, batch=8)
        return train_classifier(images, labels, NAMES, settings, training_run(shelf), steps=steps)

    return train


GANS = {f"gan {method}": gan(method) for method in gans.METHODS}
TRAININGS = GANS | {
    "vae kl": vae(),
    "vae fsq": vae(quantiser="fsq", sharpen="adversarial"),
    "vae classic": vae(method="classic"),
    "prior": prior,
    "cnn residual": classifier("residual"),
    "cnn classic": classifier("classic"),
}
