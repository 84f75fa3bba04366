"""Reading picture files from anywhere, in any mode and orientation, possibly damaged."""

from __future__ import annotations

import errno
import os
import stat
import struct
import threading
from contextlib import AbstractContextManager, nullcontext, suppress
from io import BytesIO
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile, ImageOps, PngImagePlugin, UnidentifiedImageError

from .colour import Note, ignore, in_srgb
from .frames import note_other_frames
from .jpeg_end import with_end_mark
from .jxl import JxlHeader, jxl_header
from .packed import Packed
from .png_details import colour_numbers, load_png, without_large_texts
from .profiles import HDR_CURVES
from .sixteen_bits import prepare
from .suffixes import RAW, open_formats, why_content_not_read, why_not_read

ANOTHER = "choose another file"  # the advice if a file can't be used at all
MOST_PIXELS = 80_000_000  # most pixels of a picture that is read
_LARGE = 12_000_000  # pixels above which only one picture is decoded at a time, to save memory
_ORIENTATION = 0x0112  # EXIF tag of how a picture is turned
_ON_ITS_SIDE = (5, 6, 7, 8)  # values of this tag for a quarter turn
_MOST_REPAIRED = 1 << 28  # bytes of a file that are examined for what Pillow refuses without need
_BLOCK = 1 << 20  # bytes of a file that are read at once
_OUT_OF_MEMORY = ImageFile.ERRORS[-9]  # what the error of a decoder says then
_START = 64  # bytes at the beginning of a file that show what it is
_SUBFILE, _SUBFILES, _DNG = 254, 330, 50706  # TIFF tags that RAW files have
_AS_PNG = "save a copy of it as PNG, or choose another file"
# Words in the errors of decoders: if the end of a file is missing, and if its kind is not read.
_CUT = ("truncated", "not enough", "too short", "end of file", "read enough")
_UNKNOWN = ("unsupported", "not supported", "unknown", "cannot handle", "not available")
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_one_large_at_a_time = threading.RLock()


class UnreadableError(Exception):
    """A file that is not a picture, or is damaged, too large or of a kind that is not read.

    The message says what is wrong, and `advice` what to do.
    """

    def __init__(self, message: str, advice: str = ANOTHER) -> None:
        super().__init__(message)
        self.advice = advice


def read_picture(
    path: Path | Packed,
    edge: int | None = None,
    note: Note = ignore,
    background: str | None = "white",
) -> Image.Image:
    """Read a picture of at most `MOST_PIXELS` pixels.

    edge: the shorter edge that is needed. A JPEG file may be decoded at a fraction of its size.
    note: is called with what could not be used, such as a damaged colour profile.
    background: colour behind transparent parts; None to return RGBA, with straight colours.

    Returns the picture in sRGB, turned upright.
    Raises: UnreadableError if something is wrong with the file; OSError and MemoryError if the
    system can't read it.
    """
    reason = why_not_read(Path(path.name))
    if reason is not None:
        raise UnreadableError(*reason)
    is_file = isinstance(path, Packed) or stat.S_ISREG(path.stat().st_mode)
    if not is_file:  # opening a pipe would wait for ever
        raise UnreadableError("it is not a file")
    formats = open_formats(tga=path.suffix.lower() == ".tga")
    with path.open("rb") as file:
        try:
            picture = _decode(file, formats, edge, note, background)
            note_other_frames(file, formats, note)
            return picture
        except (UnreadableError, MemoryError):
            raise
        except Exception as error:  # a damaged file can make a decoder raise anything
            _raise_if_system(error, file, formats)
            whole = _repaired(file, note)
            if whole is None:
                raise _unreadable(error, file) from error
    try:
        return _decode(BytesIO(whole), formats, edge, note, background)
    except (UnreadableError, MemoryError):
        raise
    except Exception as error:  # the file is damaged in another way too
        raise _unreadable(error, BytesIO(whole)) from error


def _decode(
    file: IO[bytes],
    formats: tuple[str, ...],
    edge: int | None,
    note: Note,
    background: str | None,
) -> Image.Image:
    """Returns the first picture in a file, which is recognised by its content."""
    numbers = colour_numbers(file)
    file.seek(0)
    with _ready_to_open(file, formats), Image.open(file, formats=formats) as picture:
        width, height = picture.size
        if width * height > MOST_PIXELS:
            raise UnreadableError(_too_large(width, height))
        picture.info["cicp"] = numbers
        _refuse_what_looks_wrong(picture)
        if edge:
            picture.draft(None, (2 * edge, 2 * edge))
        large = picture.width * picture.height > _LARGE
        with _one_large_at_a_time if large else nullcontext():
            loaded: Image.Image = picture
            if isinstance(picture, PngImagePlugin.PngImageFile):
                loaded = load_png(picture, file)
            else:
                prepare(picture)
                picture.load()
            _turn_upright(loaded)
            return in_srgb(loaded, note, background)


def _ready_to_open(file: IO[bytes], formats: tuple[str, ...]) -> AbstractContextManager[object]:
    """Check a file in JPEG XL, which is decoded as soon as it is opened.

    Returns what to enter before it is opened: large ones wait for others.
    """
    jxl = _jxl_header(file, formats)
    if jxl is None:
        return nullcontext()
    if jxl.width * jxl.height > MOST_PIXELS:
        raise UnreadableError(_too_large(jxl.width, jxl.height))
    if jxl.is_animation:
        raise UnreadableError("it is an animation in JPEG XL", "save its frames as PNG")
    return _one_large_at_a_time if jxl.width * jxl.height > _LARGE else nullcontext()


