"""A pen that draws on white at twice the size. Reducing the picture makes the edges smooth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .lettering import font_for, width_of

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels

INK, MUTED, RULE, FRAME, TRACK = "#22252a", "#6b7280", "#e6e8ec", "#b4b9c2", "#f4f5f7"
HUES = ("#2f6fb0", "#d1603d", "#2f8f6b", "#8a5aa8", "#b98a1e", "#3f8f9f", "#b5476b", "#5b6472")


class Pen:
    """Draws on a white picture. Lengths are in pixels of the finished picture."""

    def __init__(self, width: int, height: int) -> None:
        self._picture = Image.new("RGB", (2 * width, 2 * height), "white")
        self._draw = ImageDraw.Draw(self._picture)

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float = 1) -> None:
        """Draw a line through the points."""
        doubled = [(2 * x, 2 * y) for x, y in points]
        self._draw.line(doubled, colour, max(1, round(2 * width)), joint="curve")

    def dots(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        """Draw a small disc on each point."""
        for x, y in points:
            self._draw.ellipse((2 * x - 5, 2 * y - 5, 2 * x + 5, 2 * y + 5), colour)

    def box(self, box: Box, colour: str) -> None:
        """Draw a filled rectangle."""
        left, top, right, bottom = (round(2 * edge) for edge in box)
        if right > left and bottom > top:
            self._draw.rectangle((left, top, right - 1, bottom - 1), colour)

    def text(
        self, x: float, y: float, text: str, size: int, colour: str = INK, anchor: str = "lm"
    ) -> None:
        """Draw a line of text; `anchor` as in Pillow, for example "lm" for left and middle."""
        self._draw.text((2 * x, 2 * y), text, colour, font_for(text, 2 * size), anchor=anchor)

    def vertical_text(self, x: float, y: float, text: str, size: int, colour: str = INK) -> None:
        """Draw text that runs upwards from the point, horizontally centred on it."""
        width, height = width_of(text, 2 * size) + 4, 3 * size
        label = Image.new("L", (width, height))
        ImageDraw.Draw(label).text(
            (0, height / 2), text, 255, font_for(text, 2 * size), anchor="lm"
        )
        upright = label.transpose(Image.Transpose.ROTATE_90)
        place = (round(2 * x - height / 2), round(2 * y - width))
        self._picture.paste(colour, (*place, place[0] + height, place[1] + width), upright)

    def pixels(self) -> Pixels:
        """Returns the picture (H, W, 3)."""
        return np.array(self._picture.reduce(2))


def pale(colour: str, amount: float = 0.65) -> str:
    """Returns a colour "#rrggbb" mixed with white; `amount` is the share of white."""
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(c + (255 - c) * amount):02x}" for c in parts)
