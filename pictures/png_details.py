"""What Pillow leaves out of PNG files: exact transparency, and colours described by numbers."""

from __future__ import annotations

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
