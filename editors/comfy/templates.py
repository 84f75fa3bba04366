"""The shipped graphs as templates of ComfyUI: lessons with a note, and apps."""

from __future__ import annotations

from typing import Any

from ...runner.graph.document import Document
from ..formats.workflow_app import FOLDER_PARTS, USUAL

APPS = ("draw", "morph_two", "my_gan", "my_vae", "sort")  # graphs that open in App mode
_NOTE = "What to change"
_GAP = 40  # between two notes
_LINE, _WIDTH = 22, 62  # height of a line of a note in pixels, and its characters

# How long a first run takes on two CPU cores without a GPU, with the graph's own settings.
_MINUTES = "some minutes"
TIMES = {
    "base_models": "many hours",
    "classic": _MINUTES,
    "draw": "some seconds",
    "film": _MINUTES,
    "finetune": "about as long as `minutes` says",
    "latent_walk": "about ten seconds",
    "morph": _MINUTES,
    "morph_two": "some seconds",
    "my_gan": "about as long as `minutes` says",
    "my_vae": _MINUTES,
    "prepare": "some seconds",
    "restyle_folder": "some minutes for each picture",
    "sort": _MINUTES,
    "sort_archive": "about a minute",
    "style_remix": "4 to 5 minutes",
    "train_gan": "about ten minutes",
}


def template_name(name: str, document: Document) -> str:
    """Returns the name of a template's files, which ComfyUI shows as its title.

    The names of apps end in `.app`, as in ComfyUI.
    """
    title = str(document.about.get("title", name))
    plain = "".join(character for character in title if character not in '\\/:*?"<>|')
    return f"{plain}.app" if name in APPS else plain


def with_lesson(workflow: dict[str, Any], name: str, document: Document) -> dict[str, Any]:
    """Returns a template with a note on its time and its knobs, and without parts of our editor."""
    lines = [
        f"A first run takes {TIMES[name]} on two CPU cores, and is faster on a GPU. Results are"
    ]
    lines[0] += " stored: cancel at any time, and queue again to continue."
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
    if name in APPS:
        extra["linearMode"] = True
    nodes = [*workflow["nodes"], note]
    return workflow | {"nodes": nodes, "extra": extra, "last_node_id": note["id"]}
