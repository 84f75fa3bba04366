"""Pictures of a dataset that stay in their shards and are read when they are used.

A training draws them window by window (models/training/windows.py): two windows are in memory, the
one that is used and the next one, which threads read meanwhile. Any other picture is read alone.
What is read never depends on what is in memory, so the bits do not depend on threads or windows.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..errors import InputError
from ..shards import add_places, known_places, place_of
from .pictures import PictureBatch
from .socket import Blob, Buffers, Json

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ...pictures.sources.shard_files import Shard
    from ...pictures.sources.shard_index import ShardIndex
    from ...pictures.sources.shard_reader import Pixels, ShardReader

ALONE_BYTES = 1 << 24  # bytes of pictures that were read alone and stay in memory
_MOST_TRIED = 100  # pictures of a class that are tried instead of one that can't be read
_SHOWN = 3  # names in a message
_AT_ONCE = 64  # pictures that one thread reads
_ARRAYS = ("starts", "places", "chunks", "shard_names", "shard_ends")
# Why pictures can't be read, by row, and other notes with some of the rows that they are about.
Found = tuple[dict[int, str], dict[str, list[int]]]


class StreamPlan(NamedTuple):
    """How the pictures of a list of shards are read.

    source:     the digest of the list, by which its place is found.
    shards:     the list.
    height, width, fit, background: as in `read_fitted`.
    buffer:     bytes of pictures that may be in memory.
    """

    source: str
    shards: list[Shard]
    height: int
    width: int
    fit: str
    background: str | None
    buffer: int

    @property
    def size(self) -> tuple[int, int, int]:
        """Height, width and channels of a picture."""
        return self.height, self.width, 4 if self.background is None else 3


class StreamedPictures(PictureBatch):
    """Pictures, uint8 (N, H, W, C), in shards; used like a tensor that can't be changed.

    labels: int64 (N,), the numbers of their classes.
    chunks: int64, the first picture of each chunk; the pictures of a chunk are read together.
    window: number of pictures that a training draws from at a time.
    """

    is_cuda = False
    ndim = 4

    def __init__(
        self,
        plan: StreamPlan,
        labels: Tensor,
        arrays: dict[str, Tensor],
        change: Callable[[Tensor], Tensor] | None = None,
        channels: int | None = None,
    ) -> None:
        """`change`: what happens to pictures after they are read; it returns `channels`."""
        self._plan, self.labels, self._arrays, self._change = plan, labels, arrays, change
        size = (*plan.size[:2], channels or plan.size[2])
        super().__init__(size, range(len(labels)), self._alone)
        self.chunks = arrays["chunks"]
        self.window = max(1, plan.buffer // 2 // math.prod(plan.size))
        self._windows: list[_Window] = []
        self._few: OrderedDict[int, Tensor] = OrderedDict()
        self._lock, self._few_lock = threading.Lock(), threading.Lock()
        self._bad: dict[int, str] = {}
        self._notes: dict[str, list[int]] = {}
        self._opened: ShardReader | None = None
        self._threads: ThreadPoolExecutor | None = None

    @property
    def dtype(self) -> torch.dtype:
        """The type of the levels, as of a tensor."""
        import torch

        return torch.uint8

    @property
    def device(self) -> torch.device:
        """The device on which pictures are when they are read, as of a tensor."""
        import torch

        return torch.device("cpu")

    def __getitem__(self, index: Any) -> Any:
        """Returns pictures as a tensor; a slice is a batch. A tuple also chooses their pixels."""
        import torch

        if isinstance(index, tuple):
            rows, *places = index
            unique, where = rows.flatten().unique(return_inverse=True)
            return self[unique][(where.view(rows.shape), *places)]
        if isinstance(index, torch.Tensor):
            return self._alone((index + 0).where(index >= 0, index + len(self)).tolist())
        return super().__getitem__(index)

    def at(self, rows: Sequence[int]) -> Tensor:
        """Returns pictures as a tensor."""
        return self._alone(rows)

    def changed(self, change: Callable[[Tensor], Tensor], channels: int) -> StreamedPictures:
        """Returns the pictures, changed after they are read, with so many channels."""
        assert self._change is None, "pictures are changed once"
        changed = StreamedPictures(self._plan, self.labels, self._arrays, change, channels)
        changed._bad, changed._notes, changed._lock = self._bad, self._notes, self._lock
        return changed

    def expect(self, windows: Sequence[Tensor]) -> None:
        """Read these pictures in the background, and forget those of other windows.

        windows: row numbers in ascending order, for each window; the first one is needed first.
        """
        import torch

        known, self._windows = self._windows, []
        for rows in windows:
            there = (*known, *self._windows)
            same = (window for window in there if torch.equal(window.rows, rows))
            self._windows.append(next(same, None) or self._load(rows))
        for window in known:
            if not any(window is other for other in self._windows):
                window.cancel()

    def name(self, row: int) -> str:
        """Returns the shard of a picture, and its name there."""
        import numpy as np

        starts = self._arrays["starts"].numpy()
        shard = self._plan.shards[int(np.searchsorted(starts, row, side="right")) - 1]
        return f"{shard.name}/{self._name_there(row)}"

    def report(self, what: str) -> str:
        """Returns what could not be read so far, for people; empty if all could.

        what: what is done about pictures that can't be read.
        """
        parts = []
        with self._lock:
            if self._bad:
                shown = [
                    f"{self.name(row)}: {self._bad[row]}" for row in sorted(self._bad)[:_SHOWN]
                ]
                more = ", ..." if len(self._bad) > _SHOWN else ""
                one, several = "1 picture can't be read, and is", "pictures can't be read, and are"
                count = one if len(self._bad) == 1 else f"{len(self._bad)} {several}"
                parts.append(f"{count} {what} ({', '.join(shown)}{more})")
            for text, rows in self._notes.items():
                names = ", ".join(self.name(row) for row in sorted(rows)[:_SHOWN])
                parts.append(f"{text} ({names}{', ...' if len(rows) > _SHOWN else ''})")
        return "; ".join(parts)

    def found(self) -> Found:
        """Returns what was noticed while reading, for another process."""
        with self._lock:
            return dict(self._bad), {text: list(rows) for text, rows in self._notes.items()}

    def add_found(self, found: Found) -> None:
        """Accept what another process noticed about the same pictures."""
        bad, notes = found
        for row, reason in bad.items():
            self._add_bad(row, reason)
        for text, rows in notes.items():
            for row in rows:
                self._add_note(row, text)

    def __reduce__(self) -> Any:
        """The form for another process: the places of the pictures, and not the pictures."""
        source = self._plan.source
        places = {digest: place for digest, place in known_places().items() if digest == source}
        channels = self.shape[3]
        parts = self._plan, self.labels, self._arrays, self._change, channels
        return _received, (places, parts), {"chunks": self.chunks, "window": self.window}

    def readable(self) -> Tensor:
        """Returns the rows of the pictures that could be read so far, int64."""
        import torch

        mask = torch.ones(len(self), dtype=torch.bool)
        mask[sorted(self._bad)] = False
        return mask.nonzero()[:, 0]

    def encode(self, classes: tuple[str, ...]) -> tuple[Json, Buffers]:
        """Returns the form in the store: the places of the pictures, and not the pictures."""
        plan = self._plan._asdict() | {"shards": [list(shard) for shard in self._plan.shards]}
        return {"classes": list(classes), "stream": plan}, {**self._arrays, "labels": self.labels}

    @staticmethod
    def decode(meta: Json, blob: Blob) -> StreamedPictures:
        """Returns the pictures of a dataset that was stored by `encode`."""
        from ...pictures.sources.shard_files import Shard

        plan = meta["stream"] | {"shards": [Shard(*shard) for shard in meta["stream"]["shards"]]}
        arrays = {name: blob.tensor(name) for name in _ARRAYS}
        return StreamedPictures(StreamPlan(**plan), blob.tensor("labels"), arrays)

    @staticmethod
    def of_index(plan: StreamPlan, index: ShardIndex) -> StreamedPictures:
        """Returns the pictures at these places."""
        import torch

        found: list[Any] = [index.starts, index.places, index.chunks, index.names, index.ends]
        arrays = {
            name: torch.from_numpy(array.copy()) for name, array in zip(_ARRAYS, found, strict=True)
        }
        return StreamedPictures(plan, torch.from_numpy(index.labels), arrays)

    def _name_there(self, row: int) -> str:
        from ...pictures.sources.shard_index import name_of

        names, ends = (self._arrays[name].numpy() for name in ("shard_names", "shard_ends"))
        return name_of(names, ends, row)

    def _reader(self) -> ShardReader:
        """Returns what reads the pictures. Raises: NodeError if their place is not known."""
        from ...pictures.packed import SourceError
        from ...pictures.sources.shard_files import ShardFiles
        from ...pictures.sources.shard_reader import ShardReader

        with self._lock:
            if self._opened is None:
                plan = self._plan
                try:
                    files = ShardFiles(place_of(plan.source))
                except SourceError as error:
                    raise InputError(error.what, error.advice) from error
                arrays = {name: self._arrays[name].numpy() for name in _ARRAYS if name != "chunks"}
                self._opened = ShardReader(
                    files,
                    plan.shards,
                    **arrays,
                    shape=(plan.height, plan.width),
                    fit=cast("Any", plan.fit),
                    background=plan.background,
                )
            return self._opened

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
            stop = self._threads.shutdown
            weakref.finalize(self, stop, wait=False, cancel_futures=True)
        return self._threads

    def _load(self, rows: Tensor) -> _Window:
        """Returns a window whose pictures are being read by threads."""
        import torch

        reader = self._reader()
        pixels = torch.empty((len(rows), *self._plan.size), dtype=torch.uint8)
        parts = _parts(rows, self.chunks)
        read = _Read(self, reader)
        futures = [self._pool().submit(read, rows[a:b].tolist(), pixels[a:b]) for a, b in parts]
        return _Window(rows, pixels, [a for a, _ in parts], futures)

    def _alone(self, rows: Sequence[int]) -> Tensor:
        """Returns pictures, which are read now if they are not in a window."""
        import torch

        wanted = torch.tensor(rows, dtype=torch.int64)
        found = torch.empty((len(rows), *self._plan.size), dtype=torch.uint8)
        missing = torch.ones(len(rows), dtype=torch.bool)
        for window in self._windows:
            missing &= ~window.copy(wanted, found, missing)
        if missing.any():
            with self._few_lock:
                self._read_now(wanted, found, missing)
        return found if self._change is None else self._change(found)

    def _read_now(self, wanted: Tensor, found: Tensor, missing: Tensor) -> None:
        """Read the missing ones of the wanted pictures."""
        import torch

        unique = wanted[missing].unique()
        new = torch.tensor(
            [row for row in unique.tolist() if row not in self._few], dtype=torch.int64
        )
        most = max(1, ALONE_BYTES // math.prod(self._plan.size))
        if len(new):
            window = self._load(new)
            pixels = torch.empty((len(new), *self._plan.size), dtype=torch.uint8)
            window.copy(new, pixels, torch.ones(len(new), dtype=torch.bool))
            # A copy of each, so that one picture does not keep all of them in memory.
            fresh = dict(zip(new.tolist(), pixels, strict=True))
        else:
            fresh = {}
        for place in missing.nonzero()[:, 0].tolist():
            row = int(wanted[place])
            if row in fresh:
                found[place] = fresh[row]
            else:
                found[place] = self._few[row]
                self._few.move_to_end(row)
        for row, picture in list(fresh.items())[-most:]:
            self._few[row] = picture.clone()
        while len(self._few) > most:
            self._few.popitem(last=False)

    def _add_bad(self, row: int, reason: str) -> None:
        with self._lock:
            self._bad[row] = reason

    def _add_note(self, row: int, text: str) -> None:
        with self._lock:
            rows = self._notes.setdefault(text, [])
            if len(rows) <= _SHOWN and row not in rows:
                rows.append(row)


def _received(places: dict[str, str], parts: tuple[Any, ...]) -> StreamedPictures:
    """Returns the pictures of another process."""
    add_places(places)
    return StreamedPictures(*parts)


class _Read:
    """Reads pictures into a tensor, as a thread does.

    It does not keep the `StreamedPictures` alive, which stops its threads when nobody needs it.
    """

    def __init__(self, pictures: StreamedPictures, reader: ShardReader) -> None:
        self._pictures = weakref.ref(pictures)
        self._labels, self._reader = pictures.labels.numpy(), reader

    def __call__(self, rows: list[int], pixels: Tensor) -> None:
        """Read pictures. Raises: InputError if a shard has changed or can't be read."""
        import torch

        from ...pictures.packed import SourceError
        from ...pictures.reading import UnreadableError

        places = {row: place for place, row in enumerate(rows)}
        try:
            for row, picture in self._reader.read(rows, self._note):
                if isinstance(picture, UnreadableError):
                    picture = self._instead(row, str(picture))
                pixels[places[row]] = torch.from_numpy(picture)
        except SourceError as error:
            raise InputError(error.what, error.advice) from error

    def _note(self, row: int, text: str) -> None:
        if (pictures := self._pictures()) is not None:
            pictures._add_note(row, text)

    def _instead(self, row: int, reason: str) -> Pixels:
        """Returns the next picture of the same class that can be read."""
        import numpy as np

        from ...pictures.reading import UnreadableError

        pictures = self._pictures()
        if pictures is not None:
            pictures._add_bad(row, reason)
        same = np.flatnonzero(self._labels == self._labels[row])
        first = int(np.searchsorted(same, row))
        for other in np.roll(same, -first)[1 : _MOST_TRIED + 1].tolist():
            _, picture = next(self._reader.read([other], lambda row, text: None))
            if not isinstance(picture, UnreadableError):
                return picture
        raise InputError(
            f"neither {self._reader.name(row)!r} nor others of its class can be read ({reason})",
            "replace the damaged pictures, or leave their class out",
        )


