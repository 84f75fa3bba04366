"""The cache on disk: results and checkpoints by key, shared by all processes that use it.

An SQLite index (write-ahead log) knows what is there; values with tensors lie beside it as
blobs, small ones in the index itself.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from ..nodes.batches import PictureBatch
from ..nodes.errors import CacheError
from ..nodes.sockets import Blob, Socket
from .blobs import Blobs
from .checks import CheckedStamps
from .fingerprints import fingerprint
from .index import connect
from .keys import Key
from .locks import Locks
from .results import Result, Stored, packed, unpacked
from .sizes import cache_budget
from .write_behind import WriteBehind

if TYPE_CHECKING:
    from .checkpoints import StoredCheckpoint
    from .remote import Remote

_INDEX = "0" * 32  # the lock that stands for the index
_INLINE_BYTES = 65_536
_USE_SECONDS = 3_600  # how exact the time of the last use is


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
            self.blobs = Blobs(folder, CheckedStamps(self))
        except OSError as error:
            raise CacheError(
                f"the cache {folder} can't be used: {error.strerror}",
                "check it, or name another with --cache",
            ) from error
        self.grown = 0  # bytes of blobs that this process wrote
        self.lost: set[str] = set()  # keys whose stored result was found damaged
        self.mutex = threading.RLock()  # held wherever the index and what waits are touched
        self._behind = WriteBehind(self, self._locks)
        # Where there is no write-ahead log, a reader would keep writers waiting.
        (mode,) = self.index.execute("PRAGMA journal_mode").fetchone()
        self._has_snapshots = mode == "wal"

    def close(self) -> None:
        """Write what waits, keep within the budget and let go."""
        try:
            self._behind.close()
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

    def lookup(self, key: str, far: bool = True) -> Result | None:
        """The result under `key`, if it is there with all its blobs; `far`: or in the remote."""
        with self.mutex:
            if key in self._behind.results:
                return self._behind.results[key]
            row = self.index.execute(
                "SELECT outputs, seconds, used FROM results WHERE key = ?", (key,)
            ).fetchone()
        if row is None:
            return self._fetch(key) if far and self._remote is not None else None
        result = unpacked(row[0], row[1])
        for stored in result.outputs.values():
            if stored.size is not None and not self.blobs.exists(stored.digest, stored.size):
                self.forget(key)
                return None
        if abs(time.time() - row[2]) > _USE_SECONDS:  # a time to come is a clock put right
            self._behind.use(key)
        return result

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
        row = (key.digest, key.parts["node"], json.dumps(key.parts), packed(result), seconds)
        self._behind.add(row, result)
        if self._remote is not None:
            blobs = {s.digest: self.blobs.path(s.digest) for s in outputs.values() if s.size}
            self._remote.put(key.digest, {"row": row}, blobs)
        return result

    def _fetch(self, key: str) -> Result | None:
        """The result from the remote cache, which becomes one of ours."""
        assert self._remote is not None
        record = self._remote.lookup(key)
        try:
            if record is None:
                return None
            _, node, parts, outputs, seconds = record["row"]
            result = unpacked(outputs, float(seconds))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        for stored in result.outputs.values():
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
        self._behind.add((key, str(node), str(parts), outputs, result.seconds), result)
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
            self._behind.drop(key)
            self.index.execute("DELETE FROM results WHERE key = ?", (key,))

    def flush(self) -> None:
        """Write the rows that wait."""
        self._behind.flush()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Alone among this process' threads; a full disk or a read-only folder as one line."""
        with self.mutex:
            try:
                self._end_transaction("COMMIT")  # of `reading`
                yield
            except BaseException as error:
                self._end_transaction("ROLLBACK")
                if isinstance(error, OSError | sqlite3.OperationalError):
                    raise self.cannot_write(error) from error
                raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Many lookups, at half the time each, of what is there at the beginning.

        It ends early where something is written.
        """
        if self._has_snapshots:
            with self.mutex:
                self._end_transaction("COMMIT")
                self.index.execute("BEGIN")
        try:
            yield
        finally:
            with self.mutex:
                self._end_transaction("COMMIT")

    def _end_transaction(self, how: str) -> None:
        if self.index.in_transaction:
            self.index.execute(how)

    def cannot_write(self, error: Exception) -> CacheError:
        return CacheError(
            f"the cache {self.folder} can't be written: {error}",
            "free space with `artgraph cache gc`, or name another folder with --cache",
        )

    @contextmanager
    def lock(self, key: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold `key` against other processes, so that each result is computed once."""
        with self._behind.lock(key, waiting):
            yield

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
