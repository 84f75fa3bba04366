"""Files that a node gives, into ComfyUI's output folder, each picture with its graph."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..nodes.contract import NodeSpec
from ..nodes.errors import GraphError
from ..nodes.registry import load_nodes
from ..nodes.sockets import Files
from ..pictures.suffixes import is_shown
from ..runner.png import add_text, is_png
from ..runner.publish import GRAPH_KEY, file_stem
from . import comfy_host as host
from .convert import from_comfy
from .convert_names import node_name


def save_files(spec: NodeSpec, files: Files, hidden: Mapping[str, Any]) -> list[dict[str, str]]:
    """Write them under names that are not used yet; where, for ComfyUI's editor."""
    texts = graph_texts(hidden) if host.keeps_metadata() else {}
    stem = file_stem(node_name(host.node_title(hidden) or "", spec.id))
    saved = []
    for given, data in files.files.items():
        name = f"{stem}{given[1:]}" if given.startswith("@") else given
        if is_png(data):
            for keyword, text in texts.items():
                data = add_text(data, keyword, text)
        saved.append(host.save_file(name, data))
    return saved


def graph_texts(hidden: Mapping[str, Any]) -> dict[str, str]:
    """What a picture carries: the graph as ComfyUI ran it and drew it, and as our YAML.

    A graph with other packs' nodes has no YAML.
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


def shown(files: list[dict[str, str]]) -> dict[str, Any]:
    """What ComfyUI's editor shows on the node: pictures as such, other files by name."""
    pictures = [f for f in files if is_shown(Path(f["filename"]))]
    others = [f["filename"] for f in files if f not in pictures]
    animated = any(Path(f["filename"]).suffix in (".gif", ".webp") for f in pictures)
    ui: dict[str, Any] = {}
    if pictures:
        ui["images"] = pictures
    if animated:
        ui["animated"] = (True,)
    if others:
        ui["text"] = others
    return ui
