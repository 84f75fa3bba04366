"""Loads the graph that a command names: a file of artgraph or ComfyUI, or a shipped graph."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...contract.errors import InputError, unreadable
from ...contract.paths import typed_file
from ...contract.registry import load_nodes
from ...contract.spec import NodeSpec
from ...contract.wording import suggestion
from ...pictures.png_text import is_png
from ...runner.graph.binding import bind
from ...runner.graph.bound import Graph
from ...runner.graph.document import Document, read_document
from ...runner.graph.folders import SHIPPED, Folders
from ...runner.graph.settings import parse_setting


def shipped_graphs() -> dict[str, Path]:
    """Returns the files of the graphs that are part of artgraph, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}


def load_document(name: str) -> Document:
    """Returns the graph in the file `name`, or the shipped graph of this name.

    Raises: InputError if there is neither, GraphError if the file is not a graph.
    """
    path = typed_file(name)
    if not os.path.exists(path):  # noqa: PTH110 - never raises
        shipped = shipped_graphs()
        if name in shipped:
            return read_document(shipped[name])
        if path.suffix or "/" in name:
            raise InputError(f"{name}: there is no such file", _near(path))
        raise InputError(f"{name}: there is no such graph", suggestion(name, shipped))
    if path.is_dir():
        raise InputError(f"{name}: this is a folder", "name a graph file in it")
    try:
        with path.open("rb") as file:
            beginning = file.read(8)
    except OSError as error:
        raise unreadable(path, error) from error
    if is_png(beginning):
        from .convert import document_in_png

        return document_in_png(path, load_nodes())
    if path.suffix.lower() == ".json":
        from .convert import document_in_json

        return document_in_json(path, load_nodes())
    return read_document(path)


def folders_of(document: Document, input_folder: Path, output_folder: Path) -> Folders:
    """Returns the folders of a graph, and those of ComfyUI if the graph is in one of its files."""
    if not document.file.lower().endswith((".png", ".json")):
        return Folders(document.folder, input_folder, output_folder)
    comfy = comfy_folders(Path(document.file))
    return Folders(document.folder, input_folder, output_folder, comfy, "" if comfy else _ELSEWHERE)


def comfy_folders(file: Path) -> tuple[Path, ...]:
    """Returns the folders in which ComfyUI finds what a graph names, in ComfyUI's order.

    They are in the folder above the file that contains ComfyUI's folders `models`, `input` and
    `output`; there are none without such a folder.
    """
    for base in file.resolve().parents:
        if all((base / name).is_dir() for name in _COMFY):
            found = (base / name for name in _COMFY_PLACES)
            return tuple(folder for folder in found if folder.is_dir())
    return ()


_COMFY = ("models", "input", "output")
_COMFY_PLACES = ("models/artgraph", "input", "output", "models/vae", "models/vae_approx")
_ELSEWHERE = "name its folder with --input, or run a file of ComfyUI from ComfyUI's output folder"


def _near(path: Path) -> str:
    """Returns what to write instead of the name of a file that does not exist."""
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder} either; you are in {Path.cwd()}"
    endings = (".yaml", ".yml", ".json", ".png")
    graphs = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in endings)
    return suggestion(path.name, graphs, f"no graph in {folder.resolve()} has a similar name")


def load_graph(
    name: str,
    registry: Mapping[str, NodeSpec],
    settings: Iterable[str] = (),
    input_folder: Path | None = None,
    output_folder: Path | None = None,
) -> Graph:
    """Returns the bound graph that `name` names, with the `--set` options applied.

    Raises: GraphError, InputError.
    """
    document = load_document(name)
    folders = folders_of(document, input_folder or Path("input"), output_folder or Path("out"))
    return bind(document, registry, folders, dict(map(parse_setting, settings)))