def _jxl_header(file: IO[bytes], formats: tuple[str, ...]) -> JxlHeader | None:
    """Returns the header of a file in JPEG XL, if such files can be read."""
    found = jxl_header(file) if "JXL" in formats else None
    file.seek(0)
    return found


def _refuse_what_looks_wrong(picture: Image.Image) -> None:
    """Raise UnreadableError for files that Pillow opens, but does not show as they are meant."""
    tags = getattr(picture, "tag_v2", {})
    preview = tags.get(_SUBFILE, 0) & 1 and _SUBFILES in tags
    if _DNG in tags or preview:
        raise UnreadableError(*RAW)
    numbers = picture.info["cicp"] or ()
    video = picture.info.get("nclx_profile") or {}
    if {*numbers[1:], video.get("transfer_characteristics")} & {*HDR_CURVES}:
        raise UnreadableError("it is an HDR picture (PQ or HLG)", "save a copy of it in sRGB")


def _raise_if_system(error: Exception, file: IO[bytes], formats: tuple[str, ...]) -> None:
    """Raise an error of the system if that, and not the file, made the decoder fail.

    Decoders don't say it reliably: the file is read once more, and memory for it is asked for.
    """
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
        raise error
    if _OUT_OF_MEMORY in str(error):
        raise MemoryError(str(error)) from error
    file.seek(0)
    while file.read(_BLOCK):
        pass
    file.seek(0)
    bytearray(_memory_for(file, formats))  # raises MemoryError if there is not that much


def _memory_for(file: IO[bytes], formats: tuple[str, ...]) -> int:
    """Returns about how many bytes the decoder of a file needs."""
    try:
        with Image.open(file, formats=formats) as picture:
            return 8 * min(picture.width * picture.height, MOST_PIXELS)
    except MemoryError:
        raise
    except UnidentifiedImageError:
        return 1 << 24
    except Exception:  # a decoder that may need memory for the whole picture to open it
        return 1 << 28


def _repaired(file: IO[bytes], note: Note) -> bytes | None:
    """Returns a file whose picture is whole in a form that Pillow reads, if it is such a file."""
    if file.seek(0, os.SEEK_END) > _MOST_REPAIRED:
        return None
    file.seek(0)
    data = file.read()
    try:
        with _one_large_at_a_time:
            jpeg = with_end_mark(data)
            png = without_large_texts(data)
    except MemoryError:
        raise
    except Exception:  # the file is damaged in another way
        return None
    if png is not None and png[1]:
        note("its colour profile is too large, so its colours were read as sRGB")
    return jpeg or (png[0] if png else None)


def _unreadable(error: Exception, file: IO[bytes]) -> UnreadableError:
    if isinstance(error, _BOMBS):
        return UnreadableError(f"it has more than {MOST_PIXELS // 10**6} million pixels")
    file.seek(0)
    if _jxl_header(file, open_formats(tga=False)) is not None:
        return UnreadableError("it is damaged")  # the decoder says nothing else
    if not isinstance(error, UnidentifiedImageError):
        return damaged(error)
    file.seek(0)
    start = file.read(_START)
    if not start:
        return UnreadableError("it is empty, so it is not a picture")
    reason = why_content_not_read(start)
    if reason is not None:
        return UnreadableError(*reason)
    if start.startswith((b"II*\0", b"MM\0*")):
        return UnreadableError("it is a TIFF of a kind that is not supported, or damaged", _AS_PNG)
    return UnreadableError("it is not a picture, or its format is not supported")


def damaged(error: Exception) -> UnreadableError:
    """Returns what a decoder's error means. Decoders use words that only their authors know."""
    text = str(error).lower()
    if isinstance(error, EOFError | struct.error) or any(word in text for word in _CUT):
        return UnreadableError("it is cut short: its end is missing")
    if isinstance(error, NotImplementedError) or any(word in text for word in _UNKNOWN):
        return UnreadableError("it is of a kind that is not supported", _AS_PNG)
    return UnreadableError("it is damaged")


def size_of_picture(path: Path | Packed) -> tuple[int, int] | None:
    """Returns width and height of a picture as it is shown; None if it can't be read.

    Only the beginning of the file is read.
    """
    try:
        formats = open_formats(tga=path.suffix.lower() == ".tga")
        with path.open("rb") as file:
            jxl = _jxl_header(file, formats)
            if jxl is not None:
                return jxl.width, jxl.height
            with Image.open(file, formats=formats) as picture:
                width, height = picture.size
                turned = picture.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE
    except Exception:  # a damaged file can make a decoder raise anything
        return None
    return (height, width) if turned else (width, height)


def ratio_of_picture(path: Path | Packed) -> float | None:
    """Returns width divided by height of a picture as it is shown; None if it can't be read."""
    size = size_of_picture(path)
    return size[0] / size[1] if size else None


def _too_large(width: int, height: int) -> str:
    return f"it has {width} x {height} pixels, more than {MOST_PIXELS // 10**6} million"


def _turn_upright(picture: Image.Image) -> None:
    """Turn a picture by its EXIF orientation, if that can be read.

    Pictures in JPEG XL are turned by the decoder, except those that were made from JPEG files.
    """
    if picture.format == "JXL" and not getattr(picture, "jpeg", False):
        return
    with suppress(Exception):  # damaged EXIF data can make the parser raise anything
        ImageOps.exif_transpose(picture, in_place=True)
