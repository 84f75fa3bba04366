"""What differs between two runs of a graph, as a line for the history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...contract.errors import ArtgraphError
from ...contract.wording import short_repr
from ...runner.graph.document import Document, parse_document

_MOST = 12  # differences that are listed
_MISSING = object()


def changes(before: str, now: str) -> list[str]:
    """Returns the differences between two graphs, given as YAML, each as one text."""
    try:
        old, new = (parse_document(text, "graph.yaml", Path()) for text in (before, now))
    except ArtgraphError:
        return []
    found = _values(_knobs(old), _knobs(new))
    found += [f"{name}: new" for name in new.nodes if name not in old.nodes]
    found += [f"{name}: removed" for name in old.nodes if name not in new.nodes]
    for name in new.nodes:
        if name in old.nodes:
            found += _node(name, old, new)
    return found if len(found) <= _MOST else [*found[:_MOST], f"{len(found) - _MOST} more"]


def _knobs(document: Document) -> dict[str, Any]:
    return {name: knob.value for name, knob in document.knobs.items()}


def _node(name: str, old: Document, new: Document) -> list[str]:
    before, now = old.nodes[name], new.nodes[name]
    if before.type != now.type:
        return [f"{name}: now {now.type}"]
    values = _values(
        *({f"{name}.{n}": mark.value for n, mark in e.values.items()} for e in (before, now))
    )
    wires = ({n: str(mark.value) for n, mark in e.wires.items()} for e in (before, now))
    first, second = wires
    values += [
        f"{name}.{n}: wired to {second[n]}" if n in second else f"{name}.{n}: not wired"
        for n in {**first, **second}
        if first.get(n) != second.get(n)
    ]
    return values


def _values(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return [
        f"{name}: {_text(before.get(name, _MISSING))} → {_text(now.get(name, _MISSING))}"
        for name in {**now, **before}
        if before.get(name, _MISSING) != now.get(name, _MISSING)
    ]


def _text(value: Any) -> str:
    if value is _MISSING:
        return "usual"
    if isinstance(value, str):
        return short_repr(value) if not value or len(value) > 40 else value
    return short_repr(value)
