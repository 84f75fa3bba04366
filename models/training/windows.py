"""The order in which a training draws pictures that are in shards and do not fit into memory.

In each epoch, the chunks (pictures that are beside each other in a shard) are shuffled, and cut
into windows of a fixed number of pictures. A training draws from one window at a time. Which
pictures it draws depends on the seed and the step alone, so a resumed training reads only the
window in which it goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from .rng import rng
from .sampler import Sampler

_ORDER = 1 << 32  # first counter of the random numbers for chunks and windows


@runtime_checkable
class Streamed(Protocol):
    """Pictures in shards.

    chunks: int64, the first picture of each chunk.
    window: number of pictures of a window.
    """

    chunks: Tensor
    window: int

    def expect(self, windows: Sequence[Tensor]) -> None:
        """Read these pictures, in ascending order, in the background, and forget all others."""

    def found(self) -> Any:
        """Returns what was noticed while reading, for another process."""

    def add_found(self, found: Any) -> None:
        """Accept what another process noticed about the same pictures."""


def streamed(images: Any) -> Streamed | None:
    """Returns the pictures if they are in shards; None if they are in memory or mapped."""
    return images if not isinstance(images, Tensor) and isinstance(images, Streamed) else None


def streams_in(values: Iterable[Any]) -> list[Streamed]:
    """Returns those of some arguments of a training that are pictures in shards."""
    return [stream for value in values if (stream := streamed(value)) is not None]


class Window(NamedTuple):
    """A part of an epoch.

    number: which window of the epoch it is.
    start:  the place of its first picture in the epoch.
    rows:   its pictures in the order in which they are drawn, int64.
    """

    epoch: int
    number: int
    start: int
    rows: Tensor


class _Epoch(NamedTuple):
    """The order of the chunks in an epoch, the place of each, and the first one of each window."""

    number: int
    chunks: Tensor
    places: Tensor
    windows: Tensor


class Windows:
    """The windows of all epochs.

    images: the pictures.
    rows:   the numbers of those that are drawn, int64, in any order, each once.
    """

    def __init__(self, images: Streamed, rows: Tensor, seed: int) -> None:
        self._images, self._seed = images, seed
        self._rows = rows.sort().values
        numbers = torch.searchsorted(images.chunks, self._rows, right=True)
        self._sizes = torch.unique_consecutive(numbers, return_counts=True)[1]
        self._starts = self._sizes.cumsum(0) - self._sizes
        self._epoch: _Epoch | None = None
        self._now: Window | None = None

    def __len__(self) -> int:
        """Number of pictures in an epoch."""
        return len(self._rows)

    def at(self, place: int) -> Window:
        """Returns the window that contains this place, counted over all epochs.

        It and the next window are read in the background.
        """
        epoch, inside = divmod(place, len(self))
        now = self._now
        if now is None or now.epoch != epoch or not 0 <= inside - now.start < len(now.rows):
            now = self._window(epoch, inside)
            after = epoch * len(self) + now.start + len(now.rows)
            following = self._window(*divmod(after, len(self)))
            self._images.expect([window.rows.sort().values for window in (now, following)])
            self._now = now
        return now

    def _window(self, epoch: int, inside: int) -> Window:
        order = self._order(epoch)
        first = order.places[order.windows]
        number = int(torch.searchsorted(first, inside, right=True)) - 1
        begin = int(order.windows[number])
        end = int(order.windows[number + 1]) if number + 1 < len(first) else len(order.chunks)
        chunks = order.chunks[begin:end]
        parts = zip(self._starts[chunks].tolist(), self._sizes[chunks].tolist(), strict=True)
        rows = torch.cat([self._rows[start : start + size] for start, size in parts])
        shuffled = torch.randperm(len(rows), generator=rng(self._seed, _ORDER, epoch, number))
        return Window(epoch, number, int(first[number]), rows[shuffled])

    def _order(self, epoch: int) -> _Epoch:
        if self._epoch is None or self._epoch.number != epoch:
            chunks = torch.randperm(len(self._sizes), generator=rng(self._seed, _ORDER, epoch))
            sizes = self._sizes[chunks]
            places = sizes.cumsum(0) - sizes
            windows = places // self._images.window
            counts = torch.unique_consecutive(windows, return_counts=True)[1]
            self._epoch = _Epoch(epoch, chunks, places, counts.cumsum(0) - counts)
        return self._epoch


class StreamSampler:
    """Chooses the pictures of each step, as `Sampler` does, but window by window."""

    def __init__(self, windows: Windows, batch: int) -> None:
        self._windows, self._batch = windows, batch

    def indices(self, step: int) -> Tensor:
        """Returns the rows of step number `step` (from 0), int64 (batch,)."""
        place, parts, missing = step * self._batch, [], self._batch
        while missing:
            window = self._windows.at(place)
            start = place % len(self._windows) - window.start
            parts.append(window.rows[start : start + missing])
            place, missing = place + len(parts[-1]), missing - len(parts[-1])
        return torch.cat(parts)


def sampler_of(images: Tensor, rows: Tensor, batch: int, seed: int) -> Sampler | StreamSampler:
    """Returns what chooses the pictures of each step.

    rows: int64, the numbers of the pictures, each as often as an epoch contains it.
    """
    stream = streamed(cast("Any", images))
    if stream is None:
        return Sampler(rows, batch, seed)
    return StreamSampler(Windows(stream, rows, seed), batch)
