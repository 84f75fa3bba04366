"""The patches of a picture, and the search for those that are most similar to others.

Small pictures are compared in full. In larger ones, the search begins with the patches that were
found on the scale before, and tries those of the neighbours and random ones.

Papers: Granot et al. 2022, "Drop the GAN: in defense of patches nearest neighbors as single image
generative models" (GPNN); Barnes et al. 2009, "PatchMatch" (the search in large pictures).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 7  # side of a patch in pixels
REACH = SIDE // 2
MIDDLE = 1.3  # standard deviation of the weights of a patch's pixels in means, in pixels
COMPLETE = 0.1  # GPNN's alpha, eq. 3: a smaller value uses more of the source's patches
FEATURES = 24  # principal components by which patches are compared
SAMPLED = 1 << 13  # patches of the source from which the components are computed
NEARBY = 9  # largest distance of the random patches that are tried, in pixels
PAIRS = 1 << 22  # pairs of patches that are compared in full; with more, the search is approximate
CHUNK = 1 << 24  # pairs of patches that are compared at a time

Shape = tuple[int, int]


class Patches:
    """The patches of the source on one scale, and the search among them."""

    def __init__(self, source: Tensor, wraps: bool) -> None:
        self._source, self._wraps = source, wraps
        self._shape = (source.shape[1] - 2 * REACH, source.shape[2] - 2 * REACH)
        self._basis = _components(source)
        self._known = self._features(source)

    def search(self, picture: Tensor, field: Tensor | None, random: torch.Generator) -> Tensor:
        """Returns the most similar patch for each patch of the picture: numbers (H, W)."""
        padded = self._padded(picture)
        shape = (padded.shape[1] - 2 * REACH, padded.shape[2] - 2 * REACH)
        ours = self._features(padded)
        if field is None or len(ours) * len(self._known) <= PAIRS:
            return self._compared(ours).view(shape)
        return self._improved(ours, field, random)

    def mean(self, field: Tensor) -> Tensor:
        """Returns the picture (3, H, W) of patches: for each pixel, the mean of its values."""
        height, width = field.shape
        rows = field // self._shape[1]
        corner = rows * self._source.shape[2] + field % self._shape[1]
        flat = self._source.flatten(1)
        total = flat.new_zeros(4, height + 2 * REACH, width + 2 * REACH)
        for down in range(SIDE):
            for right in range(SIDE):
                away = (down - REACH) ** 2 + (right - REACH) ** 2
                weight = math.exp(-away / (2 * MIDDLE**2))
                place = (corner + (down * self._source.shape[2] + right)).flatten()
                values = flat.index_select(1, place).view(3, height, width)
                part = total[:, down : down + height, right : right + width]
                part[:3] += values * weight
                part[3] += weight
        if self._wraps:
            total = _folded(total, REACH)
        return total[:3] / total[3]

    def enlarged(self, before: Patches, field: Tensor | None, size: Shape) -> Tensor:
        """Returns the numbers of the patches for a result of this size, from the scale before."""
        assert field is not None
        middle = 0 if self._wraps else REACH  # place of the middle of the first patch
        places, inside = [], []
        for new, old in zip(size, field.shape, strict=True):
            count = new - 2 * middle
            exact = (torch.arange(count, device=field.device) + middle + 0.5) * (old + 2 * middle)
            exact = exact / new - middle
            places.append(exact.long().clamp(0, old - 1))
            inside.append(exact - places[-1])
        picked = field[places[0][:, None], places[1]]
        width = before._shape[1]
        found = []
        for value, rest, new, old in zip(
            (picked // width, picked % width),
            (inside[0][:, None], inside[1]),
            self._shape,
            before._shape,
            strict=True,
        ):
            exact = (value + REACH + rest) * ((new + 2 * REACH) / (old + 2 * REACH)) - REACH
            found.append(exact.long().clamp(0, new - 1))
        return found[0] * self._shape[1] + found[1]

    def _padded(self, picture: Tensor) -> Tensor:
        if not self._wraps:
            return picture
        padded: Tensor = F.pad(picture[None], [REACH] * 4, mode="circular")[0]
        return padded

    def _features(self, picture: Tensor) -> Tensor:
        """Returns the principal components of all patches of a picture: (patches, FEATURES)."""
        return F.conv2d(picture[None], self._basis)[0].flatten(1).T.contiguous()

    def _compared(self, ours: Tensor) -> Tensor:
        """Returns the number of the best patch of the source for each of ours.

        Distances to patches that are far from all of ours are reduced, so these are used too.
        """
        known, squares = self._known, self._known.square().sum(1)
        count = max(1, CHUNK // len(known))

        def distances(part: Tensor) -> Tensor:
            found = part.square().sum(1)[:, None] + squares
            return found.addmm_(part, known.T, alpha=-2).clamp_(min=0)

        nearest = torch.full_like(squares, math.inf)
        for part in ours.split(count):
            nearest = torch.minimum(nearest, distances(part).amin(0))
        rarity = COMPLETE + nearest
        return torch.cat([distances(part).div_(rarity).argmin(1) for part in ours.split(count)])

    def _improved(self, ours: Tensor, field: Tensor, random: torch.Generator) -> Tensor:
        """Returns a better field (H, W), by the patches of neighbours and by random ones nearby."""
        width = self._shape[1]
        rows, columns = field // width, field % width
        best = self._distance(ours, field)
        for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0), (0, 4), (0, -4), (4, 0), (-4, 0)):
            rows, columns, best = self._better(
                ours,
                (rows, columns, best),
                rows.roll((down, right), (0, 1)) + down,
                columns.roll((down, right), (0, 1)) + right,
            )
        radius = NEARBY
        while radius > 1:
            moved = [
                (torch.rand(field.shape, generator=random).to(field.device) * 2 - 1) * radius
                for _ in range(2)
            ]
            rows, columns, best = self._better(
                ours, (rows, columns, best), rows + moved[0].long(), columns + moved[1].long()
            )
            radius //= 3
        return rows * width + columns

    def _better(
        self, ours: Tensor, known: tuple[Tensor, Tensor, Tensor], rows: Tensor, columns: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns rows, columns and distances, replaced by others that are nearer."""
        height, width = self._shape
        rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
        distance = self._distance(ours, rows * width + columns)
        nearer = distance < known[2]
        return (
            torch.where(nearer, rows, known[0]),
            torch.where(nearer, columns, known[1]),
            torch.where(nearer, distance, known[2]),
        )

    def _distance(self, ours: Tensor, field: Tensor) -> Tensor:
        found = self._known.index_select(0, field.flatten()).sub_(ours).square_().sum(1)
        return found.view(field.shape)


