"""Converts graph files to ComfyUI's workflow JSON, with the nodes arranged from left to right.

Knobs become the editor's primitive nodes, so that changing one changes all widgets that are wired
to the knob. Groups, notes and colours come from the graph file's `layout`.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from ...contract.errors import ArtgraphError
from ...contract.parameter import Widget
from ...contract.spec import NodeSpec
from ...runner.graph.document import Document, NodeEntry, document_of
from ...runner.graph.meaning import Meaning
from .api_json import META, graph_metadata
from .assemble import Assembler, default_values, is_written_default
from .core_nodes import CONTROLS
from .forms import InputForm, class_id, from_comfy_value, node_form, to_comfy_value
from .workflow_layout import Box, arrange, read_boxes
from .workflow_links import Links
from .workflow_parts import control_of
from .workflow_read import MODE_NAMES, read_workflow
from .workflow_values import put_values

VERSION = 0.4
_MALFORMED = (LookupError, TypeError, ValueError, AttributeError, AssertionError)
_VIRTUAL_BOX = Box(0, 0, 200, 100)
_MODES = {"": 0} | {name: number for number, name in MODE_NAMES.items()}


def to_workflow(document: Document, registry: Mapping[str, NodeSpec]) -> dict[str, Any]:
    """Returns a document without inner graphs as workflow JSON, as `written` does."""
    return written(document, registry)[0]


def written(
    document: Document, registry: Mapping[str, NodeSpec], first: int = 1
) -> tuple[dict[str, Any], str | None]:
    """Returns a document without inner graphs as workflow JSON, and what is wrong with the layout.

    first: the id of the first node.

    The document may have problems. What the editor can't show of a node is stored in the node's
    properties, so that it is written again when the workflow is saved.

    Subgraphs and other nodes that only exist in the editor are shown if they still fit the nodes.
    """
    try:
        writer = Writer(document, registry, first)
        if not writer.virtual:
            return writer.workflow(), None
        if (found := with_virtual(writer)) is not None:
            return found, None
        left_out = ("virtual", "links", "floating", "definitions")
        layout = {key: part for key, part in writer.layout.items() if key not in left_out}
        what = "the subgraphs and reroutes in `layout` do not fit the nodes"
        return Writer(replace(document, layout=layout), registry, first).workflow(), what
    except _MALFORMED:
        what = "`layout` is malformed"
        return Writer(replace(document, layout=None), registry, first).workflow(), what


def with_virtual(writer: Writer) -> dict[str, Any] | None:
    """Returns the workflow with its virtual nodes, or None if it differs from the document."""
    document = writer.document
    try:
        workflow = writer.workflow()
        assembler = Assembler(
            read_workflow(workflow, writer.registry), writer.registry, document.file, True
        )
        again = document_of(assembler.data(), document.file, document.folder)
    except (*_MALFORMED, ArtgraphError):
        return None
    same = Meaning(writer.registry, document).of(document)
    return workflow if same == Meaning(writer.registry, again).of(again) else None


class Writer(Links):
    """Writes one document as a workflow."""

    def workflow(self) -> dict[str, Any]:
        nodes = {name: self.node(entry) for name, entry in self.entries.items()}
        for (knob, kind), name in self.knob_names.items():
            nodes[name] = self.knob(knob, kind, name)
        nodes |= {name: self.virtual_node(name) for name in self.virtual}
        boxes: dict[str, Box] = dict.fromkeys(self.virtual, _VIRTUAL_BOX)
        shown = replace(self.document, nodes=self.entries)
        boxes |= arrange(shown, self.registry, self.knob_names.values(), self.listed("groups"))
        boxes |= read_boxes(self.layout)
        self.add_links(nodes)
        for name, node in nodes.items():
            self.add_state(node, name, boxes[name])
        notes = self.notes(self.first + len(self.ids), {name: boxes[name] for name in nodes})
        ordered = [*self.knob_names.values(), *self.entries, *self.virtual]
        everything = [*(nodes[name] for name in ordered), *notes]
        for order, node in enumerate(everything):
            node["order"] = order
        metadata = graph_metadata(self.document)
        metadata.pop("layout", None)  # the workflow has its own positions, groups and notes
        if groups := self.named_groups():
            metadata["groups"] = (
                groups  # they are written again if they are still around their nodes
            )
        definitions = [d for d in self.table("definitions").values() if isinstance(d, dict)]
        workflow = {
            "last_node_id": max((node["id"] for node in everything), default=0),
            "last_link_id": len(self.links),
            "nodes": everything,
            "links": self.links,
            "groups": self.groups(boxes),
            "config": {},
            "extra": {**self.table("extra"), META: metadata, **self.app(), **self.reroutes()},
            "version": VERSION,
        }
        if floating := self.floating():
            workflow["floatingLinks"] = floating
        if definitions:
            workflow["definitions"] = {"subgraphs": deepcopy(definitions)}
            for name, node in nodes.items():
                if name in self.virtual:
                    put_values(workflow, node, self.document, self.registry)
        return workflow

    def node(self, entry: NodeEntry) -> dict[str, Any]:
        spec = self.registry.get(entry.type)
        if spec is None:
            return self.unknown(entry)
        form = node_form(spec)
        hidden: dict[str, Any] = {}  # values that the editor can't show, and what it shows
        values: dict[str, Any] = {}
        for name, mark in entry.values.items():
            if name in spec.widgets and name not in entry.wires:
                values[name] = mark.value
            else:
                hidden[name] = [mark.value, None]
        for widget, mark in self.wired_widgets(entry):
            owner, _, knob = str(mark.value).partition(".")
            if owner == "knobs" and knob in self.document.knobs:
                values[widget.name] = self.document.knobs[knob].value
        complete = default_values(spec, values)
        for name in [name for name in values if name not in entry.wires]:
            shown = shown_value(spec.widgets[name], values[name], complete[name])
            if shown is None:
                hidden[name] = [values[name], complete[name]]
            else:
                complete[name] = shown
        for name in hidden:
            if name in complete:
                hidden[name][1] = complete[name]
        written = [n for n, m in entry.values.items() if is_written_default(spec, n, m.value)]
        control = self.table("control").get(entry.name)
        widgets_values: list[Any] = []
        for widget in form.widgets:
            widgets_values.append(complete[widget.name])
            if "control_after_generate" in widget.options:
                widgets_values.append(control_of(control, widget.name))
        return self.drawn(
            entry,
            form.class_id,
            self.inputs(entry, form.inputs),
            [{"name": o.name, "type": o.type, "links": []} for o in form.outputs],
            hidden,
            written,
        ) | {"widgets_values": widgets_values}

    def drawn(
        self,
        entry: NodeEntry,
        kind: str,
        inputs: list[dict[str, Any]],
        outputs: list[dict[str, Any]],
        hidden: dict[str, Any],
        written: list[str],
    ) -> dict[str, Any]:
        """Returns a node with what the editor can't show of it in its properties.

        written: names of the values that the graph file contains although they are the defaults.
        """
        names = [slot["name"] for slot in inputs]
        lost = {n: m.value for n, m in entry.wires.items() if n not in names or not self.source(m)}
        title = self.title(entry.name)
        ours: dict[str, Any] = {"name": entry.name}
        ours |= {"title": title} if title != entry.name else {}
        ours |= {
            key: part for key, part in (("from", lost), ("with", hidden), ("set", written)) if part
        }
        properties: dict[str, Any] = {"Node name for S&R": kind}
        properties |= {"about": entry.about} if entry.about else {}
        properties[META] = ours
        return {
            "id": self.ids[entry.name],
            "type": kind,
            "pos": [0, 0],
            "size": [0, 0],
            "flags": {},
            "order": 0,
            "mode": _MODES.get(entry.mode, 0),
            "inputs": inputs,
            "outputs": outputs,
            "title": title,
            "properties": properties,
            "widgets_values": [],
        }

    def unknown(self, entry: NodeEntry) -> dict[str, Any]:
        """Returns a node of a type that is not known here, with the slots that are in use."""
        inputs = [
            {"name": n, "type": "*", "link": None}
            for n, m in entry.wires.items()
            if self.source(m) is not None
        ]
        used = {
            str(m.value).partition(".")[2]: None
            for other in self.document.nodes.values()
            for m in other.wires.values()
            if str(m.value).partition(".")[0] == entry.name
        }
        outputs = [{"name": name, "type": "*", "links": []} for name in used]
        hidden = {name: [mark.value, None] for name, mark in entry.values.items()}
        return self.drawn(entry, class_id(entry.type), inputs, outputs, hidden, [])

    def inputs(self, entry: NodeEntry, forms: list[InputForm]) -> list[dict[str, Any]]:
        """Returns all inputs. Those of widgets name the values, also for later versions."""
        inputs: list[dict[str, Any]] = []
        for form in forms:
            slot: dict[str, Any] = {"name": form.name, "type": form.type, "link": None}
            if form.is_widget:
                slot["widget"] = {"name": form.name}
            inputs.append(slot)
        return inputs

    def knob(self, name: str, kind: str, key: str) -> dict[str, Any]:
        """Returns the primitive node of a knob. Its output has the type of the wired widget."""
        widget = self.knob_widgets[key]
        value = self.document.knobs[name].value
        output = {"name": kind, "type": kind, "widget": {"name": widget.name}}
        control = self.table("control").get(key)
        after = control_of(control, "value")
        values = [value]
        if kind in ("INT", "COMBO") or after != CONTROLS[0]:
            values.append(after)
        if isinstance(control, dict) and control.get("filter"):
            values.append(str(control["filter"]))
        title = self.title(key, name)
        ours = {META: {"name": name} | ({"title": title} if title != name else {})}
        return {
            "id": self.ids[key],
            "type": "PrimitiveNode",
            "pos": [0, 0],
            "size": [0, 0],
            "flags": {},
            "order": 0,
            "mode": 0,
            "inputs": [],
            "outputs": [output | {"links": []}],
            "title": title,
            "properties": {"Run widget replace on values": False} | ours,
            "widgets_values": values,
        }

    def virtual_node(self, name: str) -> dict[str, Any]:
        node = deepcopy(self.virtual[name])
        inside = node.pop("inside", None)
        for side, key, empty in (("inputs", "link", None), ("outputs", "links", [])):
            slots = [slot for slot in node.get(side) or [] if isinstance(slot, dict)]
            node[side] = [slot | {key: deepcopy(empty)} for slot in slots]
        ours = {"name": name} | ({"inside": inside} if inside else {})
        properties = node.get("properties")
        node["properties"] = (properties if isinstance(properties, dict) else {}) | {META: ours}
        return node | {"id": self.ids[name], "title": self.title(name), "mode": node.get("mode", 0)}

    def add_state(self, node: dict[str, Any], name: str, box: Box) -> None:
        """Add a node's place, colours, and whatever else the layout contains about it."""
        node["pos"], node["size"] = [box.x, box.y], [box.width, box.height]
        more = self.table("more").get(name)
        more = dict(more) if isinstance(more, dict) else {}
        flags = dict(node.get("flags") or {}) | dict(more.pop("flags", None) or {})
        for flag in ("collapsed", "pinned"):
            flags |= {flag: True} if name in self.listed(flag, str) else {}
        for side in ("inputs", "outputs"):
            labels = more.pop(f"{side[:-1]}_labels", None) or {}
            for slot in node[side]:
                slot |= {"label": labels[slot["name"]]} if slot.get("name") in labels else {}
        node["properties"] |= more.pop("properties", None) or {}
        node |= more | {"flags": flags, "order": 0}
        colors = self.table("colors").get(name)
        if isinstance(colors, list):
            pairs = zip(("color", "bgcolor"), colors, strict=False)
            node |= {key: color for key, color in pairs if color}


def shown_value(widget: Widget, value: Any, checked: Any) -> Any:
    """Returns what the editor shows of a value; None if it can't show a wrong value as it is."""
    spec_value = to_comfy_value(widget, value)
    if spec_value == checked and type(spec_value) is type(checked):
        return checked
    if value is None or isinstance(value, dict | list):
        return None
    kinds: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,)}
    fits = isinstance(value, kinds.get(widget.kind, (str,)))
    if not fits or (isinstance(value, bool) and widget.kind != "bool"):
        # A whole number written as 3.0 is right, and so is 3 for a number with a fraction.
        return checked if value == checked and not isinstance(value, bool) else None
    back = from_comfy_value(widget, spec_value)
    return spec_value if back == value else None
