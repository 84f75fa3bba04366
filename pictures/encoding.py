"""Encode pictures, animations and tables as files. The same input yields the same bytes."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Still = Literal["png", "jpeg", "webp"]
Moving = Literal["gif", "webp", "apng"]

# Suffixes of files by format.
ENDINGS = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "gif": ".gif", "apng": ".png"}

_CLEAR = 255  # the colour of a GIF's palette that is transparent
_OPAQUE = 128  # levels of opacity from which a pixel of a GIF is opaque

MAX_GIF_FPS = 50  # viewers slow down the pictures of a GIF that are shown for less than 20 ms


def encode_still(pixels: Pixels, kind: Still, quality: int) -> bytes:
    """Encode a picture (H, W, C). PNG, and WebP at quality 100, are lossless. JPEG has no alpha.

    In a WebP, the colours of fully transparent pixels may change.
    """
    file = io.BytesIO()
    picture = Image.fromarray(pixels)
    if kind == "png":
        picture.save(file, "PNG")
    elif kind == "jpeg":
        sampling = 0 if quality >= 90 else 2  # full colour resolution at high quality
        picture.save(file, "JPEG", quality=quality, subsampling=sampling, optimize=True)
    else:
        picture.save(file, "WEBP", quality=quality, lossless=quality == 100)
    return file.getvalue()


def encode_animation(
    frames: Sequence[Pixels], kind: Moving, fps: float, loop: bool, quality: int
) -> bytes:
    """Encode frames (H, W, C) as an animation. APNG, and WebP at quality 100, are lossless.

    In a GIF, each pixel is either opaque or transparent.

    Raises: ValueError if a picture is shown for longer than the format allows.
    """
    file = io.BytesIO()
    pictures = list(map(Image.fromarray, frames))
    first, *rest = map(_with_palette, pictures) if kind == "gif" else pictures
    options: dict[str, Any] = {"duration": durations(len(frames), kind, fps)}
    if kind == "gif" and pictures[0].mode == "RGBA":
        options |= {"transparency": _CLEAR, "disposal": 2}
    if loop or kind != "gif":
        options["loop"] = 0 if loop else 1
    if kind == "webp":
        options |= {"quality": quality, "lossless": quality == 100}
    name = {"gif": "GIF", "webp": "WEBP", "apng": "PNG"}[kind]
    try:
        first.save(file, name, save_all=True, append_images=rest, **options)
    except OverflowError as error:  # equal pictures become one, which is shown for longer
        raise ValueError("a GIF can't show one picture for more than 655 seconds") from error
    return file.getvalue()


def durations(count: int, kind: Moving, fps: float) -> list[int]:
    """Returns how long each of `count` pictures is shown, in ms.

    A GIF counts in units of 10 ms, WebP and APNG in ms. The end of each picture is rounded instead
    of its duration, so that rounding errors do not add up.
    """
    unit = 10 if kind == "gif" else 1
    fps = min(fps, MAX_GIF_FPS) if kind == "gif" else fps
    ends = [round(1000 * number / (unit * fps)) * unit for number in range(count + 1)]
    return [end - begin for begin, end in itertools.pairwise(ends)]


def _with_palette(picture: Image.Image) -> Image.Image:
    """Reduce a picture to 256 colours of its own, with dithering. One of them may be clear."""
    if picture.mode == "RGBA":
        return _with_clear_palette(picture)
    palette = picture.quantize(256, Image.Quantize.FASTOCTREE)  # 15 times as fast as median cut
    return picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)


def _with_clear_palette(picture: Image.Image) -> Image.Image:
    """Reduce an RGBA picture to 255 colours and a clear one, for what is hardly opaque."""
    colours = picture.convert("RGB")
    palette = colours.quantize(_CLEAR, Image.Quantize.FASTOCTREE)
    reduced = colours.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    hidden = picture.getchannel(3).point([255 * (level < _OPAQUE) for level in range(256)])
    reduced.paste(_CLEAR, mask=hidden)
    return reduced


def encode_table(columns: Mapping[str, Sequence[Any]], kind: Literal["csv", "json"]) -> bytes:
    """Encode columns as CSV with a header, or as a JSON list of rows.

    A number that is not finite becomes an empty cell or null.
    """
    cells = ([_finite_or_none(cell) for cell in column] for column in columns.values())
    rows: Iterable[tuple[Any, ...]] = zip(*cells, strict=True)
    if kind == "json":
        named = [dict(zip(columns, row, strict=True)) for row in rows]
        return (json.dumps(named, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def _finite_or_none(cell: Any) -> Any:
    """Returns the cell, or None for a number that is not finite."""
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell
