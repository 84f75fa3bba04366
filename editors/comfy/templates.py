"""The shipped graphs as templates of ComfyUI: lessons with a note, and apps."""

from __future__ import annotations

from typing import Any

from ...runner.graph.document import Document
from ..formats.workflow_app import FOLDER_PARTS, USUAL

APP = "app"  # tag of graphs that open in App mode
_NOTE = "What to change"
_GAP = 40  # between two notes
_LINE, _WIDTH = 22, 62  # height of a line of a note in pixels, and its characters


def template_name(name: str, document: Document) -> str:
    """Returns the name of a template's files, which ComfyUI shows as its title.

    The names of apps end in `.app`, as in ComfyUI.
    """
    title = str(document.about.get("title", name))
    plain = "".join(character for character in title if character not in '\\/:*?"<>|')
    return f"{plain}.app" if _is_app(document) else plain


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
    app = workflow["extra"]["linearData"]
    app = app | {"inputs": [i for i in app["inputs"] if i[1] not in FOLDER_PARTS]}
    extra = workflow["extra"] | {"linearData": app, USUAL: app}
    if _is_app(document):
        extra["linearMode"] = True
    nodes = [*workflow["nodes"], note]
    return workflow | {"nodes": nodes, "extra": extra, "last_node_id": note["id"]}
