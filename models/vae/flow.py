"""Rectified flow: noise becomes data along straight lines, with a learned velocity.

At time t a point is (1 - t) noise + t data, and its velocity is data - noise (Liu et al. 2023,
"Flow straight and fast", eq. 1; Lipman et al. 2023, "Flow matching for generative modeling").
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

EVALUATIONS = 40  # evaluations of the velocity from noise to data


def sample_times(count: int, random: torch.Generator) -> Tensor:
    """Returns times (count,) in 0..1 from the logit-normal distribution (Esser et al. 2024).

    Times near 0.5 are the most likely. The times of a batch are evenly spaced over the quantiles,
    so that each batch covers the whole distribution (Kingma et al. 2021).
    """
    even = (torch.rand((), generator=random) + torch.arange(count) / count) % 1
    normal: Tensor = torch.special.ndtri(even.clamp(1e-4, 1 - 1e-4))
    return normal.sigmoid()


def interpolate(noise: Tensor, data: Tensor, t: Tensor) -> Tensor:
    """Returns the points at times t (N,) on the lines from noise to data, both (N, ...)."""
    return torch.lerp(noise, data, t.view(-1, *[1] * (data.ndim - 1)))


def integrate(
    velocity: Callable[[Tensor, float], Tensor],
    noise: Tensor,
    evaluations: int = EVALUATIONS,
    since: float = 0.0,
) -> Tensor:
    """Follow `velocity(points, t)` from noise at time 0 to data at time 1, by Heun's method.

    evaluations: how often the velocity is evaluated, an even number.
    since:       the time of the points in `noise`, if they are not at time 0.
    """
    steps = evaluations // 2
    points = noise
    for step in range(steps):
        t, length = since + (1 - since) * step / steps, (1 - since) / steps
        first = velocity(points, t)
        second = velocity(points + length * first, t + length)
        points = points + length / 2 * (first + second)
    return points
