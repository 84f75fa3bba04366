"""Losses that make a VAE's pictures sharper than the pixel error alone: features, or a critic.

Either yields a gradient with respect to the drawn pictures. Its length is scaled to a fixed share
of the gradient of the reconstruction error (compare the adaptive weight of Esser et al. 2021,
"Taming transformers", eq. 7).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..alpha import over_grey
from ..blocks import LEAK, blank, initialise
from ..training.diverged import UnsuitableError
from ..training.inputs import Number
from ..training.loop import Stateful
from ..training.numerics import Numerics
from ..training.rng import rng
from ..training.team import norm, sum_gradients

Sharpen = Literal["none", "features", "adversarial"]

FEATURES, ADVERSARIAL = 0.6, 0.6  # length of the gradient over that of the error's gradient
CRITIC_RATE = 5e-4  # learning rate of the critic
PATIENCE, RAMP = 100, 200  # steps until the critic has a weight, then until it has its full one
CRITIC = 4  # first counter of the critic's random stream


class Sharpener(Protocol):
    """A loss on drawn pictures, beside the pixel error."""

    def stateful(self) -> Mapping[str, Stateful]:
        """Returns everything that changes in training, by name."""

    def gradient(
        self, drawn: Tensor, real: Tensor, share: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Returns the gradient (N, C, H, W) with respect to the drawn pictures, and metrics.

        share: the number of these pictures, divided by that of all pictures of the step.
        """

    def learn(self) -> None:
        """Train on all pictures of the step."""

    def weight(self, step: int) -> float:
        """Returns the length of the gradient at a step, as a share of the error's gradient."""


class FeatureSharpener:
    """Distance of feature maps of a frozen network (Johnson et al. 2016).

    The vectors of the maps have length 1 (Zhang et al. 2018).
    """

    def __init__(self, features: nn.Module, numerics: Numerics) -> None:
        self._features, self._numerics = numerics.place(features).eval(), numerics

    def stateful(self) -> Mapping[str, Stateful]:
        return {}

    def gradient(
        self, drawn: Tensor, real: Tensor, share: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        drawn = drawn.detach().requires_grad_()
        with self._numerics.autocast():
            drawn_maps = self._features(over_grey(drawn))
            with torch.no_grad():
                real_maps = self._features(over_grey(real))
        distances = [
            (_normed(a) - _normed(b)).square().sum(1)
            for a, b in zip(drawn_maps, real_maps, strict=True)
        ]
        distance = torch.stack([part.mean() for part in distances]).sum()
        (gradient,) = torch.autograd.grad(distance, drawn)
        return gradient, {"features": distance.detach()}

    def learn(self) -> None:
        pass

    def weight(self, step: int) -> float:
        return FEATURES


def _normed(maps: Tensor) -> Tensor:
    """Scale the vector at each position to length 1."""
    return F.normalize(maps.float(), dim=1)


class PatchCritic(nn.Module):
    """A critic that scores each patch of about 22 px by itself (Isola et al. 2017)."""

    def __init__(self, planes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(planes, 48, 4, 2, 1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(48, 96, 4, 2, 1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(96, 128, 3, 1, 1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(128, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Returns the scores (N, 1, H/4, W/4) of pictures (N, C, H, W)."""
        scores: Tensor = self.layers(x)
        return scores.float()


class AdversarialSharpener:
    """A critic that learns to distinguish drawn pictures from real ones, with the hinge loss.

    Paper: Lim and Ye 2017, "Geometric GAN". Its weight is 0 for the first PATIENCE steps.
    """

    def __init__(self, planes: int, seed: int, numerics: Numerics) -> None:
        critic = blank(lambda: PatchCritic(planes))
        initialise(critic, rng(seed, CRITIC))
        self._critic, self._numerics = numerics.place(critic), numerics
        self._optimiser = torch.optim.Adam(
            critic.parameters(), CRITIC_RATE, betas=(0.5, 0.99), fused=True
        )

    def stateful(self) -> Mapping[str, Stateful]:
        return {"critic": self._critic, "critic_adam": self._optimiser}

    def gradient(
        self, drawn: Tensor, real: Tensor, share: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        drawn = drawn.detach().requires_grad_()
        with self._numerics.autocast():
            drawn_scores, real_scores = self._critic(drawn), self._critic(real)
        # The generator's loss, by the critic's scores from before it trains on these pictures.
        (gradient,) = torch.autograd.grad(-drawn_scores.mean(), drawn, retain_graph=True)
        loss = F.relu(1 - real_scores).mean() + F.relu(1 + drawn_scores).mean()
        (loss * share).backward(inputs=list(self._critic.parameters()))
        return gradient, {"critic": loss.detach()}

    def learn(self) -> None:
        sum_gradients(self._critic)
        self._optimiser.step()
        self._optimiser.zero_grad()

    def weight(self, step: int) -> float:
        return ADVERSARIAL * min(1.0, max(0.0, (step - PATIENCE) / RAMP))


def make_sharpener(
    kind: Sharpen, features: nn.Module | None, planes: int, seed: int, numerics: Numerics
) -> Sharpener | None:
    """Returns the sharpener of a kind for pictures of `planes` channels, None for "none".

    Raises: ValueError for "features" without a network that computes them.
    """
    if kind == "adversarial":
        return AdversarialSharpener(planes, seed, numerics)
    if kind == "features":
        if features is None:
            raise UnsuitableError(
                "`sharpen: features` needs a classifier",
                "wire one to `classifier`, or choose another `sharpen`",
            )
        return FeatureSharpener(features, numerics)
    return None


def sharpened_error(
    error: Tensor, drawn: Tensor, real: Tensor, sharpener: Sharpener, weight: Number, share: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Returns a loss with the sum of the gradients of `error` and of the sharpener, and metrics.

    weight: length of the sharpener's gradient, as a share of the error's.
    share: the number of these pictures, divided by that of all pictures of the step.
    """
    gradient, metrics = sharpener.gradient(drawn, real, share)
    if isinstance(weight, float) and weight == 0:  # on a GPU, all steps do the same operations
        return error, metrics
    (error_gradient,) = torch.autograd.grad(error, drawn, retain_graph=True)
    scale = weight * norm(error_gradient, share) / norm(gradient, share).clamp(min=1e-12)
    added = (drawn * (gradient * scale)).sum()  # its gradient is `gradient * scale`
    return error + added - added.detach(), metrics
