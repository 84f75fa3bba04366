"""What ComfyUI's editor shows on a node: its files, pictures, messages, tables and curves."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...contract.spec import NodeSpec
from ...pictures.suffixes import is_displayable, is_film
from ...runner.run.compute import Computed
from ...runner.store.results import Stored
from ..formats.cells import shown_cells
from ..formats.results import shown_outputs
from ..formats.samples import SAMPLES, Samples
from ..formats.workflow_extras import plain
from . import host
from .running import RunningNode

_ENDINGS = (".webp", ".png", ".apng")  # what the editor shows as pictures, also if it is animated


def shown_on_node(
    spec: NodeSpec,
    done: Computed,
    running: RunningNode,
    files: list[dict[str, str]],
    inputs: Mapping[str, Stored],
) -> dict[str, Any]:
    """Returns what the editor shows on a node that is done, also if its result was stored before.

    files: what the node saved, as `save_files` returns it.

    The keys `images`, `animated` and `text` are ComfyUI's. The scripts `shown.js` and `cells.js`
    show the others, and the texts. The lists are there even if they are empty: ComfyUI joins
    the results of a node that runs several times by the keys of the first one, and sends null
    instead of an empty result.
    """
    store, folder = host.store(), host.temporary_folder()
    samples = Samples(store.folder / SAMPLES, folder)
    lines = running.lines
    with contextlib.suppress(OSError):
        if done.action == "cached":
            lines = [*lines, *samples.lines(done.key.digest)]
        elif lines:
            samples.put_lines(done.key.digest, lines)
        if running.sheet:
            samples.put(done.key.digest, running.sheet)
    found = shown_outputs(spec, spec.id, done.result, store, folder)
    names = [*samples.reused(spec.id, done.key.digest), *found.get("pictures", [])]
    place = {"subfolder": host.SHOWN, "type": "temp"}
    pictures = [{"filename": name, **place} for name in names]
    ui = ui_for(files, pictures)
    ui["text"] = [*lines, *found.get("text", []), *ui.get("text", [])]
    ui["artgraph_warnings"] = running.warnings
    ui["artgraph_curves"] = plain(found.get("curves", []))
    ui["artgraph_tables"] = plain(found.get("tables", []))
    ui["artgraph_saved"] = [True] if files else []  # the page reads the lists of files again
    ui["artgraph_cells"] = cells_on_node(spec, inputs)
    return ui


def cells_on_node(spec: NodeSpec, inputs: Mapping[str, Stored]) -> list[dict[str, Any]]:
    """Returns the pictures to choose from on a node, if it has a widget for that."""
    cells = shown_cells(spec, inputs, host.store(), host.temporary_folder())
    return [{**part, "subfolder": host.SHOWN, "type": "temp"} for part in cells]


def ui_for(files: list[dict[str, str]], others: list[dict[str, str]]) -> dict[str, Any]:
    """Returns how the editor shows saved files, and other pictures after them.

    It plays as a video what is animated and is neither WebP nor PNG. So `animated` is not set for a
    GIF, which the script `shown.js` plays.
    """
    shown = [
        f for f in files if is_film(Path(f["filename"])) or is_displayable(Path(f["filename"]))
    ]
    endings = {Path(file["filename"]).suffix.lower() for file in shown}
    ui: dict[str, Any] = {}
    if shown or others:
        ui["images"] = [*shown, *others]
    if any(is_film(Path(file["filename"])) for file in shown) or ".webp" in endings:
        ui["animated"] = (True,)
    elif ".gif" in endings:
        ui["artgraph_animated"] = (True,)
    saved = [f for f in files if f not in shown]
    if saved:
        ui["text"] = [f"saved {place_of(file)}" for file in saved]
    return ui


def place_of(file: dict[str, str]) -> str:
    """Returns the place of a saved file below ComfyUI's folder."""
    return "/".join(filter(None, (file["type"], file["subfolder"], file["filename"])))
