"""A second level of the cache that machines share, at any address of fsspec (s3://, sftp://...).

A result that is not in the local cache is looked up in the remote one. New results, and the states
of trainings (remote_training.py), are uploaded in the background. A result has a small file, which
is written after its blobs, so what a killed process has uploaded is never seen. Nothing is listed:
the names of the files follow from the keys and digests.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from blake3 import blake3

from ...contract.errors import CacheError
from .availability import Availability
from .remote_files import PART, RemoteError, RemoteFiles
from .schema import FORMAT, ResultRow
from .uploads import Upload, Uploads

if TYPE_CHECKING:
    from .blobs import Blobs

DAY = 86_400.0
# A blob that no result needs is deleted when it is a day old. So a process that uses an existing
# blob for a new result writes it again if it is older than half a day.
GRACE_SECONDS = DAY
_THREADS = 8  # for uploads of results
_LEAST_WAIT = 60.0  # seconds for which a process waits for its uploads at its end
_SLOW_SECONDS = 5.0  # of this waiting before it is reported


class Remote:
    """The results below `url`, by key, and their blobs, by digest.

    writes: whether results are uploaded.

    Raises: GraphError if fsspec is missing or does not know the address.
    """

    def __init__(self, url: str, warn: Callable[[str], None], writes: bool = True) -> None:
        self._files, self._is_writer = RemoteFiles(url), writes
        self.url = self._files.url
        self.id = str(blake3(url.rstrip("/").encode()).hexdigest(8))
        self._state, self._warn = Availability(self.url, warn), warn
        self._results = Uploads(self._attempt, _THREADS)
        self._trainings = Uploads(self._attempt, 1)
        self._is_closed = False
        self._damaged: set[str] = set()  # names of files that were found damaged
        self._known: set[str] = set()  # keys of results that this process has seen or uploads

    def close(self) -> None:
        """Wait until all uploads are done, also those that were not due yet.

        This takes at most a minute, or as long as the process has worked so far.
        """
        end = time.monotonic() + max(_LEAST_WAIT, self._state.seconds)
        left = 0
        for uploads in (self._results, self._trainings):
            seconds = max(0.0, end - time.monotonic())
            left += uploads.close(seconds, self._state.waiting, _SLOW_SECONDS)
        self._is_closed = True  # for uploads that are left behind
        self._state.left(left)
        self._files.close()

    def check(self) -> None:
        """Write and delete a small file.

        Raises: CacheError if that fails. Call it if a run can't continue without this cache.
        """
        name = f"checks/{uuid4().hex}"
        try:
            self._files.write(name, b"")
            self._files.delete(name)
        except RemoteError as error:
            raise CacheError(
                f"the remote cache {self.url} can't be used: {error.reason}",
                "check the address and your credentials (docs/scale.md)",
            ) from error

    def lookup(self, key: str) -> ResultRow | None:
        """Returns the row of a result, if it is stored and readable."""
        start = time.monotonic()
        found = self._row(key)
        if found is None:
            self._state.asked(time.monotonic() - start, None)
            return None
        row, stored = found
        self._state.asked(time.monotonic() - start, row.seconds)
        if time.time() - stored > GRACE_SECONDS:
            self._later(lambda: self._write_row(row))  # it counts as used now
        return row

    def copy_blob(self, digest: str, size: int, blobs: Blobs) -> bool:
        """Copy a blob. Returns whether it was there and undamaged."""
        return self.copy(blob_name(digest), digest, size, blobs)

    def copy(self, name: str, digest: str, size: int, blobs: Blobs, report: bool = True) -> bool:
        """Copy a file to the local blobs. Returns whether it was there and undamaged.

        report: warn if it was not.

        Raises: CacheError if the local disk is full.
        """
        if not self._state.reads:
            return False
        try:
            is_sound = blobs.receive(digest, size, self._files.parts(name))
        except RemoteError as error:
            self._state.failed(error, writing=False)
            return False
        if not is_sound:
            self._damaged.add(name)
            if report:
                self.report_damage(name)
        return is_sound

    def is_damaged(self, name: str) -> bool:
        """Returns whether a file was found damaged or missing, and was not written since."""
        return name in self._damaged

    def put(self, row: ResultRow, blobs: Mapping[str, Path], done: Callable[[], None]) -> None:
        """Upload a result in the background: its blobs (digest to local path), then its row.

        done: called when this is done.
        """

        def upload() -> None:
            self._upload_result(row, blobs)
            if not self._is_closed:
                done()

        self._known.add(row.key)
        self._later(upload, len(row.parts) + len(row.outputs) + 500)

    def share(
        self, key: str, find: Callable[[], tuple[ResultRow, dict[str, Path]] | None], done: Upload
    ) -> None:
        """Upload a local result in the background unless it is there; it counts as used now.

        find: returns its row and its blobs, if it is still stored here.
        done: called when it is there.
        """

        def upload() -> None:
            found = self._row(key, raises=True)
            if self._is_closed:
                return
            if found is None:
                here = find()
                if here is None:
                    return
                self._upload_result(*here)
            elif time.time() - found[1] > GRACE_SECONDS:
                self._write_row(found[0])
            if not self._is_closed:
                done()

        if key not in self._known:
            self._known.add(key)
            self._later(upload)

    def later(self, upload: Upload, replaces: str = "", due: bool = True) -> None:
        """Upload something of a training in the background, in the order of the calls."""
        if self._is_writer and self._state.writes:
            self._trainings.add(upload, replaces=replaces, due=due)

    def read(self, name: str) -> bytes | None:
        """Returns the bytes of a small file; None if it is missing or can't be read."""
        if not self._state.reads:
            return None
        try:
            return self._files.read(name)
        except RemoteError as error:
            self._state.failed(error, writing=False)
            return None

    def read_now(self, name: str) -> bytes | None:
        """Returns the bytes of a small file. Only for uploads: raises RemoteError."""
        return self._files.read(name)

    def write(self, name: str, data: bytes) -> None:
        """Write a small file. Only for uploads: raises RemoteError."""
        self._files.write(name, data)

    def upload_file(self, name: str, path: Path) -> None:
        """Write a file of the local cache.

        Only for uploads: raises RemoteError; FileNotFoundError if it is not there any more.
        """
        with path.open("rb") as file:
            self._files.upload(name, file, path.stat().st_size)
        self._damaged.discard(name)

    def delete(self, name: str) -> None:
        """Delete a file if it exists. Only for uploads: raises RemoteError."""
        self._files.delete(name)

    def _row(self, key: str, raises: bool = False) -> tuple[ResultRow, float] | None:
        """Returns the row of a result, and when it was last written."""
        name = result_name(key)
        data = self.read_now(name) if raises else self.read(name)
        row = parsed_row(key, data)
        if data is not None and row is None:
            self.report_damage(name)
        return row

    def report_damage(self, name: str) -> None:
        """Warn that a file is damaged."""
        self._warn(
            f"{name} in the remote cache {self.url} is damaged or lost - what it contained is"
            " computed again, and replaces it"
        )

    def _upload_result(self, row: ResultRow, blobs: Mapping[str, Path]) -> None:
        """Upload a result. Raises: RemoteError, FileNotFoundError."""
        for digest, path in blobs.items():
            name, size = blob_name(digest), path.stat().st_size
            # To write a small file again costs less than to ask whether it is there.
            if size <= PART or name in self._damaged or not self._is_young(name, size):
                self.upload_file(name, path)
        self._write_row(row)

    def _is_young(self, name: str, size: int) -> bool:
        """Returns whether a file of this size is there, and cannot be deleted soon."""
        found = self._files.find(name)
        if found is None or found.size != size or found.written is None:
            return False
        return time.time() - found.written < GRACE_SECONDS / 2

    def _write_row(self, row: ResultRow) -> None:
        text = json.dumps({"format": FORMAT, "row": row, "stored": time.time()})
        self._files.write(result_name(row.key), text.encode())

    def _later(self, upload: Upload, size: int = 500) -> None:
        if self._is_writer and self._state.writes:
            self._results.add(upload, size)

    def _attempt(self, upload: Upload) -> bool:
        """Do an upload. Returns False if it is to be tried again later."""
        if not self._state.writes:
            return True
        if self._state.is_paused:
            return False
        try:
            upload()
        except FileNotFoundError:  # evicted from the local cache meanwhile
            return True
        except RemoteError as error:
            self._state.failed(error, writing=True)
            return error.kind != "passing"
        return True


def result_name(key: str) -> str:
    """Returns the name of the small file of a result."""
    return _name("results", key, ".json")


def blob_name(digest: str) -> str:
    """Returns the name of a blob."""
    return _name("blobs", digest, ".safetensors")


def parsed_row(key: str, data: bytes | None) -> tuple[ResultRow, float] | None:
    """Returns the row in the file of a result, and when it was written; None if it is damaged."""
    try:
        found = json.loads(data or b"")
        _, node, parts, outputs, seconds = found["row"]
        row = ResultRow(key, str(node), str(parts), str(outputs), float(seconds))
        return (row, float(found["stored"])) if found["format"] == FORMAT else None
    except (ValueError, TypeError, KeyError):
        return None


def is_newer(data: bytes | None) -> bool:
    """Returns whether a newer artgraph has written the file of a result."""
    try:
        return int(json.loads(data or b"")["format"]) > FORMAT
    except (ValueError, TypeError, KeyError):
        return False


def _name(kind: str, digest: str, ending: str) -> str:
    return f"{kind}/{digest[:2]}/{digest}{ending}"
