"""Numbers of bytes, durations and counts, as a person reads them."""

from __future__ import annotations

import time


def size_text(count: float) -> str:
    """Returns a number of bytes as a person reads it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def duration(seconds: float) -> str:
    """Returns a duration in its two largest units: 2 h 10 min, 3 min 20 s, 40 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def ago(moment: float) -> str:
    """Returns how long a moment, in seconds since 1970, is ago, in one unit."""
    seconds = time.time() - moment
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now"


def counted(count: int, noun: str) -> str:
    """Returns a number with its noun, in the plural if needed."""
    return f"{count} {noun}" + ("s" if count != 1 else "")
