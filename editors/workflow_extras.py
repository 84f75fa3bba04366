"""What a workflow has besides nodes that run: places, colours, groups and notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOTES = ("Note", "MarkdownNote")


def read_layout(workflow: Mapping[str, Any]) -> dict[str, Any]:
    """A graph file's `layout`, its nodes and colours by the workflow's ids."""
    nodes, colors, notes = {}, {}, []
    for node in workflow["nodes"]:
        box = [*_pair(node.get("pos"), (0, 0)), *_pair(node.get("size"), (300, 120))]
        paint = {key: node[key] for key in ("color", "bgcolor") if node.get(key)}
        if node["type"] in NOTES:
            if (node.get("properties") or {}).get("artgraph") != "about":
                text = (node.get("widgets_values") or [""])[0]
                notes.append(
                    {"title": str(node.get("title") or "Note"), "text": str(text)}
                    | {"box": box}
                    | paint
                )
            continue
        nodes[str(node["id"])] = box
        if paint:
            colors[str(node["id"])] = [paint.get("color", ""), paint.get("bgcolor", "")]
    groups = [
        {"title": str(group.get("title", "")), "box": list(group["bounding"])}
        | ({"color": group["color"]} if group.get("color") else {})
        for group in workflow.get("groups") or []
    ]
    parts = {"nodes": nodes, "colors": colors, "groups": groups, "notes": notes}
    return {key: part for key, part in parts.items() if part}


def _pair(given: Any, otherwise: tuple[float, float]) -> list[float]:
    """Two numbers, which old workflows have as `{"0": x, "1": y}`."""
    if isinstance(given, dict):
        given = [given["0"], given["1"]]
    return [float(n) if n % 1 else int(n) for n in given[:2]] if given else list(otherwise)
