"""The cache on disk: results and checkpoints by key, shared by all processes that use it.

An SQLite index (write-ahead log) lists the results. Values with tensors are in files beside it,
the blobs; small values are in the index itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from ...contract.errors import CacheError
from ...contract.shards import Shards
from ...contract.values.pictures import PictureBatch
from ...contract.values.socket import Socket
from .blobs import BlobError, Blobs
from .digests import CheckedStamps
from .durations import Duration, durations
from .fingerprints import Changes, Snapshot, changes, shards_snapshot, snapshot
from .holders import Holder, describe
from .index import Index
from .keys import Key
from .locks import Locks
from .place import cache_budget, is_utf8
from .results import Result, Stored, packed, unpacked
from .schema import ResultRow
from .temporary import file_in_the_way
from .write_behind import WriteBehind

if TYPE_CHECKING:
    from .checkpoints import StoredCheckpoint
    from .remote import Remote

_INDEX = "0" * 32  # the key that is locked while the index is created
_INLINE_BYTES = 65_536  # the longest JSON that is stored in the index
_USE_SECONDS = 3_600  # accuracy of the time of the last use
SHARED_SECONDS = 86_400  # for which a result that was in a remote cache is not looked up there


class Store:
    """The cache in `folder`, which is created if it is missing; `warn` is called about damage.

    lost: the keys of results that were found lost or damaged.

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
        if not is_utf8(str(folder.absolute())):  # safetensors and SQLite refuse such paths
            raise CacheError(
                f"the cache {folder} can't be used: the path is not UTF-8",
                "choose another folder with --cache",
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._locks = Locks(folder / "locks")
            with self._locks.hold(_INDEX, slow=self._say_slow, label="opens the cache"):
                # Several processes may create the index at the same time.
                self.index = Index(folder / "index.sqlite", warn)
            self.blobs = Blobs(folder, CheckedStamps(self.index))
        except OSError as error:
            file = file_in_the_way(folder)
            if file is not None:
                what = f"{file} is a file, not a folder"
                raise CacheError(what, "choose a folder for the cache with --cache") from error
            raise CacheError(
                f"the cache {folder} can't be used: {error.strerror}",
                "allow yourself to write there, or choose another folder with --cache",
            ) from error
        self.lost: set[str] = set()
        self._behind = WriteBehind(self.index, self._locks)

    def _say_slow(self, holder: Holder | None) -> None:
        what, advice = describe(holder)
        self._warn(f"the cache {self.folder} is being opened by {what} - {advice}")

    def close(self) -> None:
        """Write the rows that wait, enforce the budget and close all files."""
        try:
            try:
                self._behind.flush()  # other processes wait for these rows
            finally:
                if self._remote is not None:
                    self._remote.close()
            self._behind.close()
            self.enforce_budget()
        finally:
            self._locks.close()
            self.index.close()

    def enforce_budget(self) -> None:
        """Evict what was used least recently if the cache has outgrown its budget, models last.

        Call it between runs, since a run may still need any of its results.
        """
        from .collection import collect_if_due

        collect_if_due(self.index, self.blobs, self._budget, self._warn)

    # Results

    def lookup(self, key: str, far: bool = True) -> Result | None:
        """Returns the result under `key` if it is stored with all its blobs.

        far: also look in the remote cache, and upload a local result that is not there.
        """
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
        if abs(time.time() - row[2]) > _USE_SECONDS:  # a time in the future is of a wrong clock
            self._behind.use(key)
        if far and self._remote is not None:
            self._share(key, self._remote)
        return result

    def put(
        self,
        key: Key,
        values: Mapping[str, tuple[Socket, Any]],
        seconds: float,
        warnings: Sequence[str] = (),
        is_valid: Callable[[], bool] = lambda: True,
    ) -> Result | None:
        """Store the outputs of a node.

        is_valid: called when all values are computed. If it returns False, no result is stored,
                  and None is returned.

        Raises: SocketError if a value does not fit its socket; CacheError if the disk is full.
        """
        start = time.perf_counter()
        outputs = {name: self.put_value(socket, value) for name, (socket, value) in values.items()}
        if any(isinstance(value, PictureBatch) for _, value in values.values()):
            seconds += time.perf_counter() - start  # a batch is computed while it is stored
        if not is_valid():
            return None
        result = Result(outputs, seconds, tuple(warnings))
        parts = json.dumps(key.parts)
        row = ResultRow(key.digest, key.parts["node"], parts, packed(result), seconds)
        self._behind.add(row, result)
        if self._remote is not None:
            blobs = {s.digest: self.blobs.path(s.digest) for s in outputs.values() if s.size}
            self._remote.put(row, blobs, self._shared(key.digest, self._remote))
        return result

    def _share(self, key: str, remote: Remote) -> None:
        """Upload a local result in the background, unless it was in the remote cache lately."""
        seen = self.index.row(
            "SELECT seen FROM shared WHERE remote = ? AND key = ?", (remote.id, key)
        )
        if seen is not None and abs(time.time() - seen[0]) < SHARED_SECONDS:
            return

        def find() -> tuple[ResultRow, dict[str, Path]] | None:
            columns = ", ".join(ResultRow._fields)
            found = self.index.row(f"SELECT {columns} FROM results WHERE key = ?", (key,))  # noqa: S608
            if found is None:  # evicted meanwhile
                return None
            row = ResultRow(*found)
            outputs = unpacked(row.outputs, row.seconds).outputs.values()
            return row, {s.digest: self.blobs.path(s.digest) for s in outputs if s.size}

        remote.share(key, find, self._shared(key, remote))

    def _shared(self, key: str, remote: Remote) -> Callable[[], None]:
        return lambda: self._behind.add_shared(remote.id, key)

    def _fetch(self, key: str) -> Result | None:
        """Returns the result from the remote cache, after copying it into this one."""
        assert self._remote is not None
        row = self._remote.lookup(key)
        if row is None:
            return None
        try:
            result = unpacked(row.outputs, row.seconds)
        except (ValueError, TypeError, AttributeError):
            return None
        if not self.fetch(result):
            return None
        self._behind.add_shared(self._remote.id, key)  # first, as `add` may write both at once
        self._behind.add(row, result)
        return result

    def fetch(self, result: Result) -> bool:
        """Copy the blobs of a result that are not here from the remote cache.

        Returns whether all of them are here now.
        """
        for stored in result.outputs.values():
            if stored.size is None or self.blobs.exists(stored.digest, stored.size):
                continue
            if self._remote is None or not self._remote.copy_blob(
                stored.digest, stored.size, self.blobs
            ):
                return False
        return True

    def pin(self, manifest: Path) -> None:
        """Exclude the results that this manifest names from eviction, as long as it exists."""
        from .collection import pin

        pin(self.index, manifest)

    def put_value(self, socket: Socket, value: Any) -> Stored:
        """Store a value that does not belong to a result, or not yet.

        Raises: SocketError, CacheError.
        """
        meta, buffers = socket.encode(value)
        if not buffers:
            text = json.dumps(meta, separators=(",", ":"))
            if len(text) <= _INLINE_BYTES:
                return Stored(str(blake3(text.encode()).hexdigest(16)), None, meta)
        return Stored(*self.blobs.write(meta, buffers))

    def value(self, socket: Socket, stored: Stored) -> Any:
        """Returns a stored value. Each call returns a new object, so consumers may change it.

        Raises: BlobError if its blob is lost or damaged. A damaged blob is deleted, so that
        `lookup` no longer returns the results that need it.
        """
        if stored.size is None:
            return socket.decode(stored.inline, None)
        try:
            blob = self.blobs.open(stored.digest)
        except BlobError:
            self.blobs.remove(stored.digest)
            raise
        return socket.decode(blob.meta, blob if blob.names() else None)

    def forget(self, key: str) -> None:
        """Delete a result whose blob is lost or damaged, so that it is computed again."""
        self._warn("a stored result is lost or damaged; it is computed again")
        self.lost.add(key)
        self._behind.remove(key)
        with self.index.writing() as connection:
            connection.execute("DELETE FROM results WHERE key = ?", (key,))

    def flush(self) -> None:
        """Write the rows that wait."""
        self._behind.flush()

    def reading(self) -> AbstractContextManager[None]:
        """Run the lookups of the block on a snapshot, which takes half the time per lookup."""
        return self.index.reading()

    @contextmanager
    def lock(
        self,
        key: str,
        waiting: Callable[[], None] = lambda: None,
        slow: Callable[[Holder | None], None] = lambda holder: None,
        label: str = "",
    ) -> Iterator[None]:
        """Lock `key` during the block, so that each result is computed once by all processes.

        The arguments are those of `Locks.acquire`.
        """
        with self._behind.lock(key, waiting, slow, label):
            yield

    def latest_parts(self, node: str, limit: int = 100) -> list[dict[str, Any]]:
        """Returns the parts of the latest keys of a node type, the newest first."""
        rows = self.index.rows(
            "SELECT parts FROM results WHERE node = ? ORDER BY created DESC LIMIT ?", (node, limit)
        )
        return [json.loads(parts) for (parts,) in rows]

    def durations(self, node: str) -> list[Duration]:
        """Returns how long the nodes with this id took when they ran, the latest first."""
        return durations(self.index, node)

    def add_duration(self, duration: Duration) -> None:
        """Store how long a node took."""
        self._behind.add_duration(duration)

    def fingerprint(self, path: Path | Shards, pictures: bool = False) -> str:
        """Returns the digest of a file's content, or of the names and contents in a folder.

        Raises: InputError as `snapshot` does.
        """
        return self.snapshot(path, pictures).fingerprint

    def snapshot(self, path: Path | Shards, pictures: bool = False) -> Snapshot:
        """Returns the fingerprint of a file, a folder or shards, and a digest of its stamps.

        pictures: only the pictures in a folder are read; of other files, only the names count.

        Raises: InputError if it can't be read.
        """
        if isinstance(path, Shards):
            return shards_snapshot(path)
        return snapshot(self.index, path, pictures)

    def changes(self, before: str, now: str) -> Changes | None:
        """Returns how a folder changed between two fingerprints, if their contents are stored."""
        return changes(self.index, before, now)

    # Checkpoints

    def checkpoint(self, training: str, total: int, node: str = "training") -> StoredCheckpoint:
        """Returns the states of the training with this key, which is to have `total` steps.

        node: the id of the node that trains.
        """
        from .checkpoints import StoredCheckpoint
        from .remote_training import RemoteTraining

        remote = RemoteTraining(self._remote, training, node) if self._remote is not None else None
        return StoredCheckpoint(self.index, self.blobs, training, total, node, self._warn, remote)
