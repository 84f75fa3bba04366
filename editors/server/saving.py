"""The text of a graph's file when the editor saves a new version of the graph.

The editor shows the nodes of graphs inside a graph, and does not store default values. Neither
changes the file: if the graph means the same, its text stays with all comments. A line
`node: ./other.yaml` stays too, and changes of the nodes inside are written beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...contract.errors import ArtgraphError
from ...contract.spec import NodeSpec
from ...runner.graph.document import Document, NodeEntry, parse_document
from ...runner.graph.folders import Folders
from ...runner.graph.nesting import flatten, is_graph
from ...runner.graph.yaml_text import Marked

_LAYOUT = re.compile(r"^layout:", re.MULTILINE)


def text_to_save(
    new: Document, old_text: str | None, registry: Mapping[str, NodeSpec]
) -> tuple[str, str | None]:
    """Returns the YAML of `new` for a file that contains `old_text`, and a note for the user.

    The note is None unless a line for a graph inside had to be replaced by its nodes.
    """
    try:
        old = parse_document(old_text, new.file, new.folder) if old_text is not None else None
    except ArtgraphError:
        old = None
    if old is None or old_text is None:
        return new.yaml(), None
    return _Saving(old, new, registry).text(old_text)


class _Saving:
    """Writes the document `new` over the document `old`."""

    def __init__(self, old: Document, new: Document, registry: Mapping[str, NodeSpec]) -> None:
        self.old, self.new, self.registry = old, new, registry
        self.folders = Folders(old.folder, old.folder, old.folder)
        self.flat, _ = flatten(old, registry, self.folders)
        self.types = {e.name: e.type for d in (self.flat, new) for e in d.nodes.values()}

    def text(self, old_text: str) -> tuple[str, str | None]:
        """Returns the new text of the file, and a note for the user."""
        note = None
        inner = [entry.type for entry in self.old.nodes.values() if is_graph(entry.type)]
        if inner:
            folded = self.folded()
            if folded is None:
                files = " and ".join(dict.fromkeys(inner))
                note = (
                    f"The line for {files} can't express your changes of the nodes inside."
                    " The file now contains these nodes instead."
                )
            else:
                self.new = folded
        return self.preserved(old_text) or self.new.yaml(), note

    def preserved(self, old_text: str) -> str | None:
        """Returns the old text with the new layout, or None if more than the layout differs."""
        if self.meaning(self.old) != self.meaning(self.new):
            return None
        if (self.old.layout or None) == (self.new.layout or None):
            return old_text
        layouts = _LAYOUT.split(self.new.yaml(), maxsplit=1)[1:]
        text = _LAYOUT.split(old_text, maxsplit=1)[0].rstrip() + "\n"
        text += "".join(f"layout:{layout}" for layout in layouts)
        try:
            mixed = parse_document(text, self.new.file, self.new.folder)
        except ArtgraphError:
            return None
        same = (mixed.layout or None) == (self.new.layout or None)
        return text if same and self.meaning(mixed) == self.meaning(self.new) else None

    def folded(self) -> Document | None:
        """Returns the flat graph `new` with the inner graphs of `old`, or None if that fails."""
        nodes: dict[str, NodeEntry] = {}
        for name, entry in self.new.nodes.items():
            outer = name.partition("/")[0]
            graph = self.old.nodes.get(outer)
            if graph is None or not is_graph(graph.type):
                nodes[name] = entry
            elif name in self.flat.nodes:
                copy = replace(graph, wires=dict(graph.wires), values=dict(graph.values))
                self.add_changes(nodes.setdefault(outer, copy), self.flat.nodes[name], entry)
            else:
                return None
        folded = replace(self.new, nodes=nodes)
        again, problems = flatten(folded, self.registry, self.folders)
        same = not problems and self.meaning(again) == self.meaning(self.new)
        return folded if same else None

    def add_changes(self, outer: NodeEntry, before: NodeEntry, after: NodeEntry) -> None:
        """Add the changes of an inner node to `outer`, the node of the inner graph."""
        old, new = self.node_meaning(before), self.node_meaning(after)
        spec = self.registry.get(after.type)
        for key in {**old["from"], **new["from"], **old["with"], **new["with"]}:
            if all(old[part].get(key) == new[part].get(key) for part in ("from", "with")):
                continue
            full = f"{after.name.partition('/')[2]}.{key}"
            outer.wires.pop(full, None)
            outer.values.pop(full, None)
            if key in after.wires:
                outer.wires[full] = after.wires[key]
            elif key in after.values:
                outer.values[full] = after.values[key]
            elif spec is not None and key in spec.widgets:
                outer.values[full] = Marked(spec.widgets[key].default, 0)

    def meaning(self, document: Document) -> dict[str, Any]:
        """Returns the content of a document in a form that is equal for equal graphs."""
        nodes = {name: self.node_meaning(entry) for name, entry in document.nodes.items()}
        return document.plain() | {"nodes": nodes, "layout": None}

    def node_meaning(self, entry: NodeEntry) -> dict[str, Any]:
        """Returns a node without default values, with its wires in their short form."""
        spec = self.registry.get(entry.type)
        widgets = spec.widgets if spec is not None else {}
        values = {
            name: mark.value
            for name, mark in entry.values.items()
            if name not in widgets or widgets[name].required or mark.value != widgets[name].default
        }
        wires = {name: self.short(str(mark.value)) for name, mark in entry.wires.items()}
        return {"node": entry.type, "about": entry.about, "from": wires, "with": values}

    def short(self, wire: str) -> str:
        """Returns a wire without the output's name if its source has one output only."""
        owner, _, output = wire.partition(".")
        spec = self.registry.get(self.types.get(owner, ""))
        return owner if spec is not None and [output] == list(spec.outputs) else wire
