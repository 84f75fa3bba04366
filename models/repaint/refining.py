"""Repainting large pictures: a small result is enlarged, with the details of a larger style.

For each pixel there is a place in the style whose patch the pixel's patch shows. From scale to
scale, these places are carried over: neighbours in the picture usually show neighbours in the
style, so a few places near those of the neighbours are enough to find a similar patch, instead of
all places of the style. Each pixel then becomes the mean of its values in the patches that contain
it, as in patch_voting.

All of this happens in tiles, which use the places of the scale before or of the last round, and
never those of another tile of the same round. So the result does not depend on the tiles: they
bound the memory and leave no seams.

Paper: Barnes et al. 2009, "PatchMatch" (propagation); Tong et al. 2002, "Synthesis of bidirectional
texture functions on arbitrary surfaces" (k-coherence); Granot et al. 2022, "Drop the GAN" (the
style is blurred like the enlarged picture when they are compared).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from ..patch_voting import MOST_STYLE, SIDE, distances, evenly_spaced, patches_at
from ..repeatable import reflected

REACH = SIDE // 2  # pixels from the centre of a patch to its border
TILE = 256  # edge of a tile in pixels
TAPS = (-3, -1, 1, 3)  # rows and columns of a patch that are compared; all are painted
STEPS = (4, 2, 1)  # distances in pixels of the neighbours whose places are tried, one a round
CHUNK = 1 << 12  # patches that are compared with those of the style at a time

Report = Callable[[], None]


def first_places(picture: Tensor, style: Tensor, report: Report) -> Tensor:
    """Returns a place of the style (3, h, w) for each pixel of a picture: int64 (H, W, 2).

    At most MOST_STYLE patches of the style are compared, evenly spaced; a round of
    `refined_places` then finds those between them. A place is a row and a column.
    """
    rows, columns = (side - 2 * REACH for side in style.shape[1:])
    used = evenly_spaced(rows * columns, MOST_STYLE).to(style.device)
    ours, theirs = F.unfold(reflected(picture[None], REACH), SIDE)[0].T, patches_at(style, used)
    found = []
    for part in torch.split(ours, CHUNK):
        found.append(used[distances(part, theirs).argmin(1)])
        report()
    numbers = torch.cat(found).view(*picture.shape[1:])
    return torch.stack([numbers // columns, numbers % columns], 2) + REACH


def enlarged_places(places: Tensor, size: list[int], before: Tensor, style: Tensor) -> Tensor:
    """Returns the places (H, W, 2) of a larger picture: those of its pixels in the one before.

    size:           (H, W).
    before, style:  the styles of the scale before and of this one, (3, h, w).
    """
    rows, ours = _parents(size[0], places.shape[0], places.device)
    columns, across = _parents(size[1], places.shape[1], places.device)
    found = places[rows][:, columns].float()
    scale = [b / a for a, b in zip(before.shape[1:], style.shape[1:], strict=True)]
    down = ((found[..., 0] + 0.5) * scale[0] - 0.5).round().long() + ours[:, None]
    right = ((found[..., 1] + 0.5) * scale[1] - 0.5).round().long() + across
    return _inside(torch.stack([down, right], 2), style)


def _parents(side: int, before: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns, for each pixel of a row, its pixel in the row before, and its distance to that."""
    here = torch.arange(side, device=device)
    parent = here * before // side
    middle = ((parent + 0.5) * side / before - 0.5).round().long()
    return parent, here - middle


def _inside(places: Tensor, style: Tensor) -> Tensor:
    """Returns places whose patches are within the style (3, h, w)."""
    height, width = style.shape[1:]
    low, high = (torch.tensor(x, device=places.device) for x in _limits(height, width))
    return places.clamp(low, high)


def _limits(height: int, width: int) -> tuple[list[int], list[int]]:
    return [REACH, REACH], [height - 1 - REACH, width - 1 - REACH]


