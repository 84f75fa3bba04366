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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from ..nodes.errors import CacheError, InputError
from ..nodes.sockets import Blob, Json, Socket
from .blobs import BlobError, Blobs
from .index import connect
from .keys import Key
from .locks import Locks

if TYPE_CHECKING:
    from ..models.training import State

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
    """What a node gave, and how long it took in seconds."""

    outputs: dict[str, Stored]
    seconds: float

    @property
    def digests(self) -> dict[str, str]:
        return {name: stored.digest for name, stored in self.outputs.items()}


class Store:
    """Open (and make, where it is missing) the cache in `folder`.

    Raises: CacheError where it can't be used; `warn` hears of what was mended.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None] = lambda message: None) -> None:
        self.folder = folder
        self._warn = warn
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.index = connect(folder / "index.sqlite", warn)
            self.blobs = Blobs(folder)
            self._locks = Locks(folder / "locks")
        except OSError as error:
            raise CacheError(
                f"the cache {folder} can't be used: {error.strerror} - check it, or name another"
                " with --cache"
            ) from error
        self._waiting: dict[str, tuple[Any, ...]] = {}  # rows to be written, by key
        self._results: dict[str, Result] = {}  # of those rows
        self._used: list[str] = []
        self.lost: set[str] = set()  # keys whose stored result was found damaged
        self._last_flush = time.monotonic()
        self._mutex = threading.RLock()  # held wherever the index and what waits are touched

    def close(self) -> None:
        """Write what waits and let go."""
        self.flush()
        self._locks.close()
        self.index.close()

    # Results

    def lookup(self, key: str) -> Result | None:
        """The result under `key`, if it is there with all its blobs."""
        with self._mutex:
            if key in self._results:
                return self._results[key]
            row = self.index.execute(
                "SELECT outputs, seconds, used FROM results WHERE key = ?", (key,)
            ).fetchone()
        if row is None:
            return None
        outputs = {name: Stored(*stored) for name, stored in json.loads(row[0]).items()}
        for stored in outputs.values():
            if stored.size is not None and not self.blobs.exists(stored.digest, stored.size):
                self.forget(key)
                return None
        if abs(time.time() - row[2]) > _USE_SECONDS:  # a time to come is a clock put right
            self._used.append(key)
        return Result(outputs, row[1])

    def put(self, key: Key, values: Mapping[str, tuple[Socket, Any]], seconds: float) -> Result:
        """Store a node's outputs.

        Raises: SocketError for a value that is not what its socket says; CacheError where the
        disk is full.
        """
        outputs = {name: self.keep(socket, value) for name, (socket, value) in values.items()}
        result = Result(outputs, seconds)
        packed = {name: (s.digest, s.size, s.inline) for name, s in outputs.items()}
        now = time.time()
        row = (key.digest, key.parts["node"], json.dumps(key.parts), json.dumps(packed), seconds)
        with self._mutex:
            self._waiting[key.digest] = (*row, now, now)
            self._results[key.digest] = result
            elapsed = time.monotonic() - self._last_flush
            if elapsed > _FLUSH_SECONDS or seconds > _SLOW_SECONDS:
                self.flush()
        return result

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
            raise self._cannot_write(error) from error
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
        self._warn("a stored result is lost or damaged; it is made again")
        with self._writing():
            self.lost.add(key)
            self._results.pop(key, None)
            self._waiting.pop(key, None)
            self.index.execute("DELETE FROM results WHERE key = ?", (key,))

    def flush(self) -> None:
        """Write the rows that wait."""
        with self._writing():
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
    def _writing(self) -> Iterator[None]:
        """Alone among this process' threads; a full disk or a read-only folder as one line."""
        with self._mutex:
            try:
                yield
            except (OSError, sqlite3.OperationalError) as error:
                if self.index.in_transaction:
                    self.index.execute("ROLLBACK")
                raise self._cannot_write(error) from error

    def _cannot_write(self, error: Exception) -> CacheError:
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
        with self._mutex:
            rows = self.index.execute(
                "SELECT parts FROM results WHERE node = ? ORDER BY created DESC LIMIT ?",
                (node, most),
            ).fetchall()
        return [json.loads(row[0]) for row in rows]

    # Files that graphs read

    def fingerprint(self, path: Path) -> str:
        """The digest of a file's content, or of a folder's names and contents.

        Remembered by size and time of change.

        Raises: InputError where something can't be read.
        """
        try:
            if path.is_dir():
                files = sorted(p for p in path.rglob("*") if p.is_file())
                digests = [[str(p.relative_to(path)), self._file_digest(p)] for p in files]
                return str(blake3(json.dumps(digests).encode()).hexdigest(16))
            return self._file_digest(path)
        except OSError as error:
            raise InputError(f"{path} can't be read: {error.strerror} - check it") from error

    def _file_digest(self, path: Path) -> str:
        status = path.stat()
        stamp = (str(path), status.st_size, status.st_mtime_ns, status.st_ino)
        with self._mutex:
            row = self.index.execute(
                "SELECT digest FROM files WHERE path = ? AND size = ? AND mtime = ? AND inode = ?",
                stamp,
            ).fetchone()
        if row is not None:
            return str(row[0])
        hasher = blake3(max_threads=blake3.AUTO)
        hasher.update_mmap(path)
        digest = str(hasher.hexdigest(16))
        if time.time_ns() - status.st_mtime_ns > 2_000_000_000:  # else it may still be changing
            with self._writing():
                self.index.execute(
                    "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", (*stamp, digest)
                )
        return digest

    # Checkpoints

    def checkpoint(self, training: str, total: int) -> StoredCheckpoint:
        """Where the training with this key keeps its state, on its way to `total` steps."""
        return StoredCheckpoint(self, training, total)


