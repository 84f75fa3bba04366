"""Whether the borders of tiles can be seen in a picture."""

from __future__ import annotations

import torch
from torch import Tensor


def border_ratio(picture: Tensor, tile: int, spread: float = 3.0) -> tuple[float, float]:
    """Returns the range of usual gradients, divided by the largest one over a border of tiles.

    picture: (3, H, W), of tiles with an edge of `tile` pixels from the upper left corner on.

    A gradient is the mean absolute difference of two adjacent rows or columns. Usual ones are
    within `spread` standard deviations of the mean of all rows or columns that are not borders. So
    borders are not conspicuous if 1 is within the returned range.
    """
    lows, highs = [], []
    for dim in (1, 2):
        steps = picture.diff(dim=dim).abs().mean([d for d in range(3) if d != dim])
        is_border = torch.arange(1, len(steps) + 1) % tile == 0
        inside, borders = steps[~is_border], steps[is_border]
        if len(borders) == 0:
            continue
        deviation, mean = torch.std_mean(inside)
        lows.append(((mean - spread * deviation) / borders.max()).item())
        highs.append(((mean + spread * deviation) / borders.max()).item())
    return max(lows), min(highs)
