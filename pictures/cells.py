"""Sheets of numbered pictures to choose from: for an editor, and as a picture with frames."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .alpha import resized
from .lettering import font_for, width_of
from .sheet import contact_sheet, lay_out, square_columns

Pixels = NDArray[np.uint8]

_LONGEST = 160  # longer side of a picture of an editor's sheet in pixels
_MOST_PIXELS = 4_000_000  # of an editor's sheet
_GAP, _FRAME = 8, 5  # pixels between the pictures of a sheet, and of the frame of a chosen one
_FRAMED, _PLAIN, _INK = "#e8590c", "#26282c", "#ffffff"


class Cells(NamedTuple):
    """Pictures in rows without gaps, (H, W, C), and the size of each of them in pixels."""

    pixels: Pixels
    columns: int
    size: tuple[int, int]  # width and height


def cells_of(pictures: Pixels) -> Cells:
    """Returns pictures (N, H, W, C) as one, from which an editor shows each of them by itself.

    Large ones are made smaller; transparent parts stay transparent.
    """
    count, height, width = pictures.shape[:3]
    room = (_MOST_PIXELS / (count * height * width)) ** 0.5
    scale = min(1.0, _LONGEST / max(height, width), room)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    columns = square_columns(count, size[0] / size[1])
    kind = "RGBA" if pictures.shape[3] == 4 else "RGB"
    whole = (columns * size[0], -(-count // columns) * size[1])
    sheet = Image.new(kind, whole, (0, 0, 0, 0) if kind == "RGBA" else "white")
    for number, pixels in enumerate(pictures):
        row, column = divmod(number, columns)
        picture = Image.fromarray(pixels)
        if picture.size != size:
            picture = resized(picture, size)
        sheet.paste(picture, (column * size[0], row * size[1]))
    return Cells(np.array(sheet), columns, size)


def numbered_sheet(
    pictures: Pixels, chosen: Collection[int], *, columns: int = 0, title: str = ""
) -> Pixels:
    """Returns a sheet (H, W, 3) of pictures (N, H, W, C) with their numbers from 1 on.

    chosen: indices of the pictures that get a frame.
    """
    count, height, width = pictures.shape[:3]
    layout = lay_out(count, height, width, columns=columns, gap=_GAP, title=bool(title))
    sheet = Image.fromarray(contact_sheet(pictures, layout, title=title))
    draw = ImageDraw.Draw(sheet)
    letters = max(11, min(28, min(layout.cell) // 7))
    for number in range(count):
        x, y = layout.corner(number)
        right, bottom = x + layout.cell[0], y + layout.cell[1]
        colour = _PLAIN
        if number in chosen:
            colour = _FRAMED
            box = (x - _FRAME, y - _FRAME, right + _FRAME - 1, bottom + _FRAME - 1)
            draw.rectangle(box, outline=colour, width=_FRAME)
        text = str(number + 1)
        across = max(width_of(text, letters) + letters // 2, round(letters * 1.3))
        draw.rectangle((x, y, x + across, y + round(letters * 1.35)), colour)
        middle = (x + across / 2, y + letters * 0.68)
        draw.text(middle, text, _INK, font_for(text, letters), anchor="mm")
    return np.array(sheet)
