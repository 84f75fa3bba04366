"""Find a picture's colour profile: embedded, or made from the few numbers that its file has."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL.ExifTags import IFD

if TYPE_CHECKING:
    from PIL import Image

_D65 = (0.3127, 0.3290)
_SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
# ITU-T H.273: primaries and curves by number. Other numbers are treated as sRGB's.
_PRIMARIES = {
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
HDR_CURVES = (16, 18)  # PQ and HLG

XY = tuple[float, float]
XYZ = NDArray[np.float64]  # one colour, or several in columns


def profile_of(picture: Image.Image) -> bytes | None:
    """Returns the profile that describes a picture's colours, or None for sRGB or unknown colours.

    A PNG's cICP chunk comes first, then the embedded profile, then sRGB or gAMA and cHRM chunks.
    A photograph without a profile is in Adobe RGB if its EXIF data says so.
    """
    info = picture.info
    numbers = info.get("cicp")
    if numbers:
        return _from_numbers(numbers[0], numbers[1])
    embedded = info.get("icc_profile")
    if embedded:
        return bytes(embedded)
    video = info.get("nclx_profile")
    if video:
        return _from_numbers(video["color_primaries"], video["transfer_characteristics"])
    if "srgb" not in info and info.get("gamma"):
        return _from_gamma(picture)
    return _ADOBE_RGB if _is_adobe_rgb(picture) else None


def _from_numbers(primaries: int, curve: int) -> bytes | None:
    if primaries not in _PRIMARIES and curve not in _GAMMAS:
        return None
    return matrix_profile(_PRIMARIES.get(primaries, _SRGB), _D65, _GAMMAS.get(curve))


def _from_gamma(picture: Image.Image) -> bytes | None:
    """Returns the profile that a PNG's gAMA and cHRM chunks describe.

    Programs write a gamma of 1 / 2.2 for sRGB's curve, and it is taken for that.
    """
    gamma = 1 / picture.info["gamma"]
    if not 0.1 < gamma < 10:
        return None
    curve = None if abs(gamma - 2.2) < 0.02 else gamma
    if picture.mode in ("1", "L", "LA", "I;16", "I"):
        return grey_profile(gamma) if curve else None
    numbers = picture.info.get("chromaticity")
    if not numbers:
        return matrix_profile(_SRGB, _D65, curve) if curve else None
    white, *primaries = zip(numbers[::2], numbers[1::2], strict=True)
    with suppress(np.linalg.LinAlgError, ZeroDivisionError, struct.error):
        return matrix_profile(primaries, white, curve)
    return None


def _is_adobe_rgb(picture: Image.Image) -> bool:
    """Returns whether EXIF data names Adobe RGB, as cameras do that embed no profile."""
    with suppress(Exception):  # damaged EXIF data can make the parser raise anything
        exif = picture.getexif()
        uncalibrated = exif.get_ifd(IFD.Exif).get(0xA001) in (2, 0xFFFF)  # ColorSpace
        interop = exif.get_ifd(IFD.Interop) or exif.get_ifd(IFD.Exif).get(IFD.Interop) or {}
        return uncalibrated and str(interop.get(1, "")).startswith("R03")
    return False


def matrix_profile(primaries: Sequence[XY], white: XY, gamma: float | None) -> bytes:
    """Returns an ICC profile for RGB. A gamma of None means sRGB's curve."""
    xyz = _adapted(np.array([_xyz(xy) for xy in primaries]).T, np.array(_xyz(white)))
    colours = [(tag, _xyz_tag(xyz[:, i])) for i, tag in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))]
    curves = [(tag, _curve_tag(gamma)) for tag in (b"rTRC", b"gTRC", b"bTRC")]
    return _profile(b"RGB ", [*colours, *curves])


def grey_profile(gamma: float | None) -> bytes:
    """Returns an ICC profile for grey. A gamma of None means sRGB's curve."""
    return _profile(b"GRAY", [(b"kTRC", _curve_tag(gamma))])


def _adapted(primaries: XYZ, white: XYZ) -> XYZ:
    """Returns the XYZ of the primaries in columns, as seen under D50 (Bradford's method)."""
    scaled = primaries * np.linalg.solve(primaries, white)
    cone = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    gains = (cone @ _D50) / (cone @ white)
    return np.linalg.solve(cone, gains[:, None] * (cone @ scaled))


def _xyz(xy: XY) -> tuple[float, float, float]:
    x, y = xy
    return x / y, 1.0, (1 - x - y) / y


def _number(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz_tag(xyz: XYZ) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_number, xyz))


def _curve_tag(gamma: float | None) -> bytes:
    if gamma is not None:
        return b"para\0\0\0\0" + struct.pack(">HH", 0, 0) + _number(gamma)
    srgb = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    return b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + b"".join(map(_number, srgb))


def _profile(space: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    """Returns an ICC profile of version 4.3 with these tags."""
    text = b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", 2, 28) + b"\0-"
    tags = [(b"desc", text), (b"cprt", text), (b"wtpt", _xyz_tag(_D50)), *tags]
    table, body = struct.pack(">I", len(tags)), b""
    start = 132 + 12 * len(tags)
    for name, data in tags:
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    head = struct.pack(
        ">I4sI4s4s4s", start + len(body), b"\0\0\0\0", 0x04300000, b"mntr", space, b"XYZ "
    )
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    return head + b"".join(map(_number, _D50)) + b"\0" * 48 + table + body


_D50 = np.array([0.9642, 1.0, 0.8249])
_ADOBE_RGB = matrix_profile(_ADOBE, _D65, 2.19921875)
