"""Style transfer for pictures of any size: whole as long as they are small, then scale by scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import to_bytes
from ..sliced_wasserstein import SCALE, brightness, transfer
from ..training.loop import Preview, Progress
from ..training.numerics import Numerics
from .refining import (
    STEPS,
    enlarged_places,
    first_places,
    painted,
    refined_places,
)

WHOLE = 256  # larger pictures than a square of this edge are painted in this size first
AT_ONCE = 1 << 16  # pixels of small pictures that are painted together, so that each step is short
SHARE = 0.6  # of the progress: the part that paints the small pictures


def repaint(
    content: Tensor,
    style: Tensor,
    *,
    steps: int,
    keep: float,
    seed: int,
    numerics: Numerics,
    progress: Progress,
    features: nn.Module | None = None,
) -> Tensor:
    """Paint each content picture (N, 3, H, W) in the style of its partner (N, 3, h, w), in -1..1.

    Pictures of up to WHOLE² pixels are painted by `transfer`. Larger ones are painted in that size,
    and then enlarged with the details of the style, one at a time and in tiles. See `transfer` for
    the arguments.
    """
    scales = _scales(*content.shape[2:])
    small, example = _resized(content, scales[0]), _resized(style, scales[0])
    share = SHARE if len(scales) > 1 else 1.0  # of the work for the small pictures
    at_once = max(1, AT_ONCE // math.prod(small.shape[2:]))
    results: list[Tensor] = []

    def part_of(start: float, length: float) -> Progress:
        def report(done: float, total: float, preview: Preview | None = None) -> None:
            progress((start + length * done / total) / len(content), 1.0, preview)

        return report

    for start in range(0, len(content), at_once):
        part = slice(start, start + at_once)
        count = len(small[part])
        found = transfer(
            small[part],
            example[part],
            steps=steps,
            keep=keep,
            seed=seed,
            numerics=numerics,
            progress=part_of(start, count * share),
            features=features,
        )
        if len(scales) == 1:
            results += found
            continue
        for row, picture in enumerate(found):
            report = part_of(start + count * share + row * (1 - share), 1 - share)
            ours, theirs = (x.to(numerics.device) for x in (picture, style[start + row]))
            large = _enlarged(ours, theirs.float(), content.shape[2:], scales, report)
            results.append(large.cpu())
    return torch.stack(results)


@torch.no_grad()
def _enlarged(
    picture: Tensor,
    style: Tensor,
    size: Sequence[int],
    scales: list[float],
    progress: Progress,
) -> Tensor:
    """Returns a painted picture (3, h, w) in its full size, with the details of its style."""
    work = [scale**2 for scale in scales]
    done, total = 0.0, sum(work) * (2 * len(STEPS) + 1)
    before = _resized(style[None], scales[0])[0]

    def tick() -> None:
        progress(min(done, total), total, lambda: to_bytes(picture[None]).cpu())

    places = first_places(picture, before, tick)
    for step in STEPS:
        places = refined_places(picture, before, places, step, tick)
    for scale, amount in zip(scales[1:], work[1:], strict=True):
        here = _resized(style[None], scale)[0]
        shape = [round(side * scale) for side in size]
        picture, blurred = _enlarged_to(picture, shape), _enlarged_to(before, here.shape[1:])
        places = enlarged_places(places, shape, before, here)
        for step in STEPS:
            places = refined_places(picture, blurred, places, step, tick)
            done += amount
        picture = painted(here, places, tick)
        for step in STEPS:
            places = refined_places(picture, here, places, step, tick)
            done += amount
        picture = painted(here, places, tick)
        done += amount
        before = here
    return picture


def _scales(height: int, width: int) -> list[float]:
    """Returns the factors of the sizes, from the one that is painted whole up to 1."""
    edge = math.sqrt(height * width)
    count = max(0, math.ceil(math.log(edge / WHOLE, SCALE) - 1e-9))
    return [(edge / WHOLE) ** (k / max(1, count) - 1) if count else 1.0 for k in range(count + 1)]


def _resized(pictures: Tensor, factor: float) -> Tensor:
    if factor == 1:
        return pictures
    size = [max(16, round(side * factor)) for side in pictures.shape[2:]]
    return F.interpolate(pictures, size, mode="bilinear", antialias=True, align_corners=False)


def _enlarged_to(picture: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(picture[None], [*size], mode="bicubic", align_corners=False)[0]


def with_colours_of(content: Tensor, painted: Tensor) -> Tensor:
    """Returns pictures with the brightness of the painted ones and the colours of the content.

    Paper: Gatys et al. 2016, "Preserving color in neural artistic style transfer", section 3.
    """
    return (content + brightness(painted) - brightness(content)).clamp(-1, 1)
