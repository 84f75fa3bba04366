"""A sheet of pictures with labels for two settings, varied across and down."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from .alpha import on_checkerboard
from .lettering import font_for, height_of, shorten, width_of

_GAP = 8  # pixels between pictures
_MAX_SHEET = 4_096  # most pixels of all pictures across, and down
_MIN_EDGE, _MAX_EDGE = 32, 512  # smallest and largest side of a picture in pixels
_INK = "#26282c"


def xy_sheet(
    pictures: Sequence[Path | None],
    across: Sequence[str],
    down: Sequence[str],
    titles: tuple[str, str] = ("", ""),
) -> Image.Image:
    """Returns a sheet of pictures, given row by row. A place without a picture stays empty.

    across, down: labels of the columns and of the rows.
    titles: names of what varies across and down.
    """
    room = _MAX_SHEET // max(len(across), len(down))
    edge = min(_MAX_EDGE, max(_MIN_EDGE, room))
    cells = [_fit(path, edge) for path in pictures]
    width = max((cell.width for cell in cells if cell), default=edge)
    height = max((cell.height for cell in cells if cell), default=edge)
    letters = min(22, max(12, width // 12))
    line = height_of(letters)
    left = 2 * _GAP + min(400, max(width_of(text, letters) for text in (*down, titles[1], "")))
    top = 2 * _GAP + 2 * line
    size = (
        left + len(across) * (width + _GAP),
        top + len(down) * (height + _GAP),
    )
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)

    def write(at: tuple[float, float], text: str, space: int, anchor: str) -> None:
        text = shorten(text, letters, space)
        draw.text(at, text, _INK, font_for(text, letters), anchor=anchor)

    write((left, _GAP), titles[0], size[0] - left, "la")
    write((_GAP, _GAP + line), titles[1], left - 2 * _GAP, "la")
    for column, text in enumerate(across):
        write((left + column * (width + _GAP) + width / 2, _GAP + line), text, width, "ma")
    for row, text in enumerate(down):
        y = top + row * (height + _GAP)
        write((left - _GAP, y + height / 2), text, left - 2 * _GAP, "rm")
        for column in range(len(across)):
            cell = cells[row * len(across) + column]
            if cell is not None:
                sheet.paste(cell, (left + column * (width + _GAP), y))
    return sheet


def _fit(path: Path | None, edge: int) -> Image.Image | None:
    """Read a picture, or an animation's first one, and reduce it to `edge` if it is larger."""
    if path is None:
        return None
    with Image.open(path) as picture:
        still = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    small = max(still.size) * 4 <= edge
    if small:  # enlarged pixel by pixel, so that there is space for the labels
        times = max(1, min(128, edge) // max(still.size))
        still = still.resize((still.width * times, still.height * times), Image.Resampling.NEAREST)
    still.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    return on_checkerboard(still)