def _components(source: Tensor) -> Tensor:
    """Returns the principal components of the source's patches as filters (FEATURES, 3, 7, 7).

    They are scaled so that the squared distance of two patches is about a mean over their values.
    """
    views = source.unfold(1, SIDE, 1).unfold(2, SIDE, 1)  # (3, rows, columns, 7, 7), not copied
    count = views.shape[1] * views.shape[2]
    chosen = torch.linspace(0, count - 1, min(SAMPLED, count), dtype=torch.float64).long()
    chosen = chosen.to(source.device)
    sample = views[:, chosen // views.shape[2], chosen % views.shape[2]]
    sample = sample.transpose(0, 1).flatten(1).double()
    sample = sample - sample.mean(0)
    basis = torch.linalg.eigh(sample.T @ sample).eigenvectors[:, -FEATURES:]
    scaled = basis.T * sample.shape[1] ** -0.5
    filters: Tensor = scaled.float().reshape(-1, source.shape[0], SIDE, SIDE)
    return filters.contiguous()


def _folded(total: Tensor, reach: int) -> Tensor:
    """Returns sums (C, H, W) whose borders of `reach` pixels are added at the opposite sides."""
    for dim in (1, 2):
        side = total.shape[dim] - 2 * reach
        middle = total.narrow(dim, reach, side).clone()
        middle.narrow(dim, side - reach, reach).add_(total.narrow(dim, 0, reach))
        middle.narrow(dim, 0, reach).add_(total.narrow(dim, side + reach, reach))
        total = middle
    return total
