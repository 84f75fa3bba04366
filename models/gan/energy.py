"""Energy distances between generated and real pictures, as losses beside the critic's.

The energy distance of two distributions, 2 E|x - y| - E|x - x'| - E|y - y'| (Szekely and Rizzo
2013, eq. 5), is zero only if they are equal. Here x are generated and y real pictures of one class
in one batch. The loss prevents a collapse of the generator while the critic is still poor (compare
Bellemare et al. 2017, 'The Cramer Distance'). The last term depends on real
pictures alone and is left out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..alpha import over_grey
from ..repeatable import enlarged
from ..training.numerics import Numerics
from .batches import GROUP
from .config import nominal_edge

PATCH = 4  # edge of the compared patches, in pixels
SEEN = 128  # edge to which pictures are enlarged for a further network
PLACES = 32  # number of random places in each map at which patches are compared


class Energies(nn.Module):
    """The two distances that a generator learns from; a module, so that they can be compiled."""

    def forward(
        self,
        fakes: Tensor,
        fake_maps: list[Tensor],
        reals: Tensor,
        real_maps: list[Tensor],
        places: list[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Returns the distance of whole pictures, and that of patches at the places."""
        whole = picture_energy(fakes, fake_maps, reals, real_maps)
        return whole, patch_energy(fakes, fake_maps, reals, real_maps, places)


