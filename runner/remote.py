"""A second level of the cache that machines share, anywhere that fsspec reaches (s3://, sftp://...).

What is not here is looked up there, and what is made here is put there in the background. It may
fail at any time: that costs a warning, and this process asks it no more.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from blake3 import blake3

from ..nodes.errors import GraphError
from .schema import ResultRow


class Remote:
    """The results below `url`, by key, and their blobs, by digest.

    Raises: GraphError if fsspec is missing or does not know the address.
    """

    def __init__(self, url: str, warn: Callable[[str], None]) -> None:
        try:
            from fsspec.core import url_to_fs

            self._files, self._root = url_to_fs(url)
        except ImportError as error:
            raise GraphError(
                f"--cache-remote {url}: {error}", "run `pip install 'artgraph[remote]'`"
            ) from error
        except ValueError as error:
            raise GraphError(f"--cache-remote {url}: {error}", "correct the address") from error
        self._url, self._warn = url, warn
        self._works = True
        self._uploads: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._upload_all, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait for the uploads."""
        self._uploads.put(None)
        self._thread.join()

    def lookup(self, key: str) -> ResultRow | None:
        """The row of a result, if it is there and whole."""
        data = self._read(self._path("results", key, ".json"))
        if data is None:
            return None
        try:
            _, node, parts, outputs, seconds = json.loads(data)["row"]
            return ResultRow(key, str(node), str(parts), str(outputs), float(seconds))
        except (ValueError, TypeError, KeyError):
            return None

    def blob(self, digest: str) -> bytes | None:
        """The bytes of a blob, if they are there and whole."""
        data = self._read(self._path("blobs", digest, ".safetensors"))
        whole = data is not None and blake3(data).hexdigest(16) == digest
        return data if whole else None

    def put(self, row: ResultRow, blobs: Mapping[str, Path]) -> None:
        """Upload a result in the background: its blobs (digest to local path), then its row."""

        def upload() -> None:
            for digest, path in blobs.items():
                target = self._path("blobs", digest, ".safetensors")
                if not self._files.exists(target):
                    self._write(target, path.read_bytes())
            record = json.dumps({"row": row}).encode()
            self._write(self._path("results", row.key, ".json"), record)

        self._uploads.put(upload)

    def _write(self, target: str, data: bytes) -> None:
        self._files.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
        self._files.pipe_file(target, data)

    def _upload_all(self) -> None:
        while (upload := self._uploads.get()) is not None:
            if self._works:
                self._guarded(upload)

    def _read(self, path: str) -> bytes | None:
        def read() -> bytes | None:
            try:
                return bytes(self._files.cat_file(path))
            except FileNotFoundError:
                return None

        return self._guarded(read) if self._works else None

    def _guarded(self, call: Callable[[], Any]) -> Any:
        """Each file system has errors of its own; whichever comes, we go on without it."""
        try:
            return call()
        except Exception as error:
            if self._works:
                self._works = False
                reason = " ".join(str(error).split())[:200] or type(error).__name__
                self._warn(f"the remote cache {self._url} is left out from now on: {reason}")
            return None

    def _path(self, kind: str, name: str, ending: str) -> str:
        return f"{self._root}/{kind}/{name[:2]}/{name}{ending}"
