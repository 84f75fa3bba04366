"""Text in pictures, in Pillow's font or, for other scripts, in a font of the system."""

from __future__ import annotations

import unicodedata
from functools import cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Fonts of Linux, macOS and Windows with more than Latin letters. Pillow finds their folders.
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
_NO_LETTER = "\U000fffff"  # in no font, so drawn as the symbol for a missing letter


def font_for(text: str, size: int) -> Font:
    """Returns a font with all letters of the text, at a size in pixels; if none has, Pillow's.

    Without FreeType, Pillow's font has one size only.
    """
    default = _default_font(size)
    if text.isascii():
        return default
    fonts = (default, *(font for name in _WIDER if (font := _system_font(name, size))))
    return next((f for f in fonts if all(_has(f, letter) for letter in set(text))), default)


def width_of(text: str, size: int) -> int:
    """Returns the width of a line of text in pixels."""
    return round(font_for(text, size).getlength(text))


def height_of(size: int) -> int:
    """Returns the height of a line in pixels, from the top of an A to the bottom of a g."""
    return round(size * 1.3)


def shorten(text: str, size: int, width: int) -> str:
    """Returns the text as one line, shortened with an ellipsis if it is wider than `width`.

    Accents are removed from letters that no font has with them.
    """
    text = " ".join(text.split())[:300]
    font = font_for(text, size)
    if not all(_has(font, letter) for letter in set(text)):
        text = "".join(_drawable(letter, font) for letter in text)
    if width_of(text, size) <= width:
        return text
    while text and width_of(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…" if text else ""


def _drawable(letter: str, font: Font) -> str:
    """Returns the letter, without its accents if the font has it only without them."""
    bare = unicodedata.normalize("NFKD", letter)[0]
    return bare if not _has(font, letter) and _has(font, bare) else letter


@cache
def _default_font(size: int) -> Font:
    return ImageFont.load_default(size)


@cache
def _system_font(name: str, size: int) -> Font | None:
    try:
        return ImageFont.truetype(name, size)
    except (OSError, ImportError):
        return None


@cache
def _has(font: Font, letter: str) -> bool:
    """Returns whether a font has a letter, by comparing its shape with a missing letter's."""
    drawn, missing = (bytes(font.getmask(text)) for text in (letter, _NO_LETTER))
    return letter.isspace() or drawn != missing
