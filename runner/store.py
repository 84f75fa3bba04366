"""The cache on disk: results and checkpoints by key, shared by all processes that use it.

An SQLite index (write-ahead log) lists what is there; values with tensors are blobs in files
beside it, small ones are in the index itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from ..nodes.batches import PictureBatch
from ..nodes.errors import CacheError
from ..nodes.sockets import Socket
from .blobs import BlobError, Blobs
from .checks import CheckedStamps
from .fingerprints import fingerprint
from .index import Index
from .keys import Key
from .locks import Locks
from .place import cache_budget
from .results import Result, Stored, packed, unpacked
from .schema import ResultRow
from .write_behind import WriteBehind

if TYPE_CHECKING:
    from .checkpoints import StoredCheckpoint
    from .remote import Remote

_INDEX = "0" * 32  # the lock that stands for the index
_INLINE_BYTES = 65_536
_USE_SECONDS = 3_600  # how exact the time of the last use is


class Store:
    """The cache in `folder`, which is created if it is missing; `warn` is called about damage.

    Raises: CacheError if it can't be used.
    """

    def __init__(
        self,
        folder: Path,
        warn: Callable[[str], None] = lambda message: None,
        remote: Remote | None = None,
    ) -> None:
        self.folder, self._remote, self._budget = folder, remote, cache_budget()
        self._warn = warn
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._locks = Locks(folder / "locks")
            with self._locks.hold(_INDEX):  # several processes may create it at a time
                self.index = Index(folder / "index.sqlite", warn)
            self.blobs = Blobs(folder, CheckedStamps(self.index))
        except OSError as error:
            raise CacheError(
                f"the cache {folder} can't be used: {error.strerror}",
                "check it, or name another with --cache",
            ) from error
        self.lost: set[str] = set()  # keys whose stored result was found damaged
        self._behind = WriteBehind(self.index, self._locks)

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
        """Drop what was used least recently if the cache has outgrown its budget.

        Call it between runs: a run that goes on may need any result that it made.
        """
        from .keeping import keep_within

        keep_within(self.index, self.blobs, self._budget)

    # Results

    def lookup(self, key: str, far: bool = True) -> Result | None:
        """The result under `key` if it is there with all its blobs; `far`: or in the remote."""
        waiting = self._behind.lookup(key)
        if waiting is not None:
            return waiting
        row = self.index.row("SELECT outputs, seconds, used FROM results WHERE key = ?", (key,))
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

        Raises: SocketError for a value that is not what its socket says; CacheError if the disk
        is full.
        """
        start = time.perf_counter()
        outputs = {name: self.keep(socket, value) for name, (socket, value) in values.items()}
        if any(isinstance(value, PictureBatch) for _, value in values.values()):
            seconds += time.perf_counter() - start  # it was computed as it was read
        result = Result(outputs, seconds, tuple(warnings))
        parts = json.dumps(key.parts)
        row = ResultRow(key.digest, key.parts["node"], parts, packed(result), seconds)
        self._behind.add(row, result)
        if self._remote is not None:
            blobs = {s.digest: self.blobs.path(s.digest) for s in outputs.values() if s.size}
            self._remote.put(row, blobs)
        return result

    def _fetch(self, key: str) -> Result | None:
        """The result from the remote cache, copied into this one."""
        assert self._remote is not None
        row = self._remote.lookup(key)
        if row is None:
            return None
        try:
            result = unpacked(row.outputs, row.seconds)
        except (ValueError, TypeError, AttributeError):
            return None
        for stored in result.outputs.values():
            if stored.size is None or self.blobs.exists(stored.digest, stored.size):
                continue
            data = self._remote.blob(stored.digest)
            if data is None:
                return None
            self.blobs.put(stored.digest, data)
        self._behind.add(row, result)
        return result

    def pin(self, manifest: Path) -> None:
        """Keep the results that this file names, as long as it is there."""
        from .keeping import pin

        pin(self.index, manifest)

    def keep(self, socket: Socket, value: Any) -> Stored:
        """Store a value by itself, as it comes in from elsewhere; nothing refers to it yet.

        Raises: SocketError, CacheError.
        """
        meta, buffers = socket.encode(value)
        if not buffers:
            text = json.dumps(meta, separators=(",", ":"))
            if len(text) <= _INLINE_BYTES:
                return Stored(str(blake3(text.encode()).hexdigest(16)), None, meta)
        return Stored(*self.blobs.write(meta, buffers))

    def value(self, socket: Socket, stored: Stored) -> Any:
        """A stored value; each call gives a fresh one, so that no consumer can harm another's.

        Raises: BlobError if its blob is lost or damaged. A damaged one is deleted, so that
        `lookup` no longer returns the results that need it.
        """
        if stored.size is None:
            return socket.decode(stored.inline, None)
        try:
            blob = self.blobs.open(stored.digest)
        except BlobError:
            self.blobs.remove(stored.digest)
            raise
        return socket.decode(blob.meta, blob)

    def forget(self, key: str) -> None:
        """Drop a result whose blob is lost or damaged; it will be computed again."""
        self._warn("a stored result is lost or damaged; it is made again")
        self.lost.add(key)
        self._behind.drop(key)
        with self.index.writing() as connection:
            connection.execute("DELETE FROM results WHERE key = ?", (key,))

    def flush(self) -> None:
        """Write the rows that wait."""
        self._behind.flush()

    def reading(self) -> AbstractContextManager[None]:
        """Many lookups, at half the time each, of what is there at the beginning."""
        return self.index.reading()

    @contextmanager
    def lock(self, key: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold `key` against other processes, so that each result is computed once."""
        with self._behind.lock(key, waiting):
            yield

    def relatives(self, node: str, most: int = 100) -> list[dict[str, Any]]:
        """What the latest stored results of a node type were made of, the newest first."""
        rows = self.index.rows(
            "SELECT parts FROM results WHERE node = ? ORDER BY created DESC LIMIT ?", (node, most)
        )
        return [json.loads(parts) for (parts,) in rows]

    def fingerprint(self, path: Path) -> str:
        """The digest of a file's content, or of a folder's names and contents.

        Raises: InputError if something can't be read.
        """
        return fingerprint(self.index, path)

    # Checkpoints

    def checkpoint(self, training: str, total: int, node: str = "training") -> StoredCheckpoint:
        """The states of the training with this key, on its way to `total` steps.

        `node` is the id of the node that trains.
        """
        from .checkpoints import StoredCheckpoint

        return StoredCheckpoint(self.index, self.blobs, training, total, node, self._warn)
