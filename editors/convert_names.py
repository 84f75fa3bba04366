"""Names of nodes, their order and names of their values in a graph of ComfyUI's."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from heapq import heappop, heappush
from typing import Any

from ..runner.document import NAME, NODE_NAME

_CONTROLS = ("fixed", "increment", "decrement", "randomize")


def node_name(text: str, otherwise: str) -> str:
    """A title as a node's name, which may be that of an inner graph's node: `outer/inner`."""
    return text if "/" in text and NODE_NAME.fullmatch(text) else plain_name(text, otherwise)


def plain_name(text: str, otherwise: str) -> str:
    """A text as the name of a node or a knob; `otherwise` where nothing of it can be kept."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")[:100] if text.isascii() else ""
    if NAME.fullmatch(text):
        name = text
    elif name and not NAME.fullmatch(name):
        name = f"n_{name}"[:100]
    return "knobs_" if name == "knobs" else name or otherwise


def unused(name: str, taken: set[str]) -> str:
    """The name, with a number where it is taken."""
    if name not in taken:
        return name
    return next(n for n in (f"{name[:90]}_{i}" for i in range(2, len(taken) + 3)) if n not in taken)


def sources_first(sources: Mapping[str, Collection[str]]) -> list[str]:
    """Nodes in their order, but each after its sources; loops stay at the end."""
    places = {name: place for place, name in enumerate(sources)}
    waiting = {name: set(owners) & sources.keys() for name, owners in sources.items()}
    targets: dict[str, list[str]] = {name: [] for name in sources}
    for name, owners in waiting.items():
        for owner in owners:
            targets[owner].append(name)
    names, found = list(sources), []
    ready = [places[name] for name, owners in waiting.items() if not owners]
    while ready:  # a list in rising order is a heap
        name = names[heappop(ready)]
        found.append(name)
        for target in targets[name]:
            waiting[target].discard(name)
            if not waiting[target]:
                heappush(ready, places[target])
    return found + [name for name, owners in waiting.items() if owners]


def values_by_name(
    names: list[str], given: list[Any], seeds: Collection[str]
) -> tuple[dict[str, Any], int]:
    """Returns values by the names in their order, and how many have none.

    Editors put the value of a control behind that of each widget in `seeds`; it is left out.
    """
    values, position = {}, 0
    for name in names:
        if position < len(given):
            values[name] = given[position]
            position += 1
        if name in seeds and position < len(given) and given[position] in _CONTROLS:
            position += 1
    return values, len(given) - position
