"""Makes the data of a graph file from the nodes of a ComfyUI graph.

ComfyUI's two formats are first read into `ForeignNode` objects (api_json.py, workflow_read.py).
This file finds the names, our node types, the wires and the values. Everything that has no
counterpart here is collected as a list of problems.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...contract.problem import Problem
from ...contract.spec import NodeSpec
from ...contract.values.files import stem_problem
from ...contract.wording import suggestion
from ...runner.graph.document import ABOUT, FORMAT
from .core_nodes import CORE, FOLDER_MARK, VARIABLE, is_primitive
from .counterparts import adapt_core, leave_out_foreign
from .foreign import ForeignGraph, ForeignNode
from .forms import from_comfy_value, node_id, to_comfy_value
from .naming import Naming, knob_value


class Assembler(Naming):
    """Makes the data of a graph file. `problems` lists everything that can't be converted.

    keeps_unknown: whether nodes of packs that are not loaded, and names that a node does not have,
                   are written as they are.
    """

    def __init__(
        self,
        graph: ForeignGraph,
        registry: Mapping[str, NodeSpec],
        file: str,
        keeps_unknown: bool = False,
    ) -> None:
        super().__init__(graph, registry, keeps_unknown)
        self.file = file
        self.problems: list[Problem] = []
        self.foreign: list[str] = []  # titles of nodes that are left out, as artgraph lacks some
        self.notes: dict[str, None] = {}  # what is not quite as in ComfyUI, each once
        self._saved_as: set[str] = set()

    def report(self, node: ForeignNode, problem: Problem) -> None:
        self.problems.append(replace(problem, file=self.file, node=self.label(node)))

    def label(self, node: ForeignNode) -> str:
        """Returns a node's name for messages; without a counterpart here, its title and id."""
        return self.names.get(node.id) or f"{node.title or node.type} (#{node.id})"

    def unnamed_nodes(self) -> dict[str, str]:
        """Returns the ids of the nodes that have no name here, by label."""
        nodes = self.graph.nodes.values()
        return {self.label(node): node.id for node in nodes if node.id not in self.names}

    def data(self) -> dict[str, Any]:
        """Returns the graph as plain data, in the form that `Document.plain` returns."""
        self.unlike, notes = adapt_core(self.graph, self.registry)
        if not self.keeps_unknown:
            self.foreign = leave_out_foreign(self.graph, self.unlike)
        self.notes = dict.fromkeys(line for i, line in notes.items() if i in self.graph.nodes)
        self.name_nodes()
        self.collect_knobs()
        nodes = {}
        for node in self.graph.nodes.values():
            if is_primitive(node.type):
                continue
            spec = self.spec(node)
            if spec is None and self.is_kept(node):
                nodes[self.names[node.id]] = self.unknown_entry(node)
            elif spec is None:
                kind = f"{node.type!r} {self.unlike.get(node.id, '')}".rstrip()
                what = f"artgraph has no node that corresponds to {kind}"
                advice = "replace or remove it"
                self.report(node, Problem("unknown_type", None, what, advice))
            else:
                nodes[self.names[node.id]] = self.entry(node, spec)
        metadata = self.graph.metadata
        data = {"artgraph": FORMAT, **{key: metadata[key] for key in ABOUT if key in metadata}}
        if self.knobs:
            data["knobs"] = self.knobs
        data["nodes"] = nodes
        if metadata.get("layout"):
            data["layout"] = metadata["layout"]
        return data

    def unknown_entry(self, node: ForeignNode) -> dict[str, Any]:
        """Returns a node of a type that is not known here, as the graph file contained it."""
        wires = {slot: wire for slot in node.links if (wire := self.wire(node, slot)) is not None}
        kept = _mapping(node.ours.get("from"))
        wires |= {name: wire for name, wire in kept.items() if name not in wires}
        about = node.about if isinstance(node.about, str) else None
        values = {name: pair[0] for name, pair in _pairs(node.ours.get("with"))}
        parts = {"about": about, "mode": node.mode, "from": wires, "with": values}
        kind = node_id(node.type) or ""
        return {"node": kind} | {key: part for key, part in parts.items() if part}

    def restore(
        self,
        node: ForeignNode,
        spec: NodeSpec,
        wires: dict[str, Any],
        values: dict[str, Any],
    ) -> None:
        """Add the wires and values of the graph file that the editor can't show.

        A wrong value stays as long as the editor's value is the one that was shown instead.
        """
        for name, wire in _mapping(node.ours.get("from")).items():
            if name not in wires and name not in node.links:
                wires[name] = wire
        for name, (raw, shown) in _pairs(node.ours.get("with")):
            if name not in spec.widgets or node.values.get(name) == shown:
                values[name] = raw

    def entry(self, node: ForeignNode, spec: NodeSpec) -> dict[str, Any]:
        core = CORE.get(node.type)
        wires: dict[str, str] = {}
        values: dict[str, Any] = {}
        names = {*spec.inputs, *spec.widgets}
        for slot in (*node.links, *(slot for slot in node.values if slot not in node.links)):
            name = core.inputs.get(slot, slot) if core is not None else slot
            if name not in names:
                if core is None and self.keeps_unknown and slot in node.links:
                    wire = self.wire(node, slot)
                    wires |= {} if wire is None else {slot: wire}
                elif core is None and not self.keeps_unknown:
                    what, hint = f"{spec.id} has no input {slot!r}", suggestion(slot, names)
                    self.report(node, Problem("unknown_name", slot, what, hint))
            elif slot in node.links:
                wire = None if self.is_empty(node, spec, slot) else self.wire(node, slot)
                if wire is not None:
                    wires[name] = wire
                    if slot in node.values and slot in spec.widgets and self.is_idle(node, slot):
                        self.value(node, spec, name, node.values[slot], {}, values)
            else:
                self.value(node, spec, name, node.values[slot], wires, values)
        for name, value in core.fixed.items() if core is not None else ():
            self.value(node, spec, name, value, wires, values)
        self.restore(node, spec, wires, values)
        about = node.about if isinstance(node.about, str) else None
        parts = {
            "about": about,
            "mode": node.mode,
            "from": ordered(wires, spec),
            "with": ordered(values, spec),
        }
        return {"node": spec.id} | {key: part for key, part in parts.items() if part}

    def is_idle(self, node: ForeignNode, slot: str) -> bool:
        """Returns whether a widget's wire comes from a muted node, so that its value is used."""
        source = self.graph.nodes.get(node.links[slot][0])
        return source is not None and source.mode == "muted"

    def wire(self, node: ForeignNode, slot: str) -> str | None:
        """Returns the source of a link, as `node.output` or `knobs.name`."""
        source_id, number = node.links[slot]
        if source_id in self.knob_names:
            return f"knobs.{self.knob_names[source_id]}"
        source = self.graph.nodes.get(source_id)
        if source is None:
            what = f"input {slot!r} is linked to node #{source_id}, which does not exist"
            advice = "link it to another node, or remove the link"
            self.report(node, Problem("unknown_source", slot, what, advice))
            return None
        core = CORE.get(source.type)
        if core is not None and core.passthrough is not None:
            if core.passthrough in source.links:
                return self.wire(source, core.passthrough)
            return None  # the binder reports that the core node's own input is not wired
        spec = self.spec(source)
        if spec is None:
            if not self.is_kept(source) or not 0 <= number < len(source.outputs):
                return None  # reported at that node
            kept = source.outputs[number]
            return f"{self.names[source.id]}.{kept}" if kept else self.names[source.id]
        outputs = core.outputs if core is not None else tuple(spec.outputs)
        output = outputs[number] if 0 <= number < len(outputs) else None
        if output is None:
            if self.keeps_unknown and 0 <= number < len(source.outputs):
                return f"{self.names[source.id]}.{source.outputs[number]}"
            origin = f"output {number} of {source.type}"
            what = f"input {slot!r} is linked to {origin}, which artgraph does not have"
            advice = f"link another output: {', '.join(filter(None, outputs))}"
            self.report(node, Problem("unknown_source", slot, what, advice))
            return None
        name = self.names[source.id]
        return name if output == spec.main_output else f"{name}.{output}"

    def value(
        self,
        node: ForeignNode,
        spec: NodeSpec,
        name: str,
        value: Any,
        wires: dict[str, str],
        values: dict[str, Any],
    ) -> None:
        """Store a value that is not the default.

        A value that came from a knob stays wired to the knob if both are still equal.
        """
        if isinstance(value, dict) and "__value__" in value:
            value = value["__value__"]
        knob = node.knobs.get(name)
        if knob in self.knobs and knob_value(self.knobs[knob]) == value:
            wires[name] = f"knobs.{knob}"
            return
        if isinstance(value, str):
            core = CORE.get(node.type)
            value = value if core is None else core.values.get(name, {}).get(value, value)
            value = self.text(node, spec, name, value)
        widget = spec.widgets.get(name)
        if widget is None:
            what = f"input {name!r} has a value, but needs a wire"
            self.report(node, Problem("bad_value", name, what, "wire it"))
            return
        value = from_comfy_value(widget, value)
        is_written = name in (node.ours.get("set") or ())
        if widget.required or is_written or not is_default(value, widget.default):
            values[name] = value

    def text(self, node: ForeignNode, spec: NodeSpec, name: str, text: str) -> str:
        """Returns a text of a node in ComfyUI as the value of our widget.

        A path loses ComfyUI's folder mark, and a file name ComfyUI's variables. The prefix of
        a file of one of ComfyUI's nodes becomes a file name, which may contain folders, or empty if
        it can't be one or another node has it.
        """
        widget = spec.widgets.get(name)
        if widget is not None and widget.is_path:
            return FOLDER_MARK.sub("", text)
        if widget is None or not widget.is_file_name:
            return text
        variables = dict.fromkeys(found[0] for found in VARIABLE.finditer(text))
        if node.type not in CORE and not variables:
            return text
        if variables:
            left_out = ", ".join(variables)
            what = f"its file name is without {left_out}, which only ComfyUI replaces"
            self.notes[f"{self.label(node)}: {what}"] = None
        name = re.sub(r"[^\w./-]+", "_", re.sub(r"%[^%]*%", "", text))
        name = "/".join(filter(None, (part.strip("_.") for part in name.split("/"))))
        if text == "ComfyUI" or stem_problem(name) is not None or name in self._saved_as:
            return ""
        self._saved_as.add(name)
        return name


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _pairs(value: Any) -> list[tuple[str, list[Any]]]:
    """Returns the entries of a mapping that are pairs: a value, and what is shown instead."""
    return [(n, p) for n, p in _mapping(value).items() if isinstance(p, list) and len(p) == 2]


def ordered(entries: dict[str, Any], spec: NodeSpec) -> dict[str, Any]:
    """Returns the entries in the order of the node's signature, and then unknown ones."""
    names = dict.fromkeys((*spec.inputs, *spec.widgets, *entries))
    return {name: entries[name] for name in names if name in entries}


def is_default(value: Any, default: Any) -> bool:
    """Returns whether a value is the default. As in JSON, 1 equals 1.0, but true does not."""
    return bool(value == default) and (type(value) is bool) == (type(default) is bool)


def is_written_default(spec: NodeSpec, name: str, value: Any) -> bool:
    """Returns whether a value of a graph file could be left out of it."""
    widget = spec.widgets.get(name)
    return widget is not None and not widget.required and is_default(value, widget.default)


def default_values(spec: NodeSpec, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of all widgets as ComfyUI represents them, with defaults filled in."""
    checked, _ = spec.check(values)
    defaults = {name: None if w.required else w.default for name, w in spec.widgets.items()}
    complete = defaults | checked
    return {name: to_comfy_value(w, complete[name]) for name, w in spec.widgets.items()}
