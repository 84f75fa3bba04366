"""Energy distances between drawn and real pictures: a steady pull beside the critic's.

Between two sets, 2 E|x - y| - E|x - x'| - E|y - y'| (Szekely and Rizzo 2013, eq. 5) is zero only
where they are distributed alike. Being a distance over pictures of one class in one batch, it
keeps a generator from collapsing while the critic is still poor (compare Bellemare et al. 2017,
'The Cramer Distance'). The term of the reals alone is constant and left out.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..training.numerics import sent
from .batches import GROUP

PATCH = 4  # pixels of a side of the patches compared as such
PLACES = 32  # where patches are compared, in each feature map


def picture_energy(
    images: Tensor, maps: list[Tensor], reals: Tensor, real_maps: list[Tensor]
) -> Tensor:
    """Distance of whole pictures, by coarse colours and by the features' layout and statistics."""
    total = images.new_zeros(())
    for cell in (images.shape[2] // 8, images.shape[2] // 4):
        drawn, real = (2 * F.avg_pool2d(x, cell).flatten(1) for x in (images, reals))
        total = total + 2 * energy(drawn, real, 1)
    for drawn_map, real_map in zip(maps, real_maps, strict=True):
        a, b = drawn_map.float(), real_map.float()
        total = total + energy(_layout(a), _layout(b), 1)
        total = total + energy(_statistics(a), _statistics(b), 1)
    return total


def patch_energy(
    images: Tensor,
    maps: list[Tensor],
    reals: Tensor,
    real_maps: list[Tensor],
    random: torch.Generator,
) -> Tensor:
    """Distance of patches, at random places, each against those of the group's other pictures."""
    pairs = [*zip(maps, real_maps, strict=True)]
    pairs.append((F.pixel_unshuffle(images, PATCH), F.pixel_unshuffle(reals, PATCH)))
    total = images.new_zeros(())
    for drawn, real in pairs:
        places = torch.randint(drawn.shape[2] * drawn.shape[3], (PLACES,), generator=random)
        places = sent(places, images.device)
        a, b = (m.flatten(2)[:, :, places].transpose(1, 2).flatten(0, 1) for m in (drawn, real))
        total = total + energy(a, b, PLACES)
    return total


def energy(drawn: Tensor, real: Tensor, each: int) -> Tensor:
    """2 E|x - y| - E|x - x'| within each group, on vectors (N * each, D), averaged over groups.

    `each` vectors come from one picture; those of the same picture are not compared.
    """
    scale = drawn.shape[1] ** -0.5
    x, y = (scale * v.float().view(-1, GROUP * each, v.shape[1]) for v in (drawn, real))
    others = 1 - torch.eye(GROUP, device=x.device)
    others = others.repeat_interleave(each, 0).repeat_interleave(each, 1)
    return 2 * _distances(x, y).mean() - (_distances(x, x) * others).sum() / (others.sum() * len(x))


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """(G, N, D) and (G, M, D) to Euclidean distances (G, N, M), smooth at 0."""
    squares = (x * x).sum(2)[:, :, None] + (y * y).sum(2)[:, None] - 2 * x @ y.mT
    return (squares.clamp_min(0) + 1e-3).sqrt()


def _layout(x: Tensor) -> Tensor:
    """(N, C, H, W) to averages over 4x4 places, or 2x2 of a small map."""
    return F.avg_pool2d(x, max(1, x.shape[2] // (4 if x.shape[2] > 4 else 2))).flatten(1)


def _statistics(x: Tensor) -> Tensor:
    """(N, C, H, W) to the mean and the deviation of each channel, (N, 2 C)."""
    mean = x.mean((2, 3))
    variance = (x * x).mean((2, 3)) - mean * mean
    return torch.cat([mean, (variance + 1e-4).clamp_min(1e-4).sqrt()], 1)
