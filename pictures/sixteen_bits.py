"""Grey pictures of more than 8 bits, floats and signed numbers: scaled by what their file says."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT, _SMALLEST, _LARGEST = 258, 262, 339, 340, 341  # TIFF tags
_SIGNED, _FLOAT = 2, 3  # values of SampleFormat
_NATIVE = {  # Pillow's names of kinds of numbers, and the same in this computer's order of bytes
    **dict.fromkeys(("F;32F", "F;32BF"), "F;32NF"),
    **dict.fromkeys(("I;16S", "I;16BS"), "I;16NS"),
    **dict.fromkeys(("I;32S", "I;32BS"), "I;32NS"),
}
_ROWS = 256  # rows that are converted at once, to save memory
_MOST_SAMPLED = 1 << 20  # about the most values that the range of a picture is guessed from

Values = NDArray[Any]


def prepare(picture: Image.Image) -> None:
    """Correct what Pillow does with compressed TIFF files before it loads one.

    libtiff returns numbers in this computer's order of bytes, and not in the file's.
    """
    tiles = getattr(picture, "tile", None)
    if tiles and tiles[0].codec_name == "libtiff":
        raw, *rest = tiles[0].args
        picture.tile = [tiles[0]._replace(args=(_NATIVE.get(raw, raw), *rest))]  # type: ignore[attr-defined]


def is_deep(picture: Image.Image) -> bool:
    """Returns whether a picture has grey values that `in_sixteen_bits` must scale."""
    signed = picture.mode == "L" and _tag(picture, _SAMPLE_FORMAT, 1) == _SIGNED
    return picture.mode.startswith(("I", "F")) or signed


def in_sixteen_bits(picture: Image.Image) -> Image.Image:
    """Returns a grey picture with values 0..65535, in the mode I;16.

    Values that are not numbers become black, and infinite ones black or white.
    """
    values = _values(picture)
    low, high = _range(picture, values)
    if _tag(picture, _PHOTOMETRIC, 1) == 0:  # Pillow inverts 8 bits by itself, but not these
        low, high = high, low
    scaled = np.empty(values.shape, np.uint16)
    for top in range(0, len(values), _ROWS):
        part = values[top : top + _ROWS].astype(np.float64)
        part = (np.nan_to_num(part, nan=min(low, high)) - low) / (high - low)
        scaled[top : top + _ROWS] = np.clip(part, 0, 1) * 65535 + 0.5
    return Image.fromarray(scaled)


def _values(picture: Image.Image) -> Values:
    """Returns the values as the file means them: Pillow has no unsigned 32 and signed 8 bits."""
    values = np.asarray(picture)
    bits, kind = _tag(picture, _BITS, 0), _tag(picture, _SAMPLE_FORMAT, 1)
    if values.dtype == np.int32 and bits == 32 and kind == 1:
        return values.view(np.uint32)
    return values.view(np.int8) if values.dtype == np.uint8 else values


def _range(picture: Image.Image, values: Values) -> tuple[float, float]:
    """Returns the values of black and white."""
    low, high = _tag(picture, _SMALLEST, None), _tag(picture, _LARGEST, None)
    if high is not None and np.isfinite((low or 0, high)).all() and high > (low or 0):
        return float(low or 0), float(high)
    if values.dtype.kind == "f":
        return 0.0, _float_top(values)
    bits = _tag(picture, _BITS, 16)
    if _tag(picture, _SAMPLE_FORMAT, 1) != _SIGNED:
        return 0.0, 2.0**bits - 1
    low = -(2.0 ** (bits - 1)) if values.min(initial=0) < 0 else 0.0
    return low, 2.0 ** (bits - 1) - 1


def _float_top(values: Values) -> float:
    """Returns the value of white among floats: 1, 255, 65535, or the largest one.

    White is 1 if most of the picture is darker than 1. Values above are lights that are too bright.
    """
    some = values.ravel()[:: max(1, values.size // _MOST_SAMPLED)]
    some = some[np.isfinite(some) & (some > 0)]
    if not some.size:
        return 1.0
    bright = float(np.quantile(some, 0.999))
    whole = bright > 1 and bool((some == np.round(some)).all())
    if float(np.median(some)) <= 1 and not whole:
        return 1.0
    return 255.0 if bright <= 255 else 65535.0 if bright <= 65535 else float(some.max())


def _tag(picture: Image.Image, number: int, otherwise: Any) -> Any:
    """Returns the first value of a TIFF tag, or `otherwise` if there is none."""
    tags = getattr(picture, "tag_v2", {})
    value = tags.get(number, otherwise)
    return (value[0] if value else otherwise) if isinstance(value, tuple) else value
