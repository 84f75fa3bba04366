"""Sizes in bytes as people write them."""

from __future__ import annotations

import re

from ..nodes.errors import GraphError


def size_of(option: str, text: str | None) -> int | None:
    """The bytes that a text such as 10GB or 500MB says.

    Raises: GraphError that names the option.
    """
    if text is None:
        return None
    units = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([kmgt]?)i?b?", text.strip().lower())
    if match is None:
        raise GraphError(f"{option} {text}: no size", "write one such as 10GB or 500MB")
    return int(float(match[1]) * 2 ** units[match[2]])
