"""Measures of single pictures: how blurred they are, and how much of them is border or empty."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

NEAR = 12  # levels of 255 by which the colours of a border or of empty ground may differ
_BLUR = 9  # width in pixels of the blur that a picture is compared with


def blur(pixels: Pixels) -> float:
    """Returns how blurred a picture (H, W, 3) is, from 0 (sharp) to 1.

    A picture that is blurred already changes little if it is blurred again (Crété et al. 2007, "The
    blur effect: perception and estimation with a new no-reference perceptual blur metric"). A
    picture of one colour is counted as sharp.
    """
    grey = pixels.astype(np.float32).mean(2)
    return max(_blur_along(grey), _blur_along(grey.T))


def _blur_along(grey: NDArray[np.float32]) -> float:
    width = min(_BLUR, grey.shape[0] // 2 * 2 - 1)
    if width < 3:
        return 0.0
    padded = np.pad(grey, ((width // 2, width // 2), (0, 0)), "edge")
    sums = np.cumsum(np.pad(padded, ((1, 0), (0, 0))), 0, dtype=np.float64)
    blurred = (sums[width:] - sums[:-width]) / width
    sharp, soft = np.abs(np.diff(grey, axis=0)), np.abs(np.diff(blurred, axis=0))
    total = float(sharp.sum())
    lost = float(np.maximum(0, sharp - soft).sum())
    return float(1 - lost / total) if total > grey.size * 0.05 else 0.0


def border(pixels: Pixels) -> float:
    """Returns the share of a picture (H, W, 3) that is a border of one colour.

    The border consists of rows and columns at the edges that have the colour of their corner.
    """
    values = pixels.astype(np.int16)
    height, width = int(values.shape[0]), int(values.shape[1])
    top = _same_rows(values, values[0, 0])
    bottom = _same_rows(values[::-1], values[-1, -1])
    if top + bottom >= height:
        return 1.0
    inner = values[top : height - bottom].swapaxes(0, 1)
    left, right = _same_rows(inner, inner[0, 0]), _same_rows(inner[::-1], inner[-1, -1])
    inside = (height - top - bottom) * max(0, width - left - right)
    return float(1 - inside / (height * width))


def _same_rows(values: NDArray[np.int16], colour: NDArray[np.int16]) -> int:
    same = np.asarray((_largest(np.abs(values - colour)) <= NEAR).all(1))
    return len(same) if bool(same.all()) else int(np.argmin(same))


def empty(pixels: Pixels) -> float:
    """Returns the share of a picture (H, W, 3) that has about its most frequent colour."""
    values = pixels.reshape(-1, 3)
    coarse = values >> 4
    keys = (coarse[:, 0].astype(np.int32) << 8) | (coarse[:, 1].astype(np.int32) << 4)
    keys |= coarse[:, 2]
    usual = np.median(values[keys == np.bincount(keys).argmax()], 0)
    return float((_largest(np.abs(values - usual)) <= NEAR).mean())


def colourfulness(pixels: Pixels) -> float:
    """Returns the mean difference of the largest and smallest channel of a picture (H, W, 3)."""
    red, green, blue = (pixels[..., channel] for channel in range(3))
    most, least = (f(f(red, green), blue) for f in (np.maximum, np.minimum))
    return float((most - least).mean())


def _largest(values: NDArray[Any]) -> NDArray[Any]:
    """Returns the largest channel of values (..., 3). It is several times faster than `max`."""
    largest: NDArray[Any] = np.maximum(np.maximum(values[..., 0], values[..., 1]), values[..., 2])
    return largest
