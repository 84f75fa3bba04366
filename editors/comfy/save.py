"""Saves the files of a node in ComfyUI's folders, each PNG picture with its graph."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ...contract.errors import GraphError
from ...contract.registry import load_nodes
from ...contract.spec import NodeSpec
from ...contract.values.files import SOURCE, Files, final_name
from ...contract.widgets import MODELS
from ...pictures.png_text import add_text, is_png
from ...pictures.suffixes import is_displayable, is_film
from ...runner.run.publish import GRAPH_KEY
from ..formats.convert import from_comfy
from ..formats.names import node_name
from . import folders, host
from .file_names import numbered, with_size
from .upstream import source_in


def save_files(
    spec: NodeSpec, files: Files, chosen: str, hidden: Mapping[str, Any]
) -> list[dict[str, str]]:
    """Write files under unused names; returns their places, as ComfyUI's editor expects them.

    Models are saved in models/artgraph, where `load_model` finds them. All else is saved in the
    output folder.

    chosen: the name that the user has chosen for the files; empty for the name of the node.
    """
    texts = graph_texts(hidden) if host.saves_metadata() else {}
    node = node_name(host.node_title(hidden) or "", spec.id)
    mark = next(filter(None, map(SOURCE.search, files.files)), None)
    source = source_in(hidden, mark[1]) if mark else None
    size = _size(files)

    def final(name: str) -> str:
        return with_size(final_name(name, node, source), size)

    root, kind, within = folders.output_folder(), "output", ()
    if files.files and all(name.endswith(MODELS) for name in files.files):
        root, kind, within = folders.models_folder(), "models", (folders.KEY,)
    names = numbered([final(name) for name in files.files], final(chosen or "@"), root)
    for name, data in zip(names, files.files.values(), strict=True):
        for keyword, text in texts.items() if is_png(data) else ():
            data = add_text(data, keyword, text)
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(data)
    places = [PurePosixPath(*within, name) for name in names]
    return [{"filename": p.name, "subfolder": _folder(p), "type": kind} for p in places]


def _folder(path: PurePosixPath) -> str:
    return "" if len(path.parts) == 1 else str(path.parent)


def _size(files: Files) -> tuple[int, int] | None:
    """Returns width and height of the first file if it is a picture."""
    from PIL import Image

    for name, data in files.files.items():
        if is_displayable(Path(name)):
            with Image.open(io.BytesIO(data)) as image:
                return image.size
    return None


def graph_texts(hidden: Mapping[str, Any]) -> dict[str, str]:
    """Returns the texts for a PNG file: the graph in ComfyUI's formats and as our YAML.

    A graph with other packs' nodes is saved without YAML.
    """
    prompt, extra = hidden.get("prompt"), hidden.get("extra_pnginfo") or {}
    texts = {str(key): json.dumps(part) for key, part in extra.items()}
    if prompt:
        texts["prompt"] = json.dumps(prompt)
        for source in (extra.get("workflow"), prompt):
            try:
                document = from_comfy(source, load_nodes(), "graph", Path()).document
            except GraphError:
                continue
            if not document.problems:
                texts[GRAPH_KEY] = document.yaml()
                break
    return texts


def ui_for(files: list[dict[str, str]]) -> dict[str, Any]:
    """Returns what ComfyUI's editor shows on the node: pictures, films, the names of other files.

    It plays what is animated and neither WebP nor PNG as a video.
    """
    films = [f for f in files if is_film(Path(f["filename"]))]
    pictures = [f for f in files if f in films or is_displayable(Path(f["filename"]))]
    others = [f["filename"] for f in files if f not in pictures]
    animated = any(Path(f["filename"]).suffix in (".gif", ".webp") for f in pictures)
    ui: dict[str, Any] = {}
    if pictures:
        ui["images"] = pictures
    if animated or films:
        ui["animated"] = (True,)
    if others:
        ui["text"] = others
    return ui
