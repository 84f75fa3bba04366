"""What the beginning of a JPEG XL file says, because Pillow's plug-in decodes a file to open it."""

from __future__ import annotations

from typing import IO, NamedTuple

_CODESTREAM = b"\xff\x0a"
_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
_MOST_BOXES = 64
_HEADER = 64  # bytes of the codestream that contain what is read here
_SIZES = (9, 13, 18, 30)  # bits of a side, by what the two bits before it say
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_FIRST_ON_ITS_SIDE = 5  # from this orientation on, pictures are shown after a quarter turn


class JxlHeader(NamedTuple):
    """A picture in JPEG XL: its size as it is shown, and whether it has several frames."""

    width: int
    height: int
    is_animation: bool


def jxl_header(file: IO[bytes]) -> JxlHeader | None:
    """Returns the header of a JPEG XL file; None if it is another file, or damaged."""
    bits = _Bits(_codestream(file))
    if bits.take(16) != int.from_bytes(_CODESTREAM, "little"):
        return None
    width, height = _size(bits)
    orientation, is_animation = 1, False
    if not bits.take(1) and bits.take(1):  # not all default, but with extra fields
        orientation = 1 + bits.take(3)
        if bits.take(1):  # the size for which it was made
            _size(bits)
        is_animation = not bits.take(1) and bool(bits.take(1))  # no preview, which is never used
    if orientation >= _FIRST_ON_ITS_SIDE:
        width, height = height, width
    return JxlHeader(width, height, is_animation)


def _codestream(file: IO[bytes]) -> bytes:
    """Returns the beginning of the codestream, which may be in a box of a container."""
    start = file.read(len(_CONTAINER))
    if start != _CONTAINER:
        return start + file.read(_HEADER)
    for _ in range(_MOST_BOXES):
        at = file.tell()
        head = file.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
        if kind in (b"jxlc", b"jxlp"):
            if kind == b"jxlp":  # a part, with its number
                file.read(4)
            return file.read(_HEADER)
        if length < 8 or len(head) < 8:
            break
        file.seek(at + length)
    return b""


class _Bits:
    """Bits of a codestream, the lowest ones first. After the end, all are 0."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        """Returns the next bits as a number."""
        found = self._value & ((1 << count) - 1)
        self._value >>= count
        return found


def _size(bits: _Bits) -> tuple[int, int]:
    """Returns width and height (ISO/IEC 18181-1, SizeHeader)."""
    is_small = bool(bits.take(1))

    def side() -> int:
        return 8 * (1 + bits.take(5)) if is_small else 1 + bits.take(_SIZES[bits.take(2)])

    height = side()
    ratio = bits.take(3)
    if not ratio:
        return side(), height
    over, under = _RATIOS[ratio - 1]
    return height * over // under, height
