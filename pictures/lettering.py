"""Text in pictures, in the font that Pillow brings along."""

from __future__ import annotations

from functools import cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@cache
def font(size: int) -> Font:
    """The font at a size in pixels (where Pillow has no FreeType, at its only size)."""
    return ImageFont.load_default(size)


def width_of(text: str, size: int) -> int:
    """Width in pixels."""
    return round(font(size).getlength(text))


def height_of(size: int) -> int:
    """Height of a line in pixels, from the top of a capital to the foot of a g."""
    return round(size * 1.3)


def shorten(text: str, size: int, width: int) -> str:
    """The text in one line, its end replaced by an ellipsis where it is wider than `width`."""
    text = " ".join(text.split())[:300]
    if width_of(text, size) <= width:
        return text
    while text and width_of(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…" if text else ""
