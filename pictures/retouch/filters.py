"""Blur, sharpening, grain and edges: sums over the surroundings of each pixel.

The sums have a fixed order, so that they have the same bits on every machine. Beyond the edges, the
pixels at the edges are repeated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..painting import Draw
from .shares import Array, brightness, in_front_of, on_shares, with_shares, without_shares

_GRAIN = 0x6772  # stream of the random numbers
MIDDLE = 1.6  # ratio of the two blurs of a drawing, as in the paper


def blurred(picture: Array, kind: str, radius: float, angle: float = 0.0) -> Array:
    """Returns a picture (H, W, C) after a blur of its premultiplied channels."""

    def function(planes: Array) -> Array:
        if kind == "gaussian":
            return gaussian(planes, radius)
        if kind == "box":
            return _boxed(_boxed(planes, round(radius), 0), round(radius), 1)
        if kind == "lens":
            return _disc(planes, radius)
        return _averaged(planes, _line(radius, angle))

    return on_shares(function, picture)


def gaussian_weights(sigma: float) -> Array:
    """Returns the weights of a Gaussian blur, float32 (2 R + 1,), for R = 4 sigma, rounded up."""
    reach = math.ceil(4 * sigma)
    weights = [math.exp(-0.5 * (x / sigma) ** 2) for x in range(-reach, reach + 1)]
    return (np.array(weights) / math.fsum(weights)).astype(np.float32)


def gaussian(planes: Array, sigma: float) -> Array:
    """Returns planes (H, W, ...) after a Gaussian blur with this standard deviation in pixels."""
    if sigma == 0:
        return planes
    for axis in (0, 1):
        planes = _weighted(planes, gaussian_weights(sigma), axis)
    return planes


def _weighted(planes: Array, weights: Array, axis: int) -> Array:
    reach, size = len(weights) // 2, planes.shape[axis]
    wide = _extended(planes, reach, axis)
    total = np.zeros_like(planes)
    for start, weight in enumerate(weights):
        total += weight * _part(wide, start, size, axis)
    return total


def _extended(planes: Array, reach: int, axis: int, mode: str = "edge") -> Array:
    widths = [(reach, reach) if a == axis else (0, 0) for a in range(planes.ndim)]
    return np.pad(planes, widths, mode=mode)  # type: ignore[call-overload, no-any-return]


def _part(planes: Array, start: int, size: int, axis: int) -> Array:
    return planes[start : start + size] if axis == 0 else planes[:, start : start + size]


def _boxed(planes: Array, reach: int, axis: int) -> Array:
    """Returns the mean of 2 reach + 1 pixels along an axis."""
    sums, size = _sums(_extended(planes, reach, axis), axis), planes.shape[axis]
    total = _part(sums, 2 * reach + 1, size, axis) - _part(sums, 0, size, axis)
    return (total / (2 * reach + 1)).astype(np.float32)


def _sums(planes: Array, axis: int) -> Array:
    """Returns the sums of all pixels before each one, and of all, as float64."""
    widths = [(1, 0) if a == axis else (0, 0) for a in range(planes.ndim)]
    return np.cumsum(np.pad(planes.astype(np.float64), widths), axis)


def disc_rows(radius: float) -> list[tuple[int, int]]:
    """Returns (dy, half) for the rows of a disc: it reaches from -half to half in row dy."""
    reach = math.floor(radius)
    return [(dy, math.isqrt(math.floor(radius**2 - dy**2))) for dy in range(-reach, reach + 1)]


def _disc(planes: Array, radius: float) -> Array:
    """Returns the mean over a disc, as a lens out of focus draws it."""
    reach = math.floor(radius)
    height, width = planes.shape[:2]
    sums = _sums(_extended(_extended(planes, reach, 0), reach, 1), 1)
    total = np.zeros(planes.shape, np.float64)
    rows = disc_rows(radius)
    for dy, half in rows:
        row = sums[reach + dy : reach + dy + height]
        total += _part(row, reach + half + 1, width, 1) - _part(row, reach - half, width, 1)
    return (total / sum(2 * half + 1 for _, half in rows)).astype(np.float32)


def _line(length: float, angle: float) -> list[tuple[int, int]]:
    """Returns the pixels (dy, dx) on a line through the middle, anticlockwise from the right."""
    half = length / 2
    steps = range(-math.ceil(2 * half), math.ceil(2 * half) + 1)
    along = [half * step / max(1, math.ceil(2 * half)) for step in steps]
    turn = math.radians(angle)
    return sorted({(-round(a * math.sin(turn)), round(a * math.cos(turn))) for a in along})


def _averaged(planes: Array, offsets: Sequence[tuple[int, int]]) -> Array:
    reach = max(max(abs(dy), abs(dx)) for dy, dx in offsets)
    height, width = planes.shape[:2]
    wide = _extended(_extended(planes, reach, 0), reach, 1)
    total = np.zeros_like(planes)
    for dy, dx in offsets:
        total += _part(wide[:, reach + dx : reach + dx + width], reach + dy, height, 0)
    return total / np.float32(len(offsets))


def sharpened(picture: Array, amount: float, radius: float, threshold: float) -> Array:
    """Returns a picture after an unsharp mask; its alpha stays the same."""
    soft = without_shares(gaussian(with_shares(picture), radius))[..., :3]
    detail = picture[..., :3] - soft
    detail = np.where(np.abs(detail) >= np.float32(threshold), detail, 0)
    colours = np.clip(picture[..., :3] + np.float32(amount) * detail, 0, 1)
    return np.concatenate([colours, picture[..., 3:]], 2)


def grained(
    picture: Array, amount: float, size: float, coloured: bool, midtones: bool, seed: int, row: int
) -> Array:
    """Returns a picture with random grain of this standard deviation; its alpha stays the same.

    A grain is the sum of four uniform numbers, which is nearly normal (Irwin-Hall) and, unlike
    logarithms, has the same bits on every machine.
    """
    height, width = picture.shape[:2]
    draw, channels = Draw(seed, _GRAIN, row), 3 if coloured else 1
    noise = np.zeros((height, width, channels), np.float32)
    for _ in range(4):
        noise += draw.uniform(-0.5, 0.5, height, width, channels)
    noise *= np.float32(math.sqrt(3))
    if size > 1:
        weights = gaussian_weights(size / 2)
        for axis in (0, 1):
            wide = _extended(noise, len(weights) // 2, axis, "wrap")
            parts = (_part(wide, i, noise.shape[axis], axis) for i in range(len(weights)))
            total = np.zeros_like(noise)
            for weight, part in zip(weights, parts, strict=True):
                total += weight * part
            noise = total / np.float32(math.sqrt(math.fsum(float(w) ** 2 for w in weights)))
    strength = np.float32(amount)
    if midtones:
        light = brightness(picture[..., :3])[..., None]
        strength = strength * 4 * light * (1 - light)
    colours = np.clip(picture[..., :3] + strength * noise, 0, 1)
    return np.concatenate([colours, picture[..., 3:]], 2)


def outlined(picture: Array, strength: float, sigma: float) -> Array:
    """Returns how fast the brightness changes, white on black, by Sobel's operator."""
    light = gaussian(brightness(in_front_of(picture)), sigma)
    wide = np.pad(light, 1, mode="edge")
    height, width = light.shape

    def at(dy: int, dx: int) -> Array:
        return wide[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]

    across = at(-1, 1) - at(-1, -1) + 2 * (at(0, 1) - at(0, -1)) + at(1, 1) - at(1, -1)
    down = at(1, -1) - at(-1, -1) + 2 * (at(1, 0) - at(-1, 0)) + at(1, 1) - at(-1, 1)
    found = np.sqrt(across**2 + down**2) * np.float32(strength / 4)
    return _grey(np.clip(found, 0, 1), picture)


