"""A second level of the cache that machines share, at any address of fsspec (s3://, sftp://...).

A result that is not in the local cache is looked up in the remote one. New results are uploaded in
the background. If the remote cache fails, this process warns once and does not use it any more.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any

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
        self._thread = threading.Thread(target=self._upload_all, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait until all uploads are done."""
        self._uploads.put(None)
        self._thread.join()

    def lookup(self, key: str) -> ResultRow | None:
        """Returns the row of a result, if it is stored and readable."""
        data = self._read(self._path("results", key, ".json"))
        if data is None:
            return None
        try:
            _, node, parts, outputs, seconds = json.loads(data)["row"]
            return ResultRow(key, str(node), str(parts), str(outputs), float(seconds))
        except (ValueError, TypeError, KeyError):
            return None

    def blob(self, digest: str) -> bytes | None:
        """Returns the bytes of a blob, if it is stored and undamaged."""
        data = self._read(self._path("blobs", digest, ".safetensors"))
        is_sound = data is not None and blake3(data).hexdigest(16) == digest
        return data if is_sound else None

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

    def _path(self, kind: str, name: str, ending: str) -> str:
        return f"{self._root}/{kind}/{name[:2]}/{name}{ending}"
