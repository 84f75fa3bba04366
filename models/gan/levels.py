"""The levels of a generator, from coarse to fine: their names, and their weights."""

from __future__ import annotations

import re

from .classic import OF_A_LEVEL
from .config import GanConfig

GROUPS = ("coarse", "middle", "fine")
_PART = re.compile(r"\s*([0-9]{1,9})\s*(?:-\s*([0-9]{1,9})\s*)?")


def group_of(level: int, count: int) -> str:
    """Returns the group of a level of a generator that has `count` levels.

    The first is coarse and the last is fine; of two levels, none is in the middle.
    """
    return GROUPS[round(2 * level / (count - 1))] if count > 1 else GROUPS[0]


def read_levels(text: str, count: int) -> list[int]:
    """Returns the indices of the levels that a text names: `coarse`, `all`, or `1-2, 4`.

    Raises: ValueError, with one line, if it names none.
    """
    if text.strip() not in GROUPS:
        return read_numbers(text, count, "level")
    found = [level for level in range(count) if group_of(level, count) == text.strip()]
    if not found:
        groups = sorted({group_of(level, count) for level in range(count)}, key=GROUPS.index)
        raise ValueError(f"this GAN has no {text.strip()} level, only {' and '.join(groups)}")
    return found


def read_numbers(text: str, count: int, noun: str) -> list[int]:
    """Returns ascending indices from `all`, or from numbers from 1 on, such as `1-16, 40`.

    Raises: ValueError, with one line, for another text, and for numbers above `count`.
    """
    if text.strip() == "all":
        return [*range(count)]
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"{part.strip()[:40]!r} does not name a {noun}")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= count:
            raise ValueError(f"{part.strip()} is not within the {noun}s, 1 to {count}")
        found |= {*range(first - 1, last)}
    return sorted(found)


def level_of(name: str, config: GanConfig) -> int | None:
    """Returns the level to which a weight of the generator belongs.

    None for what all levels share: it computes a style from latents and classes.
    """
    part, *rest = name.split(".")
    levels = len(config.channels)
    if part in ("embedding", "mapping"):
        return None
    if part == "layers":
        return min(int(rest[0]) // OF_A_LEVEL, levels - 1)
    if part in ("levels", "attention", "noises"):
        return int(rest[0])
    if part == "between":
        return int(rest[0]) + 1
    if part == "patches":
        return config.base_levels - 1
    if part == "details":
        return config.base_levels + int(rest[0])
    return {"start": 0, "places": 0, "pixels": levels - 1}[part]
