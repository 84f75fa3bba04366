"""Repainting a picture with the patches of another: nearest neighbours, then a vote.

Every patch of the picture is replaced by its nearest in the style, and each pixel becomes the
mean of what the patches around it say. Patches are copied, so there is no noise.

Paper: Granot et al. 2022, "Drop the GAN: in defense of patches nearest neighbors as single
image generative models" (GPNN); the guide is that of Hertzmann et al. 2001, "Image analogies".
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 7  # pixels of a patch
COMPLETE = 0.01  # GPNN's alpha, eq. 3: the smaller, the more every style patch gets its use
MOST_STYLE = 1 << 12  # style patches compared with; of larger styles an even selection
CHUNK = 1 << 12  # picture patches compared at a time


@torch.no_grad()
def vote(picture: Tensor, style: Tensor, guide: Tensor, style_guide: Tensor) -> Tensor:
    """Repaint a picture (3, H, W) with the patches of a style (3, h, w).

    guide, style_guide: (1, H, W) and (1, h, w); patches should be alike in these too, at
    their centres. They come weighted: their square differences count beside the mean square
    difference of the patches' values.
    """
    reach = SIDE // 2
    ours = _patches(F.pad(picture[None], [reach] * 4, mode="reflect"), guide)
    inner = (slice(None), slice(reach, -reach), slice(reach, -reach))
    theirs = _patches(style[None], style_guide[inner])
    theirs = theirs[_spread(len(theirs), MOST_STYLE)]
    # A patch that is near to none of ours is brought nearer to all of them.
    rarity = COMPLETE + _distances(ours[_spread(len(ours), CHUNK)], theirs).amin(0)
    nearest = [_distances(part, theirs).div_(rarity).argmin(1) for part in torch.split(ours, CHUNK)]
    chosen = theirs[torch.cat(nearest), :-1].T[None] * theirs.shape[1] ** 0.5
    size = (picture.shape[1] + 2 * reach, picture.shape[2] + 2 * reach)
    total = F.fold(chosen, size, SIDE) / F.fold(torch.ones_like(chosen), size, SIDE)
    return total[0][inner]


def _patches(picture: Tensor, guide: Tensor) -> Tensor:
    """(patches, values + 1): scaled so that square distances are means, and the guide at last."""
    values = F.unfold(picture, SIDE)[0].T
    scale = (values.shape[1] + 1) ** -0.5
    return torch.cat([values * scale, guide.flatten()[:, None]], 1)


def _distances(ours: Tensor, theirs: Tensor) -> Tensor:
    """Square distances of every row of the one to every row of the other."""
    squares = ours.square().sum(1)[:, None] + theirs.square().sum(1)
    return squares.addmm_(ours, theirs.T, alpha=-2).clamp_(min=0)


def _spread(count: int, most: int) -> Tensor:
    """Up to `most` of the numbers below `count`, evenly spread."""
    return torch.linspace(0, count - 1, min(count, most), dtype=torch.float64).long()
