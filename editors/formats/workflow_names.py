"""The names of a workflow's nodes in the `layout` of a graph file, and the whole layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ...contract.spec import NodeSpec
from ...runner.graph.document import Document
from .assemble import Assembler
from .core_nodes import is_primitive
from .forms import node_form
from .names import unused_name, valid_name
from .workflow_extras import NOTES, about_box, primitive_control, read_layout
from .workflow_layout import about_place, arrange, read_boxes


def layout_of(assembler: Assembler, document: Document) -> dict[str, Any]:
    """Returns the layout of the workflow from which a document was made.

    Positions are left out if they are those of `arrange`.
    """
    graph = assembler.graph
    workflow = graph.workflow or {}
    names, virtual = _names(assembler, workflow)
    inside = {
        name: {
            inner.partition(":")[2]: assembler.names[inner]
            for inner in graph.inside[number]
            if inner in assembler.names
        }
        for number, name in virtual.items()
        if number in graph.inside
    }
    nodes = {str(node["id"]): node for node in workflow["nodes"]}
    controls = {names[i]: c for i, c in graph.controls.items() if i in names}
    controls |= {
        name: primitive_control(nodes[number])
        for number, name in names.items()
        if name.startswith("knobs.")
    }
    layout = read_layout(workflow, names, controls, inside)
    plain = arrange(document, assembler.registry, _knobs(document, assembler.registry))
    boxes = read_boxes(layout)
    if not virtual and all(box == plain.get(name) for name, box in boxes.items()):
        layout.pop("nodes", None)
    about = about_box(workflow)
    if about is not None and about != list(about_place({**plain, **boxes}.values())):
        layout["about"] = about
    return layout


def _knobs(document: Document, registry: Mapping[str, NodeSpec]) -> list[str]:
    return list(knob_nodes(document, registry, document.nodes).values())


def knob_nodes(
    document: Document, registry: Mapping[str, NodeSpec], users: Any
) -> dict[tuple[str, str], str]:
    """Returns the layout's name of each knob's primitive nodes, by the knob and the widgets' type.

    users: the names of the nodes whose wires count.
    """
    found: dict[tuple[str, str], None] = {}
    for name in users:
        entry = document.nodes[name]
        spec = registry.get(entry.type)
        types = {form.name: form.type for form in node_form(spec).widgets} if spec else {}
        for slot, mark in entry.wires.items():
            owner, _, knob = str(mark.value).partition(".")
            is_scalar = knob in document.knobs and not isinstance(
                document.knobs[knob].value, dict | list
            )
            if owner == "knobs" and is_scalar and slot in types:
                found[knob, types[slot]] = None
    counts = Counter(knob for knob, _ in found)
    return {
        (knob, kind): f"knobs.{knob}.{kind}" if counts[knob] > 1 else f"knobs.{knob}"
        for knob, kind in found
    }


def _names(
    assembler: Assembler, workflow: Mapping[str, Any]
) -> tuple[dict[str, str], dict[Any, str]]:
    """Returns the layout's names of a workflow's nodes by id, and those of its virtual nodes."""
    names: dict[str, str] = {}
    virtual: dict[Any, str] = {}
    counts = Counter(assembler.knob_names.get(str(node["id"])) for node in workflow["nodes"])
    taken = set(assembler.names.values())
    for node in workflow["nodes"]:
        number, kind = str(node["id"]), str(node["type"])
        if number in assembler.names:
            names[number] = assembler.names[number]
        elif number in assembler.knob_names:
            knob = assembler.knob_names[number]
            suffix = f".{node['outputs'][0]['type']}" if counts[knob] > 1 else ""
            names[number] = f"knobs.{knob}{suffix}"
        elif kind == "Reroute" or node["id"] in assembler.graph.inside or is_primitive(kind):
            if kind in NOTES:
                continue
            usual = kind.lower() if kind == "Reroute" or is_primitive(kind) else "subgraph"
            properties = (node.get("properties") or {}).get("artgraph") or {}
            own = properties.get("name") if isinstance(properties, dict) else None
            title = own if isinstance(own, str) else str(node.get("title") or "")
            virtual[node["id"]] = names[number] = unused_name(valid_name(title, usual), taken)
            taken.add(names[number])
    return names, virtual
