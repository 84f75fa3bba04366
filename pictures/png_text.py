"""Text in PNG files: a saved picture contains the graph that made it.

PNG specification (W3C, third edition), 11.3.3: an iTXt chunk contains a keyword and UTF-8 text.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_TEXT = 64 * 2**20  # bytes of a chunk; larger ones are skipped


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
    """Returns the text of `keyword` in an uncompressed iTXt or a tEXt chunk, or None."""
    for kind, body in _chunks(data):
        name, _, rest = body.partition(b"\0")
        if name != keyword.encode("latin-1"):
            continue
        if kind == b"tEXt":
            return rest.decode("latin-1")
        if kind == b"iTXt" and rest[:1] == b"\0":
            return rest[2:].split(b"\0", 2)[2].decode()
    return None


def without_text(data: bytes, keywords: Collection[str]) -> bytes:
    """Returns the PNG without the text chunks of these keywords."""
    names = {keyword.encode("latin-1") for keyword in keywords}
    kept = [data[: len(_SIGNATURE)]]
    for start, end, kind in _spans(data):
        name = data[start + 8 : start + 88].partition(b"\0")[0]  # keywords have at most 79 bytes
        if kind not in (b"tEXt", b"zTXt", b"iTXt") or name not in names:
            kept.append(data[start:end])
    return b"".join(kept)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    for start, end, kind in _spans(data):
        if end - start <= _MAX_TEXT:
            yield kind, data[start + 8 : end - 4]


def _spans(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yields the start, the end and the type of each chunk."""
    start = len(_SIGNATURE)
    while start + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[start : start + 8])
        end = start + 12 + length
        yield start, end, kind
        start = end
