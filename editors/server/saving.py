"""The text of a graph's file when the editor saves a new version of the graph.

The editor shows the nodes of graphs inside a graph, and does not store default values. Neither
changes the file: what means the same stays as it was written. Each changed value is changed in its
place in the text, so comments and unknown keys stay. A line `node: ./other.yaml` stays too, and
changes of the nodes inside are written beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, NamedTuple

import yaml

from ...contract.errors import ArtgraphError
from ...contract.quantities import counted
from ...contract.spec import NodeSpec
from ...runner.graph.document import ABOUT, Document, NodeEntry, parse_document
from ...runner.graph.folders import Folders
from ...runner.graph.meaning import Meaning
from ...runner.graph.nesting import is_graph
from ...runner.graph.yaml_edit import EditError, data_of, edited, lost_comments
from ...runner.graph.yaml_text import Marked
from ..formats.shown import flatten_shown
from ..formats.workflow_write import written


class Text(NamedTuple):
    """The text to save, and what the file loses by it, as sentences for the user."""

    text: str
    losses: tuple[str, ...] = ()


def text_to_save(
    new: Document,
    old_text: str | None,
    registry: Mapping[str, NodeSpec],
    renamed: Mapping[str, str] | None = None,
) -> Text:
    """Returns the YAML of `new` for a file that contains `old_text`.

    renamed: the new names of nodes, by their names in the file.
    """
    if old_text is None:
        return Text(new.yaml())
    try:
        old = parse_document(old_text, new.file, new.folder)
    except ArtgraphError as error:
        return Text(new.yaml(), (f"The file was not YAML ({error.what}), and is replaced.",))
    return _Saving(old, new, registry, renamed or {}).text(old_text)


class _Saving:
    """Writes the document `new` over the document `old`."""

    def __init__(
        self,
        old: Document,
        new: Document,
        registry: Mapping[str, NodeSpec],
        renamed: Mapping[str, str],
    ) -> None:
        self.old, self.new, self.registry, self.renamed = old, new, registry, renamed
        self.folders = Folders(old.folder, old.folder, old.folder)
        self.flat, _ = flatten_shown(old, registry, self.folders)
        self.meaning = Meaning(registry, self.flat, new)

    def text(self, old_text: str) -> Text:
        losses = []
        misfit = written(self.flat, self.registry)[1]
        if misfit is not None:
            losses.append(f"In the file, {misfit}. This part is replaced by what was shown.")
        inner = [entry.type for entry in self.old.nodes.values() if is_graph(entry.type)]
        if inner:
            folded = self.folded()
            if folded is None:
                files = " and ".join(dict.fromkeys(inner))
                losses.append(
                    f"The line for {files} can't express your changes of the nodes inside."
                    " The file now contains these nodes instead."
                )
            else:
                self.new = folded
        try:
            text = self.preserved(old_text)
            lost = lost_comments(old_text, text)
            if lost:
                were = "was" if lost == 1 else "were"
                losses.append(f"{counted(lost, 'comment')} {were} in lines that are removed.")
        except (EditError, yaml.YAMLError):
            text = self.new.yaml()
            losses.append("The file is written anew, without its comments and unknown keys.")
        return Text(text, tuple(losses))

    def preserved(self, old_text: str) -> str:
        """Returns the old text with the changes of the new document.

        Raises: EditError, yaml.YAMLError if they can't be made in the text.
        """
        old = data_of(old_text)
        if not isinstance(old, dict):
            raise EditError
        renamed = {a: b for a, b in self.renamed.items() if a in (old.get("nodes") or {})}
        text = edited(old_text, self.merged(old, renamed), renamed)
        again = parse_document(text, self.new.file, self.new.folder)
        meaning = Meaning(self.registry, self.flat, self.new)
        if meaning.of(again) != meaning.of(self.new):
            raise EditError
        return text

    def merged(self, old: dict[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
        """Returns the data of the file with the changes of the new document."""
        data, new = deepcopy(old), self.new.plain()
        for key in (*ABOUT, "layout"):
            _set(data, key, new.get(key))
        if "artgraph" not in data:
            data = {"artgraph": new["artgraph"], **data}
        before_knobs = _mapping(data.get("knobs"))
        knobs = {
            name: _knob(before_knobs.get(name), knob)
            for name, knob in (new.get("knobs") or {}).items()
        }
        _set(data, "knobs", knobs or None)
        written = {renamed.get(n, n): node for n, node in _mapping(data.get("nodes")).items()}
        before = {renamed.get(name, name): entry for name, entry in self.old.nodes.items()}
        nodes = {
            name: self.node(written.get(name), before.get(name), entry, new["nodes"][name])
            for name, entry in self.new.nodes.items()
        }
        if nodes or written:
            data["nodes"] = nodes
        return data

    def node(
        self, written: Any, before: NodeEntry | None, entry: NodeEntry, plain: dict[str, Any]
    ) -> Any:
        """Returns the data of a node, with what means the same as it was written."""
        if before is None:
            return plain
        if not isinstance(written, dict):
            return written if self.meaning.of_node(before) == self.meaning.of_node(entry) else plain
        data = deepcopy(written)
        if before.type != entry.type:
            data["node"] = entry.type
        for key, old, new in (
            ("about", before.about, entry.about),
            ("mode", before.mode, entry.mode),
        ):
            if (old or "") != (new or ""):
                _set(data, key, new or None)
        for key, old_part, new_part in (
            ("from", before.wires, entry.wires),
            ("with", before.values, entry.values),
        ):
            part = {name: mark.value for name, mark in new_part.items()}
            for name, mark in old_part.items():
                if key == "with" and name not in part:
                    if self.meaning.is_default(entry, name, mark.value):
                        part[name] = mark.value
                elif name in part and self.same(key, before, name, mark, new_part[name]):
                    part[name] = mark.value
            if part != {name: mark.value for name, mark in old_part.items()}:
                _set(data, key, part or None)
        return data

    def same(self, key: str, entry: NodeEntry, name: str, old: Marked, new: Marked) -> bool:
        """Returns whether a wire or a value means the same as before."""
        if key == "from":
            return bool(self.meaning.short(old.value) == self.meaning.short(new.value))
        both = [self.meaning.is_default(entry, name, mark.value) for mark in (old, new)]
        same = old.value == new.value and isinstance(old.value, bool) == isinstance(new.value, bool)
        return all(both) or same

    def folded(self) -> Document | None:
        """Returns the flat graph `new` with the inner graphs of `old`, or None if that fails."""
        nodes: dict[str, NodeEntry] = {}
        for name, entry in self.new.nodes.items():
            outer = name.partition("/")[0]
            graph = self.old.nodes.get(outer)
            if graph is None or not is_graph(graph.type):
                nodes[name] = entry
            elif name == outer and entry.type == graph.type:
                nodes[name] = replace(entry, about=graph.about)  # a file that can't be read
            elif name in self.flat.nodes:
                copy = replace(graph, wires=dict(graph.wires), values=dict(graph.values))
                self.add_changes(nodes.setdefault(outer, copy), self.flat.nodes[name], entry)
            else:
                return None
        folded = replace(self.new, nodes=nodes)
        again, _ = flatten_shown(folded, self.registry, self.folders)
        meaning = Meaning(self.registry, again, self.new)
        return folded if meaning.of(again) == meaning.of(self.new) else None

    def add_changes(self, outer: NodeEntry, before: NodeEntry, after: NodeEntry) -> None:
        """Add the changes of an inner node to `outer`, the node of the inner graph."""
        old, new = self.meaning.of_node(before), self.meaning.of_node(after)
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


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _set(data: dict[str, Any], key: str, value: Any) -> None:
    """Set a key, or remove it if the value is None or an empty mapping."""
    if value is None or value == {}:
        if data.get(key) is not None:
            del data[key]
    else:
        data[key] = value


def _knob(written: Any, knob: Any) -> Any:
    """Returns the data of a knob in the form in which it was written."""
    if isinstance(written, dict) and not isinstance(knob, dict):
        return {key: value for key, value in written.items() if key != "about"} | {"value": knob}
    if isinstance(written, dict):
        return written | knob
    return knob
