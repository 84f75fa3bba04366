"""Converts graph files to ComfyUI's API JSON (the format that ComfyUI runs) and back.

API JSON has no fields for a graph's title, knobs and layout. They are stored in the nodes'
`_meta`, which ComfyUI does not change: the knobs of each node in its own `_meta`, the rest in
that of the first node.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contract.spec import NodeSpec
from ...runner.graph.document import ABOUT, Document
from ...runner.graph.modes import without_modes
from .assemble import default_values, is_written_default
from .foreign import ForeignGraph, ForeignNode
from .forms import class_id

META = "artgraph"


def is_api(data: Any) -> bool:
    """Returns whether JSON data look like a graph in the API's format.

    Besides nodes, there may be other entries, such as a version.
    """
    return isinstance(data, dict) and any(map(_is_node, data.values()))


def _is_node(value: Any) -> bool:
    return isinstance(value, dict) and ("class_type" in value or "inputs" in value)


def to_api(document: Document, registry: Mapping[str, NodeSpec]) -> dict[str, Any]:
    """Returns a checked document as API JSON. The nodes are numbered in their order.

    The format has no place for muted and bypassed nodes, so they are left out.
    """
    document, _ = without_modes(document, registry)
    numbers = {name: str(i) for i, name in enumerate(document.nodes, 1)}
    prompt: dict[str, Any] = {}
    for entry in document.nodes.values():
        spec = registry[entry.type]
        values = {name: mark.value for name, mark in entry.values.items()}
        links: dict[str, Any] = {}
        knobs: dict[str, str] = {}
        for name, mark in entry.wires.items():
            owner, _, output = mark.value.partition(".")
            if owner == "knobs":
                knobs[name] = output
                values[name] = document.knobs[output].value
            else:
                source = registry[document.nodes[owner].type]
                place = list(source.outputs).index(output or source.main_output or "")
                links[name] = [numbers[owner], place]
        inputs = default_values(spec, values) | links
        meta: dict[str, Any] = {"title": entry.name}
        written = [n for n, m in entry.values.items() if is_written_default(spec, n, m.value)]
        ours = {"knobs": knobs, "about": entry.about, "set": written}
        if any(ours.values()):
            meta[META] = {key: part for key, part in ours.items() if part}
        prompt[numbers[entry.name]] = {
            "class_type": class_id(spec.id),
            "inputs": {
                name: inputs[name] for name in (*spec.inputs, *spec.widgets) if name in inputs
            },
            "_meta": meta,
        }
    metadata = graph_metadata(document)
    if metadata and prompt:
        prompt["1"]["_meta"].setdefault(META, {})["graph"] = metadata
    return prompt


def graph_metadata(document: Document) -> dict[str, Any]:
    """Returns what a document contains besides its nodes: title, knobs, layout and so on."""
    plain = document.plain()
    return {key: plain[key] for key in (*ABOUT, "knobs", "layout") if key in plain}


def read_api(prompt: Mapping[str, Any]) -> ForeignGraph:
    """Returns the nodes of API JSON.

    Raises: TypeError if a node does not have the API's format.
    """
    nodes: dict[str, ForeignNode] = {}
    metadata: dict[str, Any] = {}
    for number, node in prompt.items():
        if not _is_node(node):
            continue
        inputs, meta = node.get("inputs", {}), _mapping(node.get("_meta"))
        if not isinstance(node.get("class_type"), str) or not isinstance(inputs, dict):
            raise TypeError(f"node #{number} does not have the API's format")
        ours = _mapping(meta.get(META))
        links = {name: (str(v[0]), v[1]) for name, v in inputs.items() if is_link(v)}
        values = {name: value for name, value in inputs.items() if name not in links}
        knobs = _mapping(ours.get("knobs"))
        metadata = _mapping(ours.get("graph")) or metadata
        title = str(meta.get("title") or "")
        nodes[number] = ForeignNode(
            number,
            node["class_type"],
            title,
            values,
            links,
            knobs,
            ours.get("about"),
            ours={"set": ours.get("set")},
        )
    return ForeignGraph(nodes, metadata)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def is_link(value: Any) -> bool:
    """Returns whether an input's value is a link: a pair of node and output number."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str | int)
        and isinstance(value[1], int)
        and not isinstance(value[0], bool)
        and not isinstance(value[1], bool)
    )
