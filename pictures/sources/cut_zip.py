"""What is whole in a zip file whose list of files, at its end, is missing."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import IO, Literal, NamedTuple

from ..packed import MOST_BYTES
from ..reading import UnreadableError
from .archive import Member

_HEADER = struct.Struct("<4sHHHHHLLLHH")
_FILE, _DESCRIPTOR = b"PK\3\4", b"PK\7\x08"
_ENCRYPTED, _SIZES_BEHIND, _UTF8 = 0x1, 0x8, 0x800  # bits of the flags
_STORED, _DEFLATED = 0, 8
_BLOCK = 1 << 16


class _Local(NamedTuple):
    """What a header before a file says. Sizes are 0 if they are behind the file."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int


def members_of_cut_zip(file: IO[bytes]) -> Iterator[Member]:
    """Yields the files of a zip file by the headers before them, until the first that is not whole.

    Files that are packed in another way than with deflate are skipped.
    """
    file.seek(0)
    while (local := _local(file)) is not None:
        start = file.tell()
        data = _content(file, local)
        if data is None:
            return
        if not local.flags & _SIZES_BEHIND:
            file.seek(start + local.packed)
        kind: Literal["file", "folder", "encrypted"] = "file"
        if local.name.endswith("/"):
            kind = "folder"
        elif local.flags & _ENCRYPTED:
            kind = "encrypted"

        def read(data: bytes = data, local: _Local = local) -> bytes:
            if local.method not in (_STORED, _DEFLATED):
                raise UnreadableError("it is packed in a way that is not supported")
            if not local.flags & _SIZES_BEHIND and zlib.crc32(data) != local.crc:
                raise UnreadableError("it is damaged in the archive")
            return data

        yield Member(local.name, kind, len(data), None, read)


def _local(file: IO[bytes]) -> _Local | None:
    """Returns the next header, or None if there is none."""
    head = file.read(_HEADER.size)
    if len(head) < _HEADER.size or not head.startswith(_FILE):
        return None
    _, _, flags, method, _, _, crc, packed, size, name, extra = _HEADER.unpack(head)
    raw, more = file.read(name), file.read(extra)
    if len(more) < extra:
        return None
    while len(more) >= 4:
        number, length = struct.unpack_from("<HH", more)
        if number == 1 and length >= 16 and packed == 0xFFFFFFFF:  # zip64
            size, packed = struct.unpack_from("<QQ", more, 4)
        more = more[4 + length :]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("cp437")
    return _Local(text, flags, method, crc, packed, size)


def _content(file: IO[bytes], local: _Local) -> bytes | None:
    """Returns the content of a file, empty if it is not needed; None if it is not whole."""
    if local.method not in (_STORED, _DEFLATED) or local.flags & _ENCRYPTED:
        return None if local.flags & _SIZES_BEHIND else b""
    if not local.flags & _SIZES_BEHIND and max(local.packed, local.size) > MOST_BYTES:
        return b""
    if local.method == _STORED:
        data = file.read(local.packed)
        return None if local.flags & _SIZES_BEHIND or len(data) < local.packed else data
    unpack = zlib.decompressobj(-15)
    unpacked = bytearray()
    try:
        while not unpack.eof:
            block = file.read(_BLOCK)
            if not block:
                return None
            unpacked += unpack.decompress(block, MOST_BYTES - len(unpacked) + 1)
            if len(unpacked) > MOST_BYTES:
                return None
    except zlib.error:
        return None
    file.seek(-len(unpack.unused_data), 1)
    if local.flags & _SIZES_BEHIND:
        _skip_descriptor(file)
    return bytes(unpacked)


def _skip_descriptor(file: IO[bytes]) -> None:
    """Go to the next header, behind the sizes that follow a file in one of four forms."""
    here = file.tell()
    following = file.read(28)
    for length in (16, 24, 12, 20):
        if following[length : length + 4] in (_FILE, b"PK\1\2"):
            file.seek(here + length)
            return
    file.seek(here + (16 if following.startswith(_DESCRIPTOR) else 12))
