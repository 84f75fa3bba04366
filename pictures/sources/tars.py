"""Pictures in tar files, packed or not, which are read forwards only."""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal

from ..packed import MOST_BYTES, MOST_RATIO, SourceError
from ..reading import UnreadableError
from ..walk import Skip
from .archive import Archive, Member

_BLOCK = 512  # bytes of a header, and of the steps in which a tar file grows
_CHUNK = 1 << 20  # bytes that are read at once
_MOST_UNCHECKED = 1 << 30  # unpacked bytes up to which any ratio is accepted
_MOST_HEADER = 1 << 24  # largest header, such as a long name
_AGAIN = "copy or download it again"
_CUT = "is cut short or damaged: only what comes before is used"


class Tar(Archive):
    """The pictures in tar files. Sparse files, pax headers and long names are understood."""

    def members(self, path: Path) -> Iterator[Member]:
        with path.open("rb") as file:
            stream = _Forwards(file)
            try:
                yield from self._members(stream)
            except (tarfile.TarError, ValueError, UnicodeError, KeyError) as error:
                if stream.headers == 0:
                    raise SourceError("it is not a tar file, or is damaged", _AGAIN) from error
                self.note(path, _CUT)
                return
            if not stream.is_at_end_mark():
                self.note(path, _CUT)
            elif stream.has_more():
                self.note(path, "has more behind its end mark, which is not read")
            elif stream.is_damaged:
                self.note(path, "is damaged, so its pictures may be wrong")

    def _members(self, stream: _Forwards) -> Iterator[Member]:
        archive = tarfile.TarFile(fileobj=stream, mode="r")  # type: ignore[arg-type]
        while True:
            stream.most = _MOST_HEADER
            info = archive.next()
            stream.most = MOST_BYTES
            if info is None:
                return
            stream.headers += 1
            archive.members = []  # type: ignore[attr-defined]  # or the list would grow
            read = partial(_read, archive, info)
            offset = None if info.issparse() else info.offset_data
            yield Member(info.name, _kind(info), info.size, None, read, offset)


def _kind(info: tarfile.TarInfo) -> Literal["file", "folder"] | Skip:
    if info.isdir():
        return "folder"
    if info.issym() or info.islnk():
        return "packed link"
    return "file" if info.isreg() else "device"


def _read(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    try:
        file = archive.extractfile(info)
        data = file.read(MOST_BYTES) if file else b""
    except (tarfile.TarError, ValueError) as error:
        raise UnreadableError("it is damaged in the archive") from error
    if len(data) < info.size:
        raise UnreadableError("the archive ends before it does")
    return data


class _Forwards:
    """A tar file as it is unpacked, which can only be read forwards.

    most:       largest number of bytes that may be read at once.
    headers:    number of members that were found.
    is_damaged: whether it could not be unpacked up to its end.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._unpacked = _unpacked(file)
        self._position = 0
        self._last = b""  # what was read at last
        self.most = _MOST_HEADER
        self.headers = 0
        self.is_damaged = False

    def tell(self) -> int:
        return self._position

    def read(self, size: int) -> bytes:
        """Returns the next bytes; fewer if the file ends or is damaged."""
        if size > self.most:
            raise tarfile.ReadError("a header is too large")
        data = bytearray()
        while len(data) < size and (chunk := self._chunk(min(_CHUNK, size - len(data)))):
            data += chunk
        self._last = bytes(data[-_BLOCK:])
        return bytes(data)

    def seek(self, position: int) -> int:
        """Go on to a position, which is never before the present one."""
        if position < self._position:
            raise tarfile.ReadError("the file would have to be read backwards")
        if self._unpacked is self._file:
            self._position = self._file.seek(position)
        while self._position < position and self._chunk(min(_CHUNK, position - self._position)):
            pass
        return self._position

    def is_at_end_mark(self) -> bool:
        """Returns whether the last block is empty, as at the end of a tar file."""
        return len(self._last) == _BLOCK and not self._last.strip(b"\0")

    def has_more(self) -> bool:
        """Returns whether something else than zeros follows."""
        while chunk := self._chunk(_CHUNK):
            if chunk.strip(b"\0"):
                return True
        return False

    def _chunk(self, size: int) -> bytes:
        """Returns at most so many of the next bytes. Raises: SourceError for a bomb; OSError."""
        try:
            data: bytes = self._unpacked.read1(size)
        except (EOFError, zlib.error, lzma.LZMAError, ValueError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            self.is_damaged = True
            return b""
        self._position += len(data)
        if self._position > max(_MOST_UNCHECKED, MOST_RATIO * self._file.tell()):
            what = f"it unpacks to more than {MOST_RATIO} times its size, as a bomb does"
            raise SourceError(what, "unpack it yourself if you trust it")
        return data


def _unpacked(file: IO[bytes]) -> Any:
    """Returns the content of a file, unpacked if it is packed, whatever its name says."""
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if start.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if start.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(file)
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        try:
            return importlib.import_module("compression.zstd").ZstdFile(file)
        except ImportError as error:
            what = "files that are packed with Zstandard need Python 3.14"
            raise SourceError(what, "save it as .tar or .tar.gz") from error
    return file
