"""What the editor's App mode shows of a graph: inputs as a form, and outputs as large pictures.

The inputs are the pictures to load, the knobs and the pictures to choose from. The outputs are the
nodes that save. The layout of a graph file contains them only if the user has chosen others.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import unquote

from ...contract.signature import Port
from ...contract.spec import NodeSpec
from ...runner.graph.document import Document

USUAL = "artgraph_app"  # the key in a workflow's `extra` for what nobody has chosen
# The names of the button in files.js, and of the sheet of what the folder contains in looks.js.
FOLDER_PARTS = ("choose a folder of pictures", "pictures")
CELLS = " sheet"  # follows the name of a widget in that of its pictures in cells.js
_MODELS = {"gan", "vae", "classifier", "restyler"}  # sockets
_WIDGET_ID = re.compile(r"[^:]+:([^:]+):([^:]+)")  # the editor's own id: graph, node, widget


def usual_app(
    document: Document,
    registry: Mapping[str, NodeSpec],
    knobs: Mapping[tuple[str, str], str],
    nodes: Collection[str],
) -> dict[str, Any]:
    """Returns the inputs and outputs of a graph whose layout does not contain any.

    knobs: the layout's names of the primitive nodes, by the knob and its type.
    nodes: the names of the nodes that are not in a subgraph.
    """
    inputs: list[Any] = []
    cells: list[Any] = []  # sheets of pictures to choose from
    buttons: dict[str, list[str]] = {}  # nodes by the knob that their button sets
    for name in nodes:
        entry = document.nodes[name]
        spec = registry.get(entry.type)
        for widget in spec.widgets.values() if spec is not None else ():
            wire = entry.wires.get(widget.name)
            owner, _, knob = str(wire.value if wire is not None else "").partition(".")
            if widget.is_folder and owner == "knobs":
                buttons.setdefault(knob, []).append(name)
            elif widget.is_folder:
                inputs += [[name, part] for part in FOLDER_PARTS]
            elif widget.chosen_of is not None and (wire is None or owner == "knobs"):
                cells.append([name, f"{widget.name}{CELLS}"])
            elif widget.kind == "file" and widget.is_picture and wire is None:
                inputs.append([name, widget.name])
    for knob in document.knobs:
        text = document.knob_about.get(knob)
        about = [{"description": text}] if text else []
        inputs += [[name, "value", *about] for (owner, _), name in knobs.items() if owner == knob]
        inputs += [[name, part] for name in buttons.get(knob, [])[:1] for part in FOLDER_PARTS]
    inputs += cells
    ends = [name for name in nodes if _saves(document.nodes[name].type, registry)]
    ends.sort(key=lambda name: _rank(name, document, registry))
    return {"inputs": inputs, "outputs": ends}


def _saves(kind: str, registry: Mapping[str, NodeSpec]) -> bool:
    return kind in registry and registry[kind].saves


def _rank(name: str, document: Document, registry: Mapping[str, NodeSpec]) -> tuple[int, bool]:
    """Returns the rank of a node that saves; App mode shows the first of the lowest rank.

    0 is for pictures that a model has made, 1 for other pictures, such as those that a model
    learns from, 2 for plots, and 3 for what is not a picture. Sheets and films come before single
    pictures.
    """
    drawing = _drawing(name, document, registry)
    if not drawing:
        return 3, False
    above = [registry[document.nodes[one].type] for one in _above(name, document, registry)]
    is_plot = bool(drawing[-1].inputs) and _sockets(drawing[-1].inputs) == {"table"}
    rank = 2 if is_plot else 0 if any(_sockets(spec.outputs) & _MODELS for spec in above) else 1
    return rank, registry[document.nodes[name].type].id == "save_image" and not any(
        spec.id == "image_grid" for spec in drawing
    )


def _drawing(name: str, document: Document, registry: Mapping[str, NodeSpec]) -> list[NodeSpec]:
    """Returns the nodes through which a saved picture came, back to the one in which it begins.

    The list is empty if the node saves no picture.
    """
    passed: dict[str, NodeSpec] = {}
    while name not in passed:
        entry = document.nodes[name]
        spec = passed[name] = registry[entry.type]
        images = [key for key, port in spec.inputs.items() if "image" in _sockets({key: port})]
        owners = [_owner(entry.wires[key].value) for key in images if key in entry.wires]
        name = next((one for one in owners if _is_known(one, document, registry)), name)
    return list(passed.values())[1:]


def _above(name: str, document: Document, registry: Mapping[str, NodeSpec]) -> set[str]:
    """Returns all nodes that a node depends on."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for mark in document.nodes[waiting.pop()].wires.values():
            owner = _owner(mark.value)
            if owner not in found and _is_known(owner, document, registry):
                found.add(owner)
                waiting.append(owner)
    return found


def _is_known(name: str, document: Document, registry: Mapping[str, NodeSpec]) -> bool:
    return name in document.nodes and document.nodes[name].type in registry


def _owner(wire: Any) -> str:
    return str(wire).partition(".")[0]


def _sockets(ports: Mapping[str, Port]) -> set[str]:
    return {socket.name for port in ports.values() for socket in port.sockets}


def with_ids(app: Mapping[str, Any], ids: Mapping[str, int]) -> dict[str, Any]:
    """Returns inputs and outputs as the editor has them: with ids instead of names."""
    inputs = [entry for entry in app.get("inputs") or [] if isinstance(entry, list) and entry]
    return {
        "inputs": [[_get(ids, node), *rest] for node, *rest in inputs],
        "outputs": [_get(ids, node) for node in app.get("outputs") or []],
    }


def with_names(data: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Returns the editor's inputs and outputs with names instead of ids."""
    inputs = []
    for node, widget, *rest in data.get("inputs") or []:
        own = _WIDGET_ID.fullmatch(str(node))
        node, widget = (unquote(own[1]), unquote(own[2])) if own else (node, widget)
        inputs.append([names.get(str(node), node), widget, *rest])
    outputs = [names.get(str(node), node) for node in data.get("outputs") or []]
    return {"inputs": inputs, "outputs": outputs}


def chosen_app(extra: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Returns the settings of App mode that the user has chosen, with names instead of ids."""
    app: dict[str, Any] = {}
    if isinstance(extra.get("linearMode"), bool):
        app["open"] = extra["linearMode"]
    data, usual = extra.get("linearData"), extra.get(USUAL)
    if isinstance(data, dict):
        chosen = with_names(data, names)
        if not isinstance(usual, dict) or chosen != with_names(usual, names):
            app |= chosen
    return app


def _get(ids: Mapping[str, int], node: Any) -> Any:
    return ids.get(node, node) if isinstance(node, str) else node
