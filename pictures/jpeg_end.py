"""Find out if a JPEG file whose last bytes are missing contains all pixels."""

from __future__ import annotations

import hashlib
from io import BytesIO

from PIL import Image

_END = b"\xff\xd9"
_BITS = (b"\x00", b"\x5a", b"\xa5", b"\xc3", b"\xff\x00")
_RESTARTS = [bytes((0xFF, number)) for number in range(0xD0, 0xD8)]
_FILLERS = (  # what a decoder may find behind the last byte
    b"",
    *(bits * 4096 for bits in _BITS),
    *(b"".join(mark + bits * 64 for mark in _RESTARTS * 2) for bits in _BITS),
)
_STRIP = 256  # rows that are compared at once, to save memory
_NO_LENGTH = {0x01, *range(0xD0, 0xD9)}  # markers without data behind them


def with_end_mark(data: bytes) -> bytes | None:
    """Returns a JPEG file with the end mark that it lacks, or None if more than that is missing.

    A decoder makes up what is missing from the bytes that follow. So the picture is decoded with
    several endings: if it is the same each time, then nothing was made up.
    """
    if not data.startswith(b"\xff\xd8") or data.endswith(_END):
        return None
    data = data.rstrip(b"\xff")  # half an end mark
    if not _has_all_scans(data):
        return None
    pictures = {_digest(data + filler + _END) for filler in _FILLERS}
    return data + _END if len(pictures) == 1 else None


def _digest(data: bytes) -> bytes:
    digest = hashlib.blake2b()
    with Image.open(BytesIO(data), formats=("JPEG",)) as picture:
        picture.load()
        for top in range(0, picture.height, _STRIP):
            bottom = min(top + _STRIP, picture.height)
            digest.update(picture.crop((0, top, picture.width, bottom)).tobytes())
    return digest.digest()


def _has_all_scans(data: bytes) -> bool:
    """Returns whether each colour has all its frequencies, down to the last bit.

    A progressive JPEG contains a coarse picture first, and finer and finer ones after it.
    """
    missing: dict[int, set[int]] = {}
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0 or marker in _NO_LENGTH:
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at + 4 : at + 2 + length]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            missing = {number: set(range(64)) for number in segment[6::3]}
        if marker == 0xDA:
            first, last, precision = segment[-3:]
            for number in segment[1:-3:2]:
                if precision & 15 == 0:
                    missing[number] -= set(range(first, last + 1))
        at += 2 + length
    return bool(missing) and not any(missing.values())
