"""Saves the files of a node in ComfyUI's output folder, each PNG picture with its graph."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...contract.errors import GraphError
from ...contract.registry import load_nodes
from ...contract.spec import NodeSpec
from ...contract.values.files import SOURCE, Files, final_name
from ...pictures.png_text import add_text, is_png
from ...runner.run.publish import GRAPH_KEY
from ..formats.convert import from_comfy
from ..formats.names import node_name
from . import host
from .upstream import source_in


def save_files(spec: NodeSpec, files: Files, hidden: Mapping[str, Any]) -> list[dict[str, str]]:
    """Write files under unused names; returns their places, as ComfyUI's editor expects them."""
    texts = graph_texts(hidden) if host.saves_metadata() else {}
    node = node_name(host.node_title(hidden) or "", spec.id)
    mark = next(filter(None, map(SOURCE.search, files.files)), None)
    source = source_in(hidden, mark[1]) if mark else None
    saved = []
    for pattern, data in files.files.items():
        name = final_name(pattern, node, source)
        if is_png(data):
            for keyword, text in texts.items():
                data = add_text(data, keyword, text)
        saved.append(host.save_file(name, data))
    return saved


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
                document, _, left_out, _ = from_comfy(source, load_nodes(), "graph", Path())
            except GraphError:
                continue
            if not document.problems and not left_out:
                texts[GRAPH_KEY] = document.yaml()
                break
    return texts
