"""Palettes: found in pictures, read, written, and used for all pixels of a picture."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence

import numpy as np
from PIL import Image

from .shares import CLEAR, Array, brightness

_EDGE = 64  # pixels of a colour on the picture of a palette


class PaletteError(ValueError):
    """A text does not contain colours; `what` says why."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def colours_of(texts: Sequence[str]) -> Array:
    """Returns colours like #ff8000 as float32 (K, 3).

    Raises: PaletteError if one of them is not such a colour, or if there are none.
    """
    found = []
    for text in texts:
        if not re.fullmatch(r"#?[0-9a-fA-F]{6}", text.strip()):
            raise PaletteError(f"{text.strip()!r} is not a colour like #ff8000")
        found.append(list(bytes.fromhex(text.strip().removeprefix("#"))))
    if not found:
        raise PaletteError("the palette has no colours")
    return np.array(found, np.float32) / 255


def hex_of(colours: Array) -> list[str]:
    """Returns colours (K, 3) in 0..1 as texts like #ff8000."""
    return [f"#{bytes(row).hex()}" for row in np.rint(colours * 255).astype(np.uint8)]


def spread_out(count: int, step: int) -> Array:
    """Returns the numbers of pixels, one out of each `step`, without a period of their own.

    A regular step would see only some of the colours of a pattern. Multiples of the golden ratio
    are never periodic (Knuth, 'The art of computer programming', volume 3, section 6.4).
    """
    blocks = np.arange(-(-count // step), dtype=np.uint64)
    parts = (blocks * np.uint64(0x9E3779B1) & np.uint64(0xFFFFFFFF)) * np.uint64(step)
    return np.minimum(blocks * np.uint64(step) + (parts >> np.uint64(32)), count - 1).astype(
        np.intp
    )


def found_in(pixels: Array, count: int) -> tuple[Array, Array]:
    """Returns the colours that describe pixels, uint8 (N, 3), best, and the share of each.

    If the pixels have no more than `count` colours, these are returned. Otherwise Pillow's median
    cut finds the first ones, which its k-means improves.
    """
    distinct, times = np.unique(pixels, axis=0, return_counts=True)
    if len(distinct) > count:
        line = Image.fromarray(np.ascontiguousarray(pixels[None]))
        cut = line.quantize(count, Image.Quantize.MEDIANCUT, kmeans=1)
        flat = np.array(cut.getpalette(), np.uint8).reshape(-1, 3)
        used = np.unique(np.asarray(cut))
        distinct = np.unique(flat[used], axis=0)
        nearest = nearest_of(pixels[:, None].astype(np.float32), distinct.astype(np.float32))
        times = np.bincount(nearest[:, 0], minlength=len(distinct))
    return distinct.astype(np.float32) / 255, times / times.sum()


def nearest_of(values: Array, colours: Array) -> Array:
    """Returns the index of the nearest colour (K, 3) for each of the values (..., 3)."""
    best = np.full(values.shape[:-1], np.inf, np.float32)
    index = np.zeros(values.shape[:-1], np.intp)
    for number, colour in enumerate(colours):
        away = values - colour
        squares = away[..., 0] ** 2 + away[..., 1] ** 2 + away[..., 2] ** 2
        closer = squares < best
        best[closer], index[closer] = squares[closer], number
    return index


def sorted_colours(colours: Array, shares: Array, order: str) -> tuple[Array, Array]:
    """Returns colours and their shares, the most frequent or the darkest first, or by hue."""
    red, green, blue = colours.T
    hue = np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue) % (2 * np.pi)
    keys = {"share": -shares, "brightness": brightness(colours), "hue": hue}
    ranked = np.lexsort((brightness(colours), np.round(keys[order], 6)))
    return colours[ranked], shares[ranked]


def strip(colours: Array) -> Array:
    """Returns a picture (64, 64 K, 3) of a palette."""
    return np.tile(np.repeat(colours, _EDGE, 0)[None], (_EDGE, 1, 1))


def graded(picture: Array, colours: Array) -> Array:
    """Returns a picture with the colours of a gradient, from the first (dark) to the last."""
    light = brightness(picture[..., :3]) * np.float32(len(colours) - 1)
    low = np.clip(np.floor(light).astype(np.intp), 0, max(len(colours) - 2, 0))
    high = np.minimum(low + 1, len(colours) - 1)
    share = (light - low)[..., None].astype(np.float32)
    mixed = colours[low] + (colours[high] - colours[low]) * share
    return np.concatenate([np.clip(mixed, 0, 1), picture[..., 3:]], 2)


def file_of(colours: Sequence[str], form: str, name: str) -> bytes:
    """Returns the file of a palette: `gpl` (GIMP), `hex`, or `ase` (Adobe Swatch Exchange)."""
    levels = [tuple(bytes.fromhex(c.strip().removeprefix("#"))) for c in colours]
    if form == "hex":
        return "".join(f"{bytes(level).hex()}\n" for level in levels).encode()
    if form == "gpl":
        rows = [f"{r:3} {g:3} {b:3}\t#{bytes((r, g, b)).hex()}\n" for r, g, b in levels]
        return f"GIMP Palette\nName: {name}\nColumns: 0\n#\n{''.join(rows)}".encode()
    blocks = b"".join(map(_swatch, levels))
    return b"ASEF" + struct.pack(">HHI", 1, 0, len(levels)) + blocks


def _swatch(level: Sequence[int]) -> bytes:
    text = f"#{bytes(level).hex()}\0"
    content = struct.pack(">H", len(text)) + text.encode("utf-16-be") + b"RGB "
    content += struct.pack(">3fH", *(value / 255 for value in level), 2)
    return struct.pack(">HI", 1, len(content)) + content


def dithered(picture: Array, colours: Array | int, kind: str, strength: float) -> Array:
    """Returns a picture in few colours: (K, 3), or so many levels for each channel.

    The alpha stays the same. What is clear passes no error on.
    """
    values = picture[..., :3]
    if kind == "pattern":
        step = _spacing(colours) if not isinstance(colours, int) else 1 / (colours - 1)
        values = values + (_bayer(*values.shape[:2]) * np.float32(step * strength))[..., None]
    if kind == "diffusion":
        seen = (
            picture[..., 3] >= CLEAR if picture.shape[2] == 4 else np.ones(values.shape[:2], bool)
        )
        values = _diffused(values, colours, seen, np.float32(strength))
    else:
        values = _quantised(values, colours)
    return np.concatenate([values, picture[..., 3:]], 2)


def _quantised(values: Array, colours: Array | int) -> Array:
    if not isinstance(colours, int):
        return colours[nearest_of(values, colours)]
    most = np.float32(colours - 1)
    return np.clip(np.floor(values * most + np.float32(0.5)), 0, most) / most  # type: ignore[no-any-return]


def _diffused(values: Array, colours: Array | int, seen: Array, strength: np.float32) -> Array:
    """Returns values after Floyd and Steinberg's diffusion of the error, from left to right.

    Pixel (y, x) needs the errors of those with a smaller x + 2 y, and all with the same sum are
    computed at once.
    """
    height, width = values.shape[:2]
    wide = np.zeros((height + 1, width + 2, 3), np.float32)
    wide[:height, 1:-1] = values
    found = np.empty_like(values)
    for turn in range(width + 2 * (height - 1)):
        first = max(0, (turn - width + 2) // 2)
        y = np.arange(first, min(height, turn // 2 + 1))
        x = turn - 2 * y
        wanted = wide[y, x + 1]
        chosen = _quantised(wanted, colours)
        found[y, x] = chosen
        error = (wanted - chosen) * strength * seen[y, x][:, None]
        for dy, dx, share in ((1, -1, 3), (1, 0, 5), (1, 1, 1), (0, 1, 7)):
            wide[y + dy, x + 1 + dx] += error * np.float32(share / 16)
    return found


def _bayer(height: int, width: int) -> Array:
    """Returns Bayer's 8 x 8 pattern, repeated, in -0.5..0.5 with the mean 0."""
    pattern = np.zeros((1, 1))
    for _ in range(3):
        pattern = np.block([[4 * pattern, 4 * pattern + 2], [4 * pattern + 3, 4 * pattern + 1]])
    even = ((pattern + 0.5) / 64 - 0.5).astype(np.float32)
    return np.tile(even, (height // 8 + 1, width // 8 + 1))[:height, :width]


def _spacing(colours: Array) -> float:
    """Returns the mean distance of a colour from its nearest neighbour, for each channel."""
    if len(colours) < 2:
        return 0.0
    away = np.sqrt(((colours[:, None] - colours) ** 2).sum(2)) + 9 * np.eye(len(colours))
    return float(away.min(1).mean() / np.sqrt(3))
