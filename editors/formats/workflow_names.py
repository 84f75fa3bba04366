"""The names of a workflow's nodes in the `layout` of a graph file, and the whole layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...contract.spec import NodeSpec
from ...runner.graph.document import Document, document_of
from .assemble import Assembler
from .core_nodes import is_primitive
from .forms import node_form
from .names import PACK, unused_name, usual_title, valid_name
from .workflow_app import usual_app, with_ids
from .workflow_extras import NOTES, about_box, primitive_control, read_layout
from .workflow_layout import Box, about_place, arrange, group_box, read_boxes
from .workflow_read import read_workflow


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
    registry = assembler.registry
    layout = read_layout(workflow, names, controls, inside, _titles(document, registry))
    boxes = read_boxes(layout)
    layout |= _named_groups(layout, graph.metadata.get("groups"), boxes, document, registry)
    groups = layout.get("groups", [])
    plain = arrange(document, registry, _knobs(document, registry), groups)
    if not virtual and all(box == plain.get(name) for name, box in boxes.items()):
        layout.pop("nodes", None)
    about = about_box(workflow)
    everything = {**plain, **boxes}
    around = [group_box(group, everything, document, registry) for group in groups]
    if about is not None and about != list(
        about_place([*everything.values(), *filter(None, around)])
    ):
        layout["about"] = about
    return layout


def app_of(workflow: Mapping[str, Any], registry: Mapping[str, NodeSpec]) -> dict[str, Any]:
    """Returns the inputs and outputs of a workflow in App mode, if nobody has chosen others.

    Raises: GraphError if the workflow can't be read.
    """
    assembler = Assembler(read_workflow(workflow, registry), registry, "graph.yaml", True)
    document = document_of(assembler.data(), "graph.yaml", Path())
    names = _names(assembler, workflow)[0]
    knobs = knob_nodes(document, registry, document.nodes)
    nodes = [name for name in document.nodes if name in set(names.values())]
    ids = {name: int(number) for number, name in names.items() if number.isdecimal()}
    return with_ids(usual_app(document, registry, knobs, nodes), ids)


def _titles(document: Document, registry: Mapping[str, NodeSpec]) -> dict[str, tuple[str, ...]]:
    """Returns the titles of each node that nobody has chosen: of its type, and with its name."""
    titles = {
        name: registry[entry.type].title
        for name, entry in document.nodes.items()
        if entry.type in registry
    }
    return {
        name: (title, f"{title}{PACK}", usual_title(title, name)) for name, title in titles.items()
    }


def _named_groups(
    layout: Mapping[str, Any],
    written: Any,
    boxes: Mapping[str, Box],
    document: Document,
    registry: Mapping[str, NodeSpec],
) -> dict[str, Any]:
    """Returns the groups, with those as they were written that are still around their nodes.

    written: the groups of the graph file that name their nodes.
    """
    found = list(layout.get("groups", []))
    for group in written if isinstance(written, list) else []:
        around = group_box(group, boxes, document, registry) if isinstance(group, dict) else None
        for place, other in enumerate(found):
            is_there = around is not None and other.get("box") == list(around)
            if is_there and other.get("title") == group.get("title"):
                found[place] = group
    return {"groups": found} if found else {}


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
