"""Converts graph files to ComfyUI's workflow JSON, with the nodes arranged from left to right.

Knobs become the editor's primitive nodes, so that changing one changes all widgets that are wired
to the knob. Groups, notes and colours come from the graph file's `layout`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contract.spec import NodeSpec
from ...runner.graph.document import Document, NodeEntry
from .api_json import META, graph_metadata
from .assemble import default_values
from .forms import InputForm, node_form
from .workflow_extras import about_text
from .workflow_layout import Box, arrange, read_box, read_boxes

VERSION = 0.4
_GROUP_BOX, _NOTE_BOX = Box(0, 0, 400, 300), Box(0, 0, 300, 120)


def to_workflow(document: Document, registry: Mapping[str, NodeSpec]) -> dict[str, Any]:
    """Returns a checked document as workflow JSON."""
    return _Writer(document, registry).workflow()


class _Writer:
    def __init__(self, document: Document, registry: Mapping[str, NodeSpec]) -> None:
        self.document, self.registry = document, registry
        self.layout = document.layout if isinstance(document.layout, dict) else {}
        self.ids = {name: i for i, name in enumerate(document.nodes, 1)}
        self.links: list[list[Any]] = []
        self.targets: dict[tuple[int, int], list[int]] = {}  # links by node and output
        self.knob_ids: dict[tuple[str, str], int] = {}  # by knob and type of widget
        self.knob_widgets: dict[int, InputForm] = {}

    def workflow(self) -> dict[str, Any]:
        knobs = self.knobs()
        nodes = [self.node(entry) for entry in self.document.nodes.values()]
        boxes = arrange(self.document, self.registry, map(str, self.knob_ids.values()))
        boxes |= read_boxes(self.layout)
        names = {number: name for name, number in self.ids.items()}
        knob_nodes = [self.knob(name, number) for (name, _), number in knobs.items()]
        for node in [*nodes, *knob_nodes]:
            box = boxes[names.get(node["id"], str(node["id"]))]
            node["pos"], node["size"] = [box.x, box.y], [box.width, box.height]
            for slot, output in enumerate(node["outputs"]):
                output["links"] = self.targets.get((node["id"], slot), [])
        notes = self.notes(len(self.ids) + len(knobs) + 1, boxes)
        everything = [*knob_nodes, *nodes, *notes]
        for order, node in enumerate(everything):
            node["order"] = order
        metadata = graph_metadata(self.document)
        metadata.pop("layout", None)  # the workflow has its own positions, groups and notes
        return {
            "last_node_id": max((node["id"] for node in everything), default=0),
            "last_link_id": len(self.links),
            "nodes": everything,
            "links": self.links,
            "groups": [
                {
                    "title": str(group.get("title", "")),
                    "bounding": list(read_box(group.get("box")) or _GROUP_BOX),
                    "color": group.get("color", "#3f789e"),
                    "flags": {},
                }
                for group in self.extras("groups")
            ],
            "config": {},
            "extra": {META: metadata},
            "version": VERSION,
        }

    def extras(self, key: str) -> list[dict[str, Any]]:
        """Returns the mappings in one list of the layout."""
        items = self.layout.get(key)
        return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []

    def knobs(self) -> dict[tuple[str, str], int]:
        """Returns an id for the primitive node of each knob and type of widget wired to it."""
        number = len(self.ids)
        for entry in self.document.nodes.values():
            widgets = {form.name: form for form in node_form(self.registry[entry.type]).widgets}
            for name, mark in entry.wires.items():
                owner, _, knob = mark.value.partition(".")
                if owner == "knobs" and (knob, widgets[name].type) not in self.knob_ids:
                    number += 1
                    self.knob_ids[knob, widgets[name].type] = number
                    self.knob_widgets[number] = widgets[name]
        return self.knob_ids

    def node(self, entry: NodeEntry) -> dict[str, Any]:
        form = node_form(self.registry[entry.type])
        values = {name: mark.value for name, mark in entry.values.items()}
        for name, mark in entry.wires.items():
            if mark.value.startswith("knobs."):
                values[name] = self.document.knobs[mark.value[len("knobs.") :]].value
        complete = default_values(form.spec, values)
        widgets_values: list[Any] = []
        for widget in form.widgets:
            widgets_values.append(complete[widget.name])
            if "control_after_generate" in widget.options:
                widgets_values.append("fixed")
        node = {
            "id": self.ids[entry.name],
            "type": form.class_id,
            "pos": [0, 0],
            "size": [0, 0],
            "flags": {},
            "order": 0,
            "mode": 0,
            "inputs": self.inputs(entry, form.inputs),
            "outputs": [{"name": o.name, "type": o.type, "links": []} for o in form.outputs],
            "title": entry.name,
            "properties": {"Node name for S&R": form.class_id}
            | ({"about": entry.about} if entry.about else {}),
            "widgets_values": widgets_values,
        }
        colors = self.layout.get("colors")
        if isinstance(colors, dict) and isinstance(colors.get(entry.name), list):
            node |= dict(zip(("color", "bgcolor"), colors[entry.name], strict=False))
        return node

    def inputs(self, entry: NodeEntry, forms: list[InputForm]) -> list[dict[str, Any]]:
        """Returns all inputs. Those of widgets name the values, also for later versions."""
        inputs: list[dict[str, Any]] = []
        for form in forms:
            slot: dict[str, Any] = {"name": form.name, "type": form.type, "link": None}
            if form.is_widget:
                slot["widget"] = {"name": form.name}
            if form.name in entry.wires:
                wire = entry.wires[form.name].value
                slot["link"] = self.link(wire, self.ids[entry.name], len(inputs), form)
            inputs.append(slot)
        return inputs

    def link(self, wire: str, target: int, slot: int, form: InputForm) -> int:
        owner, _, output = wire.partition(".")
        if owner == "knobs":
            source, number = self.knob_ids[output, form.type], 0
        else:
            outputs = list(self.registry[self.document.nodes[owner].type].outputs)
            source, number = self.ids[owner], outputs.index(output) if output else 0
        link = len(self.links) + 1
        self.links.append([link, source, number, target, slot, form.type])
        self.targets.setdefault((source, number), []).append(link)
        return link

    def knob(self, name: str, number: int) -> dict[str, Any]:
        """Returns the primitive node of a knob. Its output has the type of the wired widget."""
        widget = self.knob_widgets[number]
        value = self.document.knobs[name].value
        output = {"name": widget.type, "type": widget.type, "widget": {"name": widget.name}}
        return {
            "id": number,
            "type": "PrimitiveNode",
            "pos": [0, 0],
            "size": [0, 0],
            "flags": {},
            "order": 0,
            "mode": 0,
            "inputs": [],
            "outputs": [output | {"links": []}],
            "title": name,
            "properties": {"Run widget replace on values": False},
            "widgets_values": [value, "fixed"] if widget.type in ("INT", "COMBO") else [value],
        }

    def notes(self, number: int, boxes: Mapping[str, Box]) -> list[dict[str, Any]]:
        """Returns the notes of the layout, and a note with the graph's title and description."""
        notes = [_note(number + i, note) for i, note in enumerate(self.extras("notes"))]
        text = about_text(self.document.about)
        if text:
            left = min((box.x for box in boxes.values()), default=0)
            top = min((box.y for box in boxes.values()), default=0) - 180
            box = [left, top, 500, 120]
            note = _note(number + len(notes), {"title": "About", "text": text, "box": box})
            note["properties"][META] = "about"
            notes.append(note)
        return notes


def _note(number: int, note: Mapping[str, Any]) -> dict[str, Any]:
    x, y, width, height = read_box(note.get("box")) or _NOTE_BOX
    colors = {key: note[key] for key in ("color", "bgcolor") if key in note}
    return {
        "id": number,
        "type": "MarkdownNote",
        "pos": [x, y],
        "size": [width, height],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "title": str(note.get("title", "Note")),
        "properties": {},
        "widgets_values": [str(note.get("text", ""))],
        **({"color": "#432", "bgcolor": ""} | colors),  # "" is the colour of the editor's palette
    }
