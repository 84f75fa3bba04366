"""What makes a VAE's pictures sharper than the error of pixels does: features, or a critic.

Either pulls at the drawn pictures with a gradient of its own. Whatever its scale, that is made
a fixed share of the reconstruction error's (compare the adaptive weight of Esser et al. 2021,
"Taming transformers", eq. 7).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import LEAK, blank, initialise
from ..training.loop import Stateful
from ..training.numerics import Numerics
from ..training.rng import rng

Sharpen = Literal["none", "features", "adversarial"]

FEATURES, ADVERSARIAL = 0.6, 0.6  # length of the pull over that of the error's gradient
CRITIC_RATE = 5e-4
PATIENCE, RAMP = 100, 200  # steps until the critic is heard, and then until it is heard fully
CRITIC = 4  # first counter of the critic's random stream


class Sharpener(Protocol):
    """Pulls at drawn pictures."""

    def stateful(self) -> Mapping[str, Stateful]:
        """Returns everything that training changes, by name."""

    def pull(self, drawn: Tensor, real: Tensor, share: float) -> tuple[Tensor, dict[str, Tensor]]:
        """The gradient (N, 3, H, W) by the drawn pictures, and metrics.

        These are `share` of a step's pictures.
        """

    def learn(self) -> None:
        """Learn from all pictures of the step."""

    def weight(self, step: int) -> float:
        """How long the pull is to be, over the error's gradient."""


class FeatureSharpener:
    """Distance in a frozen network's maps (Johnson et al. 2016; normed as in Zhang et al. 2018)."""

    def __init__(self, features: nn.Module, numerics: Numerics) -> None:
        self._features, self._numerics = numerics.place(features).eval(), numerics

    def stateful(self) -> Mapping[str, Stateful]:
        return {}

    def pull(self, drawn: Tensor, real: Tensor, share: float) -> tuple[Tensor, dict[str, Tensor]]:
        drawn = drawn.detach().requires_grad_()
        with self._numerics.autocast():
            found = self._features(drawn)
            with torch.no_grad():
                wanted = self._features(real)
        apart = [
            (_normed(a) - _normed(b)).square().sum(1) for a, b in zip(found, wanted, strict=True)
        ]
        distance = torch.stack([part.mean() for part in apart]).sum()
        (gradient,) = torch.autograd.grad(distance, drawn)
        return gradient, {"features": distance.detach()}

    def learn(self) -> None:
        pass

    def weight(self, step: int) -> float:
        return FEATURES


def _normed(maps: Tensor) -> Tensor:
    """Each position's vector, of length 1."""
    return F.normalize(maps.float(), dim=1)


class PatchCritic(nn.Module):
    """Judges patches of about 22 px, each by itself (Isola et al. 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 48, 4, 2, 1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(48, 96, 4, 2, 1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(96, 128, 3, 1, 1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(128, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scores (N, 1, H/4, W/4) of pictures (N, 3, H, W)."""
        scores: Tensor = self.layers(x)
        return scores.float()


class AdversarialSharpener:
    """A critic that learns to tell drawn pictures from real ones, with the hinge loss.

    Lim and Ye 2017, "Geometric GAN". It is heard after PATIENCE steps.
    """

    def __init__(self, seed: int, numerics: Numerics) -> None:
        critic = blank(PatchCritic)
        initialise(critic, rng(seed, CRITIC))
        self._critic, self._numerics = numerics.place(critic), numerics
        self._optimiser = torch.optim.Adam(
            critic.parameters(), CRITIC_RATE, betas=(0.5, 0.99), fused=True
        )

    def stateful(self) -> Mapping[str, Stateful]:
        return {"critic": self._critic, "critic_adam": self._optimiser}

    def pull(self, drawn: Tensor, real: Tensor, share: float) -> tuple[Tensor, dict[str, Tensor]]:
        drawn = drawn.detach().requires_grad_()
        with self._numerics.autocast():
            found, wanted = self._critic(drawn), self._critic(real)
        # What fools the critic; it is asked before it learns from these very pictures.
        (gradient,) = torch.autograd.grad(-found.mean(), drawn, retain_graph=True)
        loss = F.relu(1 - wanted).mean() + F.relu(1 + found).mean()
        (loss * share).backward(inputs=list(self._critic.parameters()))
        return gradient, {"critic": loss.detach()}

    def learn(self) -> None:
        self._optimiser.step()
        self._optimiser.zero_grad()

    def weight(self, step: int) -> float:
        return ADVERSARIAL * min(1.0, max(0.0, (step - PATIENCE) / RAMP))


def make_sharpener(
    kind: Sharpen, features: nn.Module | None, seed: int, numerics: Numerics
) -> Sharpener | None:
    """The sharpener of that kind, None for "none".

    Raises: ValueError for "features" without a network that has them.
    """
    if kind == "adversarial":
        return AdversarialSharpener(seed, numerics)
    if kind == "features":
        if features is None:
            raise ValueError("sharpening by features needs a classifier that lends them")
        return FeatureSharpener(features, numerics)
    return None


def pulled(
    error: Tensor, drawn: Tensor, real: Tensor, sharpener: Sharpener, step: int, share: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """A loss with the gradient of `error` and that of the sharpener; and its metrics.

    The pictures are `share` of those of the step.
    """
    pull, metrics = sharpener.pull(drawn, real, share)
    weight = sharpener.weight(step)
    if not weight:
        return error, metrics
    (gradient,) = torch.autograd.grad(error, drawn, retain_graph=True)
    scale = weight * gradient.norm() / pull.norm().clamp(min=1e-12)
    along = (drawn * (pull * scale)).sum()
    return error + along - along.detach(), metrics
