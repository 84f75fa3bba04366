"""Colour transfer: pixels get the statistics of the pixels of other pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .shares import CLEAR, Array

_LEVELS = 256
_TINY = 1e-8  # variances below it are those of one colour
# B. Ottosson 2020, 'A perceptual color space for image processing' (OKLab)
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


@dataclass(frozen=True)
class Statistics:
    """Of the visible pixels of some pictures, weighted by their opacity.

    mean, covariance: of the colours, (3,) and (3, 3), in OKLab or in sRGB values.
    histograms:       shares of the 256 levels of each channel, (3, 256), in sRGB values.
    """

    mean: Array
    covariance: Array
    histograms: Array


def statistics(pictures: Iterable[Array], lab: bool) -> Statistics | None:
    """Returns the statistics of pictures (H, W, C), or None if nothing of them is visible."""
    weight, total, products = 0.0, np.zeros(3), np.zeros((3, 3))
    histograms = np.zeros((3, _LEVELS))
    for picture in pictures:
        colours = picture[..., :3].reshape(-1, 3).astype(np.float64)
        alpha = picture[..., 3:].reshape(-1, 1) if picture.shape[2] == 4 else np.ones((1, 1))
        shares = np.broadcast_to(np.where(alpha < CLEAR, 0, alpha), (len(colours), 1))
        values = to_lab(colours) if lab else colours
        weight += float(shares.sum())
        total += (values * shares).sum(0)
        products += (values * shares).T @ values
        levels = np.rint(np.clip(colours, 0, 1) * 255).astype(np.intp)
        for channel in range(3):
            histograms[channel] += np.bincount(levels[:, channel], shares[:, 0], _LEVELS)
    if weight == 0:
        return None
    mean = total / weight
    return Statistics(mean, products / weight - np.outer(mean, mean), histograms / weight)


def matched(picture: Array, own: Statistics, aim: Statistics, kind: str) -> Array:
    """Returns a picture (H, W, C) with the statistics `aim`; its alpha stays the same.

    Paper: Reinhard et al. 2001, 'Color transfer between images' (`spread`, here in OKLab); Pitie
    and Kokaram 2007, 'The linear Monge-Kantorovitch linear colour mapping for example-based colour
    transfer' (`mix`); Gonzalez and Woods, 'Digital image processing', section 3.3 (`histogram`).
    """
    colours = picture[..., :3].astype(np.float64)
    if kind == "spread":
        scale = np.sqrt(_variances(aim) / _variances(own))
        colours = from_lab((to_lab(colours) - own.mean) * scale + aim.mean)
    elif kind == "mix":
        root, inverse = _roots(own.covariance)
        middle, _ = _roots(root @ aim.covariance @ root)
        colours = (colours - own.mean) @ (inverse @ middle @ inverse) + aim.mean
    else:
        colours = np.stack([_ranked(colours[..., i], own, aim, i) for i in range(3)], 2)
    return np.concatenate([np.clip(colours, 0, 1).astype(np.float32), picture[..., 3:]], 2)


def _variances(of: Statistics) -> Array:
    return np.maximum(np.diag(of.covariance), _TINY)  # type: ignore[no-any-return]


def _roots(matrix: Array) -> tuple[Array, Array]:
    """Returns the root of a covariance, and the inverse of the root."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    roots = np.sqrt(np.maximum(values, _TINY))
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T


def _ranked(values: Array, own: Statistics, aim: Statistics, channel: int) -> Array:
    """Returns values of a channel, each with the level that has the same rank in `aim`."""
    ranks, wanted = (np.cumsum(of.histograms[channel]) for of in (own, aim))
    used = aim.histograms[channel] > 0
    table = np.interp(ranks, wanted[used], np.flatnonzero(used)) / 255
    return np.interp(values * 255, np.arange(_LEVELS), table)  # type: ignore[no-any-return]


def to_lab(colours: Array) -> Array:
    """Returns sRGB values (..., 3) in OKLab."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _CONES.T) @ _LAB.T  # type: ignore[no-any-return]


def from_lab(lab: Array) -> Array:
    """Returns OKLab colours (..., 3) as sRGB values; those outside of sRGB are clipped."""
    cones = lab @ np.linalg.inv(_LAB).T
    linear = np.clip(cones**3 @ np.linalg.inv(_CONES).T, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)  # type: ignore[no-any-return]
