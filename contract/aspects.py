"""The aspect of pictures: from a ratio like 3:2 and a size to height and width in pixels."""

from __future__ import annotations

import math
import re
from itertools import product

from ..models.configs import MOST_ASPECT
from .errors import NodeError

SQUARE = "1:1"
# The aspects, width to height, to which the aspect of a folder is rounded.
COMMON = (
    *("1:3", "1:2", "9:16", "2:3", "3:4", "4:5"),
    SQUARE,
    *("5:4", "4:3", "3:2", "16:9", "2:1", "3:1"),
)
SMALLEST_MULTIPLE = 8  # the sides of pictures that a VAE can encode are multiples of it
AREA_WEIGHT = 0.5  # how much an error of the area counts, compared with one of the aspect

_RATIO = re.compile(r"(\d{1,5}(?:\.\d{1,6})?)(?:\s*:\s*(\d{1,5}(?:\.\d{1,6})?))?")


def ratio_of(aspect: str) -> float:
    """Returns width divided by height of an aspect like `3:2` or `1.5`.

    Raises: NodeError if it is not a ratio, or if one side is more than MOST_ASPECT times the other.
    """
    found = _RATIO.fullmatch(aspect.strip())
    width, height = (float(number or 1) for number in found.groups()) if found else (0.0, 0.0)
    if not width or not height:
        raise NodeError(
            f"the aspect {aspect!r:.40} is not a ratio", "write width and height like 3:2"
        )
    if max(width, height) > MOST_ASPECT * min(width, height):
        raise NodeError(
            f"pictures with the aspect {aspect.strip()} are too narrow",
            f"use an aspect from 1:{MOST_ASPECT} to {MOST_ASPECT}:1",
        )
    return width / height


def shape_of(size: int, aspect: str, multiple: int | None = None) -> tuple[int, int]:
    """Returns height and width of pictures with about the aspect and the area of `size` squared.

    multiple: both sides become multiples of it. None for what all models can use: an eighth of the
        size, rounded down to a power of two, but at least 8 px.

    Square pictures have exactly the size. For others, the nearest shape is returned: the
    logarithms of the errors of aspect and area are added, with the weight AREA_WEIGHT for the area.

    Raises: NodeError for an aspect that `ratio_of` refuses.
    """
    ratio = ratio_of(aspect)
    if ratio == 1:
        return size, size
    step = multiple or max(SMALLEST_MULTIPLE, 1 << (max(8, size) // 8).bit_length() - 1)

    def error(shape: tuple[int, int]) -> float:
        height, width = shape
        area = abs(math.log(height * width / size**2))
        return abs(math.log(width / height / ratio)) + AREA_WEIGHT * area

    sides = range(step, 3 * max(size, step), step)
    shapes = (shape for shape in product(sides, sides) if max(shape) <= MOST_ASPECT * min(shape))
    return min(shapes, key=lambda shape: round(error(shape), 9))


def nearest_common(ratio: float) -> str:
    """Returns the aspect of COMMON that is nearest to width divided by height."""
    return min(COMMON, key=lambda aspect: abs(math.log(ratio_of(aspect) / ratio)))
