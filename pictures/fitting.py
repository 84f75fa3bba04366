"""Pictures in a shape of other proportions: cropped, padded or stretched."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .alpha import resized
from .colour import Note, ignore, on_colour
from .packed import Packed
from .reading import read_picture
from .review import Box as Crop
from .salient import salient_start

Fit = Literal["crop", "salient", "pad", "stretch"]
Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]


class Fitted(NamedTuple):
    """A picture in another shape.

    pixels:  uint8 (H, W, C).
    share:   the share of the picture that was cut off (crop, salient), or of the result that is
             border (pad); 0 for stretch.
    """

    pixels: Pixels
    share: float


def read_fitted(
    path: Path | Packed,
    height: int,
    width: int,
    fit: Fit,
    note: Note = ignore,
    background: str | None = "white",
    crop: Crop | None = None,
) -> Fitted:
    """Read a picture in this shape.

    fit: crop cuts off what is outside the middle part of this shape, salient what is outside the
        most striking part, pad adds borders in the colour of the background (or transparent ones),
        and stretch changes the proportions.
    note, background: see `read_picture`
    crop: the part of the picture that is used.
    """
    edge = math.ceil(max(height, width) / (1.0 if crop is None else min(crop[2:])))
    if fit == "salient" and background is not None:  # what is transparent does not count
        both = cropped(read_picture(path, edge, note, None), crop)
        box = box_of(both, height, width, fit)
        flat = on_colour(both.convert("RGB"), both.getchannel(3), background)
        return _cut(flat, height, width, box)
    picture = cropped(read_picture(path, edge, note, background), crop)
    return fitted(picture, height, width, fit, background)


def cropped(picture: Image.Image, crop: Crop | None) -> Image.Image:
    """Returns a part of a picture, at least a pixel; the picture itself if there is no crop."""
    if crop is None:
        return picture
    sides = []
    for start, length, side in zip(crop[:2], crop[2:], picture.size, strict=True):
        first = min(round(start * side), side - 1)
        sides.append((first, min(side, max(first + 1, round((start + length) * side)))))
    (left, right), (top, bottom) = sides
    return picture.crop((left, top, right, bottom))


def fitted(
    picture: Image.Image, height: int, width: int, fit: Fit, background: str | None = "white"
) -> Fitted:
    """Returns a picture in RGB or RGBA in this shape; see `read_fitted`."""
    columns, rows = picture.size
    size = (width, height)
    if fit in ("crop", "salient"):
        return _cut(picture, height, width, box_of(picture, height, width, fit))
    if fit == "stretch":
        return Fitted(np.array(resized(picture, size)), 0.0)
    scale = min(width / columns, height / rows)
    inner = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    whole = Image.new(picture.mode, size, background or (0, 0, 0, 0))
    small = resized(picture, inner)
    whole.paste(small, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return Fitted(np.array(whole), 1 - inner[0] * inner[1] / (width * height))


def box_of(picture: Image.Image, height: int, width: int, fit: Fit) -> Box:
    """Returns the largest part of a picture in this shape: left, top, right and bottom.

    fit: crop for the middle, salient for the most striking part.
    """
    columns, rows = picture.size
    across, down = min(columns, rows * width / height), min(rows, columns * height / width)
    left, top = (columns - across) / 2, (rows - down) / 2
    if fit == "salient" and across < columns:
        left = min(columns * salient_start(picture, across / columns, True), columns - across)
    elif fit == "salient":
        top = min(rows * salient_start(picture, down / rows, False), rows - down)
    return left, top, left + across, top + down


def _cut(picture: Image.Image, height: int, width: int, box: Box) -> Fitted:
    left, top, right, bottom = box
    lost = 1 - (right - left) * (bottom - top) / (picture.width * picture.height)
    return Fitted(np.array(resized(picture, (width, height), box)), lost)
