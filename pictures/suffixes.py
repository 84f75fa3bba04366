"""Which files are pictures, by the endings of their names."""

from __future__ import annotations

from pathlib import Path

SHOWN = (".png", ".jpg", ".jpeg", ".webp", ".gif")  # formats that nodes save and browsers show
READ = (*SHOWN, ".tif", ".tiff", ".bmp")  # formats that nodes read


def is_shown(path: Path) -> bool:
    """Whether a browser shows a file of this name as a picture."""
    return path.suffix.lower() in SHOWN


def is_read(path: Path) -> bool:
    """Whether nodes read a file of this name as a picture."""
    return path.suffix.lower() in READ