class _Window:
    """Pictures that are in memory or being read.

    rows:    their numbers, in ascending order.
    pixels:  the pictures.
    starts:  the first place that each of the `futures` reads.
    """

    def __init__(
        self, rows: Tensor, pixels: Tensor, starts: list[int], futures: list[Future[None]]
    ) -> None:
        import torch

        self.rows, self.pixels = rows, pixels
        self._starts, self._futures = torch.tensor(starts, dtype=torch.int64), futures

    def copy(self, wanted: Tensor, into: Tensor, missing: Tensor) -> Tensor:
        """Copy those wanted pictures that are missing. Returns a mask of what was copied."""
        import torch

        if not len(self.rows):
            return torch.zeros_like(missing)
        places = torch.searchsorted(self.rows, wanted).clamp(max=len(self.rows) - 1)
        here = missing & (self.rows[places] == wanted)
        numbers = torch.searchsorted(self._starts, places[here], right=True) - 1
        for number in numbers.unique().tolist():
            self._futures[number].result()
        into[here] = self.pixels[places[here]]
        return here

    def cancel(self) -> None:
        """Do not read what is not read yet."""
        for future in self._futures:
            future.cancel()


class StreamedNames(Sequence[str]):
    """The names of streamed pictures, which are not all in memory."""

    def __init__(self, pictures: StreamedPictures) -> None:
        self._pictures = pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self._pictures.name(row) for row in range(len(self))[index])
        return self._pictures.name(range(len(self))[index])


def _parts(rows: Tensor, chunks: Tensor) -> list[tuple[int, int]]:
    """Returns which rows are read together: those of one chunk, but not too many."""
    import torch

    numbers = torch.searchsorted(chunks, rows, right=True)
    _, counts = torch.unique_consecutive(numbers, return_counts=True)
    parts, start = [], 0
    for count in counts.tolist():
        parts += [
            (at, min(at + _AT_ONCE, start + count)) for at in range(start, start + count, _AT_ONCE)
        ]
        start += count
    return parts
