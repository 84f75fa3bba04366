"""The parts of a workflow that do not run: positions, colours, groups and notes."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

NOTES = ("Note", "MarkdownNote")


def read_layout(workflow: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a workflow's layout as in a graph file, but nodes and colours by the node's id."""
    nodes, colors, notes = {}, {}, []
    for node in workflow["nodes"]:
        box = [*_pair(node.get("pos"), (0, 0)), *_pair(node.get("size"), (300, 120))]
        node_colors = {key: node[key] for key in ("color", "bgcolor") if node.get(key)}
        if node["type"] in NOTES:
            if (node.get("properties") or {}).get("artgraph") != "about":
                text = (node.get("widgets_values") or [""])[0]
                notes.append(
                    {"title": str(node.get("title") or "Note"), "text": str(text)}
                    | {"box": box}
                    | node_colors
                )
            continue
        nodes[str(node["id"])] = box
        if node_colors:
            colors[str(node["id"])] = [node_colors.get("color", ""), node_colors.get("bgcolor", "")]
    groups = [
        {"title": str(group.get("title", "")), "box": [n for n in group["bounding"] if isfinite(n)]}
        | ({"color": group["color"]} if group.get("color") else {})
        for group in workflow.get("groups") or []
    ]
    parts = {"nodes": nodes, "colors": colors, "groups": groups, "notes": notes}
    return {key: part for key, part in parts.items() if part}


def about_text(metadata: Mapping[str, Any]) -> str:
    """Returns the text of the note with a graph's title and description; empty without both."""
    lines = [f"# {metadata['title']}"] if "title" in metadata else []
    lines += [str(metadata["about"])] if "about" in metadata else []
    return "\n\n".join(lines)


def read_about(workflow: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, str]:
    """Returns the title and the description from their note, if it was edited; else nothing."""
    for node in workflow["nodes"]:
        if node["type"] in NOTES and (node.get("properties") or {}).get("artgraph") == "about":
            text = str((node.get("widgets_values") or [""])[0])
            if text == about_text(metadata):
                return {}
            heading, _, rest = text.partition("\n") if text.startswith("# ") else ("", "", text)
            parts = {"title": heading[2:].strip(), "about": rest.removeprefix("\n")}
            return {key: part for key, part in parts.items() if part.strip()}
    return {}


def _pair(pair: Any, default: tuple[float, float]) -> list[float]:
    """Returns two numbers as a list. Old workflows contain them as `{"0": x, "1": y}`."""
    if isinstance(pair, dict):
        pair = [pair["0"], pair["1"]]
    if not pair or not all(map(isfinite, pair[:2])):
        return list(default)
    return [float(n) if n % 1 else int(n) for n in pair[:2]]
