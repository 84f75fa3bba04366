"""Repainting a picture with the patches of another: nearest neighbours, then a vote.

Every patch of the picture is replaced by the nearest patch of the style. Each pixel becomes the
mean of its values in the patches that contain it. Patches are copied, so there is no noise.

Paper: Granot et al. 2022, "Drop the GAN: in defense of patches nearest neighbors as single
image generative models" (GPNN); the guide is that of Hertzmann et al. 2001, "Image analogies".
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 7  # side of a patch in pixels
COMPLETE = 0.01  # GPNN's alpha, eq. 3: a smaller value uses more of the style's patches
MOST_STYLE = 1 << 12  # most style patches that are used; others are skipped at even distances
CHUNK = 1 << 12  # picture patches compared at a time

Check = Callable[[], None]  # called between parts of the work; raises to stop it


@torch.no_grad()
def vote(
    picture: Tensor,
    style: Tensor,
    guide: Tensor,
    style_guide: Tensor,
    check: Check = lambda: None,
) -> Tensor:
    """Repaint a picture (3, H, W) with the patches of a style (3, h, w).

    guide, style_guide: (1, H, W) and (1, h, w), compared at the patches' centres. Their squared
        differences are added to the mean squared difference of the patches' values, so they must
        be multiplied by their weight before.
    check: called before each part of the work but the first.
    """
    reach = SIDE // 2
    ours = _patches(F.pad(picture[None], [reach] * 4, mode="reflect"), guide)
    inner = (slice(None), slice(reach, -reach), slice(reach, -reach))
    theirs = _some_patches(style, style_guide[inner], MOST_STYLE)
    check()
    # Distances to style patches that are far from all of ours are reduced, so these are used too.
    rarity = COMPLETE + distances(ours[evenly_spaced(len(ours), CHUNK)], theirs).amin(0)
    nearest = []
    for part in torch.split(ours, CHUNK):
        check()
        nearest.append(distances(part, theirs).div_(rarity).argmin(1))
    check()
    chosen = theirs[torch.cat(nearest), :-1].T[None] * theirs.shape[1] ** 0.5
    check()
    size = (picture.shape[1] + 2 * reach, picture.shape[2] + 2 * reach)
    total = F.fold(chosen, size, SIDE) / F.fold(torch.ones_like(chosen), size, SIDE)
    return total[0][inner]


def _patches(picture: Tensor, guide: Tensor) -> Tensor:
    """Returns (patches, values + 1): the values of each patch, then the guide at its centre.

    Values are scaled so that the squared distance of two patches is a mean.
    """
    return _guided(F.unfold(picture, SIDE)[0].T, guide.flatten())


def _some_patches(picture: Tensor, guide: Tensor, most: int) -> Tensor:
    """Returns up to `most` of the `_patches` of a picture (3, H, W), evenly spaced."""
    used = evenly_spaced(guide.numel(), most).to(guide.device)
    return _guided(patches_at(picture, used), guide.flatten()[used])


def _guided(values: Tensor, guide: Tensor) -> Tensor:
    scale = (values.shape[1] + 1) ** -0.5
    return torch.cat([values * scale, guide[:, None]], 1)


def patches_at(picture: Tensor, numbers: Tensor) -> Tensor:
    """Returns the values of some patches of a picture (3, H, W), (patches, 3 SIDE SIDE).

    numbers: those of the patches, counted row by row.
    """
    patches = picture.unfold(1, SIDE, 1).unfold(2, SIDE, 1)
    columns = patches.shape[2]
    return patches[:, numbers // columns, numbers % columns].transpose(0, 1).flatten(1)


def distances(ours: Tensor, theirs: Tensor) -> Tensor:
    """Returns the squared distances of every row of `ours` to every row of `theirs`."""
    squares = ours.square().sum(1)[:, None] + theirs.square().sum(1)
    return squares.addmm_(ours, theirs.T, alpha=-2).clamp_(min=0)


def evenly_spaced(count: int, most: int) -> Tensor:
    """Returns up to `most` of the numbers below `count`, evenly spaced."""
    return torch.linspace(0, count - 1, min(count, most), dtype=torch.float64).long()
