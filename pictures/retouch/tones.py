"""Tones and colours: levels, curves, hue and saturation. All work in sRGB values."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np

from .shares import Array


class PointsError(ValueError):
    """The points of a curve cannot be used; `what` says why."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def levelled(
    values: Array, black: float, white: float, gamma: float, low: float, high: float
) -> Array:
    """Returns values with other ends and another middle, by GIMP's equation for Levels."""
    share = np.clip((values - np.float32(black)) / np.float32(white - black), 0, 1)
    if gamma != 1:
        share = np.power(share, np.float32(1 / gamma))
    return share * np.float32(high - low) + np.float32(low)  # type: ignore[no-any-return]


def points_of(text: str) -> list[tuple[float, float]]:
    """Returns the points of a curve like `0 0, 0.5 0.6, 1 1`, in the order of their inputs.

    Raises: PointsError if the text is not such a list, or if two points have one input.
    """
    points = []
    for part in filter(str.strip, re.split(r"[,;\n]", text)):
        try:
            x, y = map(float, part.split())
        except ValueError:
            raise PointsError(f"{part.strip()!r} is not a point of a curve") from None
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise PointsError(f"the point {part.strip()!r} is outside of 0..1")
        points.append((x, y))
    points.sort()
    if len(points) < 2:
        raise PointsError(f"a curve needs two points or more, and this one has {len(points)}")
    if any(a[0] == b[0] for a, b in pairwise(points)):
        raise PointsError("two points of the curve have the same input")
    return points


def curved(values: Array, points: list[tuple[float, float]]) -> Array:
    """Returns values after a smooth curve through some points, which is flat beyond the ends.

    Paper: Fritsch and Carlson 1980, 'Monotone piecewise cubic interpolation'; the slopes are those
    of Fritsch and Butland 1984, so that the curve has no bumps between the points.
    """
    x, y = np.array(points, np.float64).T
    step = np.diff(x)
    rise = np.diff(y) / step
    slope = np.zeros(len(x))
    before, after = rise[:-1], rise[1:]
    weight1, weight2 = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
    same = before * after > 0
    parts = weight1 / np.where(same, before, 1) + weight2 / np.where(same, after, 1)
    slope[1:-1] = np.where(same, (weight1 + weight2) / parts, 0)
    slope[0], slope[-1] = rise[0], rise[-1]
    inputs = np.clip(values.astype(np.float64), x[0], x[-1])
    part = np.clip(np.searchsorted(x, inputs, side="right") - 1, 0, len(step) - 1)
    wide = step[part]
    t = (inputs - x[part]) / wide
    found = (
        (2 * t**3 - 3 * t**2 + 1) * y[part]
        + (t**3 - 2 * t**2 + t) * wide * slope[part]
        + (3 * t**2 - 2 * t**3) * y[part + 1]
        + (t**3 - t**2) * wide * slope[part + 1]
    )
    return np.clip(found, 0, 1).astype(np.float32)  # type: ignore[no-any-return]


def shifted(
    colours: Array, hue: float, saturation: float, lightness: float, contrast: float
) -> Array:
    """Returns colours (H, W, 3) with other hue, saturation, lightness (HSL) and contrast.

    hue: degrees; saturation, contrast: factors; lightness: -1 is black, 1 is white.
    """
    if hue or saturation != 1 or lightness:
        angle, light, strength = _hsl(colours)
        strength = np.clip(strength * np.float32(saturation), 0, 1)
        light = (
            light * np.float32(1 + lightness)
            if lightness < 0
            else light + (1 - light) * np.float32(lightness)
        )
        colours = _rgb((angle + np.float32(hue / 360)) % 1, light, strength)
    if contrast != 1:
        colours = np.clip(
            (colours - np.float32(0.5)) * np.float32(contrast) + np.float32(0.5), 0, 1
        )
    return colours


def _hsl(colours: Array) -> tuple[Array, Array, Array]:
    """Returns hue, lightness and saturation in 0..1, each (H, W), as `colorsys.rgb_to_hls`."""
    red, green, blue = (colours[..., i] for i in range(3))
    high, low = colours.max(2), colours.min(2)
    spread, light = high - low, (high + low) / 2
    safe = np.where(spread == 0, 1, spread)
    room = np.where(light <= 0.5, high + low, 2 - high - low)
    strength = np.where(spread == 0, 0, spread / np.where(room <= 0, 1, room))
    angle = np.where(
        red == high,
        (green - blue) / safe,
        np.where(green == high, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    return np.where(spread == 0, 0, angle / 6 % 1), light, strength


def _rgb(angle: Array, light: Array, strength: Array) -> Array:
    """Returns colours (H, W, 3) of hue, lightness and saturation, as `colorsys.hls_to_rgb`."""
    high = np.where(light <= 0.5, light * (1 + strength), light + strength - light * strength)
    low = 2 * light - high
    parts = []
    for turn in (1 / 3, 0, -1 / 3):
        part = (angle + np.float32(turn)) % 1 * 6
        ramp = np.clip(2 - np.abs(part - 2), 0, 1)
        parts.append(low + (high - low) * ramp)
    return np.clip(np.stack(parts, 2), 0, 1)  # type: ignore[no-any-return]
