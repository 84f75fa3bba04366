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
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..errors import InputError
from ..shards import add_places, known_places, place_of
from .pictures import PictureBatch
from .socket import Blob, Buffers, Json
from .stream_problems import Found, Problems
from .stream_windows import Read, Window, parts_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ...pictures.sources.shard_files import Shard
    from ...pictures.sources.shard_index import ShardIndex
    from ...pictures.sources.shard_reader import ShardReader

ALONE_BYTES = 1 << 24  # bytes of pictures that were read alone and stay in memory
_ARRAYS = ("starts", "places", "chunks", "shard_names", "shard_ends")


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
        self._windows: list[Window] = []
        self._few: OrderedDict[int, Tensor] = OrderedDict()
        self._lock, self._few_lock = threading.Lock(), threading.Lock()
        self._problems = Problems()
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
        changed._problems = self._problems
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
        return self._problems.report(what, self.name)

    def found(self) -> Found:
        """Returns what was noticed while reading, for another process."""
        return self._problems.found()

    def add_found(self, found: Found) -> None:
        """Accept what another process noticed about the same pictures."""
        self._problems.add(found)

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
        mask[self._problems.bad_rows()] = False
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

    def _load(self, rows: Tensor) -> Window:
        """Returns a window whose pictures are being read by threads."""
        import torch

        pixels = torch.empty((len(rows), *self._plan.size), dtype=torch.uint8)
        parts = parts_of(rows, self.chunks)
        read = Read(self._reader(), self.labels, self._problems)
        futures = [self._pool().submit(read, rows[a:b].tolist(), pixels[a:b]) for a, b in parts]
        return Window(rows, pixels, [a for a, _ in parts], futures)

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


def _received(places: dict[str, str], parts: tuple[Any, ...]) -> StreamedPictures:
    """Returns the pictures of another process."""
    add_places(places)
    return StreamedPictures(*parts)


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
