"""Lays one picture over another: shift, scale and colours that make them as equal as possible."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

NOISE = 0.02  # standard deviation of differences that do not count, of colours in 0..1
COARSE, FINE = 7, 4  # iterations at half the resolution and at the full one
PLAUSIBLE = 0.55  # pairs that fit less well at half the resolution are not examined further
MOST_SCALE, MOST_SHIFT = 0.35, 0.4  # limits of the logarithm of the scale, and of the shift
FAINT = 3e-3  # variance of fine structure above which all blocks of 4 x 4 pixels count the same
_STEP = 0.15  # largest change of a value in an iteration


class Fit(NamedTuple):
    """How well pictures B, moved and recoloured, explain pictures A; K pairs.

    place:   (K, 4): logarithms of the scales across and down, and shifts across and down, in
             coordinates from -1 to 1.
    colours: (K,) the share of A's variance that is explained if any linear change of the colours is
             allowed.
    plain:   (K,) the same, but without a change of the colours except of their mean.
    detail:  (K,) like `colours`, for fine structure only. Strong edges such as outlines do not
             count more than weak ones.
    overlap: (K,) the share of A that B covers.
    """

    place: Tensor
    colours: Tensor
    plain: Tensor
    detail: Tensor
    overlap: Tensor


class _State(NamedTuple):
    """A fit during the search: see `_evaluate`."""

    ratio: Tensor
    mask: Tensor
    matrix: Tensor
    rest: Tensor
    centred: Tensor
    moved: Tensor
    across: Tensor
    down: Tensor


def register(first: Tensor, second: Tensor, place: Tensor) -> Fit:
    """Fit pictures `second` (K, 3, E, E) in 0..1 to `first`, beginning at a place (K, 4).

    The search minimises the squared error with damped Gauss-Newton steps, first at half of the
    resolution (Lucas and Kanade 1981, "An iterative image registration technique"; Baker and
    Matthews 2004, "Lucas-Kanade 20 years on", section 4). In each step, the colours of `second` are
    fitted by a linear map.

    Pairs that do not fit at half of the resolution have 0 in `colours`, `plain` and `detail`.
    """
    small = F.avg_pool2d(first, 2), F.avg_pool2d(second, 2)
    place, state = _search(*small, place, COARSE)
    rows = (1 - state.ratio > PLAUSIBLE).nonzero()[:, 0]
    found = Fit(place, *(torch.zeros(len(first)) for _ in range(4)))
    if len(rows) == 0:
        return found
    place[rows], state = _search(first[rows], second[rows], place[rows], FINE)
    count = state.mask.sum(1).clamp(min=1)
    edge = first.shape[2]
    total = state.centred.pow(2).sum((1, 2)) / count + NOISE**2

    def fine(residual: Tensor) -> Tensor:
        shaped = residual.view(-1, 3, edge, edge)
        return _fine(shaped).square().sum(1) * state.mask.view(-1, edge, edge)

    have, miss = fine(state.centred), fine(state.rest)
    for share, rest in ((found.colours, state.rest), (found.plain, state.centred - state.moved)):
        share[rows] = 1 - (rest.pow(2).sum((1, 2)) / count + NOISE**2) / total
    have, miss = (F.avg_pool2d(part[:, None], 4).flatten(1) for part in (have, miss))
    weight = have.clamp(max=FAINT)
    missing = (miss / (have + NOISE**2)).clamp(max=1)
    found.detail[rows] = (weight * (1 - missing)).sum(1) / (weight.sum(1) + NOISE**2)
    found.overlap[rows] = count / edge**2
    return found


def _search(a: Tensor, b: Tensor, place: Tensor, iterations: int) -> tuple[Tensor, _State]:
    """Returns the place where `b` fits `a` best, and the state there."""
    stack = torch.cat([b, *_slopes(b)], 1)
    x, y = _positions(a.shape[2])
    damping = torch.full((len(a),), 1e-3)
    state = _evaluate(a, stack, place)
    for _ in range(iterations):
        across, down = state.matrix @ state.across, state.matrix @ state.down
        scales = place[:, :2].exp()
        stretched = (
            across * (scales[:, :1] * x.flatten())[:, None],
            down * (scales[:, 1:] * y.flatten())[:, None],
        )
        slopes = torch.stack([*stretched, across, down], 1) * state.mask[:, None, None]
        slopes = slopes.flatten(2)
        normal = slopes @ slopes.mT
        gradient = (slopes @ state.rest.flatten(1)[..., None])[..., 0]
        diagonal = normal.diagonal(dim1=1, dim2=2)
        extra = diagonal * damping[:, None] + 1e-4 * diagonal.sum(1, keepdim=True) + 1e-6
        step = torch.linalg.solve(normal + torch.diag_embed(extra), gradient).clamp(-_STEP, _STEP)
        tried = place + step
        limits = torch.tensor([MOST_SCALE, MOST_SCALE, MOST_SHIFT, MOST_SHIFT])
        tried = tried.clamp(-limits, limits)
        there = _evaluate(a, stack, tried)
        better = there.ratio < state.ratio
        place = torch.where(better[:, None], tried, place)
        damping = torch.where(better, damping / 3, damping * 8)
        state = _State(
            *(
                torch.where(better.view(-1, *[1] * (new.ndim - 1)), new, old)
                for new, old in zip(there, state, strict=True)
            )
        )
    return place, state


def _evaluate(a: Tensor, stack: Tensor, place: Tensor) -> _State:
    """Move `b` to a place, fit its colours to those of `a`, and return what remains.

    stack: `b` and its slopes across and down, (K, 9, E, E).

    Returns a `_State`: the unexplained share of the variance, the mask of what `b` covers (K, P),
    the matrix of colours (K, 3, 3), the residual, the centred `a` and `b` and the slopes, each
    (K, 3, P).
    """
    x, y = _positions(a.shape[2])
    scales, shifts = place[:, :2].exp(), place[:, 2:]
    u = scales[:, :1, None] * x + shifts[:, :1, None]
    v = scales[:, 1:, None] * y + shifts[:, 1:, None]
    grid = torch.stack([u, v], -1)
    moved = F.grid_sample(stack, grid, padding_mode="border", align_corners=False)
    mask = ((u.abs() <= 1) & (v.abs() <= 1)).float().flatten(1)
    count = mask.sum(1).clamp(min=1)[:, None]
    b, across, down = (part.flatten(2) for part in moved.split(3, 1))
    first, second = (_centred(part, mask, count) for part in (a.flatten(2), b))
    own = second @ second.mT / count[..., None]
    both = first @ second.mT / count[..., None]
    ridge = 2e-3 * own.diagonal(dim1=1, dim2=2).sum(1) + NOISE**2 / 4
    matrix = torch.linalg.solve(own + ridge[:, None, None] * torch.eye(3), both, left=False)
    rest = first - matrix @ second
    noise = count[:, 0] * NOISE**2
    ratio = (rest.pow(2).sum((1, 2)) + noise) / (first.pow(2).sum((1, 2)) + noise)
    return _State(ratio, mask, matrix, rest, first, second, across, down)


def _centred(pixels: Tensor, mask: Tensor, count: Tensor) -> Tensor:
    mean = (pixels * mask[:, None]).sum(2) / count
    return (pixels - mean[..., None]) * mask[:, None]


def _positions(edge: int) -> tuple[Tensor, Tensor]:
    """Returns the x and the y of each pixel of a square, (E, E), from -1 to 1."""
    line = torch.linspace(-1 + 1 / edge, 1 - 1 / edge, edge)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return x, y


def _slopes(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the derivatives across and down, per unit of the coordinates from -1 to 1."""
    padded = F.pad(pictures, (1, 1, 1, 1), mode="replicate")
    factor = pictures.shape[2] / 4
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) * factor
    return across, (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) * factor


def _fine(pictures: Tensor) -> Tensor:
    """Returns pictures without their coarse structure: without a blur of about 2 pixels."""
    weights = torch.tensor([1, 4, 6, 4, 1.0]) / 16
    blurred = pictures.flatten(0, 1)[:, None]
    for _ in range(2):
        padded = F.pad(blurred, (2, 2, 2, 2), mode="replicate")
        across = F.conv2d(padded, weights.view(1, 1, 1, 5))
        blurred = F.conv2d(across, weights.view(1, 1, 5, 1))
    return pictures - blurred.view(pictures.shape)
