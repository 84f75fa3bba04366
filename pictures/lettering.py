"""Text in pictures, in the font that Pillow brings along or, for other scripts, the system's."""

from __future__ import annotations

import unicodedata
from functools import cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Fonts of Linux, macOS and Windows that hold more than Latin letters; Pillow knows the folders.
_WIDER = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "Arial Unicode.ttf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "arial.ttf",
    "msyh.ttc",
    "YuGothR.ttc",
    "malgun.ttf",
)
_NO_LETTER = "\U000fffff"  # drawn as what a font shows for a letter that it lacks


def font_for(text: str, size: int) -> Font:
    """A font that has the text's letters, at a size in pixels; else that which Pillow brings.

    Where Pillow has no FreeType, that is of one size.
    """
    usual = _usual(size)
    if text.isascii():
        return usual
    fonts = (usual, *(found for name in _WIDER if (found := _system(name, size))))
    return next((f for f in fonts if all(_has(f, letter) for letter in set(text))), usual)


def width_of(text: str, size: int) -> int:
    """Width in pixels."""
    return round(font_for(text, size).getlength(text))


def height_of(size: int) -> int:
    """Height of a line in pixels, from the top of a capital to the foot of a g."""
    return round(size * 1.3)


def shorten(text: str, size: int, width: int) -> str:
    """The text in one line, its end replaced by an ellipsis where it is wider than `width`.

    Letters lose their accents where no font has these.
    """
    text = " ".join(text.split())[:300]
    font = font_for(text, size)
    if not all(_has(font, letter) for letter in set(text)):
        text = "".join(_bare(letter, font) for letter in text)
    if width_of(text, size) <= width:
        return text
    while text and width_of(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…" if text else ""


def _bare(letter: str, font: Font) -> str:
    """The letter, without its accents where the font has it only so."""
    bare = unicodedata.normalize("NFKD", letter)[0]
    return bare if not _has(font, letter) and _has(font, bare) else letter


@cache
def _usual(size: int) -> Font:
    return ImageFont.load_default(size)


@cache
def _system(name: str, size: int) -> Font | None:
    try:
        return ImageFont.truetype(name, size)
    except (OSError, ImportError):
        return None


@cache
def _has(font: Font, letter: str) -> bool:
    """Whether a font has a letter, by what it would draw."""
    drawn, lacking = (bytes(font.getmask(text)) for text in (letter, _NO_LETTER))
    return letter.isspace() or drawn != lacking