class ScaledMaps(nn.Module):
    """The feature maps of a frozen network, each divided by its standard deviation.

    Other networks than the small one here have maps of any scale, and the distances of the largest
    would outweigh all others. Small pictures are enlarged, because such networks were trained on
    larger ones.
    """

    def __init__(self, network: nn.Module, pictures: Tensor, numerics: Numerics) -> None:
        """`pictures` (N, C, H, W) in -1..1, on the device: those to measure the deviations with."""
        super().__init__()
        self.network = numerics.place(network).eval().requires_grad_(False)
        with torch.no_grad(), numerics.autocast():
            self._scales = [m.float().std().clamp_min(1e-6) for m in self._maps(pictures)]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Returns the maps for pictures (N, C, H, W); those with alpha are in front of grey."""
        return [m / scale for m, scale in zip(self._maps(x), self._scales, strict=True)]

    def _maps(self, x: Tensor) -> list[Tensor]:
        x = over_grey(x)
        while nominal_edge(*x.shape[2:]) < SEEN:
            x = enlarged(x)
        maps: list[Tensor] = self.network(x)
        return maps

    def places(self, pictures: Tensor) -> list[int]:
        """Returns the number of places in each map, except the coarsest one."""
        with torch.no_grad():
            return [m.shape[2] * m.shape[3] for m in self(pictures)[:-1]]


def picture_energy(
    fakes: Tensor,
    fake_maps: list[Tensor],
    reals: Tensor,
    real_maps: list[Tensor],
    classes: Tensor | None = None,
    all_of: Callable[[Tensor], Tensor] = lambda vectors: vectors,
) -> Tensor:
    """Returns the distance of whole pictures, by their coarse colours and their features.

    Of the features, it compares the layout and the statistics.

    classes: class weights (N, C), to compare all pictures of a class; None for those of a group.
    all_of: returns the vectors of these N pictures from those of this process.
    """

    def compared(fake: Tensor, real: Tensor) -> Tensor:
        if classes is None:
            return energy(fake, real, 1)
        return class_energy(all_of(fake), all_of(real), classes)

    total = fakes.new_zeros(())
    edge = nominal_edge(*fakes.shape[2:])
    for cell in (edge // 8, edge // 4):
        fake, real = (2 * F.avg_pool2d(x, cell, ceil_mode=True).flatten(1) for x in (fakes, reals))
        total = total + 2 * compared(fake, real)
    for fake_map, real_map in zip(fake_maps, real_maps, strict=True):
        a, b = fake_map.float(), real_map.float()
        total = total + compared(_layout(a), _layout(b))
        total = total + compared(_statistics(a), _statistics(b))
    return total


def patch_energy(
    fakes: Tensor,
    fake_maps: list[Tensor],
    reals: Tensor,
    real_maps: list[Tensor],
    places: list[Tensor],
) -> Tensor:
    """Returns the distance of patches at the places in each map, compared within each group.

    places: those in each of the maps, and then those of the patches of the pictures in a grid (see
        `draw_places`), or those of their pixels (see `draw_pixels`).
    """
    pairs = [*zip(fake_maps, real_maps, strict=True)]
    if places[-1].ndim == 1:
        pairs.append((F.pixel_unshuffle(fakes, PATCH), F.pixel_unshuffle(reals, PATCH)))
    else:
        pairs.append((fakes, reals))
    total = fakes.new_zeros(())
    for pair, chosen in zip(pairs, places, strict=True):
        a, b = (m.flatten(2)[:, :, chosen].transpose(1, 2).flatten(0, 1).flatten(1) for m in pair)
        total = total + energy(a, b, PLACES)
    return total


def draw_places(counts: list[int], random: torch.Generator) -> list[Tensor]:
    """Returns PLACES random places in maps of so many places each, on the processor."""
    return [torch.randint(count, (PLACES,), generator=random) for count in counts]


def draw_pixels(shape: tuple[int, int], random: torch.Generator) -> Tensor:
    """Returns the places of the pixels of PLACES patches anywhere in pictures of this shape.

    They are (PLACES, PATCH^2), on the processor. The borders of these patches are not those of a
    grid, so that a pattern at the borders of a grid is seen.
    """
    height, width = shape
    sides = (height - PATCH + 1, width - PATCH + 1)
    rows, columns = (torch.randint(side, (PLACES, 1), generator=random) for side in sides)
    inside = torch.arange(PATCH**2)
    return (rows + inside // PATCH) * width + columns + inside % PATCH


def energy(fakes: Tensor, reals: Tensor, each: int) -> Tensor:
    """Returns 2 E|x - y| - E|x - x'| within each group, averaged over the groups.

    fakes, reals: vectors (N * each, D). Each picture has `each` vectors, and E|x - x'| is over
    those of different pictures.
    """
    scale = fakes.shape[1] ** -0.5
    x, y = (scale * v.float().view(-1, GROUP * each, v.shape[1]) for v in (fakes, reals))
    others = 1 - torch.eye(GROUP, device=x.device)
    others = others.repeat_interleave(each, 0).repeat_interleave(each, 1)
    return 2 * _distances(x, y).mean() - (_distances(x, x) * others).sum() / (others.sum() * len(x))


def class_energy(fakes: Tensor, reals: Tensor, classes: Tensor) -> Tensor:
    """Returns 2 E|x - y| - E|x - x'| of vectors (N, D) with class weights (N, C).

    Each generated picture is compared with all of its class in the batch, so that the distance
    depends less on which ones are in a group.
    """
    scale = fakes.shape[1] ** -0.5
    x, y = (scale * v.float()[None] for v in (fakes, reals))
    same = classes @ classes.T
    others = same * (1 - torch.eye(len(same), device=same.device))
    across, within = (
        (_distances(x, v)[0] * weights).sum(1) / weights.sum(1)
        for v, weights in ((y, same), (x, others))
    )
    return 2 * across.mean() - within.mean()


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """Returns the Euclidean distances (G, N, M) of (G, N, D) and (G, M, D), smooth at 0."""
    squares = (x * x).sum(2)[:, :, None] + (y * y).sum(2)[:, None] - 2 * x @ y.mT
    return (squares.clamp_min(0) + 1e-3).sqrt()


def _layout(x: Tensor) -> Tensor:
    """Returns the averages of (N, C, H, W) over 4x4 cells, or 2x2 cells of at most 4 places.

    Maps that are not square have about as many cells.
    """
    edge = nominal_edge(*x.shape[2:])
    return F.avg_pool2d(x, max(1, edge // (4 if edge > 4 else 2)), ceil_mode=True).flatten(1)


def _statistics(x: Tensor) -> Tensor:
    """Returns the mean and the standard deviation of each channel of (N, C, H, W): (N, 2 C)."""
    mean = x.mean((2, 3))
    variance = (x * x).mean((2, 3)) - mean * mean
    return torch.cat([mean, (variance + 1e-4).clamp_min(1e-4).sqrt()], 1)
