"""Short trainings of VAEs and priors for tests, and pictures to train on."""

from __future__ import annotations

import torch
from shelf import training_run

from artgraph.models.training.rng import rng
from artgraph.models.vae.api import VaeSettings, train_vae
from artgraph.models.vae.prior import PriorSettings, train_prior


def discs(count: int, size: int, seed: int) -> torch.Tensor:
    """Returns pictures of a coloured disc on a coloured background, uint8."""
    random = rng(seed)
    at = (torch.arange(size) + 0.5) / size
    x, y = 0.25 + 0.5 * torch.rand(2, count, 1, 1, generator=random)
    inside = (at[None, None] - x) ** 2 + (at[None, :, None] - y) ** 2 < 0.04
    disc, ground = torch.rand(2, count, 1, 1, 3, generator=random) * 255
    return torch.where(inside[..., None], disc, ground).to(torch.uint8)


def trained(images, *, steps=4, shelf=None, start=None, features=None, **settings):
    settings = VaeSettings(**({"seed": 1, "batch": 8} | settings))
    return train_vae(
        images, settings, training_run(shelf), steps=steps, start=start, features=features
    )


class Unchanged:
    """Replaces a VAE in tests that draw no pictures. It returns latents unchanged."""

    def requantised(self, latents):
        return latents


def learned(latents, labels, classes, *, steps=3, batch=16, shelf=None, start=None):
    settings = PriorSettings(seed=1, batch=batch, width=32, depth=2)
    run = training_run(shelf, progress=lambda *_: None)  # no preview: `Unchanged` draws no pictures
    return train_prior(
        latents, labels, classes, settings, run, vae=Unchanged(), steps=steps, start=start
    )
