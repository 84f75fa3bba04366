"""The numbers of pictures that were chosen of a sheet, as a text such as `1, 4, 7-9`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .errors import NodeError

ALL = "all"
_DASH = re.compile(r"\s*[-–]\s*")
_BREAK = re.compile(r"[\s,;，、；]+")
_PART = re.compile(r"([0-9]{1,7})(?:-([0-9]{1,7}))?")


def cells_problem(text: str) -> tuple[str, str] | None:
    """Returns what is wrong with a text of numbers, and what to do; None if nothing is.

    How many pictures there are is not known yet.
    """
    for part in _parts(text):
        found = _PART.fullmatch(part)
        first, last = _ends(found) if found else (0, 0)
        if not 1 <= first <= last:
            what = f"{part[:40]!r} is not the number of a picture"
            return what, "write numbers from 1 on, such as 1, 4, 7-9"
    return None


def chosen_cells(text: str, count: int, widget: str = "cells") -> list[int]:
    """Returns the indices, from 0 on, of the pictures that a text names, in ascending order.

    An empty text names none, and `all` names all of the `count` pictures.

    Raises: NodeError for another text, and for a number above `count`.
    """
    problem = cells_problem(text)
    if problem is not None:
        raise NodeError(*problem)
    if text.strip() == ALL:
        return [*range(count)]
    chosen: set[int] = set()
    for part in _parts(text):
        first, last = _ends(_PART.fullmatch(part))
        if last > count:
            number = max(first, count + 1)
            there = "there is only 1 picture" if count == 1 else f"there are only {count} pictures"
            raise NodeError(
                f"`{widget}` names picture {number}, but {there}",
                f"click on pictures of the sheet, or write numbers from 1 to {count}",
            )
        chosen |= {*range(first - 1, last)}
    return sorted(chosen)


def _parts(text: str) -> Iterator[str]:
    """Yields the numbers and ranges of a text; nothing if it means all."""
    if text.strip() != ALL:
        yield from filter(None, _BREAK.split(_DASH.sub("-", text)))


def _ends(found: re.Match[str] | None) -> tuple[int, int]:
    assert found is not None  # `cells_problem` has checked it
    return int(found[1]), int(found[2] or found[1])
