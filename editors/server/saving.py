"""What a graph's file says when the editor saves over it: its own text where that says the same.

The editor shows graphs inside a graph as their nodes, and leaves out what is a default. Neither
changes the file: comments stay, and `node: ./other.yaml` stays one line, with what was changed
inside written beside it.
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
    now: Document, there: str | None, registry: Mapping[str, NodeSpec]
) -> tuple[str, str | None]:
    """The YAML of `now` where the text `there` stood, and what the user should know of it."""
    try:
        old = parse_document(there, now.file, now.folder) if there is not None else None
    except ArtgraphError:
        old = None
    if old is None or there is None:
        return now.yaml(), None
    return _Saving(old, now, registry).text(there)


class _Saving:
    def __init__(self, old: Document, now: Document, registry: Mapping[str, NodeSpec]) -> None:
        self.old, self.now, self.registry = old, now, registry
        self.folders = Folders(old.folder, old.folder, old.folder)
        self.flat, _ = flatten(old, registry, self.folders)
        self.types = {e.name: e.type for d in (self.flat, now) for e in d.nodes.values()}

    def text(self, there: str) -> tuple[str, str | None]:
        note = None
        inner = [entry.type for entry in self.old.nodes.values() if is_graph(entry.type)]
        if inner:
            folded = self.folded()
            if folded is None:
                files = " and ".join(dict.fromkeys(inner))
                note = (
                    f"Its nodes from {files} were changed in a way that"
                    " a line of YAML can't say: they stand in this graph themselves now."
                )
            else:
                self.now = folded
        return self.own_text(there) or self.now.yaml(), note

    def own_text(self, there: str) -> str | None:
        """The text that is there if it says the same, but for its layout, which is replaced."""
        if self.sense(self.old) != self.sense(self.now):
            return None
        if (self.old.layout or None) == (self.now.layout or None):
            return there
        parts = _LAYOUT.split(self.now.yaml(), maxsplit=1)[1:]
        text = _LAYOUT.split(there, maxsplit=1)[0].rstrip() + "\n"
        text += "".join(f"layout:{part}" for part in parts)
        try:
            mixed = parse_document(text, self.now.file, self.now.folder)
        except ArtgraphError:
            return None
        same = (mixed.layout or None) == (self.now.layout or None)
        return text if same and self.sense(mixed) == self.sense(self.now) else None

    def folded(self) -> Document | None:
        """The flat graph `now` with the inner graphs of `old` in it; None where that can't be."""
        nodes: dict[str, NodeEntry] = {}
        for name, entry in self.now.nodes.items():
            outer = name.partition("/")[0]
            graph = self.old.nodes.get(outer)
            if graph is None or not is_graph(graph.type):
                nodes[name] = entry
            elif name in self.flat.nodes:
                copy = replace(graph, wires=dict(graph.wires), values=dict(graph.values))
                self.put(nodes.setdefault(outer, copy), self.flat.nodes[name], entry)
            else:
                return None
        folded = replace(self.now, nodes=nodes)
        again, problems = flatten(folded, self.registry, self.folders)
        same = not problems and self.sense(again) == self.sense(self.now)
        return folded if same else None

    def put(self, outer: NodeEntry, before: NodeEntry, now: NodeEntry) -> None:
        """Write what has changed at an inner node to the node that stands for its graph."""
        old, new = self.said(before), self.said(now)
        spec = self.registry.get(now.type)
        for key in {**old["from"], **new["from"], **old["with"], **new["with"]}:
            if all(old[part].get(key) == new[part].get(key) for part in ("from", "with")):
                continue
            full = f"{now.name.partition('/')[2]}.{key}"
            outer.wires.pop(full, None)
            outer.values.pop(full, None)
            if key in now.wires:
                outer.wires[full] = now.wires[key]
            elif key in now.values:
                outer.values[full] = now.values[key]
            elif spec is not None and key in spec.widgets:
                outer.values[full] = Marked(spec.widgets[key].default, 0)

    def sense(self, document: Document) -> dict[str, Any]:
        """What a document says, however it is written; without its layout."""
        nodes = {name: self.said(entry) for name, entry in document.nodes.items()}
        return document.plain() | {"nodes": nodes, "layout": None}

    def said(self, entry: NodeEntry) -> dict[str, Any]:
        """A node without values that are defaults, and its wires in their short form."""
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
        """A wire without the name of its source's only output."""
        owner, _, output = wire.partition(".")
        spec = self.registry.get(self.types.get(owner, ""))
        return owner if spec is not None and [output] == list(spec.outputs) else wire
