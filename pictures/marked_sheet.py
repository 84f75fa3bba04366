"""Sheets that show what a limit does: what goes in red, what stays in green, and the limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .alpha import on_checkerboard
from .lettering import font_for, height_of, shorten

Pixels = NDArray[np.uint8]

_GOES, _STAYS, _PLAIN, _INK = "#c8281e", "#2c8c4a", "#9a9da3", "#26282c"
_LETTERS, _TITLE = 13, 18  # sizes of letters in pixels
_GAP, _FRAME = 6, 3  # pixels
_EDGE = 112  # longer side of a picture in pixels


class Cell(NamedTuple):
    """One or several pictures (H, W, 3 or 4) side by side, a caption, and whether they go.

    goes: None if the question does not arise.
    """

    pictures: tuple[Pixels, ...]
    caption: str
    goes: bool | None = None


class Section(NamedTuple):
    """Cells in the order of a measure, those that go first. The limit is drawn between them."""

    title: str
    cells: Sequence[Cell]


def marked_sheet(sections: Sequence[Section], columns: int) -> Pixels:
    """Returns a sheet of sections, (H, W, 3). All cells must have as many pictures of one size."""
    first = next((cell for section in sections for cell in section.cells), None)
    shape = first.pictures[0].shape[:2] if first else (_EDGE, _EDGE)
    scale = _EDGE / max(shape)
    height, width = max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
    across = (len(first.pictures) if first else 1) * width + 2 * _FRAME
    down = height + 2 * _FRAME + height_of(_LETTERS) + _GAP
    columns = max(4, columns) if across < 200 else max(2, columns // 2)
    sheet_width = max(420, _GAP + columns * (across + _GAP))
    head = height_of(_TITLE) + 2 * _GAP
    rows = [max(1, -(-len(section.cells) // columns)) for section in sections]
    sheet_height = _GAP + sum(head + (down + _GAP) * count for count in rows)
    sheet = Image.new("RGB", (sheet_width, sheet_height), "white")
    draw = ImageDraw.Draw(sheet)
    top = _GAP
    for section, count in zip(sections, rows, strict=True):
        text = shorten(section.title, _TITLE, sheet_width - 2 * _GAP)
        draw.text((_GAP, top), text, _INK, font_for(text, _TITLE))
        top += head
        if not section.cells:
            draw.text((_GAP, top), "nothing", _INK, font_for("nothing", _LETTERS))
        for number, cell in enumerate(section.cells):
            row, column = divmod(number, columns)
            x, y = _GAP + column * (across + _GAP), top + row * (down + _GAP)
            _draw_cell(sheet, draw, cell, (x, y), (width, height))
            if number and section.cells[number - 1].goes and cell.goes is False:
                draw.line((x - _GAP / 2, y, x - _GAP / 2, y + down - _GAP), _GOES, 3)
        top += (down + _GAP) * count
    return np.array(sheet)


def _draw_cell(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    cell: Cell,
    place: tuple[int, int],
    size: tuple[int, int],
) -> None:
    x, y = place
    colour = _PLAIN if cell.goes is None else _GOES if cell.goes else _STAYS
    whole = len(cell.pictures) * size[0] + 2 * _FRAME
    draw.rectangle((x, y, x + whole - 1, y + size[1] + 2 * _FRAME - 1), colour)
    for number, pixels in enumerate(cell.pictures):
        enlarged = pixels.shape[1] < size[0]
        how = Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS
        picture = Image.fromarray(pixels).resize(size, how)
        sheet.paste(on_checkerboard(picture), (x + _FRAME + number * size[0], y + _FRAME))
    text = shorten(cell.caption, _LETTERS, whole)
    draw.text(
        (x + whole / 2, y + size[1] + 2 * _FRAME + 2),
        text,
        colour,
        font_for(text, _LETTERS),
        anchor="ma",
    )
