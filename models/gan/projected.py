"""The projected method: hinge losses on frozen features, and energy distances."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import blank
from ..training import team
from ..training.loop import TrainingRun
from ..training.rng import rng
from .batches import GROUP, PATCHES, TrainingSet
from .energy import (
    PATCH,
    Energies,
    ScaledMaps,
    draw_pixels,
    draw_places,
    patch_energy,
    picture_energy,
)
from .method import Batch, Draws, GanMethod, GanSetup, Metrics
from .projected_critic import ProjectedCritic, critic_views
from .projected_features import FeatureNet, train_features
from .projected_networks import ProjectedGenerator

GENERATOR_RATE, CRITIC_RATE = 1.2e-3, 2e-3  # highest learning rates
FURTHER = 8.0  # weight of the distances in further maps (docs/evidence.md)
WARM_UP = 20  # number of steps in which the learning rates rise
PLATEAU = 300  # number of steps, including `age`, after which the learning rates fall


@dataclass(frozen=True)
class Views(Batch):
    """An augmented batch, and the inputs of the critic's heads for it (see `critic_views`)."""

    real_views: list[Tensor]
    fake_views: list[Tensor]
    plain: tuple[Tensor, Tensor]  # real and generated pictures that are not augmented


class ProjectedMethod(GanMethod[Views]):
    """Sauer et al. 2021 with hinge losses, and with energy distances within each class."""

    betas = (0.5, 0.99), (0.0, 0.99)
    clip = 5.0
    views = 2

    def __init__(
        self, setup: GanSetup, features: nn.Module | None, further: ScaledMaps | None = None
    ) -> None:
        """Create the networks.

        features: a network that returns a list of feature maps; None to train one.
        further:  maps that only further energy distances see, and not the critic.
        """
        config, numerics, classes = setup.config, setup.numerics, len(setup.config.classes)
        self._trained_features = None
        if features is None:
            self._trained_features = features = blank(lambda: FeatureNet(classes, config.features))
        self._features = numerics.place(features).eval().requires_grad_(False)
        with torch.no_grad():
            empty = torch.zeros(1, config.planes, *config.shape, device=numerics.device)
            views = critic_views(empty, self._features, config.grown)
        shapes = [(view.shape[1], view.shape[2], view.shape[3]) for view in views]
        maps = [shape[1:] for shape in shapes[1:]]
        self._places = [height * width for height, width in maps]
        pixels = math.prod(side // PATCH for side in config.shape)
        self._places.append(pixels)
        self._further, self.together = further, further is not None
        self._further_places = further.places(empty) if further is not None else []
        critic = blank(lambda: ProjectedCritic(shapes, classes, config.critic, config.fine))
        super().__init__(setup, ProjectedGenerator, critic)
        numerics.compile(self.critic)
        # without weights, but among the networks, since it may be compiled like them
        self._energies = self.networks["energies"] = Energies()
        if numerics.device != "cpu":  # compiled results of a CPU exist from before
            numerics.compile(self._energies)
        if self._trained_features is not None:
            self.networks["features"] = self._trained_features

    def prepare(self, data: TrainingSet, run: TrainingRun) -> None:
        if self._trained_features is not None:
            run.log(
                "training a small network on these pictures first, as the critic needs its features"
            )
            seed = self.setup.settings.seed
            if team.is_first():
                train_features(self._trained_features, data, seed, self.numerics, run.progress)
            team.copy_from_first(self._trained_features)

    def rates(self, step: int, age: int) -> tuple[float, float]:
        """Inverse square root decay, which has no last step (Karras et al. 2024, EDM2, eq. 67)."""
        factor = min(1.0, (step + 1) / WARM_UP, math.sqrt(PLATEAU / (age + step + 1)))
        rate = self.setup.settings.rate
        return rate * GENERATOR_RATE * factor, rate * CRITIC_RATE * factor

    def draw(self, count: int, step: int, first: int) -> Draws:
        """Returns the random numbers of a slice; all slices of a step compare the same places."""
        seed = self.setup.settings.seed
        places = draw_places(self._places, rng(seed, PATCHES, step))
        if self._further is not None:
            random = rng(seed, PATCHES, step, 1)
            places += draw_places(self._further_places, random)
            places.append(draw_pixels(self.setup.config.shape, random))
        return super().draw(count, step, first)._replace(places=places)

    def batch(self, reals: Tensor, classes: Tensor, z: Tensor, draws: Draws) -> Views:
        grown = self.setup.config.grown
        with self.numerics.autocast():
            plain = reals, self.generator(z, classes)
            fakes = self.augmentation(plain[1], draws.changes[0])
            fake_views = critic_views(fakes, self._features, grown)
            with torch.no_grad():
                reals = self.augmentation(reals, draws.changes[1])
                real_views = critic_views(reals, self._features, grown)
        return Views(reals, fakes, classes, draws, real_views, fake_views, plain)

    def critic_loss(self, batch: Views) -> tuple[Tensor, Tensor, Metrics]:
        """Hinge loss (Lim and Ye 2017), summed over the heads."""
        with self.numerics.autocast():
            real_scores = self.critic(batch.real_views, batch.classes)
            fake_scores = self.critic([view.detach() for view in batch.fake_views], batch.classes)
        losses = [
            F.relu(1 - real).mean() + F.relu(1 + fake).mean()
            for real, fake in zip(real_scores, fake_scores, strict=True)
        ]
        loss = torch.stack(losses).sum()
        return loss, torch.cat([s.flatten() for s in real_scores]), {"critic": loss}

    def generator_loss(self, batch: Views) -> tuple[Tensor, Metrics]:
        with self.numerics.autocast():
            scores = self.critic(batch.fake_views, batch.classes)
        adversarial = -torch.stack([s.mean() for s in scores]).sum()
        (_, *fake_maps), (_, *real_maps) = batch.fake_views, batch.real_views
        own = len(self._places)
        places, others = batch.draws.places[:own], batch.draws.places[own:]
        whole, patches = self._energies(batch.fakes, fake_maps, batch.reals, real_maps, places)
        if self._further is not None:
            further_whole, further_patches = self._further_energies(self._further, batch, others)
            whole, patches = whole + further_whole, patches + further_patches
        metrics = {"adversarial": adversarial, "energy": whole, "patches": patches}
        return adversarial + whole + patches, metrics

    def _further_energies(
        self, further: ScaledMaps, batch: Views, places: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Returns both distances in further maps: of pictures in all, of patches in the finer.

        They compare distributions, which do not show single pictures to copy. So these pictures are
        not augmented. To save time, only half of the groups are compared.
        """
        own = batch.draws.own
        half = max(1, own.whole // (2 * GROUP)) * GROUP
        inside = min(max(0, half - own.first), own.size)  # 0 only if there are several processes
        reals, fakes = (pictures[: inside or GROUP] for pictures in batch.plain)
        with self.numerics.autocast():
            fake_maps = further(fakes)
            with torch.no_grad():
                real_maps = further(reals)

        def all_of(vectors: Tensor) -> Tensor:
            return team.gathered(vectors[:inside], own.first, half)

        classes = all_of(batch.classes[:inside])
        whole = picture_energy(fakes, fake_maps, reals, real_maps, classes, all_of)
        patches = patch_energy(fakes, fake_maps[:-1], reals, real_maps[:-1], places)
        if team.count() > 1:  # the mean over the groups of all processes
            patches = patches * (inside / half * own.whole / own.size)
        return FURTHER * whole, FURTHER * patches
