"""Pictures in zip files."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Literal

from ..packed import MOST_BYTES, MOST_MEMBERS, SourceError
from ..reading import UnreadableError
from ..walk import Skip
from .archive import Archive, Member
from .cut_zip import members_of_cut_zip
from .names import one_line

_END, _LOCATOR, _END64 = b"PK\5\6", b"PK\6\7", b"PK\6\6"  # marks of the records at the end
_MOST_COMMENT = 1 << 16  # longest comment behind the last record
_ENCRYPTED, _UTF8 = 0x1, 0x800  # bits of a member's flags
_UNIX = 3  # system whose modes are written in a member's attributes
_AGAIN = "copy or download it again"
_BAD = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, struct.error, RuntimeError)


class Zip(Archive):
    """The pictures in zip files, also with more than 4 GiB (zip64)."""

    def members(self, path: Path) -> Iterator[Member]:
        with path.open("rb") as file:
            if _number_of_members(file) is None:
                self.note(path, "is cut short or damaged at its end: only what is whole is used")
                yield from members_of_cut_zip(file)
                return
            size = file.seek(0, 2)
            try:
                archive = zipfile.ZipFile(file)
            except (*_BAD, NotImplementedError, OSError) as error:
                if isinstance(error, OSError) and error.errno not in (None, 22):
                    raise
                raise SourceError(
                    f"it is damaged ({one_line(error)})", "copy or download it again"
                ) from error
            with archive:
                infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
                if sum(info.compress_size for info in infos) > size:
                    raise SourceError("its files overlap, as in a zip bomb", "choose another file")
                for info in infos:
                    read = partial(_read, archive, info)
                    yield Member(_name(info), _kind(info), info.file_size, info.compress_size, read)


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(info) as file:
            data = file.read(MOST_BYTES)
    except NotImplementedError as error:
        raise UnreadableError(
            f"it is packed in a way that is not supported ({one_line(error)})"
        ) from error
    except _BAD as error:
        raise UnreadableError("it is damaged in the archive") from error
    except OSError as error:
        if error.errno not in (None, 22):
            raise
        raise UnreadableError("it is damaged in the archive") from error
    return data


def _kind(info: zipfile.ZipInfo) -> Literal["file", "folder"] | Skip:
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    if info.is_dir():
        return "folder"
    if stat.S_ISLNK(mode):
        return "packed link"
    return "encrypted" if info.flag_bits & _ENCRYPTED else "file"


def _name(info: zipfile.ZipInfo) -> str:
    """Returns a name as it is meant: programs write UTF-8 without the mark that says so."""
    if info.flag_bits & _UTF8 or info.orig_filename.isascii():
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _number_of_members(file: IO[bytes]) -> int | None:
    """Returns how many files the end of a zip file says it contains; None if it has no end.

    Raises: SourceError if these are too many to be listed, or if it is not a zip file.
    """
    size = file.seek(0, 2)
    file.seek(0)
    start = file.read(4)
    file.seek(max(0, size - _MOST_COMMENT - 22))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        if start != b"PK\3\4":
            raise SourceError("it is not a zip file, or is damaged", "choose another file")
        return None
    (count,) = struct.unpack_from("<H", tail, at + 10)
    (length,) = struct.unpack_from("<L", tail, at + 12)
    if tail[max(0, at - 20) : at].startswith(_LOCATOR):
        (place,) = struct.unpack_from("<Q", tail, at - 12)
        file.seek(min(place, size))
        record = file.read(56)
        if record.startswith(_END64) and len(record) == 56:
            count, length = struct.unpack_from("<QQ", record, 32)
    if max(count, length // 46) > MOST_MEMBERS * 4 or count > MOST_MEMBERS:
        what = f"it contains more than {MOST_MEMBERS:,} files"
        raise SourceError(what, "split it, and load each part with a node of its own")
    return int(count)
