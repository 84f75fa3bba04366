"""Finds names and an order for the nodes of a ComfyUI graph, and the names of widget values."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from heapq import heappop, heappush
from typing import Any

from ...runner.graph.names import NAME, NODE_NAME
from .core_nodes import CONTROLS

PACK = " (artgraph)"  # after a title that one of ComfyUI's own nodes has too
_BETWEEN = " · "  # between the title of a node's type and the node's name


def usual_title(kind: str, name: str) -> str:
    """Returns the title that a node has in the editor until the user changes it.

    kind: the title of the node's type.
    """
    return f"{kind}{_BETWEEN}{name}"


def node_name(text: str, default: str) -> str:
    """Returns a title as the name of a node. Names of inner nodes (`outer/inner`) are valid."""
    name = text.rpartition(_BETWEEN)[2]
    text = name if NODE_NAME.fullmatch(name) else text
    return text if "/" in text and NODE_NAME.fullmatch(text) else valid_name(text, default)


def valid_name(text: str, default: str) -> str:
    """Returns a valid name for a node or a knob, made from a text.

    Returns `default` if the text has no usable character, or has any that is not ASCII.
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")[:100] if text.isascii() else ""
    if NAME.fullmatch(text):
        name = text
    elif name and not NAME.fullmatch(name):
        name = f"n_{name}"[:100]
    return "knobs_" if name == "knobs" else name or default


def unused_name(name: str, taken: set[str]) -> str:
    """Returns the name, with a number at its end if it is taken."""
    if name not in taken:
        return name
    return next(n for n in (f"{name[:90]}_{i}" for i in range(2, len(taken) + 3)) if n not in taken)


def topological_order(sources: Mapping[str, Collection[str]]) -> list[str]:
    """Returns the nodes in topological order, stable otherwise. Nodes in loops come last."""
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
    names: list[str], values: list[Any], seeds: Collection[str]
) -> tuple[dict[str, Any], dict[str, str], int]:
    """Returns values by name, assigned in order, and the number of values without a name.

    After the value of a widget in `seeds`, ComfyUI's editor saves the value of its control, such as
    "randomize". The controls are returned too, without those that are "fixed".
    """
    by_name, controls, position = {}, {}, 0
    for name in names:
        if position < len(values):
            by_name[name] = values[position]
            position += 1
        if name in seeds and position < len(values) and values[position] in CONTROLS:
            if values[position] != CONTROLS[0]:
                controls[name] = values[position]
            position += 1
    return by_name, controls, len(values) - position
