"""Reports what is not used of picture files that contain several pictures."""

from __future__ import annotations

from contextlib import suppress
from typing import IO

from PIL import Image

from .colour import Note

_ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")
_SUBFILE = 254  # TIFF tag whose lowest bit marks a smaller copy of another page
_START = 12  # bytes at the beginning of a file that show its format


def note_other_frames(file: IO[bytes], formats: tuple[str, ...], note: Note) -> None:
    """Report that a file is an animation, or has several pages, because only the first is used.

    The file is opened anew, because looking for a second frame may change what the first one is.
    """
    file.seek(0)
    start = file.read(_START)
    file.seek(0)
    if start.startswith(b"\xff\xd8"):  # most photographs: a second picture is for 3D or for HDR
        return
    with suppress(Exception), Image.open(file, formats=formats) as picture:
        if picture.format in _ANIMATED and getattr(picture, "is_animated", False):
            note("it is an animation, of which only the first frame is used")
        elif picture.format == "TIFF" and _has_pages(picture):
            note("it has several pages, of which only the first one is used")


def _has_pages(picture: Image.Image) -> bool:
    """Returns whether a TIFF has a second page that is not a smaller copy of the first one."""
    try:
        picture.seek(1)
    except EOFError:
        return False
    tags = getattr(picture, "tag_v2", {})
    return not tags.get(_SUBFILE, 0) & 1
