"""Decoded frames of films as RGB: colour matrix, range, bit depth, transparency, proportions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray
from PIL import Image

from .profiles import HDR_CURVES

if TYPE_CHECKING:
    from av import VideoFrame

    from .colour import Note

Pixels = NDArray[np.uint8]

# The same bits on every processor. The flags have no effect on what is not scaled.
EXACT = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)
_SMALL = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
FULL = 2  # number of the colour range in which luma goes from 0 to 255, instead of 16 to 235
_BT709, _UNKNOWN, _BT601, _BT2020 = 1, 2, 6, 9  # numbers of colour matrices (ITU-T H.273)
_SHARES = {  # the shares of red and blue in luma, by the number of the matrix
    _BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    _BT601: (0.299, 0.114),
    7: (0.212, 0.087),
    _BT2020: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
_HD_ROWS, _HD_COLUMNS = 720, 1280  # from this size on, films without a matrix are BT.709
_WIDE_GAMUTS = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}  # by the number of the primaries
_ROWS = 256  # rows that are converted at once, to save memory


def is_hdr(frame: VideoFrame) -> bool:
    """Returns whether a frame has brightness beyond that of a usual screen (PQ or HLG)."""
    return int(frame.color_trc) in HDR_CURVES


def to_rgb(frame: VideoFrame, note: Note) -> Pixels:
    """Returns a frame as sRGB (H, W, 3) in its stored size, with white behind transparent parts.

    A film without a colour matrix is read as BT.709 if it is HD, and otherwise as BT.601. A film
    without a colour range has the limited one. The curve of BT.709 is read as that of sRGB, as
    players do.

    note: is called with what is only nearly right, or is not used.
    """
    gamut = _WIDE_GAMUTS.get(int(frame.color_primaries))
    if gamut:
        note(f"its colours are {gamut}, and are read as sRGB, so they look a little paler")
    if frame.format.is_rgb or frame.format.has_palette:
        colours = np.asarray(_in_format(frame, "rgba").to_ndarray())
        rgb, alpha = colours[..., :3], colours[..., 3] if _has_alpha(frame) else None
    else:
        rgb, alpha = _from_yuv(frame, note)
    # Films have no alpha in artgraph: this is the one place in which it is flattened.
    if alpha is None or int(alpha.min()) == 255:
        return np.ascontiguousarray(rgb)
    note("white is put behind its transparent parts")
    return _on_white(rgb, alpha)


def luma(frame: VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
    """Returns the brightness of a frame (height, width), made smaller for measurements."""
    return np.asarray(_in_format(frame, "gray", width, height).to_ndarray())


def small_rgb(frame: VideoFrame, width: int, height: int) -> Pixels:
    """Returns a frame, made smaller for measurements: (height, width, 3)."""
    return np.asarray(_in_format(frame, "rgb24", width, height).to_ndarray())


def turned(pixels: Pixels, orientation: tuple[int, int, int, int]) -> Pixels:
    """Returns a frame as a player shows it.

    orientation: the signs (a, b, c, d) of a display matrix: a stored column becomes (a, b), and a
        stored row (c, d).
    """
    if orientation[0] == 0:  # a quarter turn
        pixels, orientation = pixels.transpose(1, 0, 2), (orientation[2], 0, 0, orientation[1])
    across, down = orientation[0], orientation[3]
    return np.ascontiguousarray(pixels[::down, ::across])


def with_square_pixels(pixels: Pixels, ratio: float) -> Image.Image:
    """Returns a frame as a picture; it becomes wider or higher if its pixels are not square.

    ratio: width divided by height of a pixel.
    """
    picture = Image.fromarray(pixels)
    width, height = square_size(picture.width, picture.height, ratio)
    if (width, height) == picture.size:
        return picture
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def square_size(width: int, height: int, ratio: float) -> tuple[int, int]:
    """Returns width and height with square pixels; neither becomes smaller."""
    return (round(width * ratio), height) if ratio >= 1 else (width, round(height / ratio))


def _in_format(
    frame: VideoFrame, name: str, width: int | None = None, height: int | None = None
) -> VideoFrame:
    """Returns a frame in another pixel format. Its colour range stays as it is for YUV and gray."""
    limits: dict[str, Any] = {"src_color_range": range_of(frame)}
    limits["dst_color_range"] = FULL if name.startswith("rgb") else range_of(frame)
    flags = EXACT if width is None else _SMALL
    return frame.reformat(width, height, name, interpolation=flags, threads=1, **limits)


def range_of(frame: VideoFrame) -> int:
    """Returns the number of the colour range of a frame: 1 for limited, 2 for full."""
    name, given = frame.format.name, int(frame.color_range)
    is_full = frame.format.is_rgb or name.startswith(("yuvj", "mono", "pal")) or given == FULL
    return FULL if is_full or (not given and name.startswith(("gray", "ya"))) else 1


def _has_alpha(frame: VideoFrame) -> bool:
    return frame.format.has_palette or any(part.is_alpha for part in frame.format.components)


def _from_yuv(frame: VideoFrame, note: Note) -> tuple[Pixels, NDArray[np.uint8] | None]:
    """Returns RGB and opacity of a frame in YUV or gray.

    swscale only enlarges the colour planes: its own conversion to RGB overflows for colours that
    are far outside of RGB.
    """
    bits = max(component.bits for component in frame.format.components)
    depth = next(depth for depth in (8, 10, 12, 16) if depth >= bits)
    has_alpha = _has_alpha(frame)
    name = f"yuv{'a' if has_alpha else ''}444p{'' if depth == 8 else f'{depth}le'}"
    planes = [_plane(plane, depth) for plane in _in_format(frame, name).planes]
    matrix = int(frame.colorspace)
    if matrix not in _SHARES:
        if matrix != _UNKNOWN:
            note("its colour matrix is not known, so its colours may be wrong")
        is_hd = frame.height >= _HD_ROWS or frame.width >= _HD_COLUMNS
        matrix = _BT709 if is_hd else _BT601
    rgb = np.empty((frame.height, frame.width, 3), np.uint8)
    for top in range(0, frame.height, _ROWS):
        rows = slice(top, top + _ROWS)
        rgb[rows] = _matrixed([p[rows] for p in planes[:3]], matrix, depth, range_of(frame) == FULL)
    alpha = (planes[3] >> (depth - 8)).astype(np.uint8) if has_alpha else None
    return rgb, alpha


def _plane(plane: Any, depth: int) -> NDArray[Any]:
    """Returns the samples of a plane (H, W), without the padding at the end of its rows."""
    dtype = np.dtype(np.uint8 if depth == 8 else "<u2")
    rows = np.frombuffer(plane, dtype).reshape(-1, plane.line_size // dtype.itemsize)
    return rows[: plane.height, : plane.width]


def _matrixed(planes: list[NDArray[Any]], matrix: int, depth: int, is_full: bool) -> Pixels:
    """Returns Y, U and V as RGB (ITU-T H.273, equations 38 to 40)."""
    red, blue = _SHARES[matrix]
    step = 1 << (depth - 8)
    most = (1 << depth) - 1
    low, luma_span, chroma_span = (
        (0, most, most) if is_full else (16 * step, 219 * step, 224 * step)
    )
    y, u, v = (plane.astype(np.float32) for plane in planes)
    y = (y - low) * (255 / luma_span)
    u = (u - 128 * step) * (255 / chroma_span)
    v = (v - 128 * step) * (255 / chroma_span)
    r = y + 2 * (1 - red) * v
    b = y + 2 * (1 - blue) * u
    g = (y - red * r - blue * b) / (1 - red - blue)
    rgb: Pixels = (np.stack([r, g, b], -1).clip(0, 255) + 0.5).astype(np.uint8)
    return rgb


def _on_white(rgb: NDArray[Any], alpha: NDArray[Any]) -> Pixels:
    opacity = alpha[..., None].astype(np.float32) / 255
    mixed: Pixels = (rgb * opacity + 255 * (1 - opacity) + 0.5).astype(np.uint8)
    return mixed
