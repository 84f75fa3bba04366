"""Contact sheets: many pictures in one, with captions and a title."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .alpha import on_checkerboard
from .lettering import font_for, height_of, shorten

Pixels = NDArray[np.uint8]
Ground = Literal["white", "grey", "black"]

# Colours of the background and of the text.
_COLOURS = {
    "white": ("#ffffff", "#26282c"),
    "grey": ("#7d7f83", "#ffffff"),
    "black": ("#0c0c0e", "#e4e4e8"),
}
_COMFORTABLE = 112  # longer side in pixels to which smaller pictures are enlarged


@dataclass(frozen=True)
class Layout:
    """Positions and sizes on a sheet, in pixels."""

    columns: int
    rows: int
    cell: tuple[int, int]  # width and height of a picture on the sheet
    gap: int
    caption: int  # letter size of captions, 0 without captions
    title: int  # letter size of the title, 0 without a title

    @property
    def pitch(self) -> tuple[int, int]:
        """Distance from one picture to the next, across and down."""
        below = height_of(self.caption) + 3 if self.caption else 0
        return self.cell[0] + self.gap, self.cell[1] + below + self.gap

    @property
    def top(self) -> int:
        """Top of the first row of pictures."""
        return self.gap + (round(self.title * 1.9) if self.title else 0)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet."""
        across, down = self.pitch
        return self.gap + across * self.columns, self.top + down * self.rows

    def corner(self, number: int) -> tuple[int, int]:
        """Returns the left upper corner of a picture."""
        row, column = divmod(number, self.columns)
        return self.gap + column * self.pitch[0], self.top + row * self.pitch[1]


def lay_out(
    count: int,
    height: int,
    width: int,
    *,
    columns: int = 0,
    scale: int = 0,
    gap: int = 4,
    captions: bool = False,
    title: bool = False,
) -> Layout:
    """Returns the layout of `count` pictures.

    columns: 0 chooses a number that makes the sheet about square.
    scale:   factor by which pictures are enlarged; 0 enlarges small ones to a comfortable size.
    """
    scale = scale or max(1, math.ceil(_COMFORTABLE / max(height, width)))
    cell = (width * scale, height * scale)
    columns = min(columns or square_columns(count, width / height), count)
    letters = min(22, max(11, round(cell[0] / 9)))
    whole = columns * (cell[0] + gap)
    return Layout(
        columns,
        math.ceil(count / columns),
        cell,
        gap,
        letters if captions else 0,
        min(40, max(14, round(whole / 32))) if title else 0,
    )


def square_columns(count: int, aspect: float = 1.0) -> int:
    """Returns a number of columns that makes a sheet about square, with few empty places."""
    root = max(1, math.ceil(math.sqrt(count / aspect) - 1e-9))
    choices = range(min(root, count), min(count, math.ceil(root * 1.4)) + 1)
    return min(choices, key=lambda columns: (-count % columns, columns))


def contact_sheet(
    pictures: Pixels,
    layout: Layout,
    *,
    background: Ground = "white",
    captions: Sequence[str] = (),
    title: str = "",
) -> Pixels:
    """Returns the pictures (N, H, W, C) on one sheet; small ones are enlarged pixel by pixel.

    A checkerboard is behind transparent parts.
    """
    ground, ink = _COLOURS[background]
    sheet = Image.new("RGB", layout.size, ground)
    draw = ImageDraw.Draw(sheet)
    if title:
        room = layout.size[0] - 2 * layout.gap - 4
        text = shorten(title, layout.title, room)
        middle = (layout.gap + 2, (layout.top - layout.gap) / 2 + layout.gap / 2)
        draw.text(middle, text, ink, font_for(text, layout.title), anchor="lm")
    for number, pixels in enumerate(pictures):
        x, y = layout.corner(number)
        picture = Image.fromarray(pixels).resize(layout.cell, Image.Resampling.NEAREST)
        sheet.paste(on_checkerboard(picture), (x, y))
        if number < len(captions):
            text = shorten(captions[number], layout.caption, layout.cell[0])
            middle_x, top = x + layout.cell[0] / 2, y + layout.cell[1] + 3
            draw.text((middle_x, top), text, ink, font_for(text, layout.caption), anchor="ma")
    return np.array(sheet)