def drawn(picture: Array, strength: float, sigma: float, threshold: float) -> Array:
    """Returns a drawing of a picture in ink, black on white, by differences of Gaussians."""
    light = brightness(in_front_of(picture))
    fine, coarse = gaussian(light, sigma), gaussian(light, sigma * MIDDLE)
    sharp = fine + np.float32(20 * strength) * (fine - coarse) - np.float32(threshold)
    return _grey(np.clip(np.where(sharp >= 0, 1, 1 + np.tanh(10 * sharp)), 0, 1), picture)


def _grey(light: Array, picture: Array) -> Array:
    grey = np.repeat(light[..., None], 3, 2)
    return np.concatenate([grey, picture[..., 3:]], 2).astype(np.float32)


def spread(mask: Array, radius: float) -> Array:
    """Returns a mask (H, W) whose bright parts have grown by a disc; beyond the edges is 0."""
    reach = math.floor(radius)
    height, width = mask.shape
    wide = np.pad(mask, reach)
    runs = [wide]  # runs[k] contains the maximum of 2^k pixels, from each one on
    while 2 ** len(runs) <= 2 * reach + 1:
        half, last = 2 ** (len(runs) - 1), runs[-1]
        shifted = np.pad(last[:, half:], ((0, 0), (0, half)))
        runs.append(np.maximum(last, shifted))
    found = np.zeros_like(mask)
    for dy, half in disc_rows(radius):
        power = (2 * half + 1).bit_length() - 1
        row = runs[power][reach + dy : reach + dy + height]
        for start in (reach - half, reach + half + 1 - (1 << power)):
            np.maximum(found, row[:, start : start + width], out=found)
    return found
