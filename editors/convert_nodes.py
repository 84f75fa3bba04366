"""From the nodes of a ComfyUI graph, however they were written, to a graph file's data.

ComfyUI's two formats are first read into `Foreign` nodes (convert_api.py, workflow_read.py);
here these get names, our node types, wires and values. All that has no counterpart is gathered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..nodes.contract import NodeSpec
from ..nodes.problem import Problem
from ..nodes.sockets import is_file_name
from ..nodes.wording import suggestion
from ..runner.document import ABOUT, FORMAT, NAME
from .comfy_forms import from_comfy_value, is_empty_number, node_id, to_comfy
from .convert_core import CORE, FOLDER_MARK, PRIMITIVE_TITLES, is_primitive
from .convert_names import node_name, plain_name, unused


@dataclass
class Foreign:
    """A node as ComfyUI knows it: values and links (node, output number) by input."""

    id: str
    type: str
    title: str
    values: dict[str, Any] = field(default_factory=dict)
    links: dict[str, tuple[str, int]] = field(default_factory=dict)
    knobs: dict[str, str] = field(default_factory=dict)  # widgets whose value is a knob's
    about: Any = None


@dataclass
class ForeignGraph:
    """All nodes of a ComfyUI graph, and what a graph file says besides them."""

    nodes: dict[str, Foreign]
    facts: dict[str, Any] = field(default_factory=dict)  # title, about, ..., knobs, layout
    left_out: list[str] = field(default_factory=list)  # titles of muted nodes
    layout: dict[str, Any] = field(default_factory=dict)  # by id, read from a workflow


class Assembler:
    """Makes the data of a graph file; what can't be carried over is in `problems`."""

    def __init__(self, graph: ForeignGraph, registry: Mapping[str, NodeSpec], file: str) -> None:
        self.graph, self.registry, self.file = graph, registry, file
        self.problems: list[Problem] = []
        self.names: dict[str, str] = {}
        self.knobs: dict[str, Any] = {}
        self.knob_names: dict[str, str] = {}  # of primitives, by id
        self._saved_as: set[str] = set()

    def complain(self, node: Foreign, problem: Problem) -> None:
        self.problems.append(replace(problem, file=self.file, node=self.label(node)))

    def label(self, node: Foreign) -> str:
        """Returns what a node is called in a problem: its name, if it has a counterpart here."""
        return self.names.get(node.id) or f"{node.title or node.type} (#{node.id})"

    def strangers(self) -> dict[str, str]:
        """Returns the ids of the nodes without a name here, by label."""
        nodes = self.graph.nodes.values()
        return {self.label(node): node.id for node in nodes if node.id not in self.names}

    def data(self) -> dict[str, Any]:
        """The graph as plain data, as `Document.plain` gives it."""
        for node in self.graph.nodes.values():
            if not is_primitive(node.type):
                self.name(node)
        self.gather_knobs()
        nodes = {}
        for node in self.graph.nodes.values():
            if is_primitive(node.type):
                continue
            spec = self.spec(node)
            if spec is None:
                what = f"{node.type!r} is none of artgraph's and has no counterpart here"
                advice = "replace it, or leave it out"
                self.complain(node, Problem("unknown_type", None, what, advice))
            else:
                nodes[self.names[node.id]] = self.entry(node, spec)
        facts = self.graph.facts
        data = {"artgraph": FORMAT, **{key: facts[key] for key in ABOUT if key in facts}}
        if self.knobs:
            data["knobs"] = self.knobs
        data["nodes"] = nodes
        if facts.get("layout"):
            data["layout"] = facts["layout"]
        return data

    def spec(self, node: Foreign) -> NodeSpec | None:
        core = CORE.get(node.type)
        ours = core.node if core is not None else node_id(node.type)
        return self.registry.get(ours) if ours is not None else None

    def name(self, node: Foreign) -> None:
        """A node's title as its name where it can be one."""
        spec, title = self.spec(node), node.title
        if spec is None:
            return
        default = title == spec.title or "".join(title.split()) == node.type  # as Save Image
        default = default and not NAME.fullmatch(title)
        name = spec.id if default else node_name(title, spec.id)
        self.names[node.id] = unused(name, set(self.names.values()))

    def gather_knobs(self) -> None:
        """Knobs that the graph file had, then ComfyUI's primitives."""
        known = self.graph.facts.get("knobs", {})
        self.knobs = dict(known)
        uses: dict[str, str] = {}
        for node in self.graph.nodes.values():
            for name, (source, _) in node.links.items():
                uses.setdefault(source, name)
        for node in self.graph.nodes.values():
            if not is_primitive(node.type) or node.id not in uses:
                continue
            value = node.values.get("value")
            default = node.title in ("", node.type, "PrimitiveNode", *PRIMITIVE_TITLES)
            name = plain_name("" if default else node.title, uses[node.id])
            if name in known and knob_value(self.knobs[name]) != value:
                self.knobs[name] = with_value(known[name], value)
            elif name not in known:
                name = unused(name, {k for k, v in self.knobs.items() if v != value})
                self.knobs[name] = value
            self.knob_names[node.id] = name

    def entry(self, node: Foreign, spec: NodeSpec) -> dict[str, Any]:
        core = CORE.get(node.type)
        wires: dict[str, str] = {}
        values: dict[str, Any] = {}
        known = {*spec.inputs, *spec.widgets}
        for given in (*node.links, *(name for name in node.values if name not in node.links)):
            name = core.inputs.get(given, given) if core is not None else given
            if name not in known:
                if core is None:
                    what, hint = f"{spec.id} has no input {given!r}", suggestion(given, known)
                    self.complain(node, Problem("unknown_name", given, what, hint))
            elif given in node.links:
                wire = None if self.is_empty(node, spec, given) else self.wire(node, given)
                if wire is not None:
                    wires[name] = wire
            else:
                self.value(node, spec, name, node.values[given], wires, values)
        about = node.about if isinstance(node.about, str) else None
        parts = {"about": about, "from": ordered(wires, spec), "with": ordered(values, spec)}
        return {"node": spec.id} | {key: part for key, part in parts.items() if part}

    def is_empty(self, node: Foreign, spec: NodeSpec, given: str) -> bool:
        """Whether a primitive gives a widget the number that stands for nothing: no knob is."""
        source, widget = self.graph.nodes.get(node.links[given][0]), spec.widgets.get(given)
        if source is None or widget is None or source.id not in self.knob_names:
            return False
        return is_empty_number(widget, source.values.get("value"))

    def wire(self, node: Foreign, given: str) -> str | None:
        """What a link comes from, as `node.output` or `knobs.name`."""
        source_id, slot = node.links[given]
        if source_id in self.knob_names:
            return f"knobs.{self.knob_names[source_id]}"
        source = self.graph.nodes.get(source_id)
        if source is None:
            what = f"input {given!r} comes from #{source_id}, which is not there"
            self.complain(node, Problem("unknown_source", given, what))
            return None
        core = CORE.get(source.type)
        if core is not None and core.passes is not None:
            if core.passes in source.links:
                return self.wire(source, core.passes)
            return None  # the binder says that its own input is not wired
        spec = self.spec(source)
        if spec is None:
            return None  # reported at that node
        outputs = core.outputs if core is not None else tuple(spec.outputs)
        output = outputs[slot] if 0 <= slot < len(outputs) else None
        if output is None:
            start = f"output {slot} of {source.type}"
            what = f"input {given!r} comes from {start}, which has no counterpart here"
            self.complain(node, Problem("unknown_source", given, what))
            return None
        name = self.names[source.id]
        return name if len(spec.outputs) == 1 else f"{name}.{output}"

    def value(
        self,
        node: Foreign,
        spec: NodeSpec,
        name: str,
        value: Any,
        wires: dict[str, str],
        values: dict[str, Any],
    ) -> None:
        """Keep a value that is no default, as a knob where it was one and still has its value."""
        if isinstance(value, dict) and "__value__" in value:
            value = value["__value__"]
        knob = node.knobs.get(name)
        if knob in self.knobs and knob_value(self.knobs[knob]) == value:
            wires[name] = f"knobs.{knob}"
            return
        if node.type in CORE and isinstance(value, str):
            value = self.core_text(spec, name, value)
        widget = spec.widgets.get(name)
        if widget is None:
            what = f"input {name!r} takes no value"
            self.complain(node, Problem("bad_value", name, what, "wire it"))
            return
        value = from_comfy_value(widget, value)
        if widget.required or not is_same(value, widget.default):
            values[name] = value

    def core_text(self, spec: NodeSpec, name: str, text: str) -> str:
        """A path without ComfyUI's folder mark; a file's prefix as a plain name, each once."""
        widget = spec.widgets.get(name)
        if widget is not None and widget.is_path:
            return FOLDER_MARK.sub("", text)
        if widget is None or not widget.is_file_name:
            return text
        name = re.sub(r"[^\w.-]+", "_", re.sub(r"%[^%]*%", "", text)).strip("_.")
        if text == "ComfyUI" or not is_file_name(name) or name in self._saved_as:
            return ""
        self._saved_as.add(name)
        return name


def ordered(given: dict[str, Any], spec: NodeSpec) -> dict[str, Any]:
    """In the order of the node's signature."""
    return {name: given[name] for name in (*spec.inputs, *spec.widgets) if name in given}


def is_same(value: Any, default: Any) -> bool:
    """Whether a value is a widget's default: 1 and 1.0 are one number, as in JSON; true is none."""
    return bool(value == default) and (type(value) is bool) == (type(default) is bool)


def knob_value(knob: Any) -> Any:
    """A knob's value, however it is written."""
    return knob["value"] if isinstance(knob, dict) else knob


def with_value(knob: Any, value: Any) -> Any:
    """The knob with another value."""
    return {**knob, "value": value} if isinstance(knob, dict) else value


def default_values(spec: NodeSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """All widgets' values as ComfyUI holds them: given, or the default; None is an empty text."""
    values, _ = spec.check(given)
    defaults = {name: None if w.required else w.default for name, w in spec.widgets.items()}
    return {name: to_comfy(w, (defaults | values)[name]) for name, w in spec.widgets.items()}
