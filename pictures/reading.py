"""Reading picture files from anywhere, in any mode and orientation, possibly damaged."""

from __future__ import annotations

import os
import threading
from contextlib import nullcontext, suppress
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from .suffixes import is_readable

Fit = Literal["crop", "pad", "stretch"]
Pixels = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")
MOST_PIXELS = 80_000_000  # most pixels of a picture that is read
_LARGE = 12_000_000  # pixels above which only one picture is decoded at a time, to save memory
_one_large_at_a_time = threading.Lock()


class UnreadableError(Exception):
    """A file that can't be read: not a picture, damaged or too large. The message says which."""


def find_pictures(folder: Path) -> tuple[list[Path], list[Path]]:
    """Find the picture files under a folder.

    Hidden files and folders are left out, and links to folders are not followed.

    Returns the files in order of their names, and the links that lead out of the folder.
    """
    root = folder.resolve()
    found, outside = [], []
    for place, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(place, name)
            if name.startswith(".") or not is_readable(path):
                continue
            if not path.resolve().is_relative_to(root):
                outside.append(path)
            elif path.is_file():
                found.append(path)
    return sorted(found, key=Path.as_posix), sorted(outside)


def read_picture(path: Path, edge: int | None = None) -> Image.Image:
    """Read a picture of at most `MOST_PIXELS` pixels.

    edge: the shorter edge that is needed. A JPEG file may be decoded at a fraction of its size.

    Returns the picture in sRGB, turned upright, with transparency replaced by white.
    Raises: UnreadableError if the file can't be read, for any reason.
    """
    try:
        with Image.open(path, formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise UnreadableError(_too_large(width, height))
            if edge:
                picture.draft(None, (2 * edge, 2 * edge))
            large = picture.width * picture.height > _LARGE
            with _one_large_at_a_time if large else nullcontext():
                picture.load()
                _turn_upright(picture)
                return _as_rgb(picture)
    except UnreadableError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableError(f"it has more than {MOST_PIXELS // 10**6} million pixels") from error
    except UnidentifiedImageError as error:
        raise UnreadableError("it is not a picture, or its format is not supported") from error
    except Exception as error:  # a damaged file can make a decoder raise anything
        raise UnreadableError(f"it is damaged ({error or type(error).__name__})") from error


def read_square(path: Path, size: int, fit: Fit) -> Pixels:
    """Read a picture as uint8 (S, S, 3).

    fit: crop cuts off what is outside the middle square, pad adds white borders, and stretch
        changes the proportions.
    """
    picture = read_picture(path, size)
    width, height = picture.size
    if fit == "crop":
        edge = min(width, height)
        left, top = (width - edge) / 2, (height - edge) / 2
        box = (left, top, left + edge, top + edge)
        return np.array(picture.resize((size, size), Image.Resampling.LANCZOS, box, 3.0))
    if fit == "stretch":
        return np.array(picture.resize((size, size), Image.Resampling.LANCZOS, None, 3.0))
    scale = size / max(width, height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    square = Image.new("RGB", (size, size), "white")
    small = picture.resize(inner, Image.Resampling.LANCZOS, None, 3.0)
    square.paste(small, ((size - inner[0]) // 2, (size - inner[1]) // 2))
    return np.array(square)


def _too_large(width: int, height: int) -> str:
    return f"it has {width} x {height} pixels, more than {MOST_PIXELS // 10**6} million"


def _turn_upright(picture: Image.Image) -> None:
    """Turn a picture by its EXIF orientation, if that can be read."""
    with suppress(Exception):  # damaged EXIF data can make the parser raise anything
        ImageOps.exif_transpose(picture, in_place=True)


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):
        return Image.fromarray(_eight_bits(np.asarray(picture))).convert("RGB")
    if picture.has_transparency_data:
        over = picture.convert("RGBA")
        white = Image.new("RGBA", over.size, "white")
        return Image.alpha_composite(white, over).convert("RGB")
    return _in_srgb(picture)


def _eight_bits(grey: NDArray[np.generic]) -> Pixels:
    """Convert grey values of 16 bits, or floats in 0..1 or a wider range, to uint8."""
    values = np.nan_to_num(grey.astype(np.float32))
    if grey.dtype.kind == "f":
        peak = float(values.max(initial=0))
        top = 1.0 if peak <= 1 else 255.0 if peak <= 255 else max(65535.0, peak)
    else:
        top = 65535.0
    scaled: Pixels = (np.clip(values / np.float32(top), 0, 1) * 255 + 0.5).astype(np.uint8)
    return scaled


def _in_srgb(picture: Image.Image) -> Image.Image:
    """Convert a picture to RGB in sRGB, by its embedded colour profile if that is usable."""
    profile = picture.info.get("icc_profile")
    if picture.mode not in ("RGB", "CMYK"):
        return picture.convert("RGB")
    if not profile or b"sRGB" in profile or b"s\0R\0G\0B" in profile:
        return picture if picture.mode == "RGB" else picture.convert("RGB")
    try:
        from PIL import ImageCms

        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, source, srgb, outputMode="RGB") or picture
    except Exception:  # a profile that the colour library can't use
        return picture.convert("RGB")
