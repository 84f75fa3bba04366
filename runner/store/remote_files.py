"""Files below an address of fsspec: written whole or not at all, in parts, and with deadlines.

Object stores such as S3 put an object as a whole. On other file systems, a file is written under
another name and renamed.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, BinaryIO, Literal, NamedTuple
from uuid import uuid4

from ...contract.errors import GraphError
from ...pictures.sources.names import PACKAGES
from .deadlines import Beat, Deadlines
from .remote_address import checked, options_for, shown, without_secrets

PART = 8 << 20  # bytes of a large file that are in memory at a time
PARTLY = ".partly"  # ending of a file that is being written
SECONDS = 30.0  # after which a request without an answer, or without progress, has failed
_LIST_SECONDS = 300.0  # the same for the list of a folder
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "memory"}
_TIMES = ("LastModified", "last_modified", "mtime", "modified", "updated", "last_write_time")

Kind = Literal["denied", "full", "lasting", "passing"]


class RemoteError(Exception):
    """A request failed.

    kind:   "denied" or "full"; "lasting" if it will fail again; "passing" if it may succeed later.
    reason: one line without credentials.
    """

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason


class RemoteFile(NamedTuple):
    """A stored file: its name below the address, its size, and when it was last written.

    written: in seconds since 1970; None if the file system does not report it.
    """

    name: str
    size: int
    written: float | None


class RemoteFiles:
    """The files below `url`. All names are relative to it, with slashes.

    Raises: GraphError if fsspec is missing, does not know the address, or may not use it.
    """

    def __init__(self, url: str, option: str = "--cache-remote ") -> None:
        self.url, self._deadlines = shown(url), Deadlines()
        self._address = checked(url, option)
        self._shared: tuple[Any, str] | None = None  # if one connection serves all threads
        self._own = threading.local()
        scheme, is_address, _ = self._address.split("::")[0].partition("://")
        try:
            from fsspec import get_filesystem_class

            get_filesystem_class(scheme if is_address else "file")
        except ImportError as error:
            package = PACKAGES.get(scheme, "")
            advice = f"run pip install 'artgraph[remote]' {package}".rstrip()
            raise GraphError(f"{option}{self.url}: {error}", advice) from error
        except ValueError as error:
            advice = "write an address such as s3://bucket/folder or sftp://host/folder"
            raise GraphError(f"{option}{self.url}: {error}", advice) from error

    def close(self) -> None:
        """End the threads. Requests without an answer are left behind."""
        self._deadlines.close()

    def read(self, name: str, start: int = 0) -> bytes | None:
        """Returns at most `PART` bytes of a file from `start`; None if there is no such file.

        Raises: RemoteError, as all methods do.
        """
        return self._do(lambda fs, root, beat: _read(fs, f"{root}/{name}", start))  # type: ignore[no-any-return]

    def parts(self, name: str) -> Iterator[bytes]:
        """Yields the bytes of a file part by part; nothing if there is no such file."""
        start = 0
        while part := self.read(name, start):
            yield part
            if len(part) < PART:
                return
            start += len(part)

    def write(self, name: str, data: bytes) -> None:
        """Write a small file."""
        self._do(
            lambda fs, root, beat: _whole(fs, f"{root}/{name}", lambda p: fs.pipe_file(p, data))
        )

    def upload(self, name: str, file: BinaryIO, size: int) -> None:
        """Write an open local file of this size, part by part if it is large."""
        if size <= PART:
            self.write(name, file.read())
            return

        def upload(fs: Any, root: str, beat: Beat) -> None:
            file.seek(0)
            _whole(fs, f"{root}/{name}", lambda path: _stream(fs, path, file, beat))

        self._do(upload)

    def find(self, name: str) -> RemoteFile | None:
        """Returns a file's size and time, if there is such a file."""

        def find(fs: Any, root: str, beat: Beat) -> RemoteFile | None:
            fs.invalidate_cache()
            try:
                return _described(name, fs.info(f"{root}/{name}"))
            except FileNotFoundError:
                return None

        return self._do(find)  # type: ignore[no-any-return]

    def delete(self, name: str) -> None:
        """Delete a file if it exists."""

        def delete(fs: Any, root: str, beat: Beat) -> None:
            with suppress(FileNotFoundError):
                fs.rm_file(f"{root}/{name}")

        self._do(delete)

    def list(self, folder: str) -> Iterator[RemoteFile]:
        """Yields the files below a folder, one of its sub-folders after the other."""

        def folders(fs: Any, root: str, beat: Beat) -> list[str]:
            fs.invalidate_cache()
            try:
                found = fs.ls(f"{root}/{folder}", detail=True)
            except FileNotFoundError:
                return []
            return [_last(entry["name"]) for entry in found if entry["type"] == "directory"]

        for part in self._do(folders, _LIST_SECONDS):

            def files(fs: Any, root: str, beat: Beat, part: str = part) -> list[RemoteFile]:
                top = f"{root}/{folder}/{part}"
                found = fs.find(top, detail=True).values()
                return [_described(_below(e["name"], f"{folder}/{part}"), e) for e in found]

            yield from self._do(files, _LIST_SECONDS)

    def _do(self, call: Callable[[Any, str, Beat], Any], seconds: float | None = None) -> Any:
        """Returns what `call` returns for the file system, the path of the address and a beat.

        Every file system has its own kinds of errors, so all are caught.
        """
        try:
            return self._deadlines.call(
                lambda beat: call(*self._opened(), beat), SECONDS if seconds is None else seconds
            )
        except Exception as error:
            failure = _failure(error)
            if failure.kind == "passing":
                self._shared, self._own = None, threading.local()  # connect again next time
            raise failure from error

    def _opened(self) -> tuple[Any, str]:
        """Returns the file system and the path of the address on it.

        Those that are not asynchronous, such as FTP, have one connection for each thread.
        """
        opened: tuple[Any, str] | None = self._shared or getattr(self._own, "opened", None)
        if opened is None:
            from fsspec.core import url_to_fs

            options = options_for(self._address)
            fs, root = url_to_fs(self._address, skip_instance_cache=True, **options)
            if hasattr(fs, "retries"):
                fs.retries = 2
            opened = fs, root.rstrip("/")
            if fs.async_impl:
                self._shared = opened
            else:
                self._own.opened = opened
        return opened


def _read(fs: Any, path: str, start: int) -> bytes | None:
    """Returns a part of a file. With a range, S3 makes one request only."""
    try:
        return bytes(fs.cat_file(path, start=start, end=start + PART))
    except FileNotFoundError as error:
        if "bucket" in str(error).lower():
            raise
        return None
    except OSError as error:
        if _code(error) in ("InvalidRange", "416"):  # S3 has no empty ranges
            return b""
        raise


def _whole(fs: Any, target: str, write: Callable[[str], object]) -> None:
    """Write a file so that nobody sees a part of it."""
    from fsspec import AbstractFileSystem

    protocols = {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
    if protocols & _OBJECT_STORES or type(fs).mv is AbstractFileSystem.mv:
        write(target)
        return
    fs.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
    partly = f"{target}.{uuid4().hex}{PARTLY}"
    try:
        write(partly)
        try:
            fs.mv(partly, target)
        except FileExistsError:  # some servers do not replace a file
            fs.rm_file(target)
            fs.mv(partly, target)
    except BaseException:
        with suppress(Exception):
            fs.rm_file(partly)
        raise


def _stream(fs: Any, path: str, source: BinaryIO, beat: Beat) -> None:
    """Write a file part by part. If this fails, an object store stores nothing."""
    from fsspec.spec import AbstractBufferedFile

    file = fs.open(path, "wb", block_size=PART)
    try:
        while part := source.read(PART):
            beat()
            file.write(part)
        beat()
        file.close()
    except BaseException:
        with suppress(Exception):
            if isinstance(file, AbstractBufferedFile):
                file.closed = True  # to close it would store the parts so far as the object
                file.discard()
            else:
                file.close()
        raise


def _described(name: str, facts: dict[str, Any]) -> RemoteFile:
    written = next((facts[key] for key in _TIMES if facts.get(key) is not None), None)
    if written is None:
        written = facts.get("created")
    if isinstance(written, str):
        with suppress(ValueError):
            written = datetime.fromisoformat(written)
    if isinstance(written, datetime):
        written = written.timestamp()
    is_time = isinstance(written, int | float)
    return RemoteFile(name, int(facts["size"] or 0), float(written) if is_time else None)  # type: ignore[arg-type]


def _last(path: str) -> str:
    return path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def _below(path: str, folder: str) -> str:
    """Returns the name below the address of a file in `folder` whose path is `path`."""
    return f"{folder}/" + path.replace("\\", "/").rpartition(f"/{folder}/")[2]


def _code(error: BaseException) -> str:
    """Returns the code in the answer of an S3 server."""
    answer = getattr(error, "response", None) or getattr(error.__cause__, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))


def _failure(error: Exception) -> RemoteError:
    """Returns what an error means, as one line."""
    reason = " ".join(without_secrets(str(error)).split())[:200] or type(error).__name__
    number = getattr(error, "errno", None)
    if isinstance(error, PermissionError) or number in (errno.EROFS, errno.EACCES, errno.EPERM):
        return RemoteError("denied", reason)
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return RemoteError("full", reason)
    lasting = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)
    if isinstance(error, lasting) or "credentials" in reason.lower():
        return RemoteError("lasting", reason)
    return RemoteError("passing", reason)
