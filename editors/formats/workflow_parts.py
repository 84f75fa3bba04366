"""The parts of a graph file's layout, as a workflow of the editor contains them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contract.spec import NodeSpec
from ...runner.graph.document import Document, NodeEntry
from ...runner.graph.yaml_text import Marked
from .api_json import META
from .core_nodes import CONTROLS
from .forms import InputForm, node_form
from .names import usual_title
from .workflow_app import USUAL, usual_app, with_ids
from .workflow_extras import about_text
from .workflow_layout import Box, about_place, group_box, group_nodes, read_box
from .workflow_names import knob_nodes

# Colours of the groups that have none, in turn; they are those of the editor's palette.
_COLORS = ("#3f789e", "#88AA88", "#b58b2a", "#8888AA", "#b06634", "#a1309b", "#88AAAA")
_GROUP_BOX, _NOTE_BOX = Box(0, 0, 400, 300), Box(0, 0, 300, 120)


class Parts:
    """Numbers the nodes of a document, from `first`, and reads its layout."""

    def __init__(
        self, document: Document, registry: Mapping[str, NodeSpec], first: int = 1
    ) -> None:
        self.document, self.registry, self.first = document, registry, first
        self.layout = document.layout if isinstance(document.layout, dict) else {}
        self.virtual = {n: v for n, v in self.table("virtual").items() if isinstance(v, dict)}
        inside = [v["inside"] for v in self.virtual.values() if isinstance(v.get("inside"), dict)]
        inner = {name for names in inside for name in names.values()}
        self.entries = {n: entry for n, entry in document.nodes.items() if n not in inner}
        knobs = knob_nodes(document, registry, document.nodes)
        used = knob_nodes(document, registry, self.entries)
        sources = {link[0] for link in self.listed("links", list) if link}
        knobs = {key: name for key, name in knobs.items() if key in used or name in sources}
        self.knob_names = knobs
        names = [*self.entries, *knobs.values(), *self.virtual]
        self.ids = {name: number for number, name in enumerate(names, first)}
        self.links: list[list[Any]] = []
        self.targets: dict[tuple[int, int], list[int]] = {}  # links by node and output
        self.ends: dict[str, int] = {}  # the link to each input, such as `node.input`
        self.knob_widgets: dict[str, InputForm] = {}
        for entry in document.nodes.values():
            for form, mark in self.wired_widgets(entry):
                key = (str(mark.value).partition(".")[2], form.type)
                if key in knobs:
                    self.knob_widgets.setdefault(knobs[key], form)

    def table(self, key: str) -> dict[str, Any]:
        """Returns a mapping in the layout; empty if it is malformed."""
        part = self.layout.get(key)
        return part if isinstance(part, dict) else {}

    def listed(self, key: str, kind: type = dict) -> list[Any]:
        """Returns the entries of a list in the layout that have the right form."""
        items = self.layout.get(key)
        return [item for item in items if isinstance(item, kind)] if isinstance(items, list) else []

    def wired_widgets(self, entry: NodeEntry) -> list[tuple[InputForm, Marked]]:
        spec = self.registry.get(entry.type)
        forms = node_form(spec).widgets if spec is not None else []
        return [(form, entry.wires[form.name]) for form in forms if form.name in entry.wires]

    def title(self, name: str, usual: str | None = None) -> str:
        """Returns the title of a node in the editor."""
        title = self.table("titles").get(name)
        if isinstance(title, str):
            return title
        entry = self.document.nodes.get(name)
        spec = self.registry.get(entry.type) if entry is not None else None
        return usual or (usual_title(spec.title, name) if spec is not None else name)

    def app(self) -> dict[str, Any]:
        """Returns the settings of App mode, with the ids of nodes instead of their names."""
        app, found = self.table("app"), {}
        if isinstance(app.get("open"), bool):
            found["linearMode"] = app["open"]
        if "inputs" in app or "outputs" in app:
            return found | {"linearData": with_ids(app, self.ids)}
        usual = usual_app(self.document, self.registry, self.knob_names, self.entries)
        return found | {"linearData": with_ids(usual, self.ids), USUAL: with_ids(usual, self.ids)}

    def groups(self, boxes: Mapping[str, Box]) -> list[dict[str, Any]]:
        """Returns the groups of the layout."""
        return [
            group_of(group, self.around(group, boxes), _COLORS[number % len(_COLORS)])
            for number, group in enumerate(self.listed("groups"))
        ]

    def around(self, group: Mapping[str, Any], boxes: Mapping[str, Box]) -> Box | None:
        """Returns the box of a group that names its nodes."""
        return group_box(group, boxes, self.document, self.registry)

    def named_groups(self) -> list[dict[str, Any]]:
        """Returns the groups of the layout that name their nodes."""
        return [group for group in self.listed("groups") if group_nodes(group)]

    def notes(self, number: int, boxes: Mapping[str, Box]) -> list[dict[str, Any]]:
        """Returns the notes of the layout, and a note with the graph's title and description."""
        notes = [_note(number + i, note) for i, note in enumerate(self.listed("notes"))]
        text = about_text(self.document.about)
        if text and self.layout.get("about") is not False:
            groups = [self.around(group, boxes) for group in self.named_groups()]
            everything = [*boxes.values(), *filter(None, groups)]
            box = read_box(self.layout.get("about")) or about_place(everything)
            about = {"title": "About", "text": text, "box": list(box)}
            note = _note(number + len(notes), about)
            note["properties"][META] = "about"
            notes.append(note)
        return notes


def control_of(controls: Any, name: str) -> str:
    """Returns what the editor does with a widget's value after a run."""
    value = controls.get(name) if isinstance(controls, dict) else None
    return value if value in CONTROLS else CONTROLS[0]


def group_of(group: Mapping[str, Any], around: Box | None, color: str) -> dict[str, Any]:
    """Returns a group of the layout as the editor saves it.

    around: the box around the nodes that the group names.
    color:  the colour of a group that has none.
    """
    others = {k: v for k, v in group.items() if k not in ("title", "box", "color", "nodes")}
    return {
        "title": str(group.get("title", "")),
        "bounding": list(read_box(group.get("box")) or around or _GROUP_BOX),
        "color": group.get("color", color),
        "flags": {},
    } | others


def _note(number: int, note: Mapping[str, Any]) -> dict[str, Any]:
    x, y, width, height = read_box(note.get("box")) or _NOTE_BOX
    colors = {key: note[key] for key in ("color", "bgcolor") if key in note}
    flags = note.get("flags")
    return {
        "id": number,
        "type": "Note" if note.get("type") == "Note" else "MarkdownNote",
        "pos": [x, y],
        "size": [width, height],
        "flags": dict(flags) if isinstance(flags, dict) else {},
        "order": 0,
        "mode": note.get("mode", 0),
        "inputs": [],
        "outputs": [],
        "title": str(note.get("title", "Note")),
        "properties": {},
        "widgets_values": [str(note.get("text", ""))],
        **({"color": "#432", "bgcolor": ""} | colors),  # "" is the colour of the editor's palette
    }