def refined_places(
    picture: Tensor, style: Tensor, places: Tensor, step: int, report: Report, tile: int = TILE
) -> Tensor:
    """Returns better places (H, W, 2): the best of the old ones and of those of 8 neighbours.

    step: distance of the neighbours in pixels.
    """
    padded = reflected(picture[None], REACH)[0].permute(1, 2, 0).contiguous()
    colours = style.permute(1, 2, 0).contiguous()
    result = torch.empty_like(places)
    for rows, columns in tiles(picture.shape[1], picture.shape[2], tile):
        ours = padded[rows.start : rows.stop + 2 * REACH, columns.start : columns.stop + 2 * REACH]
        result[rows, columns] = _refined_tile(ours, colours, places, rows, columns, step, report)
    return result


def _refined_tile(
    ours: Tensor,
    colours: Tensor,
    places: Tensor,
    rows: slice,
    columns: slice,
    step: int,
    report: Report,
) -> Tensor:
    height, width = places.shape[:2]
    down = torch.arange(rows.start, rows.stop, device=places.device)
    right = torch.arange(columns.start, columns.stop, device=places.device)
    best, least = places[rows, columns], None
    for dy in (0, -step, step):
        for dx in (0, -step, step):
            y, x = (down + dy).clamp(0, height - 1), (right + dx).clamp(0, width - 1)
            away = torch.stack(torch.meshgrid(down - y, right - x, indexing="ij"), 2)
            tried = _inside(places[y][:, x] + away, colours.permute(2, 0, 1))
            distance = _distance(ours, colours, tried)
            if least is None:
                best, least = tried, distance
                continue
            nearer = distance < least
            best = torch.where(nearer[..., None], tried, best)
            least = torch.where(nearer, distance, least)
        report()
    return best


def _distance(ours: Tensor, colours: Tensor, places: Tensor) -> Tensor:
    """Returns the squared distances (h, w) of a tile's patches to those at places of the style.

    ours:     the tile's pixels with a border of REACH, (h + 2 REACH, w + 2 REACH, 3).
    colours:  those of the style, (rows, columns, 3).
    """
    height, width = places.shape[:2]
    flat, first = colours.view(-1, 3), _flat(places, colours.shape[1])
    total = torch.zeros(height, width, device=ours.device)
    for dy in TAPS:
        for dx in TAPS:
            theirs = flat.index_select(0, (first + dy * colours.shape[1] + dx).view(-1))
            part = ours[REACH + dy : REACH + dy + height, REACH + dx : REACH + dx + width]
            total += (part - theirs.view(height, width, 3)).square().sum(2)
    return total


def _flat(places: Tensor, columns: int) -> Tensor:
    return places[..., 0] * columns + places[..., 1]


def painted(style: Tensor, places: Tensor, report: Report, tile: int = TILE) -> Tensor:
    """Returns the picture (3, H, W) in which each pixel is the mean of the patches around it."""
    height, width = places.shape[:2]
    colours = style.permute(1, 2, 0).contiguous()
    result = torch.empty(height, width, 3, device=style.device)
    for rows, columns in tiles(height, width, tile):
        result[rows, columns] = _painted_tile(colours, places, rows, columns)
        report()
    return result.permute(2, 0, 1).contiguous()


def _painted_tile(colours: Tensor, places: Tensor, rows: slice, columns: slice) -> Tensor:
    height, width = places.shape[:2]
    flat, offsets = colours.view(-1, 3), range(-REACH, REACH + 1)
    down = torch.arange(rows.start, rows.stop, device=places.device)
    right = torch.arange(columns.start, columns.stop, device=places.device)
    total = torch.zeros(len(down), len(right), 3, device=colours.device)
    count = torch.zeros(len(down), len(right), 1, device=colours.device)
    for dy in offsets:
        for dx in offsets:
            y, x = down - dy, right - dx  # centre of a patch that contains the pixel at (dy, dx)
            known = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))
            centre = places[y.clamp(0, height - 1)][:, x.clamp(0, width - 1)]
            index = (_flat(centre, colours.shape[1]) + dy * colours.shape[1] + dx).view(-1)
            values = flat.index_select(0, index).view(len(down), len(right), 3)
            total += values * known[..., None]
            count += known[..., None]
    return total / count


def tiles(height: int, width: int, edge: int) -> Iterator[tuple[slice, slice]]:
    """Yields the rows and columns of tiles that cover a picture."""
    for top in range(0, height, edge):
        for left in range(0, width, edge):
            yield (
                slice(top, min(top + edge, height)),
                slice(left, min(left + edge, width)),
            )
