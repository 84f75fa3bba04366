"""Finds the most striking part of a picture, to crop to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_EDGE = 96  # longer edge in pixels of the small picture that is examined
_NOISE = 6.0  # levels of 255 by which a ground of one colour may differ
_TYPICAL = 0.7  # share of the pixels at the edges that are assumed to show the ground
_NEAR = 1.5  # distance from the ground, in its standard deviations, that does not count
_FAR = 8.0  # and how much farther all is equally far
_EDGES = 0.3  # weight of edges, compared with the distance from the ground
_OUTER = 0.6  # how much less counts what is at the end of a part, compared with its middle
_MIDDLE = 0.08  # what a part loses if its middle is at the end of the picture

Values = NDArray[np.float64]


def salient_start(picture: Image.Image, share: float, is_wide: bool) -> float:
    """Returns the start of the most striking part of a picture, 0 <= start <= 1 - share.

    The part has the whole height of the picture, or its whole width. If nothing is striking, it
    is the middle.

    picture: in RGB or RGBA, of any size.
    share:   length of the part, compared with that of the picture.
    is_wide: whether the part has the whole height, so the start is counted from the left, and not
             from the top.
    """
    if share >= 1:
        return 0.0
    along = saliency(picture).sum(0 if is_wide else 1)
    total = along.sum()
    middle = (1 - share) / 2
    if total <= 0:
        return middle
    places = (np.arange(len(along)) + 0.5) / len(along)
    starts = np.linspace(0, 1 - share, 2 * len(along) + 1)
    offsets = (places - starts[:, None] - share / 2) / (share / 2)  # -1..1 within the part
    weights = np.where(np.abs(offsets) <= 1, 1 - _OUTER * offsets**2, 0)
    score = weights @ (along / total) - _MIDDLE * ((starts - middle) / middle) ** 2
    score = score.round(6)  # so that rounding errors do not decide
    best = np.flatnonzero(score == score.max())
    return float(starts[best[np.abs(starts[best] - middle).argmin()]])


def saliency(picture: Image.Image) -> Values:
    """Returns how striking each pixel of a small copy of the picture is, (h, w) in 0..1.

    What is striking differs from the ground, which is what is at the edges of the picture: one
    colour, a gradient or a texture. Outlines are striking too. What is transparent is not.
    """
    scale = min(1.0, _EDGE / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    alpha = None
    if picture.mode == "RGBA":
        opacity = picture.getchannel(3).resize(size, Image.Resampling.BOX)
        alpha = np.asarray(opacity, np.float64) / 255
        grey = Image.new("RGBA", picture.size, (128, 128, 128, 255))
        picture = Image.alpha_composite(grey, picture).convert("RGB")
    small = picture.resize(size, Image.Resampling.BOX)
    pixels = np.asarray(small, np.float64)
    found = _far_from_ground(pixels) + _EDGES * _edges(pixels)
    found = found / (1 + _EDGES)
    if alpha is None or bool((alpha == 1).all()):
        return found
    return alpha * (0.5 + 0.5 * found)


def _far_from_ground(pixels: Values) -> Values:
    """Returns how much the colours differ from those of the ground, (h, w) in 0..1.

    The ground's colours are a plane over the picture, fitted to its edges. What at the edges fits
    least is not the ground. The distance is that of Mahalanobis, so a ground of many colours
    must be exceeded by more.
    """
    height, width, _ = pixels.shape
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    basis = np.stack([np.ones_like(down), across, down], -1)
    thick = max(1, round(0.04 * min(height, width)))
    at_edge = np.ones((height, width), bool)
    at_edge[thick:-thick, thick:-thick] = False
    points, colours = basis[at_edge], pixels[at_edge]
    typical = np.ones(len(points), bool)
    distance = np.zeros((height, width))
    for _ in range(3):
        plane, *_ = np.linalg.lstsq(points[typical], colours[typical], rcond=None)
        rest = pixels - basis @ plane
        own = rest[at_edge][typical]
        spread = own.T @ own / len(own) + _NOISE**2 * np.eye(3)
        distance = np.sqrt(np.einsum("hwi,ij,hwj->hw", rest, np.linalg.inv(spread), rest))
        typical = distance[at_edge] <= np.quantile(distance[at_edge], _TYPICAL)
    far: Values = np.clip((distance - _NEAR) / _FAR, 0, 1)
    return far


def _edges(pixels: Values) -> Values:
    """Returns the strength of edges, (h, w) in 0..1, compared with the strongest ones."""
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), "edge")
    across = padded[1:-1, 2:] - padded[1:-1, :-2]
    down = padded[2:, 1:-1] - padded[:-2, 1:-1]
    strength: Values = np.maximum(0, np.sqrt((across**2 + down**2).sum(2)) - _NOISE)
    top = max(float(np.quantile(strength, 0.98)), 3 * _NOISE)
    return np.minimum(strength / top, 1) ** 2
