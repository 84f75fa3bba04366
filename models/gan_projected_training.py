"""One step of the projected GAN: hinge losses on frozen features, and energy distances."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import blank
from .gan_config import GanConfig
from .gan_energy import patch_energy, picture_energy
from .gan_features import FeatureNet, train_features
from .gan_pictures import PATCHES, Pictures
from .gan_projected import ProjectedCritic, ProjectedGenerator, critic_views
from .gan_training import GanTrainee, Recipe, adam, prefixed
from .training import Stateful, generator

GENERATOR_RATE, CRITIC_RATE = 1.2e-3, 2e-3
WARM_UP, PLATEAU = 20, 300  # steps: the rates rise to these, stay until PLATEAU, then fall
CLIP = 5.0  # largest norm of the generator's gradient


class ProjectedTrainee(GanTrainee):
    """Sauer et al. 2021 with hinge losses, and same-class energy distances beside them."""

    def __init__(
        self,
        config: GanConfig,
        pictures: Pictures,
        recipe: Recipe,
        features: nn.Module | None,
    ) -> None:
        """`features`: a frozen network from pictures to a list of maps; None to train one."""
        classes = len(config.classes)
        self._own = blank(lambda: FeatureNet(classes)) if features is None else None
        network = self._own if features is None else features
        assert network is not None
        self.features = recipe.numerics.place(network).eval().requires_grad_(False)
        with torch.no_grad():
            empty = torch.zeros(1, 3, config.size, config.size, device=recipe.numerics.device)
            views = critic_views(empty, self.features, config.base_size)
        shapes = [(view.shape[1], view.shape[2]) for view in views]
        critic = blank(lambda: ProjectedCritic(shapes, classes, config.critic))
        super().__init__(config, pictures, recipe, ProjectedGenerator, critic)
        self._pictures = pictures
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
        reals, classes = self.reals(step)
        with self.numerics.autocast():
            drawn = self.generator(self.latents(len(reals), step), classes)
            seen = self.seen(drawn, step, 0)
            views = critic_views(seen, self.features, self.config.base_size)
            with torch.no_grad():
                seen_reals = self.seen(reals, step, 1)
                real_views = critic_views(seen_reals, self.features, self.config.base_size)
        critic_loss, certainty = self._train_critic(views, real_views, classes)
        with self.numerics.autocast():
            scores = self.critic(views, classes)
        adversarial = -torch.stack([s.mean() for s in scores]).sum()
        random = generator(self.seed, PATCHES, step)
        (_, *maps), (_, *real_maps) = views, real_views
        whole = picture_energy(seen, maps, seen_reals, real_maps)
        patches = patch_energy(seen, maps, seen_reals, real_maps, random)
        (adversarial + whole + patches).backward()
        self.critic.requires_grad_(True)
        nn.utils.clip_grad_norm_(self.generator.parameters(), CLIP)
        self.apply("generator_adam")
        self.follow(step)
        return {
            "critic": critic_loss,
            "adversarial": adversarial,
            "energy": whole,
            "patches": patches,
            **certainty,
        }

    def _train_critic(
        self, views: list[Tensor], real_views: list[Tensor], classes: Tensor
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Hinge loss (Lim and Ye 2017), summed over the heads; leaves the critic frozen."""
        with self.numerics.autocast():
            real_scores = self.critic(real_views, classes)
            scores = self.critic([view.detach() for view in views], classes)
        losses = [
            F.relu(1 - real).mean() + F.relu(1 + fake).mean()
            for real, fake in zip(real_scores, scores, strict=True)
        ]
        loss = torch.stack(losses).sum()
        loss.backward()
        self.apply("critic_adam")
        self.critic.requires_grad_(False)
        return loss, self.adapt(torch.cat([scores.flatten() for scores in real_scores]))

    def _set_rates(self, step: int) -> None:
        """Inverse square root decay (Karras et al. 2024, EDM2, eq. 67): it knows no last step."""
        factor = min(1.0, (step + 1) / WARM_UP, math.sqrt(PLATEAU / (self.age + step + 1)))
        for name, rate in (("generator_adam", GENERATOR_RATE), ("critic_adam", CRITIC_RATE)):
            self.optimisers[name].param_groups[0]["lr"] = self.recipe.rate * rate * factor

    def outcome(self) -> dict[str, Tensor]:
        own = {} if self._own is None else prefixed("features", self._own)
        return {**super().outcome(), **own}
