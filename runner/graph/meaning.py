"""The meaning of a document in a form that is equal for graphs that run the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contract.spec import NodeSpec
from .document import Document, NodeEntry


class Meaning:
    """Compares documents. `documents` name the types of all nodes that wires may come from."""

    def __init__(self, registry: Mapping[str, NodeSpec], *documents: Document) -> None:
        self.registry = registry
        self.types = {e.name: e.type for d in documents for e in d.nodes.values()}

    def of(self, document: Document) -> dict[str, Any]:
        """Returns the content of a document without its layout."""
        nodes = {name: self.of_node(entry) for name, entry in document.nodes.items()}
        return document.plain() | {"nodes": nodes, "layout": None}

    def of_node(self, entry: NodeEntry) -> dict[str, Any]:
        """Returns a node without default values, with its wires in their short form."""
        values = {
            name: mark.value
            for name, mark in entry.values.items()
            if not self.is_default(entry, name, mark.value)
        }
        wires = {name: self.short(mark.value) for name, mark in entry.wires.items()}
        parts = {"node": entry.type, "about": entry.about or None, "mode": entry.mode}
        return parts | {"from": wires, "with": values}

    def is_default(self, entry: NodeEntry, name: str, value: Any) -> bool:
        """Returns whether a value is the same as none: it is the default of an optional widget."""
        spec = self.registry.get(entry.type)
        widget = spec.widgets.get(name) if spec is not None else None
        if widget is None or widget.required:
            return False
        if widget.nullable and value == "":
            value = None
        return bool(value == widget.default) and isinstance(value, bool) == isinstance(
            widget.default, bool
        )

    def short(self, wire: Any) -> Any:
        """Returns a wire without the output's name if it means the same without it."""
        owner, _, output = str(wire).partition(".")
        spec = self.registry.get(self.types.get(owner, ""))
        return owner if spec is not None and output and output == spec.main_output else wire
