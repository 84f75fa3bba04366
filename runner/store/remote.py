"""A second level of the cache that machines share, at any address of fsspec (s3://, sftp://...).

A result that is not in the local cache is looked up in the remote one. New results, and the states
of trainings (remote_training.py), are uploaded in the background. If the remote cache fails, this
process warns once and does not use it any more.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from uuid import uuid4

from blake3 import blake3

from ...contract.errors import GraphError
from ...contract.paths import typed_folder
from .schema import ResultRow


class Remote:
    """The results below `url`, by key, and their blobs, by digest.

    Raises: GraphError if fsspec is missing or does not know the address.
    """

    def __init__(self, url: str, warn: Callable[[str], None]) -> None:
        self._url, self._warn, self._root = url, warn, ""
        self._works = True
        if "://" not in url and "::" not in url:
            url = str(typed_folder(url, "--cache-remote "))
        try:
            from fsspec.core import url_to_fs

            self._files, self._root = url_to_fs(url)
        except ImportError as error:
            raise GraphError(
                f"--cache-remote {url}: {error}", "run `pip install 'artgraph[remote]'`"
            ) from error
        except ValueError as error:
            advice = "write an address such as s3://bucket/folder or sftp://host/folder"
            raise GraphError(f"--cache-remote {url}: {error}", advice) from error
        except Exception as error:  # for example, the host is unknown or does not answer
            self._fail(error)
        self._uploads: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._waiting: dict[str, Callable[[], None]] = {}
        self._thread = threading.Thread(target=self._upload_all, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait until all uploads are done, also those that were not due yet."""
        for upload in self._waiting.values():
            self._uploads.put(upload)
        self._uploads.put(None)
        self._thread.join()

    def lookup(self, key: str) -> ResultRow | None:
        """Returns the row of a result, if it is stored and readable."""
        data = self.read(_name("results", key, ".json"))
        if data is None:
            return None
        try:
            _, node, parts, outputs, seconds = json.loads(data)["row"]
            return ResultRow(key, str(node), str(parts), str(outputs), float(seconds))
        except (ValueError, TypeError, KeyError):
            return None

    def blob(self, digest: str) -> bytes | None:
        """Returns the bytes of a blob, if it is stored and undamaged."""
        return self.read_sound(_name("blobs", digest, ".safetensors"), digest)

    def put(self, row: ResultRow, blobs: Mapping[str, Path]) -> None:
        """Upload a result in the background: its blobs (digest to local path), then its row."""

        def upload() -> None:
            for digest, path in blobs.items():
                name = _name("blobs", digest, ".safetensors")
                if not self._files.exists(f"{self._root}/{name}"):
                    self.write(name, path.read_bytes())
            record = json.dumps({"row": row}).encode()
            self.write(_name("results", row.key, ".json"), record)

        self.later(upload)

    def later(self, upload: Callable[[], None], replaces: str = "", due: bool = True) -> None:
        """Call `upload` in the background, or only in `close` if it is not due.

        It is called instead of the one with the same `replaces` that was not due.
        """
        self._waiting.pop(replaces, None)
        if due:
            self._uploads.put(upload)
        else:
            self._waiting[replaces] = upload

    def read(self, name: str) -> bytes | None:
        """Returns the bytes of a file; None if there is none, or the remote cache fails."""

        def read() -> bytes | None:
            try:
                return bytes(self._files.cat_file(f"{self._root}/{name}"))
            except FileNotFoundError:
                return None

        return self._guarded(read) if self._works else None

    def read_sound(self, name: str, digest: str) -> bytes | None:
        """Returns the bytes of a file if they have this digest."""
        data = self.read(name)
        is_sound = data is not None and blake3(data).hexdigest(16) == digest
        return data if is_sound else None

    def write(self, name: str, data: bytes) -> None:
        """Write a file as a whole. Only for uploads: errors are raised."""
        from fsspec import AbstractFileSystem

        target = f"{self._root}/{name}"
        self._files.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
        if (
            type(self._files).mv is AbstractFileSystem.mv
        ):  # such as S3, which writes files as a whole
            self._files.pipe_file(target, data)
            return
        partly = f"{target}.{uuid4().hex}.partly"
        self._files.pipe_file(partly, data)
        try:
            self._files.mv(partly, target)
        except OSError:  # some servers do not replace a file
            self._files.rm_file(target)
            self._files.mv(partly, target)

    def delete(self, name: str) -> None:
        """Delete a file if it exists. Only for uploads: errors are raised."""
        with suppress(FileNotFoundError):
            self._files.rm_file(f"{self._root}/{name}")

    def _upload_all(self) -> None:
        while (upload := self._uploads.get()) is not None:
            if self._works:
                self._guarded(upload)

    def _guarded(self, call: Callable[[], Any]) -> Any:
        """Returns what `call` returns; after any error, None, and the remote is not used again.

        Every file system has its own kinds of errors, so all are caught.
        """
        try:
            return call()
        except Exception as error:
            self._fail(error)
            return None

    def _fail(self, error: Exception) -> None:
        if self._works:
            self._works = False
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            self._warn(f"the remote cache {self._url} is not used any more: {reason}")


def _name(kind: str, digest: str, ending: str) -> str:
    return f"{kind}/{digest[:2]}/{digest}{ending}"
