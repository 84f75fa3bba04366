"""Plots of tables: curves, bars and confusion matrices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from .axes import fraction, is_text, number_text, numbers, smooth, tick_texts, ticks
from .lettering import shorten, width_of
from .pen import FRAME, HUES, INK, MUTED, RULE, TRACK, Box, Pen, Pixels, pale

Kind = Literal["curves", "bars", "confusion"]
Columns = Mapping[str, Sequence[Any]]

_SMALL, _TEXT, _TITLE = 11, 13, 18  # letter sizes in pixels


class PlotError(ValueError):
    """A table can't be plotted: `what` is wrong, and `advice` says what to do."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.what, self.advice = what, advice


def plot(
    columns: Columns, x: str, kind: Kind | None, title: str, width: int, height: int
) -> Pixels:
    """Returns a plot of a table, width x height pixels.

    x:    name of the column with the curves' x values. If there is none, these are row numbers.
    kind: None chooses the kind that suits the table.

    Raises: PlotError if the table can't be plotted in this way or does not fit.
    """
    if not columns or not len(next(iter(columns.values()))):
        raise PlotError("the table is empty", "connect a table that has rows")
    pen = Pen(width, height)
    top = 12.0
    if title:
        pen.text(16, 22, shorten(title, _TITLE, width - 32), _TITLE)
        top = 42.0
    box = (16.0, top, width - 16.0, height - 10.0)
    kind = kind or suitable_kind(columns, x)
    if kind == "curves":
        _curves(pen, columns, x, box)
    else:
        {"bars": _bars, "confusion": _confusion}[kind](pen, columns, box)
    return pen.pixels()


def suitable_kind(columns: Columns, x: str) -> Kind:
    """Returns the kind of plot that suits a table; a table with an `x` contains curves."""
    texts = [name for name in columns if is_text(columns[name])]
    if not texts or (x in columns and x not in texts):
        return "curves"
    first = [str(cell) for cell in columns[texts[0]]]
    return "confusion" if first == [name for name in columns if name != texts[0]] else "bars"


def _curves(pen: Pen, columns: Columns, x: str, box: Box) -> None:
    """Draw a panel for each metric, as their scales differ."""
    metrics = {n: numbers(c) for n, c in columns.items() if n != x and not is_text(c)}
    if not metrics:
        besides = f" besides `{x}`" if x else ""
        raise PlotError(f"curves need a column of numbers{besides}", "choose another kind")
    if len(metrics) > 24:
        raise PlotError(
            f"{len(metrics)} columns are too many for curves", "choose at most 24 in `columns`"
        )
    rows = len(next(iter(metrics.values())))
    xs = numbers(columns[x]) if x in columns else [float(i) for i in range(rows)]
    left, top, right, bottom = box
    count = len(metrics)
    across = min(
        range(1, count + 1),
        key=lambda n: _badness((right - left) / n, (bottom - top) / math.ceil(count / n), count, n),
    )
    wide, high = (right - left) / across, (bottom - top) / math.ceil(count / across)
    if wide < 110 or high < 80:
        raise PlotError(
            f"{count} curves don't fit into {right - left:.0f} x {bottom - top:.0f} px",
            "make the plot larger",
        )
    for number, (name, values) in enumerate(metrics.items()):
        row, column = divmod(number, across)
        at, y = left + column * wide, top + row * high
        colour = HUES[number % len(HUES)]
        _panel(pen, name, xs, values, (at, y, at + wide - 12, y + high - 4), colour)


def _badness(wide: float, high: float, count: int, across: int) -> float:
    """Returns how much a panel's shape differs from 1.6 to 1, plus a penalty for empty places."""
    return abs(math.log(wide / high / 1.6)) + 0.15 * (-count % across)


def _panel(
    pen: Pen,
    name: str,
    xs: Sequence[float | None],
    ys: Sequence[float | None],
    box: Box,
    colour: str,
) -> None:
    points = [(x, y) for x, y in zip(xs, ys, strict=True) if x is not None and y is not None]
    left, top, right, bottom = box
    pen.text(left, top + 9, shorten(name, _TEXT, int(right - left)), _TEXT)
    if not points:
        pen.text((left + right) / 2, (top + bottom) / 2, "no values", _TEXT, MUTED, "mm")
        return
    x_ticks = ticks([x for x, _ in points], max(2, int((right - left) / 90)))
    y_ticks = ticks([y for _, y in points], max(2, int((bottom - top) / 45)))
    labels = tick_texts(y_ticks)
    frame_left = left + 8 + max(width_of(text, _SMALL) for text in labels)
    frame = (frame_left, top + 24, right, bottom - 20)

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            frame[0] + fraction(x, x_ticks) * (frame[2] - frame[0]),
            frame[3] - fraction(y, y_ticks) * (frame[3] - frame[1]),
        )

    for tick, text in zip(y_ticks, labels, strict=True):
        level = place(x_ticks[0], tick)[1]
        pen.line([(frame[0], level), (frame[2], level)], RULE)
        pen.text(frame[0] - 6, level, text, _SMALL, MUTED, "rm")
    for tick, text in zip(x_ticks, tick_texts(x_ticks), strict=True):
        x, foot = place(tick, y_ticks[0])
        pen.line([(x, foot), (x, foot + 4)], FRAME)
        pen.text(x, foot + 12, text, _SMALL, MUTED, "rm" if tick == x_ticks[-1] else "mm")
    pen.line([(frame[0], frame[3]), (frame[2], frame[3])], FRAME)
    noisy = len(points) > 60
    pen.line([place(x, y) for x, y in points], pale(colour) if noisy else colour, 1.5)
    if noisy:
        pen.line([place(x, y) for x, y in smooth(points)], colour, 2)
    elif len(points) <= 30:
        pen.dots([place(x, y) for x, y in points], colour)


