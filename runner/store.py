"""The cache on disk: results and checkpoints by key, shared by all processes that use it.

An SQLite index (write-ahead log) knows what is there; values with tensors lie beside it as
blobs, small ones in the index itself. New rows are gathered and written together, soon: a killed
process loses at most the trivial results of the last quarter of a second.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from ..nodes.batches import PictureBatch
from ..nodes.errors import CacheError
from ..nodes.sockets import Blob, Json, Socket
from .blobs import Blobs
from .fingerprints import fingerprint
from .index import connect
from .keys import Key
from .locks import Locks
from .sizes import cache_budget

if TYPE_CHECKING:
    from .checkpoints import StoredCheckpoint
    from .remote import Remote

_INDEX = "0" * 32  # the lock that stands for the index
_INLINE_BYTES = 65_536
_FLUSH_SECONDS = 0.25
_SLOW_SECONDS = 0.05  # a result that took longer is written at once
_USE_SECONDS = 3_600  # how exact the time of the last use is


@dataclass(frozen=True)
class Stored:
    """One stored value: its digest, and its size as a blob or its JSON."""

    digest: str
    size: int | None
    inline: Json = None


@dataclass(frozen=True)
class Result:
    """What a node gave, how long it took in seconds, and what it warned of."""

    outputs: dict[str, Stored]
    seconds: float
    warnings: tuple[str, ...] = ()

    @property
    def digests(self) -> dict[str, str]:
        return {name: stored.digest for name, stored in self.outputs.items()}


class Store:
    """Open (and make, where it is missing) the cache in `folder`.

    Raises: CacheError where it can't be used; `warn` hears of what was mended.
    """

    def __init__(
        self,
        folder: Path,
        warn: Callable[[str], None] = lambda message: None,
        remote: Remote | None = None,
    ) -> None:
        self.folder, self._remote, self._budget = folder, remote, cache_budget()
        self.warn = warn
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._locks = Locks(folder / "locks")
            with self._locks.hold(_INDEX):  # several processes may make it at a time
                self.index = connect(folder / "index.sqlite", warn)
            self.blobs = Blobs(folder, _Checked(self))
        except OSError as error:
            raise CacheError(
                f"the cache {folder} can't be used: {error.strerror} - check it, or name another"
                " with --cache"
            ) from error
        self._waiting: dict[str, tuple[Any, ...]] = {}  # rows to be written, by key
        self._results: dict[str, Result] = {}  # of those rows
        self._used: list[str] = []
        self.grown = 0  # bytes of blobs that this process wrote
        self.lost: set[str] = set()  # keys whose stored result was found damaged
        self._last_flush = time.monotonic()
        self.mutex = threading.RLock()  # held wherever the index and what waits are touched

    def close(self) -> None:
        """Write what waits, keep within the budget and let go."""
        try:
            self.flush()
            self.keep_within_budget()
        finally:
            if self._remote is not None:
                self._remote.close()
            self._locks.close()
            self.index.close()

    def keep_within_budget(self) -> None:
        """Drop what was used least recently where the cache has outgrown its budget.

        For between runs: what goes on may need any result that it made.
        """
        from .keeping import keep_within

        if self.grown:
            with self.writing():
                keep_within(self, self._budget)
            self.grown = 0

    # Results

    def lookup(self, key: str) -> Result | None:
        """The result under `key`, if it is there with all its blobs."""
        with self.mutex:
            if key in self._results:
                return self._results[key]
            row = self.index.execute(
                "SELECT outputs, seconds, used FROM results WHERE key = ?", (key,)
            ).fetchone()
        if row is None:
            return self._fetch(key) if self._remote is not None else None
        outputs, warnings = _unpacked(row[0])
        for stored in outputs.values():
            if stored.size is not None and not self.blobs.exists(stored.digest, stored.size):
                self.forget(key)
                return None
        if abs(time.time() - row[2]) > _USE_SECONDS:  # a time to come is a clock put right
            self._used.append(key)
        return Result(outputs, row[1], warnings)

    def put(
        self,
        key: Key,
        values: Mapping[str, tuple[Socket, Any]],
        seconds: float,
        warnings: Sequence[str] = (),
    ) -> Result:
        """Store a node's outputs.

        Raises: SocketError for a value that is not what its socket says; CacheError where the
        disk is full.
        """
        start = time.perf_counter()
        outputs = {name: self.keep(socket, value) for name, (socket, value) in values.items()}
        if any(isinstance(value, PictureBatch) for _, value in values.values()):
            seconds += time.perf_counter() - start  # it was computed as it was read
        result = Result(outputs, seconds, tuple(warnings))
        row = (key.digest, key.parts["node"], json.dumps(key.parts), _packed(result), seconds)
        self._add(row, result)
        if self._remote is not None:
            blobs = {s.digest: self.blobs.path(s.digest) for s in outputs.values() if s.size}
            self._remote.put(key.digest, {"row": row}, blobs)
        return result

    def _add(self, row: tuple[Any, ...], result: Result) -> None:
        """Have a row written soon; `row` is (key, node, parts, outputs, seconds)."""
        now = time.time()
        with self.mutex:
            self._waiting[row[0]] = (*row, now, now)
            self._results[row[0]] = result
            elapsed = time.monotonic() - self._last_flush
            if elapsed > _FLUSH_SECONDS or result.seconds > _SLOW_SECONDS:
                self.flush()

    def _fetch(self, key: str) -> Result | None:
        """The result from the remote cache, which becomes one of ours."""
        assert self._remote is not None
        record = self._remote.lookup(key)
        try:
            if record is None:
                return None
            _, node, parts, packed, seconds = record["row"]
            outputs, warnings = _unpacked(packed)
            result = Result(outputs, float(seconds), warnings)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        for stored in outputs.values():
            if stored.size is None or self.blobs.exists(stored.digest, stored.size):
                continue
            data = self._remote.blob(stored.digest)
            if data is None:
                return None
            try:
                self.blobs.take_in(stored.digest, data)
            except OSError as error:
                raise self.cannot_write(error) from error
            self.grown += len(data)
        self._add((key, str(node), str(parts), packed, result.seconds), result)
        return result

    def pin(self, manifest: Path) -> None:
        """Keep the results that this file names, as long as it is there."""
        with self.writing():
            self.index.execute(
                "INSERT OR REPLACE INTO runs VALUES (?, ?)", (str(manifest.absolute()), time.time())
            )

    def keep(self, socket: Socket, value: Any) -> Stored:
        """Store a value by itself, as it comes in from elsewhere; nothing refers to it yet.

        Raises: SocketError, CacheError.
        """
        meta, buffers = socket.encode(value)
        if not buffers:
            text = json.dumps(meta, separators=(",", ":"))
            if len(text) <= _INLINE_BYTES:
                return Stored(str(blake3(text.encode()).hexdigest(16)), None, meta)
        try:  # several threads may write blobs at a time
            digest, size = self.blobs.write(meta, buffers)
        except OSError as error:
            raise self.cannot_write(error) from error
        self.grown += size
        return Stored(digest, size)

    def value(self, socket: Socket, stored: Stored) -> Any:
        """A stored value; each call gives a fresh one, so that no consumer can harm another's.

        Raises: BlobError where its blob is lost or damaged.
        """
        if stored.size is None:
            return socket.decode(stored.inline, _NO_BLOB)
        blob = self.blobs.open(stored.digest)
        return socket.decode(blob.meta, blob)

    def forget(self, key: str) -> None:
        """Drop a result whose blob is lost or damaged; it will be made again."""
        self.warn("a stored result is lost or damaged; it is made again")
        with self.writing():
            self.lost.add(key)
            self._results.pop(key, None)
            self._waiting.pop(key, None)
            self.index.execute("DELETE FROM results WHERE key = ?", (key,))

    def flush(self) -> None:
        """Write the rows that wait."""
        with self.writing():
            if self._waiting or self._used:
                self.index.execute("BEGIN IMMEDIATE")
                self.index.executemany(
                    "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?)",
                    self._waiting.values(),
                )
                now = time.time()
                self.index.executemany(
                    "UPDATE results SET used = ? WHERE key = ?", [(now, key) for key in self._used]
                )
                self.index.execute("COMMIT")
            self._waiting.clear()
            self._results.clear()
            self._used.clear()
            self._last_flush = time.monotonic()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Alone among this process' threads; a full disk or a read-only folder as one line."""
        with self.mutex:
            try:
                yield
            except (OSError, sqlite3.OperationalError) as error:
                if self.index.in_transaction:
                    self.index.execute("ROLLBACK")
                raise self.cannot_write(error) from error

    def cannot_write(self, error: Exception) -> CacheError:
        return CacheError(
            f"the cache {self.folder} can't be written: {error} - free space with"
            " `artgraph cache gc`, or name another folder with --cache"
        )

    @contextmanager
    def lock(self, key: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold `key` against other processes, so that each result is computed once."""
        with self._locks.hold(key, waiting):
            yield
            self.flush()

    def relatives(self, node: str, most: int = 100) -> list[dict[str, Any]]:
        """What the latest stored results of a node type were made of, the newest first."""
        with self.mutex:
            rows = self.index.execute(
                "SELECT parts FROM results WHERE node = ? ORDER BY created DESC LIMIT ?",
                (node, most),
            ).fetchall()
        return [json.loads(row[0]) for row in rows]

    def fingerprint(self, path: Path) -> str:
        """The digest of a file's content, or of a folder's names and contents.

        Raises: InputError where something can't be read.
        """
        return fingerprint(self, path)

    # Checkpoints

    def checkpoint(self, training: str, total: int, node: str = "training") -> StoredCheckpoint:
        """Where the training with this key keeps its state, on its way to `total` steps.

        `node` is the id of the node that trains.
        """
        from .checkpoints import StoredCheckpoint

        return StoredCheckpoint(self, training, total, node)


class _Checked(MutableMapping[str, str]):
    """The stamps of blobs that were found sound, in the index: for all processes, over time."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getitem__(self, digest: str) -> str:
        with self._store.mutex:
            row = self._store.index.execute(
                "SELECT stamp FROM checked WHERE digest = ?", (digest,)
            ).fetchone()
        if row is None:
            raise KeyError(digest)
        return str(row[0])

    def __setitem__(self, digest: str, stamp: str) -> None:
        with self._store.writing():
            self._store.index.execute(
                "INSERT OR REPLACE INTO checked VALUES (?, ?)", (digest, stamp)
            )

    def __delitem__(self, digest: str) -> None:
        with self._store.writing():
            self._store.index.execute("DELETE FROM checked WHERE digest = ?", (digest,))

    def __iter__(self) -> Iterator[str]:
        with self._store.mutex:
            rows = self._store.index.execute("SELECT digest FROM checked").fetchall()
        return iter([str(row[0]) for row in rows])

    def __len__(self) -> int:
        return sum(1 for _ in self)


_WARNINGS = ""  # the name they have among the outputs, which no output can have


def _packed(result: Result) -> str:
    """A result's outputs and warnings as JSON; `_unpacked` reverses it."""
    packed: dict[str, tuple[str, int | None, Json]]
    packed = {name: (s.digest, s.size, s.inline) for name, s in result.outputs.items()}
    if result.warnings:
        packed[_WARNINGS] = ("", None, result.warnings)
    return json.dumps(packed)


def _unpacked(text: str) -> tuple[dict[str, Stored], tuple[str, ...]]:
    outputs = {str(name): Stored(*stored) for name, stored in json.loads(text).items()}
    warnings = outputs.pop(_WARNINGS, None)
    return outputs, () if warnings is None else tuple(map(str, warnings.inline))


class _NoBlob:
    """Stands for the blob of a value that has none."""

    def tensor(self, name: str) -> Any:
        raise KeyError(name)

    def shape(self, name: str) -> list[int]:
        raise KeyError(name)

    def rows(self, name: str, rows: Sequence[int]) -> Any:
        raise KeyError(name)

    def names(self) -> list[str]:
        return []

    def raw(self, name: str) -> bytes:
        raise KeyError(name)


_NO_BLOB: Blob = _NoBlob()
