"""New pictures made of the patches of one picture: textures, tiles, other arrangements and aspects.

From coarse to fine, each patch of the new picture looks for the most similar patch of the source.
Each pixel then becomes the mean of its values in the patches that contain it, and this is repeated.

Papers: Granot et al. 2022, "Drop the GAN: in defense of patches nearest neighbors as single image
generative models" (GPNN); Simakov et al. 2008, "Summarizing visual data using bidirectional
similarity" (other aspects).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from .blocks import to_bytes
from .patch_search import SIDE, Patches, Shape
from .training.loop import Progress
from .training.numerics import Numerics

SCALE = math.sqrt(2)  # largest factor from one scale to the next
STRETCH = 1.1  # largest factor by which a picture is stretched at a time
FIRST_ROUNDS, ROUNDS = 8, 6  # rounds of search and mean, on the coarsest and on other scales


@dataclass(frozen=True)
class Plan:
    """What is made.

    size:     height and width of the result.
    pieces:   side of the square pieces of the source of which the result consists at first, on the
              coarsest scale, in random order; 0 for the whole source, which is stretched to the
              size in small steps.
    coarsest: shorter side of the source on the coarsest scale, in pixels. If it is small, patches
              there are large parts of the source.
    wraps:    whether the result continues at its opposite sides.
    """

    size: Shape
    pieces: int
    coarsest: int
    wraps: bool = False


def synthesise(
    source: Tensor,
    plan: Plan,
    random: Callable[..., torch.Generator],
    numerics: Numerics,
    progress: Progress,
) -> Tensor:
    """Returns a picture (3, H, W) in -1..1 made of the patches of a source (3, h, w) in -1..1.

    random: returns the random numbers for whole numbers, such as those of scale and round.
    """
    scales = [*_scales(source, plan)]
    stretches = _stretches(scales[0][0], scales[0][1]) if not plan.pieces else [scales[0][1]]
    total, done = FIRST_ROUNDS * len(stretches) + ROUNDS * (len(scales) - 1), 0
    before, field, picture = None, None, scales[0][0]
    with torch.no_grad():
        for number, (example, size) in enumerate(scales):
            patches = Patches(example.to(numerics.device), plan.wraps)
            if before is not None:
                field = patches.enlarged(before, field, size)
                picture = patches.mean(field)
            elif plan.pieces:
                picture = _shuffled(example, size, plan.pieces, random(0))
            for stretch in [size] if number else stretches:
                if (picture.shape[1], picture.shape[2]) != stretch:
                    picture = F.interpolate(picture[None], stretch, mode="bilinear")[0]
                picture = picture.to(numerics.device)
                for step in range(ROUNDS if number else FIRST_ROUNDS):
                    field = patches.search(picture, field, random(number, step))
                    picture = patches.mean(field)
                    done += 1
                    progress(done, total, partial(_preview, picture))
            before = patches
    return picture.clamp(-1, 1).cpu()


def _stretches(source: Tensor, size: Shape) -> list[Shape]:
    """Returns sizes from that of the source to this one, in steps of at most STRETCH."""
    ratios = [new / old for new, old in zip(size, source.shape[1:], strict=True)]
    most = max(abs(math.log(ratio)) for ratio in ratios)
    count = max(1, math.ceil(most / math.log(STRETCH) - 1e-9))
    steps = [
        tuple(
            round(old * ratio ** (k / count))
            for old, ratio in zip(source.shape[1:], ratios, strict=True)
        )
        for k in range(1, count)
    ]
    return [*((rows, columns) for rows, columns in steps), size]


def _shuffled(source: Tensor, size: Shape, side: int, random: torch.Generator) -> Tensor:
    """Returns a picture of this size of square pieces of the source, in random order."""
    places = []
    piece = min(side, *source.shape[1:])
    shape = [-(-length // piece) for length in size]
    for axis, length in enumerate(source.shape[1:]):
        corner = (torch.rand(shape, generator=random) * (length - piece + 1)).long()
        whole = corner.repeat_interleave(piece, 0).repeat_interleave(piece, 1)
        inside = torch.arange(whole.shape[axis]) % piece
        whole = whole + (inside[:, None] if axis == 0 else inside)
        places.append(whole[: size[0], : size[1]])
    return source[:, places[0], places[1]]


def _preview(picture: Tensor) -> Tensor:
    return to_bytes(picture[None]).cpu()


def _scales(source: Tensor, plan: Plan) -> Iterator[tuple[Tensor, Shape]]:
    """Yields the source and the size of the result on each scale, from the coarsest on."""
    shape = (source.shape[1], source.shape[2])
    smallest = min(*shape, *plan.size)
    ratio = max(1.0, smallest / plan.coarsest)
    count = 1 + math.ceil(math.log(ratio, SCALE) - 1e-9)
    for k in range(count):
        factor = ratio ** (k / max(1, count - 1) - 1)
        small, size = (
            (max(SIDE + 1, round(a * factor)), max(SIDE + 1, round(b * factor)))
            for a, b in (shape, plan.size)
        )
        example = F.interpolate(source[None], small, mode="bilinear", antialias=True)[0]
        yield example, size
