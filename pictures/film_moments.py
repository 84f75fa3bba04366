"""Which pictures of a film to use: at certain times, the sharpest ones, or some of each scene."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .film import Film, Shown

Watch = Callable[[float], None]  # is called with the time that was reached

_WORTH_SEEKING = 2.0  # seconds to the next picture from which on it is looked up by the index
_MEASURED_ROWS = 360  # rows at most of a picture whose sharpness is measured
_COMPARED = 32  # width and height of the pictures that are compared to find cuts
_CUT = 0.08  # mean difference of two pictures from which on there may be a cut, of 1
_CUT_RATIO = 2.0  # how many times larger it must be than the differences just before and after
_AROUND_SECONDS = 0.25  # what "just before and after" means
_SHORTEST_SCENE = 0.4  # seconds
_ROUNDING = 1e-6  # seconds


class Scenes(NamedTuple):
    """The scenes of a film: when each begins, and when the last one ends."""

    begins: tuple[float, ...]
    end: float

    def number(self, time: float) -> int:
        """Returns the number of the scene at a time, from 0."""
        return max(0, int(np.searchsorted(self.begins, time + _ROUNDING, side="right")) - 1)

    def times(self, each: int) -> Iterator[float]:
        """Yields `each` times of every scene, evenly spread and away from its cuts."""
        for begin, end in zip(self.begins, (*self.begins[1:], self.end), strict=True):
            for part in range(each):
                yield begin + (part + 0.5) / each * (end - begin)


def steps(start: float, end: float, every: float) -> Iterator[float]:
    """Yields the times from `start` to before `end`."""
    number = 0
    while (time := start + number * every) < end - _ROUNDING:
        yield time
        number += 1


def shown_at(film: Film, times: Iterable[float]) -> Iterator[Shown]:
    """Yields the frames that are shown at these times, which ascend; each frame only once.

    If the next time is far away, the film is not decoded up to it, but looked up by its index.
    """
    reader, last = _Reader(film), None
    for time in times:
        shown = reader.at(time)
        if shown is None:
            return
        if last is None or shown.time > last:
            last = shown.time
            yield shown


class _Reader:
    """Reads a film at times that ascend."""

    def __init__(self, film: Film) -> None:
        self._film, self._worth = film, _WORTH_SEEKING
        self._now: Shown | None = None
        self._next: Shown | None = None
        self._frames: Iterator[Shown] = iter(())

    def at(self, time: float) -> Shown | None:
        """Returns the frame that is shown at this time; None after the end."""
        if self._now is None:
            self._start(time)
        elif time - self._now.time > self._worth:
            before = self._now.time
            self._start(time)
            if self._now is None or self._now.time <= before:  # the index did not help
                self._worth *= 2
        while self._next is not None and self._next.time <= time + _ROUNDING:
            self._now, self._next = self._next, next(self._frames, None)
        now = self._now
        if now is None or (self._next is None and time + _ROUNDING >= now.time + now.seconds):
            return None
        return now

    def _start(self, time: float) -> None:
        """Begin to read at this time, or before it."""
        self._frames = self._film.frames(time)
        self._now, self._next = next(self._frames, None), next(self._frames, None)


def sharpest(film: Film, start: float, end: float, every: float, watch: Watch) -> Iterator[Shown]:
    """Yields the sharpest frame of each stretch of `every` seconds; of equal ones, the first."""
    best, best_sharpness, stretch = None, -1.0, 0
    for shown in _window(film, start, end):
        watch(shown.time)
        number = int((shown.time - start + _ROUNDING) / every)
        if number > stretch and best is not None:
            yield best
            best_sharpness = -1.0
        stretch = number
        value = sharpness(shown)
        if value > best_sharpness:
            best, best_sharpness = shown, value
    if best is not None:
        yield best


def sharpness(shown: Shown) -> float:
    """Returns the variance of the Laplacian of a frame's brightness, at most 360 rows high."""
    columns, rows = shown.picture_size
    scale = min(1.0, _MEASURED_ROWS / min(columns, rows))
    size = max(3, round(columns * scale)), max(3, round(rows * scale))
    luma = shown.luma(*size).astype(np.int16)
    inner = luma[1:-1, 1:-1]
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return float(np.var(around - 4 * inner, dtype=np.float64))


def find_scenes(film: Film, start: float, end: float, watch: Watch) -> Scenes:
    """Returns the scenes of a film between two times.

    A new scene begins if a picture differs much from the one before, and much more than the
    pictures just before and after differ from each other. So movement and flashes make no scenes.
    Slow fades are not found.
    """
    times: list[float] = []
    changes: list[float] = []
    last, finish = None, start
    for shown in _window(film, start, end):
        watch(shown.time)
        small = shown.colours(_COMPARED, _COMPARED).astype(np.int16)
        change = 0.0 if last is None else float(np.abs(small - last).mean()) / 255
        times.append(shown.time)
        changes.append(change)
        last, finish = small, shown.time + shown.seconds
    return Scenes(_begins(times, changes), min(finish, end))


def _begins(times: Sequence[float], changes: Sequence[float]) -> tuple[float, ...]:
    begins = list(times[:1])
    for number, (time, change) in enumerate(zip(times, changes, strict=True)):
        near = range(max(0, number - 2), min(len(times), number + 3))
        around = [
            changes[other]
            for other in near
            if other != number and abs(times[other] - time) <= _AROUND_SECONDS
        ]
        is_cut = change > _CUT and change > _CUT_RATIO * max(around, default=0.0)
        if is_cut and time - begins[-1] >= _SHORTEST_SCENE - _ROUNDING:
            begins.append(time)
    return tuple(begins)


def _window(film: Film, start: float, end: float) -> Iterator[Shown]:
    """Yields the frames that begin between two times."""
    for shown in film.frames(start):
        if shown.time >= end - _ROUNDING:
            return
        if shown.time >= start - _ROUNDING:
            yield shown
