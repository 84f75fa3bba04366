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


def about_text(facts: Mapping[str, Any]) -> str:
    """The note with a graph's title and what it is about; empty where it has neither."""
    lines = [f"# {facts['title']}"] if "title" in facts else []
    lines += [str(facts["about"])] if "about" in facts else []
    return "\n\n".join(lines)


def read_about(workflow: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, str]:
    """The title and what the graph is about, where their note was changed; else nothing."""
    for node in workflow["nodes"]:
        if node["type"] in NOTES and (node.get("properties") or {}).get("artgraph") == "about":
            text = str((node.get("widgets_values") or [""])[0])
            if text == about_text(facts):
                return {}
            heading, _, rest = text.partition("\n") if text.startswith("# ") else ("", "", text)
            parts = {"title": heading[2:].strip(), "about": rest.removeprefix("\n")}
            return {key: part for key, part in parts.items() if part.strip()}
    return {}


def _pair(given: Any, otherwise: tuple[float, float]) -> list[float]:
    """Two numbers, which old workflows have as `{"0": x, "1": y}`."""
    if isinstance(given, dict):
        given = [given["0"], given["1"]]
    return [float(n) if n % 1 else int(n) for n in given[:2]] if given else list(otherwise)
