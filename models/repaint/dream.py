"""Dreams: pictures in which a network sees more and more of what it knows.

The picture is moved along the gradient of what the network responds to, from small sizes to the
full one (octaves). Each step shifts the picture at random (jitter), and cuts it into tiles whose
borders are elsewhere each time, so that they leave no seams and the memory is bounded.

Source: Mordvintsev, Olah and Tyka 2015, "Inceptionism: going deeper into neural networks", and
their notebook (octaves, jitter, tiles, gradients normalised by frequency).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..blocks import to_bytes
from ..training.loop import Progress
from ..training.numerics import Numerics
from ..training.rng import rng
from .responses import Response

SCALE = 1.4  # factor from an octave to the next
SMALLEST = 48  # shorter side in pixels of the first octave
TILE = 384  # edge of the tiles in which gradients are computed, in pixels
PACE = 0.02  # mean change of a pixel in a step, for the strength 1 and pixels in -1..1
EVEN = 0.3  # of the mean of all channels, which is added to a channel's
BANDS = 4  # frequency bands of a gradient, each of which has the same share


@dataclass(frozen=True)
class DreamSettings:
    """How to dream.

    steps, octaves:  steps in each of so many sizes.
    strength:        0 changes nothing; 1 is usual.
    jitter:          pixels by which a picture is shifted at most.
    """

    seed: int
    steps: int
    octaves: int
    strength: float
    jitter: int


def dream(
    pictures: Tensor,
    response: Response,
    settings: DreamSettings,
    numerics: Numerics,
    progress: Progress,
) -> Tensor:
    """Returns dreams (N, 3, H, W) of pictures in -1..1, on the CPU."""
    results, count = [], len(pictures)
    for row in range(count):

        def report(done: float, shown: Callable[[], Tensor], row: int = row) -> None:
            progress((row + done) / count, 1.0, shown)

        picture = pictures[row : row + 1].to(numerics.device)
        results.append(_dreamed(picture, response, settings, (0,), numerics, report).cpu())
    return torch.cat(results)


@dataclass(frozen=True)
class Flight:
    """How the camera of a film moves from picture to picture.

    zoom:  factor by which the picture is enlarged.
    turn:  angle in degrees, against the clock.
    """

    zoom: float
    turn: float


def dream_film(
    picture: Tensor,
    frames: int,
    flight: Flight,
    response: Response,
    settings: DreamSettings,
    numerics: Numerics,
    progress: Progress,
) -> Iterator[Tensor]:
    """Yields the pictures (1, 3, H, W) of a film, on the CPU: each is a dream of the last one.

    The camera moves before each dream. The first picture is `picture` itself.
    """
    picture = picture.to(numerics.device)
    yield picture.cpu()
    for number in range(1, frames):

        def report(done: float, shown: Callable[[], Tensor], number: int = number) -> None:
            progress((number - 1 + done) / (frames - 1), 1.0, shown)

        moved = flown(picture, flight)
        picture = _dreamed(moved, response, settings, (number,), numerics, report)
        yield picture.cpu()


def flown(picture: Tensor, flight: Flight) -> Tensor:
    """Returns the picture (1, 3, H, W) after a move of the camera towards its middle."""
    height, width = picture.shape[2:]
    angle, ratio = math.radians(flight.turn), width / height
    cos, sin = (f(angle) / flight.zoom for f in (math.cos, math.sin))
    theta = torch.tensor([[[cos, -sin / ratio, 0], [sin * ratio, cos, 0]]], device=picture.device)
    grid = F.affine_grid(theta, [*picture.shape], align_corners=False)
    return F.grid_sample(
        picture, grid, mode="bicubic", padding_mode="reflection", align_corners=False
    ).clamp(-1, 1)


def _dreamed(
    picture: Tensor,
    response: Response,
    settings: DreamSettings,
    counters: tuple[int, ...],
    numerics: Numerics,
    report: Callable[[float, Callable[[], Tensor]], None],
) -> Tensor:
    """Returns a dream of one picture (1, 3, H, W), on its device."""
    if settings.strength == 0:
        return picture
    sizes = _sizes(picture.shape[2], picture.shape[3], settings.octaves)
    work = [settings.steps * height * width for height, width in sizes]
    done, detail = 0.0, torch.zeros_like(picture)
    with torch.inference_mode(False), torch.enable_grad():
        picture = picture.clone()
        for octave, (height, width) in enumerate(sizes):
            base = _resized(picture, height, width)
            here = base + _resized(detail.clone(), height, width)
            for step in range(settings.steps):
                random = rng(settings.seed, *counters, octave, step)
                shift = torch.randint(
                    -settings.jitter, settings.jitter + 1, (2,), generator=random
                ).tolist()
                border = torch.randint(0, TILE, (2,), generator=random).tolist()
                for tile in _with_step(here, response, shift, border, numerics, settings.strength):
                    here, share = tile
                    shown = here.detach()
                    part = (step + share) / settings.steps
                    report(
                        (done + work[octave] * part) / sum(work),
                        lambda shown=shown: to_bytes(shown).cpu(),  # type: ignore[misc]
                    )
            done += work[octave]
            detail = here - base
    return (picture + detail).clamp(-1, 1)


def _sizes(height: int, width: int, octaves: int) -> list[tuple[int, int]]:
    """Returns height and width of each octave, the last of which is the full size."""
    fit = max(0, math.floor(math.log(max(1.0, min(height, width) / SMALLEST), SCALE)))
    powers = range(min(octaves - 1, fit), -1, -1)
    return [(round(height / SCALE**k), round(width / SCALE**k)) for k in powers]


def _with_step(
    picture: Tensor,
    response: Response,
    shift: list[int],
    border: list[int],
    numerics: Numerics,
    strength: float,
) -> Iterator[tuple[Tensor, float]]:
    """Yields the picture and the share of a step that is done, after each tile."""
    height, width = picture.shape[2:]
    moved = torch.roll(picture, shift, (2, 3))
    gradient = torch.zeros_like(moved)
    cut = [*_tiles(height, width, border)]
    for number, (rows, columns) in enumerate(cut):
        part = moved[:, :, rows, columns].detach().requires_grad_()
        rise = _rise(response.values(part, numerics), response.level is not None)
        (found,) = torch.autograd.grad(rise, part)
        gradient[:, :, rows, columns] = found / found.abs().mean().clamp(min=1e-12)
        if number < len(cut) - 1:
            yield picture, (number + 1) / len(cut)
    gradient = torch.roll(_even(gradient), [-s for s in shift], (2, 3))
    yield (picture + PACE * strength * gradient).clamp(-1.5, 1.5), 1.0


def _rise(values: Tensor, is_map: bool) -> Tensor:
    """Returns what a step makes larger, for responses (N, C, h, w).

    Of a map, only responses above the mean of their channel count, and squares make strong ones
    stronger. Each channel is divided by its usual response, so that no few channels outweigh the
    others. A class just rises.
    """
    if not is_map:
        return values.mean()
    values = values - values.detach().mean((0, 2, 3), keepdim=True)
    usual = values.detach().square().mean((0, 2, 3), keepdim=True).sqrt()
    even = (usual + usual.mean() * EVEN).clamp(min=1e-12)
    return (values / even).clamp(min=0).square().mean()


def _tiles(height: int, width: int, border: list[int]) -> Iterator[tuple[slice, slice]]:
    """Yields tiles, of which none has less than a quarter of the edge; `border` moves them."""
    for rows in _cuts(height, border[0]):
        for columns in _cuts(width, border[1]):
            yield rows, columns


def _cuts(side: int, border: int) -> list[slice]:
    if side <= TILE:
        return [slice(0, side)]
    places = [p for p in range(border % TILE, side, TILE) if TILE // 4 <= p <= side - TILE // 4]
    return [slice(a, b) for a, b in zip([0, *places], [*places, side], strict=True)]


def _even(gradient: Tensor) -> Tensor:
    """Returns a gradient whose frequency bands have the same strength, and a mean of 1."""
    parts, rest = [], gradient
    for _ in range(BANDS - 1):
        if min(rest.shape[2:]) < 4:
            break
        low = F.avg_pool2d(rest, 2, ceil_mode=True)
        parts.append(rest - _resized(low, *rest.shape[2:]))
        rest = low
    total = _scaled(rest)
    for part in reversed(parts):
        total = _resized(total, *part.shape[2:]) + _scaled(part)
    return total / total.abs().mean().clamp(min=1e-12)


def _scaled(part: Tensor) -> Tensor:
    return part / part.square().mean().sqrt().clamp(min=1e-12)


def _resized(picture: Tensor, height: int, width: int) -> Tensor:
    if tuple(picture.shape[2:]) == (height, width):
        return picture
    smaller = height < picture.shape[2]
    return F.interpolate(
        picture, (height, width), mode="bilinear", antialias=smaller, align_corners=False
    )
