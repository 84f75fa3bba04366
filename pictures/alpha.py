"""Transparency of pictures: on a checkerboard, and resized without wrong edges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

SQUARE = 8  # edge of the squares of a checkerboard in pixels
LEVELS = (255, 204)  # greys of the squares
_ROWS = 256  # rows that are mixed at once, to save memory


def on_checkerboard(picture: Image.Image) -> Image.Image:
    """Returns a picture in RGB, in front of a checkerboard if it has transparent parts."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    over = np.asarray(picture.convert("RGBA"))
    rows, columns = (np.arange(side) // SQUARE for side in over.shape[:2])
    odd = (rows[:, None] + columns) % 2
    return Image.fromarray(_mixed(over, np.array(LEVELS, np.uint8)[odd][..., None]))


def _mixed(over: Pixels, ground: NDArray[Any]) -> Pixels:
    ground = np.broadcast_to(ground, (*over.shape[:2], 3))
    mixed = np.empty(ground.shape, np.uint8)
    for top in range(0, len(over), _ROWS):
        part, behind = over[top : top + _ROWS], ground[top : top + _ROWS].astype(np.float32)
        share = part[..., 3:].astype(np.float32) / 255
        mixed[top : top + _ROWS] = behind + (part[..., :3] - behind) * share + 0.5
    return mixed


def resized(
    picture: Image.Image,
    size: tuple[int, int],
    box: tuple[float, float, float, float] | None = None,
) -> Image.Image:
    """Returns a picture in another size; `box` is the part to use, the whole picture without it.

    If it has an alpha channel, the colours are multiplied by the opacity first, as floats. So the
    colour of a fully transparent pixel does not reach its neighbours; it becomes black.
    """
    filter_ = Image.Resampling.LANCZOS
    if picture.mode != "RGBA":
        return picture.resize(size, filter_, box, 3.0)
    *colours, alpha = picture.split()
    if alpha.getextrema() == (255, 255):
        opaque = picture.convert("RGB").resize(size, filter_, box, 3.0)
        opaque.putalpha(255)
        return opaque
    share = np.asarray(alpha, np.float32) / 255

    def smaller(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(Image.fromarray(values).resize(size, filter_, box, 3.0))

    opacity = smaller(share)  # may exceed 0..1, by the same factor as the products
    levels = np.empty((size[1], size[0], 4), np.uint8)
    levels[..., 3] = opacity.clip(0, 1) * 255 + 0.5
    seen = levels[..., 3] > 0
    for number, colour in enumerate(colours):
        product = smaller(np.asarray(colour, np.float32) * share)
        straight = np.divide(product, opacity, out=np.zeros_like(product), where=seen)
        levels[..., number] = straight.clip(0, 255) + 0.5
    return Image.fromarray(levels)
