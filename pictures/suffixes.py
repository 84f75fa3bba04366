"""Recognise picture files by the suffixes of their names."""

from __future__ import annotations

from pathlib import Path

DISPLAYABLE = (".png", ".jpg", ".jpeg", ".webp", ".gif")  # formats that nodes save, browsers show
READABLE = (*DISPLAYABLE, ".tif", ".tiff", ".bmp")  # formats that nodes read


def is_displayable(path: Path) -> bool:
    """Returns whether browsers show a file of this name as a picture."""
    return path.suffix.lower() in DISPLAYABLE


def is_readable(path: Path) -> bool:
    """Returns whether nodes read a file of this name as a picture."""
    return path.suffix.lower() in READABLE
