"""Text in PNG files: a saved picture contains the graph that made it.

PNG specification (W3C, third edition), 11.3.3: an iTXt chunk contains a keyword and UTF-8 text. It
is compressed or not, as are the zTXt and tEXt chunks into which other programs convert it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")  # the types of chunks with text
_MAX_TEXT = 64 * 2**20  # bytes of a text, also after decompression


class TextError(ValueError):
    """A text that is damaged or too large. The message says which."""


def is_png(data: bytes) -> bool:
    """Returns whether the data begin with the signature of PNG files."""
    return data.startswith(_SIGNATURE)


def add_text(data: bytes, keyword: str, text: str) -> bytes:
    """Returns the PNG with an uncompressed iTXt chunk added after its header chunk."""
    body = keyword.encode("latin-1") + b"\0\0\0\0\0" + text.encode()
    chunk = struct.pack(">I", len(body)) + b"iTXt" + body
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    header_end = len(_SIGNATURE) + 4 + 4 + 13 + 4
    return data[:header_end] + chunk + data[header_end:]


def read_text(data: bytes, keyword: str) -> str | None:
    """Returns the text of `keyword`, or None if the PNG does not contain it.

    Raises: TextError if the text is damaged, or larger than 64 MiB.
    """
    wanted = keyword.encode("latin-1") + b"\0"
    for start, end, kind in _spans(data):
        if kind not in _TEXTS or not data.startswith(wanted, start + 8):
            continue
        if end - start > _MAX_TEXT:
            raise TextError(_TOO_LARGE)
        if end > len(data):
            raise TextError("the file is cut short")
        return _decoded(kind, data[start + 8 + len(wanted) : end - 4])
    return None


_TOO_LARGE = f"the text in it is larger than {_MAX_TEXT >> 20} MiB"


def _decoded(kind: bytes, body: bytes) -> str:
    """Returns the text of a chunk from what follows its keyword."""
    packed = kind == b"zTXt"
    if kind == b"iTXt":
        packed, rest = body[:1] == b"\1", body[2:].split(b"\0", 2)
        body = rest[2] if len(rest) == 3 else b""
    elif packed:
        body = body[1:]  # the method of compression, of which there is one
    if packed:
        body = _unpacked(body)
    try:
        return body.decode()  # some programs write UTF-8 into chunks that should be Latin-1
    except UnicodeDecodeError as error:
        if kind == b"iTXt":
            raise TextError("the text in it is damaged") from error
        return body.decode("latin-1")


def _unpacked(data: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, _MAX_TEXT)
    except zlib.error as error:
        raise TextError("the text in it is damaged") from error
    if unpacker.unconsumed_tail:
        raise TextError(_TOO_LARGE)
    if not unpacker.eof:
        raise TextError("the text in it is cut short")
    return text


def without_text(data: bytes, keywords: Collection[str]) -> bytes:
    """Returns the PNG without the text chunks of these keywords."""
    names = {keyword.encode("latin-1") for keyword in keywords}
    kept = [data[: len(_SIGNATURE)]]
    for start, end, kind in _spans(data):
        name = data[start + 8 : start + 88].partition(b"\0")[0]  # keywords have at most 79 bytes
        if kind not in _TEXTS or name not in names:
            kept.append(data[start:end])
    return b"".join(kept)


def _spans(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yields the start, the end and the type of each chunk."""
    start = len(_SIGNATURE)
    while start + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[start : start + 8])
        end = start + 12 + length
        yield start, end, kind
        start = end
