"""Sheets of the pictures of a sweep, with labels, in pages if they are too many for one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image, ImageDraw

from .alpha import on_checkerboard
from .lettering import font_for, height_of, shorten, width_of

_GAP = 8  # pixels between pictures
_MAX_SHEET = 4_096  # most pixels of all pictures across, and down
_MAX_EDGE = 512  # largest side of a picture in pixels
_IN_GRID, _IN_ORDER = 64, 96  # the side that pictures have at least in a grid, and in order
_LONGEST_ROW = 8  # most pictures of a single row, if there are no other rows
_INK = "#26282c"
_EMPTY = ("#f3f3f1", "#d8d8d4", "#8a8d93")  # fill, border and letters of a place without a picture
_FAILED = ("#fbe9e7", "#b3261e", "#b3261e")

Size = tuple[int, int]


@dataclass(frozen=True)
class Place:
    """The place of one picture on a sheet.

    path:  the picture; None if there is none.
    note:  what is written instead of the picture.
    alarm: whether this is a failure.
    """

    path: Path | None
    note: str = ""
    alarm: bool = False


@dataclass(frozen=True)
class Layout:
    """The places of pictures and labels, for pictures of these sizes.

    A grid has labels for its columns and its rows. If it is much too wide or too long, the pictures
    are in order instead, each with its own label. Both continue on further pages.

    across, down: labels of the columns and of the rows; empty for pictures in order.
    labels:       the label of each picture, for pictures in order: a text for each line.
    titles:       names of what varies across and down, or of the lines of a label.
    sizes:        the sizes of the pictures in pixels.
    """

    across: tuple[str, ...]
    down: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    titles: tuple[str, ...]
    sizes: frozenset[Size]

    @cached_property
    def is_grid(self) -> bool:
        if len(self.down) < 2:
            return 0 < len(self.across) <= _LONGEST_ROW
        width, height = (side + _GAP for side in self._cell(self._grid_edge))
        wide, high = len(self.across) * width, len(self.down) * height
        return wide <= _MAX_SHEET and (high <= _MAX_SHEET or wide >= _MAX_SHEET // 2)

    @cached_property
    def edge(self) -> int:
        """The largest side of a picture on the sheet."""
        if self.is_grid:
            return self._grid_edge
        return _edge(math.ceil(math.sqrt(len(self.labels))), _IN_ORDER)

    @property
    def _grid_edge(self) -> int:
        return _edge(max(len(self.across), len(self.down)), _IN_GRID)

    @cached_property
    def cell(self) -> Size:
        """The size of a place."""
        return self._cell(self.edge)

    def _cell(self, edge: int) -> Size:
        fitted = [_fitted(size, edge) for size in self.sizes] or [(edge, edge)]
        width, height = map(max, zip(*fitted, strict=True))
        return width, height

    @cached_property
    def letters(self) -> int:
        """The height of the letters."""
        return min(22, max(12, self.cell[0] // 12))

    @cached_property
    def step(self) -> Size:
        """The distance from a place to the next."""
        lines = 0 if self.is_grid else max(map(len, self.labels))
        return self.cell[0] + _GAP, self.cell[1] + lines * height_of(self.letters) + _GAP

    @cached_property
    def columns(self) -> int:
        """The number of pictures in a row.

        Pictures in order have whole rows of a grid below each other if possible.
        """
        if self.is_grid:
            return len(self.across)
        count, (width, height) = len(self.labels), self.step
        most = max(1, _MAX_SHEET // width)
        across = len(self.across)
        if len(self.down) > 1 and across > most:
            return math.ceil(across / math.ceil(across / most))
        square = math.ceil(math.sqrt(count * height / width))
        if len(self.down) > 1:
            return across * max(1, min(most, square) // across)
        return min(most, count, square)

    @cached_property
    def per_page(self) -> int:
        """The number of pictures on a page."""
        rows = max(1, _MAX_SHEET // self.step[1])
        return self.columns * (min(rows, len(self.down)) if self.is_grid else rows)

    @property
    def pages(self) -> int:
        """The number of pages."""
        return -(-len(self.labels) // self.per_page)

    def page_of(self, number: int) -> int:
        """Returns the page of the picture with this number; both count from 0."""
        return number // self.per_page

    def draw(self, page: int, places: Sequence[Place]) -> Image.Image:
        """Returns a page. `places` are those of all pictures, row by row."""
        first = page * self.per_page
        places = places[first : first + self.per_page]
        labels = self.labels[first : first + self.per_page]
        line, (width, height) = height_of(self.letters), self.step
        rows = -(-len(places) // self.columns)
        down = self.down[first // self.columns :][:rows] if self.is_grid else ()
        left, top = _GAP, 2 * _GAP + line
        if self.is_grid:
            texts = (*self.down, self.titles[1])
            left = 2 * _GAP + min(400, max(width_of(text, self.letters) for text in texts))
            top += line
        sheet = Image.new("RGB", (left + self.columns * width, top + rows * height), "white")
        draw = ImageDraw.Draw(sheet)
        for number, (place, label) in enumerate(zip(places, labels, strict=True)):
            row, column = divmod(number, self.columns)
            x, y = left + column * width, top + row * height
            self._place(sheet, (x, y), place)
            for below, text in enumerate(() if self.is_grid else label):
                middle = (x + self.cell[0] / 2, y + self.cell[1] + 1 + below * line)
                self._write(draw, middle, text, self.cell[0], "ma")
        pages = f"page {page + 1} of {self.pages}: " if self.pages > 1 else ""
        if self.is_grid:
            self._write(draw, (left, _GAP), pages + self.titles[0], sheet.width - left, "la")
            self._label_grid(draw, left, top, down)
        else:
            title = pages + ", ".join(filter(None, self.titles))
            self._write(draw, (_GAP, _GAP), title, sheet.width - 2 * _GAP, "la")
        return sheet

    def _place(self, sheet: Image.Image, at: Size, place: Place) -> None:
        """Draw a picture in the middle of its place, or what is written instead."""
        (x, y), (width, height) = at, self.cell
        if place.path is not None:
            try:
                picture = _fit(place.path, self.edge)
            except OSError:  # it was deleted or changed since
                place = Place(None, "unreadable", alarm=True)
            else:
                middle = (x + (width - picture.width) // 2, y + (height - picture.height) // 2)
                sheet.paste(picture, middle)
                return
        draw = ImageDraw.Draw(sheet)
        fill, line, ink = _FAILED if place.alarm else _EMPTY
        draw.rectangle((x, y, x + width - 1, y + height - 1), fill, line)
        self._write(draw, (x + width / 2, y + height / 2), place.note, width - 4, "mm", ink)

    def _label_grid(
        self, draw: ImageDraw.ImageDraw, left: int, top: int, down: Sequence[str]
    ) -> None:
        """Write the labels of the columns above, and those of the rows of this page beside."""
        above = _GAP + height_of(self.letters)
        self._write(draw, (_GAP, above), self.titles[1], left - 2 * _GAP, "la")
        for column, text in enumerate(self.across):
            at = (left + column * self.step[0] + self.cell[0] / 2, above)
            self._write(draw, at, text, self.cell[0], "ma")
        for row, text in enumerate(down):
            y = top + row * self.step[1] + self.cell[1] / 2
            self._write(draw, (left - _GAP, y), text, left - 2 * _GAP, "rm")

    def _write(
        self,
        draw: ImageDraw.ImageDraw,
        at: tuple[float, float],
        text: str,
        space: int,
        anchor: str,
        colour: str = _INK,
    ) -> None:
        text = shorten(text, self.letters, space)
        draw.text(at, text, colour, font_for(text, self.letters), anchor=anchor)


def _edge(count: int, least: int) -> int:
    """Returns the largest side of each of so many pictures beside each other."""
    return min(_MAX_EDGE, max(least, _MAX_SHEET // count - _GAP))


def size_of(path: Path) -> Size | None:
    """Returns the size of a picture in pixels; None if it can't be read."""
    try:
        with Image.open(path) as picture:
            return picture.size
    except OSError:
        return None


def _fitted(size: Size, edge: int) -> Size:
    """Returns the size on the sheet of a picture of this size.

    A small one is enlarged a whole number of times, so that there is space for labels.
    """
    longest = max(size)
    if longest <= edge:
        times = max(1, min(128, edge) // longest)
        return size[0] * times, size[1] * times
    width, height = (max(1, round(side * edge / longest)) for side in size)
    return width, height


def _fit(path: Path, edge: int) -> Image.Image:
    """Read a picture, or an animation's first one, in its size on the sheet."""
    with Image.open(path) as picture:
        still = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    size = _fitted(still.size, edge)
    enlarge = size[0] > still.width
    still = still.resize(size, Image.Resampling.NEAREST if enlarge else Image.Resampling.LANCZOS)
    return on_checkerboard(still)
