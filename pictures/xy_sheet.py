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
_MIN_EDGE, _MAX_EDGE = 96, 512  # smallest and largest side of a place in pixels
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
    """Where pictures and labels are, for pictures of these sizes.

    A grid has labels for its columns and its rows, if it fits on one page. Otherwise the pictures
    are in order, each with its own label, and continue on further pages.

    across, down: labels of the columns and of the rows; `down` is empty for pictures in order.
    labels:       the label of each picture, for pictures in order.
    titles:       names of what varies across and down.
    sizes:        the sizes of the pictures in pixels.
    """

    across: tuple[str, ...]
    down: tuple[str, ...]
    labels: tuple[str, ...]
    titles: tuple[str, str]
    sizes: frozenset[Size]

    @cached_property
    def is_grid(self) -> bool:
        most = _MAX_SHEET // (_MIN_EDGE + _GAP)
        if len(self.down) == 1:
            return len(self.across) <= _LONGEST_ROW
        return bool(self.down) and len(self.across) <= most and len(self.down) <= most

    @cached_property
    def edge(self) -> int:
        """The largest side of a picture on the sheet."""
        if self.is_grid:
            most = max(len(self.across), len(self.down))
        else:
            most = math.ceil(math.sqrt(len(self.labels)))
        return min(_MAX_EDGE, max(_MIN_EDGE, _MAX_SHEET // most - _GAP))

    @cached_property
    def cell(self) -> Size:
        """The size of a place."""
        fitted = [_fitted(size, self.edge) for size in self.sizes]
        sides = zip(*fitted, strict=True) if fitted else ((self.edge,), (self.edge,))
        width, height = map(max, sides)
        return width, height

    @cached_property
    def letters(self) -> int:
        """The height of the letters."""
        return min(22, max(12, self.cell[0] // 12))

    @cached_property
    def step(self) -> Size:
        """The distance from a place to the next."""
        label = 0 if self.is_grid else height_of(self.letters) + _GAP // 2
        return self.cell[0] + _GAP, self.cell[1] + label + _GAP

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
        if self.is_grid:
            return len(self.across) * len(self.down)
        return self.columns * max(1, _MAX_SHEET // self.step[1])

    @property
    def pages(self) -> int:
        """The number of pages."""
        count = self.per_page if self.is_grid else len(self.labels)
        return -(-count // self.per_page)

    def page_of(self, number: int) -> int:
        """Returns the page of the picture with this number; both count from 0."""
        return number // self.per_page

    def draw(self, page: int, places: Sequence[Place]) -> Image.Image:
        """Returns a page. `places` are those of all pictures, row by row."""
        first = page * self.per_page
        places = places[first : first + self.per_page]
        line, (width, height) = height_of(self.letters), self.step
        top, left = 2 * _GAP + line, _GAP
        if self.is_grid:
            texts = (*self.down, self.titles[1], "")
            left = 2 * _GAP + min(400, max(width_of(text, self.letters) for text in texts))
            top += line
        rows = len(self.down) if self.is_grid else -(-len(places) // self.columns)
        sheet = Image.new("RGB", (left + self.columns * width, top + rows * height), "white")
        draw = ImageDraw.Draw(sheet)
        for number, place in enumerate(places):
            row, column = divmod(number, self.columns)
            at = (left + column * width, top + row * height)
            self._place(sheet, at, place)
            if not self.is_grid:
                below = (at[0] + self.cell[0] / 2, at[1] + self.cell[1] + _GAP // 4)
                self._write(draw, below, self.labels[first + number], self.cell[0], "ma")
        if self.is_grid:
            self._label_grid(draw, left, top, sheet.width)
        else:
            number = f"page {page + 1} of {self.pages}: " if self.pages > 1 else ""
            title = number + ", ".join(filter(None, self.titles))
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

    def _label_grid(self, draw: ImageDraw.ImageDraw, left: int, top: int, width: int) -> None:
        line = height_of(self.letters)
        self._write(draw, (left, _GAP), self.titles[0], width - left, "la")
        self._write(draw, (_GAP, _GAP + line), self.titles[1], left - 2 * _GAP, "la")
        for column, text in enumerate(self.across):
            at = (left + column * self.step[0] + self.cell[0] / 2, _GAP + line)
            self._write(draw, at, text, self.cell[0], "ma")
        for row, text in enumerate(self.down):
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
    if longest * 4 <= edge:
        times = max(1, min(128, edge) // longest)
        return size[0] * times, size[1] * times
    if longest <= edge:
        return size
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
