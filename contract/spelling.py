"""Words that are spelled differently in British and in American English."""

from __future__ import annotations

_PAIRS = (
    ("analyse", "analyze"),
    ("catalogue", "catalog"),
    ("centre", "center"),
    ("colour", "color"),
    ("grey", "gray"),
    ("memorise", "memorize"),
    ("normalise", "normalize"),
    ("organise", "organize"),
    ("recognise", "recognize"),
    ("stylise", "stylize"),
    ("visualise", "visualize"),
)


def other_spelling(text: str) -> str:
    """Returns a text in the other spelling; unchanged if both are the same."""
    for pair in _PAIRS:
        for one, other in (pair, pair[::-1]):
            if one in text:
                return text.replace(one, other)
    return text
