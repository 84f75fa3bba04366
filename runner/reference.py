"""What the registry says of nodes, as lines for people and data for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..nodes.contract import NodeSpec, Port, Widget


def node_list(registry: Mapping[str, NodeSpec]) -> list[str]:
    """All nodes by category, one line each."""
    lines: list[str] = []
    width = max(map(len, registry), default=0)
    by_category = sorted(registry.values(), key=lambda spec: (spec.category, spec.id))
    for category in dict.fromkeys(spec.category for spec in by_category):
        lines += [*([""] if lines else []), category]
        lines += [
            f"  {spec.id:{width}}  {spec.summary}"
            for spec in by_category
            if spec.category == category
        ]
    return lines


def node_lines(spec: NodeSpec) -> list[str]:
    """All about one node."""
    lines = [f"{spec.id} (version {spec.version}): {spec.title}", "", spec.doc]
    if spec.inputs:
        lines += ["", "inputs (wire them under `from`)"]
        lines += [
            f"  {port.name}: {_kind(port)}{', may stay unwired' if port.optional else ''}"
            for port in spec.inputs.values()
        ]
    if spec.widgets:
        lines += ["", "widgets (give them under `with`, or wire them)"]
        for widget in spec.widgets.values():
            lines += [f"  {widget.name}: {_values(widget)}", f"      {widget.description}"]
    lines += ["", "outputs"]
    for port in spec.outputs.values():
        about = "; ".join(socket.about for socket in port.sockets)
        lines += [f"  {port.name}: {_kind(port)} - {about}"]
    return lines


def node_data(spec: NodeSpec) -> dict[str, Any]:
    """All about one node, JSON-ready."""
    return {
        "id": spec.id,
        "title": spec.title,
        "category": spec.category,
        "version": spec.version,
        "doc": spec.doc,
        "inputs": {
            port.name: {"sockets": [s.name for s in port.sockets], "optional": port.optional}
            for port in spec.inputs.values()
        },
        "widgets": {
            widget.name: {
                "kind": widget.kind,
                "required": widget.required,
                **({} if widget.required else {"default": widget.default}),
                **({"choices": list(widget.choices)} if widget.choices else {}),
                **widget.limits,
                "description": widget.description,
            }
            for widget in spec.widgets.values()
        },
        "outputs": {
            port.name: {"sockets": [s.name for s in port.sockets]} for port in spec.outputs.values()
        },
    }


def _kind(port: Port) -> str:
    return " or ".join(socket.name for socket in port.sockets)


def _values(widget: Widget) -> str:
    """What a widget takes, in a line."""
    kind = " | ".join(map(str, widget.choices)) if widget.choices else widget.kind
    limits = widget.limits
    low, high = limits.get("ge", limits.get("gt")), limits.get("le", limits.get("lt"))
    bounds = f", {low} to {high}" if low is not None and high is not None else ""
    default = "required" if widget.required else f"default {widget.default!r}"
    return f"{kind}{bounds}, {default}"
