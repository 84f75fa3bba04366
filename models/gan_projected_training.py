"""One step of the projected GAN: hinge losses on frozen features, and energy distances."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import blank
from .gan_config import GanConfig
from .gan_energy import patch_energy, picture_energy
from .gan_features import FeatureNet, train_features
from .gan_pictures import PATCHES, Pictures
from .gan_projected import ProjectedCritic, ProjectedGenerator, critic_views
from .gan_training import Batch, GanTrainee, Recipe, adam, prefixed
from .training import Stateful, generator

GENERATOR_RATE, CRITIC_RATE = 1.2e-3, 2e-3
WARM_UP, PLATEAU = 20, 300  # steps: the rates rise to these, stay until PLATEAU, then fall


@dataclass(frozen=True)
class Views(Batch):
    """A batch, augmented, and what the critic's heads see of it (see `critic_views`)."""

    real_views: list[Tensor]
    views: list[Tensor]


class ProjectedTrainee(GanTrainee[Views]):
    """Sauer et al. 2021 with hinge losses, and same-class energy distances beside them."""

    clip = 5.0

    def __init__(
        self,
        config: GanConfig,
        pictures: Pictures,
        recipe: Recipe,
        features: nn.Module | None,
    ) -> None:
        """`features`: a frozen network from pictures to a list of maps; None to train one."""
        classes = len(config.classes)
        self._own = (
            blank(lambda: FeatureNet(classes, config.features)) if features is None else None
        )
        network = self._own if features is None else features
        assert network is not None
        self.features = recipe.numerics.place(network).eval().requires_grad_(False)
        with torch.no_grad():
            empty = torch.zeros(1, 3, config.size, config.size, device=recipe.numerics.device)
            views = critic_views(empty, self.features, config.base_size)
        shapes = [(view.shape[1], view.shape[2]) for view in views]
        critic = blank(lambda: ProjectedCritic(shapes, classes, config.critic, config.fine))
        super().__init__(config, pictures, recipe, ProjectedGenerator, critic)
        self._pictures = pictures
        recipe.numerics.compile(self.critic)
        self.optimisers = {
            "generator_adam": adam(self.generator.parameters(), GENERATOR_RATE, (0.5, 0.99)),
            "critic_adam": adam(self.critic.parameters(), CRITIC_RATE, (0.0, 0.99)),
        }

    def parts(self) -> Mapping[str, Stateful]:
        own = {} if self._own is None else {"features": self._own}
        return {**super().parts(), **own}

    def networks(self) -> dict[str, nn.Module]:
        own = {} if self._own is None else {"features": self._own}
        return {**super().networks(), **own}

    def step(self, step: int) -> Mapping[str, Tensor]:
        if step == 0 and self._own is not None and not self.age:
            self.recipe.say("first a small network learns to tell these pictures apart")
            train_features(self._own, self._pictures, self.seed, self.numerics, self.recipe.pause)
        self._set_rates(step)
        return super().step(step)

    def batch(self, reals: Tensor, classes: Tensor, z: Tensor, *counters: int) -> Views:
        with self.numerics.autocast():
            drawn = self.seen(self.generator(z, classes), 0, *counters)
            views = critic_views(drawn, self.features, self.config.base_size)
            with torch.no_grad():
                reals = self.seen(reals, 1, *counters)
                real_views = critic_views(reals, self.features, self.config.base_size)
        return Views(reals, drawn, classes, counters, real_views, views)

    def critic_loss(self, batch: Views) -> tuple[Tensor, Tensor, Mapping[str, Tensor]]:
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

    def generator_loss(self, batch: Views) -> tuple[Tensor, Mapping[str, Tensor]]:
        with self.numerics.autocast():
            scores = self.critic(batch.views, batch.classes)
        adversarial = -torch.stack([s.mean() for s in scores]).sum()
        (_, *maps), (_, *real_maps) = batch.views, batch.real_views
        whole = picture_energy(batch.drawn, maps, batch.reals, real_maps)
        random = generator(self.seed, PATCHES, batch.counters[0])
        patches = patch_energy(batch.drawn, maps, batch.reals, real_maps, random)
        metrics = {"adversarial": adversarial, "energy": whole, "patches": patches}
        return adversarial + whole + patches, metrics

    def _set_rates(self, step: int) -> None:
        """Inverse square root decay (Karras et al. 2024, EDM2, eq. 67): it knows no last step."""
        factor = min(1.0, (step + 1) / WARM_UP, math.sqrt(PLATEAU / (self.age + step + 1)))
        for name, rate in (("generator_adam", GENERATOR_RATE), ("critic_adam", CRITIC_RATE)):
            self.optimisers[name].param_groups[0]["lr"] = self.recipe.rate * rate * factor

    def outcome(self) -> dict[str, Tensor]:
        own = {} if self._own is None else prefixed("features", self._own)
        return {**super().outcome(), **own}
