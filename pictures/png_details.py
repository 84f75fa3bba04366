"""What Pillow leaves out of PNG files: exact transparency, and colours described by numbers."""

from __future__ import annotations

import zlib
from typing import IO, TYPE_CHECKING

import numpy as np
from PIL import Image, PngImagePlugin

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_STEP = {"L;2": 85, "L;4": 17}  # what Pillow multiplies grey values of 2 and 4 bits by


def colour_numbers(file: IO[bytes]) -> tuple[int, int] | None:
    """Returns the numbers of the primaries and the curve in a PNG's cICP chunk, if it has one."""
    file.seek(0)
    if file.read(8) != _SIGNATURE:
        return None
    while len(head := file.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"cICP":
            primaries, curve = file.read(2).ljust(2, b"\2")
            return primaries, curve
        if kind == b"IDAT":
            return None
        file.seek(length + 4, 1)
    return None


def without_large_texts(data: bytes) -> tuple[bytes, bool] | None:
    """Returns a PNG without its texts, and whether a large colour profile was left out too.

    Pillow refuses a picture whose texts or profile unpack to more than a limit. Returns None if
    there is nothing to leave out.
    """
    if not data.startswith(_SIGNATURE):
        return None
    kept, at, large_profile = [_SIGNATURE], len(_SIGNATURE), False
    while at + 8 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        is_large = kind == b"iCCP" and _is_large(data[at + 8 : end - 4])
        large_profile |= is_large
        if not is_large and kind not in (b"tEXt", b"zTXt", b"iTXt"):
            kept.append(data[at:end])
        at = end
    found = b"".join(kept)
    return (found, large_profile) if len(found) < len(data) else None


def _is_large(profile: bytes) -> bool:
    _, _, packed = profile.partition(b"\0")
    unpacked = zlib.decompressobj().decompress(packed[1:], PngImagePlugin.MAX_TEXT_CHUNK + 1)
    return len(unpacked) > PngImagePlugin.MAX_TEXT_CHUNK


def load_png(picture: PngImagePlugin.PngImageFile, file: IO[bytes]) -> Image.Image:
    """Load a PNG. If one colour is transparent, exactly this colour is, at any number of bits."""
    raw = _raw_mode(picture)
    clear = picture.info.get("transparency")
    picture.load()
    if raw in _STEP and isinstance(clear, int):
        picture.info["transparency"] = clear * _STEP[raw]
    if raw != "RGB;16B" or not isinstance(clear, tuple):
        return picture
    opaque = _differs(picture, [value >> 8 for value in clear])
    with Image.open(file, formats=("PNG",)) as low:
        # Read as numbers whose low byte comes first, the pixels are the low bytes.
        low.tile = [tile._replace(args="RGB;16L") for tile in low.tile]
        opaque |= _differs(low, [value & 255 for value in clear])
    both = picture.convert("RGBA")
    both.putalpha(Image.fromarray(opaque.astype(np.uint8) * np.uint8(255)))
    return both


def _raw_mode(picture: PngImagePlugin.PngImageFile) -> str:
    args = picture.tile[0][3] if picture.tile else ""
    return args if isinstance(args, str) else str(args[0])  # type: ignore[index]


def _differs(picture: Image.Image, colour: list[int]) -> NDArray[np.bool_]:
    differs: NDArray[np.bool_] = (np.asarray(picture) != np.array(colour, np.uint8)).any(-1)
    return differs
