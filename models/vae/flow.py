"""Rectified flow: noise becomes data along straight lines, by a velocity that is learned.

At time t a point is (1 - t) noise + t data, and its velocity data - noise (Liu et al. 2023, "Flow
straight and fast", eq. 1; Lipman et al. 2023, "Flow matching for generative modeling").
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

EVALUATIONS = 40  # of the velocity on the way from noise to data


def times(count: int, random: torch.Generator) -> Tensor:
    """(count,) times in 0..1, the middle ones likelier (Esser et al. 2024, logit-normal).

    Evenly spread over their distribution, so that one batch sees all of it (Kingma et al. 2021).
    """
    even = (torch.rand((), generator=random) + torch.arange(count) / count) % 1
    normal: Tensor = torch.special.ndtri(even.clamp(1e-4, 1 - 1e-4))
    return normal.sigmoid()


def between(noise: Tensor, data: Tensor, t: Tensor) -> Tensor:
    """The points at times t (N,) on the lines from noise to data, both (N, ...)."""
    return torch.lerp(noise, data, t.view(-1, *[1] * (data.ndim - 1)))


def integrate(
    velocity: Callable[[Tensor, float], Tensor], noise: Tensor, evaluations: int = EVALUATIONS
) -> Tensor:
    """Follow `velocity(points, t)` from noise at time 0 to data at 1.

    Heun's method; `evaluations` of the velocity, an even number.
    """
    steps = evaluations // 2
    points = noise
    for step in range(steps):
        t, length = step / steps, 1 / steps
        first = velocity(points, t)
        second = velocity(points + length * first, t + length)
        points = points + length / 2 * (first + second)
    return points
