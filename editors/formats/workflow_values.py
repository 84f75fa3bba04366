"""Puts the values of a graph file into the subgraphs of its workflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contract.spec import NodeSpec
from ...runner.graph.document import Document
from .api_json import META
from .assemble import default_values
from .forms import node_form

_INPUTS = -10  # the id of a subgraph's own inputs


def put_values(
    workflow: dict[str, Any],
    instance: dict[str, Any],
    document: Document,
    registry: Mapping[str, NodeSpec],
) -> None:
    """Put the values of the nodes inside a subgraph into its definition.

    A value that is set at the subgraph itself is changed there.
    """
    definitions = {d["id"]: d for d in workflow["definitions"]["subgraphs"]}
    ours = instance["properties"].get(META) or {}
    for path, name in (ours.get("inside") or {}).items():
        entry = document.nodes.get(name)
        spec = registry.get(entry.type) if entry is not None else None
        if entry is None or spec is None:
            continue
        owner, definition, node = instance, definitions[instance["type"]], None
        for number in str(path).split(":"):
            if node is not None:
                owner, definition = node, definitions[node["type"]]
            node = next(n for n in definition["nodes"] if str(n["id"]) == number)
        assert node is not None
        values = {name: mark.value for name, mark in entry.values.items()}
        complete = default_values(spec, values)
        place = 0
        saved = node.get("widgets_values")
        for widget in node_form(spec).widgets:
            if widget.name not in entry.wires:
                at_owner = _promoted(owner, definition, node, widget.name)
                if at_owner is not None:
                    owner["widgets_values"][at_owner] = complete[widget.name]
                elif isinstance(saved, list) and place < len(saved):
                    saved[place] = complete[widget.name]
            place += 1 + ("control_after_generate" in widget.options)


def _promoted(
    owner: Mapping[str, Any], definition: Mapping[str, Any], node: Mapping[str, Any], widget: str
) -> int | None:
    """Returns the place of a widget's value among the values of its subgraph, or None."""
    proxies = (owner.get("properties") or {}).get("proxyWidgets") or []
    saved = owner.get("widgets_values")
    if not isinstance(saved, list) or len(saved) != len(proxies):
        return None
    if [str(node["id"]), widget] in [[str(p[0]), p[1]] for p in proxies]:
        return [[str(p[0]), p[1]] for p in proxies].index([str(node["id"]), widget])
    slots = [slot.get("name") for slot in node.get("inputs") or []]
    for link in definition.get("links") or []:
        if link["origin_id"] == _INPUTS and str(link["target_id"]) == str(node["id"]):
            name = definition["inputs"][link["origin_slot"]]["name"]
            if slots[link["target_slot"]] == widget and ["-1", name] in proxies:
                return int(proxies.index(["-1", name]))
    return None
