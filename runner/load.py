"""Finding the graph that a command names: a file of ours or ComfyUI's, or a shipped graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ..nodes.contract import NodeSpec
from ..nodes.errors import InputError
from ..nodes.registry import load_nodes
from ..nodes.wording import suggestion
from .binding import bind, parse_setting
from .document import Document, read_document
from .folders import SHIPPED, Folders
from .graph import Graph
from .png import is_png


def shipped_graphs() -> dict[str, Path]:
    """The graphs that come with artgraph, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}


def load_document(name: str) -> Document:
    """The graph that `name` names.

    Raises: InputError where there is none, GraphError where it is not readable as a graph.
    """
    path = Path(name)
    if not path.exists():
        shipped = shipped_graphs()
        if name in shipped:
            return read_document(shipped[name])
        if path.suffix or "/" in name:
            raise InputError(f"{name}: there is no such file", "check the path")
        raise InputError(f"{name}: there is no such graph", suggestion(name, shipped))
    if path.is_dir():
        raise InputError(f"{name}: is a folder", "name a graph file in it")
    if path.suffix.lower() == ".json":
        from ..editors.convert import document_in_json

        return document_in_json(path, load_nodes())
    if path.suffix.lower() in (".yaml", ".yml"):
        return read_document(path)
    with path.open("rb") as file:
        begin = file.read(8)
    if not is_png(begin):
        return read_document(path)
    from ..editors.convert import document_in_png

    return document_in_png(path, load_nodes())


def load_graph(
    name: str,
    registry: Mapping[str, NodeSpec],
    settings: Iterable[str] = (),
    input_folder: Path | None = None,
    output_folder: Path | None = None,
) -> Graph:
    """The bound graph that `name` names, `--set` texts applied.

    Raises: GraphError, InputError.
    """
    document = load_document(name)
    folders = Folders(document.folder, input_folder or Path("input"), output_folder or Path("out"))
    return bind(document, registry, folders, dict(map(parse_setting, settings)))