class StoredCheckpoint:
    """The states of one training by step (models.training.Checkpoint).

    The state at a length that was asked for stays; on the way there, each replaces the one before.
    """

    def __init__(self, store: Store, training: str, total: int) -> None:
        self._store, self._training, self._total = store, training, total

    def longest(self, at_most: int) -> int | None:
        """The most stored steps that are no more than `at_most`."""
        return next((step for step, _ in self._stored(at_most)), None)

    def load(self, at_most: int) -> tuple[int, State] | None:
        for step, digest in self._stored(at_most):
            try:
                blob = self._store.blobs.open(digest)
            except BlobError as error:
                self._store._warn(f"a checkpoint is left out: {error}")
                self._delete(step, digest)
                continue
            return step, {name: blob.tensor(name) for name in blob.names()}
        return None

    def save(self, step: int, state: State) -> None:
        try:
            digest, size = self._store.blobs.write(None, state)
        except OSError as error:
            raise self._store._cannot_write(error) from error
        with self._store._writing():
            passed = self._store.index.execute(
                "SELECT step, digest FROM checkpoints WHERE training = ? AND step < ? AND kept = 0",
                (self._training, step),
            ).fetchall()
            self._store.index.execute(
                "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?, ?)",
                (self._training, step, digest, size, step == self._total, time.time()),
            )
        for old_step, old_digest in passed:
            self._delete(old_step, old_digest)

    def clear(self) -> None:
        """Forget all states, so that the training starts anew."""
        for step, digest in self._stored(2**62):
            self._delete(step, digest)

    def _stored(self, at_most: int) -> list[tuple[int, str]]:
        with self._store._mutex:
            rows = self._store.index.execute(
                "SELECT step, digest, size FROM checkpoints WHERE training = ? AND step <= ?"
                " ORDER BY step DESC",
                (self._training, at_most),
            ).fetchall()
        return [(step, d) for step, d, size in rows if self._store.blobs.exists(d, size)]

    def _delete(self, step: int, digest: str) -> None:
        index = self._store.index
        with self._store._writing():
            index.execute(
                "DELETE FROM checkpoints WHERE training = ? AND step = ?", (self._training, step)
            )
            shared = index.execute("SELECT 1 FROM checkpoints WHERE digest = ?", (digest,))
            if shared.fetchone() is None:
                self._store.blobs.remove(digest)


class _NoBlob:
    """Stands for the blob of a value that has none."""

    def tensor(self, name: str) -> Any:
        raise KeyError(name)

    def names(self) -> list[str]:
        return []

    def raw(self, name: str) -> bytes:
        raise KeyError(name)


_NO_BLOB: Blob = _NoBlob()
