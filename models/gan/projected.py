"""The projected GAN's method: hinge losses on frozen features, and energy distances."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import blank
from ..training.loop import TrainingRun
from ..training.rng import rng
from .batches import PATCHES, TrainingSet
from .energy import patch_energy, picture_energy
from .method import Batch, GanMethod, GanSetup, Metrics
from .projected_critic import ProjectedCritic, critic_views
from .projected_features import FeatureNet, train_features
from .projected_networks import ProjectedGenerator

GENERATOR_RATE, CRITIC_RATE = 1.2e-3, 2e-3
WARM_UP, PLATEAU = 20, 300  # steps: the rates rise to these, stay until PLATEAU, then fall


@dataclass(frozen=True)
class Views(Batch):
    """A batch, augmented, and what the critic's heads see of it (see `critic_views`)."""

    real_views: list[Tensor]
    views: list[Tensor]


class ProjectedMethod(GanMethod[Views]):
    """Sauer et al. 2021 with hinge losses, and same-class energy distances beside them."""

    betas = (0.5, 0.99), (0.0, 0.99)
    clip = 5.0

    def __init__(self, setup: GanSetup, features: nn.Module | None) -> None:
        """`features`: a frozen network from pictures to a list of maps; None to train one."""
        config, numerics, classes = setup.config, setup.numerics, len(setup.config.classes)
        self._own = None
        if features is None:
            self._own = features = blank(lambda: FeatureNet(classes, config.features))
        self._features = numerics.place(features).eval().requires_grad_(False)
        with torch.no_grad():
            empty = torch.zeros(1, 3, config.size, config.size, device=numerics.device)
            views = critic_views(empty, self._features, config.base_size)
        shapes = [(view.shape[1], view.shape[2]) for view in views]
        critic = blank(lambda: ProjectedCritic(shapes, classes, config.critic, config.fine))
        super().__init__(setup, ProjectedGenerator, critic)
        numerics.compile(self.critic)
        if self._own is not None:
            self.networks["features"] = self._own

    def prepare(self, data: TrainingSet, run: TrainingRun) -> None:
        if self._own is not None:
            run.log("first a small network learns to tell these pictures apart")
            seed = self.setup.settings.seed
            train_features(self._own, data, seed, self.numerics, run.progress)

    def rates(self, step: int, age: int) -> tuple[float, float]:
        """Inverse square root decay (Karras et al. 2024, EDM2, eq. 67): it knows no last step."""
        factor = min(1.0, (step + 1) / WARM_UP, math.sqrt(PLATEAU / (age + step + 1)))
        rate = self.setup.settings.rate
        return rate * GENERATOR_RATE * factor, rate * CRITIC_RATE * factor

    def batch(self, reals: Tensor, classes: Tensor, z: Tensor, counters: tuple[int, ...]) -> Views:
        base_size = self.setup.config.base_size
        with self.numerics.autocast():
            drawn = self.augmentation(self.generator(z, classes), 0, *counters)
            views = critic_views(drawn, self._features, base_size)
            with torch.no_grad():
                reals = self.augmentation(reals, 1, *counters)
                real_views = critic_views(reals, self._features, base_size)
        return Views(reals, drawn, classes, counters, real_views, views)

    def critic_loss(self, batch: Views) -> tuple[Tensor, Tensor, Metrics]:
        """Hinge loss (Lim and Ye 2017), summed over the heads."""
        with self.numerics.autocast():
            real_scores = self.critic(batch.real_views, batch.classes)
            scores = self.critic([view.detach() for view in batch.views], batch.classes)
        losses = [
            F.relu(1 - real).mean() + F.relu(1 + fake).mean()
            for real, fake in zip(real_scores, scores, strict=True)
        ]
        loss = torch.stack(losses).sum()
        return loss, torch.cat([s.flatten() for s in real_scores]), {"critic": loss}

    def generator_loss(self, batch: Views) -> tuple[Tensor, Metrics]:
        with self.numerics.autocast():
            scores = self.critic(batch.views, batch.classes)
        adversarial = -torch.stack([s.mean() for s in scores]).sum()
        (_, *maps), (_, *real_maps) = batch.views, batch.real_views
        whole = picture_energy(batch.drawn, maps, batch.reals, real_maps)
        random = rng(self.setup.settings.seed, PATCHES, batch.counters[0])
        patches = patch_energy(batch.drawn, maps, batch.reals, real_maps, random)
        metrics = {"adversarial": adversarial, "energy": whole, "patches": patches}
        return adversarial + whole + patches, metrics
