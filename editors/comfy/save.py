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
from ...pictures.suffixes import is_displayable
from ...runner.run.publish import GRAPH_KEY
from ..formats.convert import from_comfy
from ..formats.names import node_name
from . import folders, host
from .file_names import numbered, with_size
from .saved import Saved
from .upstream import source_in

_SAYS_LITTLE = ("save_model", "model")  # names of nodes that do not say which model they save


def save_files(
    spec: NodeSpec, files: Files, key: str, chosen: str, hidden: Mapping[str, Any], kind: str = ""
) -> list[dict[str, str]]:
    """Write files under unused names; returns their places, as ComfyUI's editor expects them.

    Models are saved in models/artgraph, which `load_model` lists. All else is saved in the output
    folder. Files that were written before for the same result, and have not changed since, are not
    written again.

    key:    the key of the result that contains the files.
    chosen: the name that the user has chosen for the files; empty for the name of the node.
    kind:   the kind of model that the node saves, such as "vae". It is the name of the file if
            the node has no name of its own, so that the list of *Load model* says what is what.
    """
    node = node_name(host.node_title(hidden) or "", spec.id)
    mark = next(filter(None, map(SOURCE.search, files.files)), None)
    source = source_in(hidden, mark[1]) if mark else None
    size = _size(files)

    def final(name: str) -> str:
        return with_size(final_name(name, node, source), size)

    root, place = folders.output_folder(), PurePosixPath("output")
    if files.files and all(name.endswith(MODELS) for name in files.files):
        root, place = folders.models_folder(), PurePosixPath("models", folders.KEY)
        node = kind if kind and node in _SAYS_LITTLE else node
    finals, stem = [final(name) for name in files.files], final(chosen or "@")
    saved = Saved(host.store().folder, key, root, [stem, *finals])
    names = saved.unchanged()
    if names is None:
        names = numbered(finals, stem, root)
        _write([root / name for name in names], files, hidden)
        saved.record(names)
        folders.look_again()
    return [_described(place / name) for name in names]


def _write(paths: list[Path], files: Files, hidden: Mapping[str, Any]) -> None:
    """Write files that do not exist yet, each PNG picture with its graph."""
    texts = graph_texts(hidden) if host.saves_metadata() else {}
    for path, data in zip(paths, files.files.values(), strict=True):
        for keyword, text in texts.items() if is_png(data) else ():
            data = add_text(data, keyword, text)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(data)


def _described(place: PurePosixPath) -> dict[str, str]:
    """Returns the place of a file below ComfyUI's folder, as ComfyUI's editor expects it."""
    kind, *inside, name = place.parts
    return {"filename": name, "subfolder": "/".join(inside), "type": kind}


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
                document, _, left_out, _ = from_comfy(source, load_nodes(), "graph", Path())
            except GraphError:
                continue
            if not document.problems and not left_out:
                texts[GRAPH_KEY] = document.yaml()
                break
    return texts
