"""Groups of feature maps that respond to the same things, found by clustering.

Paper: Broad et al. 2021, "Network Bending: Expressive Manipulation of Deep Generative Models",
section 4. There, a network is trained to compress the maps; here they are scaled to thumbnails.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..training.loop import Progress
from ..training.numerics import Numerics
from .api import generate

THUMBNAIL = 8  # edge of the scaled maps
ROUNDS = 50  # largest number of rounds of k-means; it converges in fewer


def responses(
    network: nn.Module,
    level: int,
    latents: tuple[Tensor, Tensor],
    numerics: Numerics,
    progress: Progress | None = None,
) -> Tensor:
    """Returns how each channel of a level responds to latents and class weights: (C, values).

    The values are those of small maps, for all pictures. Their mean is 0 and their length 1, so
    that strong and weak channels that see the same are alike.
    """
    found: list[Tensor] = []

    def look(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if inputs[1] == level:
            small = F.adaptive_avg_pool2d(inputs[0].float(), THUMBNAIL)
            found.append(small.transpose(0, 1).flatten(1).cpu())

    bends = network.bends
    assert isinstance(bends, nn.Module)
    hook = bends.register_forward_pre_hook(look)
    try:
        generate(network, *latents, numerics, progress=progress)
    finally:
        hook.remove()
    values = torch.cat(found, 1)
    return F.normalize(values - values.mean(1, keepdim=True), dim=1)


def clusters_of(points: Tensor, count: int) -> list[list[int]]:
    """Returns the indices of points (N, D) in at most `count` clusters, by k-means.

    The first centre is the point nearest to the mean, and each further one the point that is
    farthest from all centres, so no random number is needed. The largest cluster is the first.
    """
    points = points.double()
    chosen = [int(torch.cdist(points, points.mean(0, keepdim=True)).argmin())]
    while len(chosen) < min(count, len(points)):
        chosen.append(int(torch.cdist(points, points[chosen]).amin(1).argmax()))
    centres = points[chosen]
    nearest = torch.cdist(points, centres).argmin(1)
    for _ in range(ROUNDS):
        members = [points[nearest == k] for k in range(len(centres))]
        centres = torch.stack(
            [m.mean(0) if len(m) else c for m, c in zip(members, centres, strict=True)]
        )
        before, nearest = nearest, torch.cdist(points, centres).argmin(1)
        if torch.equal(before, nearest):
            break
    found = [(nearest == k).nonzero().flatten().tolist() for k in range(len(centres))]
    return sorted((c for c in found if c), key=lambda c: (-len(c), c[0]))
