"""Finding the graph that a command names: a YAML file, a shipped graph, or a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ..nodes.contract import NodeSpec
from ..nodes.errors import GraphError, InputError
from ..nodes.wording import suggestion
from .binding import bind, parse_setting
from .document import MAX_BYTES, Document, parse_document, read_document
from .folders import Folders
from .graph import Graph
from .png import is_png, read_text
from .publish import GRAPH_KEY

SHIPPED = Path(__file__).parent.parent / "graphs"


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
            raise InputError(f"{name}: there is no such file - check the path")
        raise InputError(f"{name}: there is no such graph - {suggestion(name, shipped)}")
    if path.is_dir():
        raise InputError(f"{name}: is a folder - name a graph file in it")
    if path.suffix == ".json":
        raise GraphError(f"{name}: ComfyUI's JSON is not read yet - write the graph as YAML")
    if path.suffix.lower() in (".yaml", ".yml"):
        return read_document(path)
    with path.open("rb") as file:
        begin = file.read(8)
    return _from_picture(path) if is_png(begin) else read_document(path)


def _from_picture(path: Path) -> Document:
    if path.stat().st_size > 4 * MAX_BYTES:
        raise GraphError(f"{path}: too large a picture to look for a graph in")
    text = read_text(path.read_bytes(), GRAPH_KEY)
    if text is None:
        raise GraphError(f"{path}: carries no graph - only PNG files saved by artgraph do")
    return parse_document(text, str(path), path.parent)


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
