"""Numbers on axes: reading them from a table, ticks, labels and smoothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

_LIMIT = 1e30  # larger numbers are left out, as sums and differences would overflow


def is_text(column: Sequence[Any]) -> bool:
    """Returns whether a table's column contains text."""
    return any(isinstance(cell, str) for cell in column)


def numbers(column: Sequence[Any]) -> list[float | None]:
    """Returns a column's cells as numbers; None for a cell that can't be placed on an axis."""
    return [
        float(cell) if isinstance(cell, int | float) and abs(cell) < _LIMIT else None
        for cell in column
    ]


def ticks(values: Sequence[float], count: int) -> list[float]:
    """Returns about `count` round numbers, in steps of 1, 2, 2.5 or 5, that enclose all values."""
    low, high = min(values), max(values)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        margin = abs(low) * 0.1 or 1.0
        low, high = low - margin, high + margin
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    return [number * step for number in range(first, last + 1)]


def fraction(value: float, marks: Sequence[float]) -> float:
    """Returns the position of a value between the outer ticks, in 0..1."""
    return (value - marks[0]) / (marks[-1] - marks[0])


def tick_texts(marks: Sequence[float]) -> list[str]:
    """Returns the labels of ticks, with as few decimals as distinguish them.

    Thousands are written as k, millions as M.
    """
    step, peak = abs(marks[1] - marks[0]), max(map(abs, marks))
    if peak >= 1e9 or peak < 1e-4:
        return [f"{mark:.3g}" for mark in marks]
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if peak >= 10 * size or (peak >= size and step >= size / 10):
            decimals = _decimals(step / size)
            return [f"{mark / size:.{decimals}f}{unit}" if mark else "0" for mark in marks]
    return [f"{mark:.{_decimals(step)}f}" for mark in marks]


def _decimals(step: float) -> int:
    """Returns the number of decimals that multiples of a step need, to about three digits."""
    for decimals in range(8):
        if abs(step * 10**decimals - round(step * 10**decimals)) < 1e-3 * step * 10**decimals:
            return decimals
    return 8


def number_text(number: float) -> str:
    """Returns a number as text of three or four digits; integers below a million are exact."""
    if number == int(number) and abs(number) < 1e6:
        return f"{int(number):,}"
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:.4g}"


def smooth(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Replace each y by the mean over its neighbours, a fiftieth of the curve to either side."""
    reach, last = max(1, len(points) // 50), len(points) - 1
    sums = np.cumsum([0.0, *(y for _, y in points)])
    smoothed = []
    for place, (x, _) in enumerate(points):
        first, end = max(0, place - reach), min(last, place + reach) + 1
        smoothed.append((x, float((sums[end] - sums[first]) / (end - first))))
    return smoothed
