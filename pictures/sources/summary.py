"""What is said about a folder of pictures: by the node that loads it, and before, in the editor."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ..class_doubts import counted
from ..fitting import Fit
from ..reading import UnreadableError, ratio_of_picture
from ..suffixes import Unread
from ..survey import Survey
from .reviewed import Reviewed
from .source import Source

_LEAST_SHARE = 0.005  # share of the area that is cut off or added below which nothing is said


def summary(
    reviewed: Reviewed, source: Source, names: Sequence[str], change: str
) -> tuple[str, list[str]]:
    """Returns one line about the pictures that are used, and what is left out or may be a mistake.

    names:  the names of the pictures that are used.
    change: how much is cut off or added, for people; empty if that is almost nothing.
    """
    found = reviewed.survey
    classes = len({reviewed.label(name) for name in names})
    pictures = counted(len(names), "picture", "pictures")
    line = f"{pictures} in {counted(classes, 'class', 'classes')}"
    if source.origin:
        line += f" from {source.origin}"
    line += change and f", {change}"
    if by_review := reviewed.summary(names):
        line += f", {by_review}"
    doubts = [*source.notes, *reviewed.notes, *found.doubts(reviewed.by_class(names))]
    skipped = found.skipped()
    if source.origin and classes * 2 > len(names) >= 8:
        doubts.append("most pictures have a class of their own - check the column of the labels")
    if skipped:
        doubts = [f"left out: {skipped}", *doubts]
    return line, doubts


def nothing_found(found: Survey, notes: Sequence[str], folder: str, formats: str) -> Unread:
    """Returns what is said of a folder without pictures, and what to do about its other files.

    notes:   what the source says.
    formats: the formats that are read, for people.
    """
    what = f"no pictures ({formats}) in {folder!r} and its sub-folders"
    if skipped := found.skipped():
        what += f"; left out: {skipped}"
    what = "; ".join([what, *notes])
    unused = found.unused()
    if not unused:
        return Unread(what, found.when_empty("put pictures into it, or choose another folder"))
    others = [f"{why} - {advice}" for why, advice in unused[1:]]
    return Unread("; ".join([what, *others, unused[0].why]), unused[0].advice)


def nothing_read(found: Survey, folder: str) -> Unread:
    """Returns what is said of a folder of which no picture can be read, and what to do."""
    count = len(found.pictures)
    none = f"none of the {count} pictures in {folder!r} can be read"
    what = none if count > 1 else f"the only picture in {folder!r} can't be read"
    return Unread(f"{what}; left out: {found.skipped()}", found.when_empty())


def change_text(shares: Sequence[float], fit: Fit, is_white: bool) -> str:
    """Returns how much of the pictures is cut off or added; empty if that is almost nothing.

    shares:   the share of each picture (`Fitted.share`).
    is_white: whether the borders that are added are white.
    """
    share = sum(shares) / max(1, len(shares))
    border = "white border" if is_white else "border"
    what = "cut off" if fit in ("crop", "salient") else border
    return f"{share:.0%} of the area is {what} on average" if share >= _LEAST_SHARE else ""


def median_ratio(reviewed: Reviewed, source: Source) -> float | None:
    """Returns the median of width to height of the pictures; None if none can be read."""
    entries, ratios = reviewed.survey.pictures, []
    for place, file in source.read(entries):
        ratio = None if isinstance(file, UnreadableError) else ratio_of_picture(file)
        if ratio is not None:
            crop = reviewed.choice(entries[place].name).crop
            ratios.append(ratio if crop is None else ratio * crop[2] / crop[3])
    return statistics.median_low(ratios) if ratios else None