def _bars(pen: Pen, columns: Columns, box: Box) -> None:
    """Draw a bar for each row, labelled by the first column of text.

    The length of the bar is the next column of numbers.
    """
    names = list(columns)
    label = next((n for n in names if is_text(columns[n])), None)
    candidates = names[names.index(label) + 1 :] + names if label else names
    value = next((n for n in candidates if not is_text(columns[n])), None)
    if value is None:
        raise PlotError("bars need a column of numbers", "choose other columns")
    values = numbers(columns[value])
    texts = [str(c) for c in columns[label]] if label else [str(i) for i in range(len(values))]
    left, top, right, bottom = box
    pitch = min(34.0, (bottom - top - 24) / len(values))
    if pitch < 11:
        raise PlotError(
            f"{len(values)} bars don't fit into {bottom - top:.0f} px", "make the plot higher"
        )
    size = min(_TEXT, round(pitch * 0.7))
    pen.text(right, top + 8, shorten(value, _TEXT, int(right - left)), _TEXT, MUTED, "rm")
    room = int((right - left) * 0.4)
    start = left + 10 + max(min(room, width_of(text, size)) for text in texts)
    value_texts = [number_text(v) if v is not None else "unknown" for v in values]
    end = right - 8 - max(width_of(text, size) for text in value_texts)
    finite = [v for v in values if v is not None]
    axis = (min([0.0, *finite]), max([0.0, *finite]) or 1.0)
    zero = start + fraction(0.0, axis) * (end - start)
    for row, (text, number, value_text) in enumerate(zip(texts, values, value_texts, strict=True)):
        middle = top + 24 + (row + 0.5) * pitch
        tip = start + fraction(number or 0.0, axis) * (end - start)
        pen.box((start, middle - pitch * 0.36, end, middle + pitch * 0.36), TRACK)
        thick = pitch * 0.36
        pen.box((min(zero, tip), middle - thick, max(zero, tip), middle + thick), HUES[0])
        pen.text(start - 8, middle, shorten(text, size, room), size, INK, "rm")
        pen.text(end + 6, middle, value_text, size, MUTED)
    foot = top + 24 + pitch * len(values)
    pen.line([(zero, top + 22), (zero, foot)], FRAME)


def _confusion(pen: Pen, columns: Columns, box: Box) -> None:
    """Draw a confusion matrix: rows are true classes, columns are predicted ones.

    The shade of a cell is its share of the row.
    """
    label = next((n for n in columns if is_text(columns[n])), None)
    if label is None:
        raise PlotError("a confusion matrix needs a column of class names", "choose another kind")
    across = [name for name in columns if name != label]
    down = [str(cell) for cell in columns[label]]
    if not across or any(is_text(columns[name]) for name in across):
        raise PlotError("a confusion matrix needs columns of counts", "choose another kind")
    left, top, right, bottom = box
    room = int(min(right - left, bottom - top) * 0.3)
    size = _TEXT
    names_wide = max(min(room, width_of(text, size)) for text in [*across, *down]) + 10
    cell = min(
        (right - left - names_wide - 24) / len(across), (bottom - top - names_wide - 24) / len(down)
    )
    if cell < 12:
        raise PlotError(
            f"{len(down)} classes don't fit into {right - left:.0f} x {bottom - top:.0f} px",
            "make the plot larger",
        )
    size = min(size, round(cell * 0.8))
    x0 = left + 24 + names_wide + max(0, (right - left - names_wide - 24 - cell * len(across)) / 2)
    y0 = top + 24 + names_wide
    counts = np.array([[v or 0.0 for v in numbers(columns[name])] for name in across]).T
    shares = counts / np.maximum(np.abs(counts).sum(axis=1, keepdims=True), 1e-9)
    pen.text(x0 + cell * len(across) / 2, top + 8, "taken for", _TEXT, MUTED, "mm")
    text_wide = width_of("true", _TEXT)
    pen.vertical_text(
        x0 - names_wide - 10, y0 + (cell * len(down) + text_wide) / 2, "true", _TEXT, MUTED
    )
    for column, name in enumerate(across):
        pen.vertical_text(x0 + (column + 0.5) * cell, y0 - 6, shorten(name, size, room), size)
    for row, name in enumerate(down):
        y = y0 + row * cell
        pen.text(x0 - 8, y + cell / 2, shorten(name, size, room), size, INK, "rm")
        for column in range(len(across)):
            x, share = x0 + column * cell, float(np.clip(shares[row, column], 0, 1))
            pen.box((x, y, x + cell - 1, y + cell - 1), pale(HUES[0], 0.95 * (1 - share)))
            text = number_text(float(counts[row, column]))
            letters = min(size, int(cell * 0.9 / max(1, len(text)) * 1.6))
            if text != "0" and letters >= 6:
                colour = "#ffffff" if share > 0.55 else INK
                pen.text(x + cell / 2, y + cell / 2, text, letters, colour, "mm")
