"""Halftone: tones as dots or lines of ink, as in print.

Source: Adobe, 'PostScript language reference', third edition, section 7.4 (spot functions).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from .filters import gaussian
from .shares import Array, brightness, colour_of, with_shares, without_shares

_ANGLES = (15.0, 75.0, 0.0, 45.0)  # of cyan, magenta, yellow and black, the custom of printers
CLEAN = 1 / 1024  # tones that are this near to paper or full ink have no dots
_INKS = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 0]], np.float32)


def halftone(picture: Array, kind: str, cell: float, angle: float, ink: str, paper: str) -> Array:
    """Returns a picture (H, W, C) as it is printed; its alpha stays the same.

    kind: `dots`, `lines`, or `colour` (dots of cyan, magenta, yellow and black).
    """
    colours = without_shares(gaussian(with_shares(picture), cell / 4))[..., :3]
    ground = colour_of(paper)
    if kind == "colour":
        amounts = 1 - colours
        black = amounts.min(2)
        rest = (amounts - black[..., None]) / np.maximum(1 - black, 1e-6)[..., None]
        tones = [rest[..., 0], rest[..., 1], rest[..., 2], black]
        found = np.broadcast_to(ground, colours.shape)
        for tone, colour, turn in zip(tones, _INKS, _ANGLES, strict=True):
            cover = covered(tone, "dots", cell, turn + angle)[..., None]
            found = found * (1 - cover * (1 - colour))
    else:
        cover = covered(1 - brightness(colours), kind, cell, angle)[..., None]
        found = ground + (colour_of(ink) - ground) * cover
    return np.concatenate([found, picture[..., 3:]], 2)


def covered(tone: Array, kind: str, cell: float, angle: float) -> Array:
    """Returns the ink 0..1 on each pixel of a tone 0..1 (1: full ink); edges are smooth.

    The threshold of a pixel is the share of the cell that has a larger value of the spot function,
    so that an even tone is covered by just as much ink.
    """
    height, width = tone.shape
    turn = math.radians(angle)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    u = (x * math.cos(turn) - y * math.sin(turn)) / cell
    v = (x * math.sin(turn) + y * math.cos(turn)) / cell
    spot = np.cos(2 * math.pi * v)
    if kind == "dots":
        spot = (spot + np.cos(2 * math.pi * u)) / 2
    values, shares = _distribution(kind)
    threshold = 1 - np.interp(spot, values, shares)
    soft = 1 / cell  # change of the threshold over about a pixel
    cover = np.clip((tone - threshold) / soft + 0.5, 0, 1)
    cover = np.where(tone < CLEAN, 0, np.where(tone > 1 - CLEAN, 1, cover))
    return cover.astype(np.float32)


@cache
def _distribution(kind: str) -> tuple[Array, Array]:
    """Returns values of the spot function, sorted, and the share of a cell below each."""
    steps = (np.arange(512) + 0.5) / 512
    wave = np.cos(2 * math.pi * steps)
    values = np.sort(((wave[:, None] + wave) / 2).ravel() if kind == "dots" else wave)
    chosen = np.linspace(0, len(values) - 1, 257).round().astype(int)
    return values[chosen], (chosen + 0.5) / len(values)
