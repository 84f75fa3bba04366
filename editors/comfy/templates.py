"""The shipped graphs as templates of ComfyUI: lessons with a note, and apps."""

from __future__ import annotations

import re
from typing import Any

from ...runner.graph.document import Document
from ..formats.workflow_app import FOLDER_PARTS, USUAL

APP = "app"  # tag of graphs that open in App mode
_NOTE = "What to change"
_GAP = 40  # between two notes
_LINE, _WIDTH = 22, 62  # height of a line of a note in pixels, and its characters
_LONGEST = 32  # characters that App mode shows of a description
_VIEW, _EDGE = (1200, 700), (80, 80)  # pixels of a small window for a graph, and around the graph
_READABLE = 0.65  # the smallest scale at which ComfyUI draws the texts of nodes


def template_name(name: str, document: Document) -> str:
    """Returns the name of a template's files, which ComfyUI shows as its title."""
    title = str(document.about.get("title", name))
    return "".join(character for character in title if character not in '\\/:*?"<>|')


def _is_app(document: Document) -> bool:
    return APP in document.about.get("tags", ())


def with_lesson(workflow: dict[str, Any], document: Document) -> dict[str, Any]:
    """Returns a template with a note on its time and its knobs, and without parts of our editor."""
    lines = ["Results are stored: cancel at any time, and queue again to continue."]
    if takes := document.about.get("takes"):
        lines.insert(0, f"A first run takes {takes} on two CPU cores, and is faster on a GPU.")
    if document.knobs:
        lines += ["", "Turn these knobs, then queue again. Only what depends on them runs again."]
    for knob in document.knobs:
        about = document.knob_about.get(knob)
        lines.append(f"- **{knob}**" + (f": {about}" if about else ""))
    about_note = next(n for n in workflow["nodes"] if n["properties"].get("artgraph") == "about")
    x, y = about_note["pos"]
    rows = sum(1 + len(line) // _WIDTH for line in lines) + 2
    height = max(about_note["size"][1], rows * _LINE)
    bottom = y + about_note["size"][1]
    note = about_note | {
        "id": workflow["last_node_id"] + 1,
        "order": len(workflow["nodes"]),
        "title": _NOTE,
        "pos": [x + about_note["size"][0] + _GAP, bottom - height],
        "size": [about_note["size"][0], height],
        "properties": {},
        "widgets_values": ["\n".join(lines)],
    }
    workflow = _with_own_folders(workflow | {"nodes": [*workflow["nodes"], note]})
    extra = workflow["extra"] | {"ds": _first_view(workflow["nodes"])}
    extra[USUAL] = extra["linearData"] = _short(extra["linearData"])
    if _is_app(document):
        extra["linearMode"] = True
    return workflow | {"extra": extra, "last_node_id": note["id"]}


def _with_own_folders(workflow: dict[str, Any]) -> dict[str, Any]:
    """Returns a workflow in which nodes that load a folder have its widget themselves.

    In ComfyUI, such a widget has a list and buttons for uploads, which a knob does not have. A knob
    that several nodes use stays.
    """
    nodes = {node["id"]: node for node in workflow["nodes"]}
    links = {link[0]: link for link in workflow["links"]}
    app, ours = workflow["extra"]["linearData"], workflow["extra"]["artgraph"]
    knobs = dict(ours.get("knobs", {}))
    inputs = [entry for entry in app["inputs"] if entry[1] not in FOLDER_PARTS]
    loaders = {entry[0] for entry in app["inputs"]} - {entry[0] for entry in inputs}
    for number in loaders:
        slot = next(i for i in nodes[number]["inputs"] if i["name"] == "folder")
        knob = nodes.get(links[slot["link"]][1]) if slot["link"] is not None else None
        buttons = [[number, part] for part in FOLDER_PARTS]
        if knob is None or len(knob["outputs"][0]["links"]) > 1:
            inputs = [*inputs, *buttons] if knob is None else inputs
            continue
        place = next(i for i, entry in enumerate(inputs) if entry[0] == knob["id"])
        inputs[place : place + 1] = [[number, "folder", *inputs[place][2:]], *buttons]
        del links[slot["link"]], nodes[knob["id"]], knobs[knob["properties"]["artgraph"]["name"]]
        nodes[number] = nodes[number] | {
            "inputs": [i | {"link": None} if i is slot else i for i in nodes[number]["inputs"]]
        }
    extra = workflow["extra"] | {"linearData": app | {"inputs": inputs}}
    extra["artgraph"] = ours | ({"knobs": knobs} if knobs else {})
    return workflow | {"nodes": list(nodes.values()), "links": list(links.values()), "extra": extra}


def _short(app: dict[str, Any]) -> dict[str, Any]:
    """Returns the app with descriptions that fit into one line of ComfyUI's form."""
    inputs = []
    for node, widget, *more in app["inputs"]:
        about = [{"description": _first_words(part["description"])} for part in more]
        inputs.append([node, widget, *about])
    return app | {"inputs": inputs}


def _first_words(text: str) -> str:
    """Returns the beginning of a text up to a mark at which it may end."""
    if len(text) <= _LONGEST:
        return text
    parts = re.split(r"(?=[;,.(])", text)
    while len(parts) > 1 and len("".join(parts)) > _LONGEST:
        parts.pop()
    return "".join(parts).rstrip()


def _first_view(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the place and the scale at which a template opens.

    All of it is visible if its texts are readable then, and otherwise its beginning.
    """
    left, top = (min(node["pos"][axis] for node in nodes) for axis in (0, 1))
    right, low = (max(n["pos"][axis] + n["size"][axis] for n in nodes) for axis in (0, 1))
    width, height = _VIEW
    fitting = min(width / (right - left), height / (low - top))
    scale = min(max(fitting, _READABLE), 1.0)
    return {"scale": scale, "offset": [_EDGE[0] / scale - left, _EDGE[1] / scale - top]}
