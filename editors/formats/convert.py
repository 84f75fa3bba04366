"""Converts graphs between artgraph's YAML, ComfyUI's API JSON and workflow JSON, and PNG files.

No conversion changes anything that affects a result: a graph that was converted to ComfyUI's
format and back has the same keys in the cache. Titles, knobs, positions, colours, groups and notes
are preserved as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...contract.errors import GraphError, InputError, unreadable, unwritable
from ...contract.file_kinds import kind_of_file
from ...contract.spec import NodeSpec
from ...pictures.png_text import TextError, add_text, is_png, read_text, without_text
from ...runner.graph.binding import bind
from ...runner.graph.document import MAX_BYTES, Document, document_of, parse_document
from ...runner.graph.folders import Folders
from ...runner.graph.nesting import flatten
from ...runner.run.publish import GRAPH_KEY
from .api_json import is_api, read_api, to_api
from .assemble import Assembler
from .workflow_names import layout_of
from .workflow_read import is_workflow, read_workflow
from .workflow_write import to_workflow

API_ENDING = ".api.json"
_TEXTS = (GRAPH_KEY, "prompt", "workflow")  # a PNG's text keywords, the most reliable one first


class Converted(NamedTuple):
    """A document made from ComfyUI's JSON.

    ids:      the id in ComfyUI of each node, by its name here.
    left_out: titles of the nodes that artgraph does not have, and of those that need them.
    renamed:  the new name of each node that was renamed in the editor, by its name before.
    """

    document: Document
    ids: dict[str, str]
    left_out: list[str]
    renamed: dict[str, str]


def from_comfy(
    data: Any,
    registry: Mapping[str, NodeSpec],
    file: str,
    folder: Path,
    keeps_unknown: bool = False,
) -> Converted:
    """Returns the graph in ComfyUI's API or workflow JSON. `file` is its name in messages.

    keeps_unknown: as in `Assembler`.

    Raises: GraphError that lists everything that has no counterpart here.
    """
    if isinstance(data, dict) and is_api(data.get("prompt")):
        data = data["prompt"]  # a request to ComfyUI's server contains the graph as `prompt`
    try:
        if is_workflow(data):
            graph = read_workflow(data, registry)
        elif is_api(data):
            graph = read_api(data)
        else:
            raise GraphError(
                f"{file}: this JSON is not a graph of ComfyUI",
                "export the workflow from ComfyUI's editor; a graph of artgraph is a .yaml file",
            )
        assembler = Assembler(graph, registry, file, keeps_unknown)
        document = document_of(assembler.data(), file, folder)
        document.unread = left_out = [*graph.left_out, *assembler.foreign]
        document.notes = list(assembler.notes)
        if graph.workflow is not None and not assembler.problems:
            document.layout = layout_of(assembler, document)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise GraphError(
            f"{file}: the graph is malformed ({type(error).__name__}: {error})",
            "save it again from ComfyUI's editor",
        ) from error
    if assembler.problems:
        raise GraphError.of(assembler.problems)
    ids = {name: number for number, name in assembler.names.items()}
    return Converted(document, ids, left_out, assembler.renamed())


def read_json(data: bytes | str, file: str) -> Any:
    """Returns the data in a JSON text from an untrusted source.

    ComfyUI writes NaN and Infinity, which are not JSON. They are only wrong in a value that a node
    needs, so they are read as numbers, and the check of the widgets reports them.

    Raises: GraphError if the text is not valid JSON.
    """
    try:
        return json.loads(data)
    except RecursionError as error:
        raise GraphError(f"{file}: this JSON is nested too deeply", _EXPORT) from error
    except ValueError as error:
        found = kind_of_file(data) if isinstance(data, bytes) else None
        what = f"this is {found}, not JSON" if found else f"not valid JSON ({error})"
        if not data.strip():
            what = "the file is empty"
        raise GraphError(f"{file}: {what}", _EXPORT) from error


_EXPORT = "export the workflow from ComfyUI's editor again"


def document_in_json(path: Path, registry: Mapping[str, NodeSpec]) -> Document:
    """Returns the graph in a JSON file of ComfyUI.

    Raises: GraphError, InputError.
    """
    data = read_json(_read_bytes(path), str(path))
    return from_comfy(data, registry, str(path), path.parent).document


def document_in_png(path: Path, registry: Mapping[str, NodeSpec]) -> Document:
    """Returns the graph in a PNG file: that of artgraph if there is one, else that of ComfyUI.

    Raises: GraphError, InputError.
    """
    data = _read_bytes(path)
    try:
        for key in _TEXTS:
            text = read_text(data, key)
            if text is not None and key == GRAPH_KEY:
                return parse_document(text, str(path), path.parent)
            if text is not None:
                found = read_json(text, str(path))
                return from_comfy(found, registry, str(path), path.parent).document
    except TextError as error:
        raise GraphError(f"{path}: {error}", _SHARED) from error
    raise GraphError(f"{path}: this picture contains no graph", _SHARED)


_SHARED = (
    "use the PNG as artgraph or ComfyUI saved it; picture editors, messengers and web sites remove"
    " the graph"
)


def check(document: Document, registry: Mapping[str, NodeSpec]) -> Document:
    """Check a document, but not whether the files that it reads exist.

    Returns the document, with each inner graph replaced by its nodes.

    Raises: GraphError with all problems.
    """
    folders = Folders(document.folder, document.folder, document.folder)
    try:
        bind(document, registry, folders)
    except GraphError as error:
        if error.exit_code != InputError.exit_code:
            raise
    return flatten(document, registry, folders)[0]


def write_graph(document: Document, target: Path, registry: Mapping[str, NodeSpec]) -> str:
    """Write a checked document in the format that the target's suffix names.

    The suffixes are `.yaml` and `.yml` (a graph file), `.api.json`, `.json` (a workflow) and `.png`
    (an existing picture, which then contains the graph in all three formats).

    Returns what was written, for a message.

    Raises: GraphError if the suffix is another one, or if the file can't be written.
    """
    name = target.name.lower()
    try:
        if name.endswith((".yaml", ".yml")):
            target.write_text(document.yaml(), encoding="utf-8")
            return "a graph file"
        if name.endswith(API_ENDING):
            target.write_text(json.dumps(to_api(document, registry), indent=1))
            return "ComfyUI's API JSON"
        if name.endswith(".json"):
            target.write_text(json.dumps(to_workflow(document, registry), indent=1))
            return "a ComfyUI workflow"
        if name.endswith(".png"):
            if target.parent.exists() and not target.exists():
                what = "it does not exist, and a graph can only be added to a picture"
                raise GraphError(f"{target}: {what}", "name an existing PNG file")
            target.write_bytes(with_graph(target.read_bytes(), document, registry))
            return "a picture that contains the graph"
    except OSError as error:
        raise unwritable(target, error) from error
    raise GraphError(
        f"{target}: unknown file format",
        f"use a name that ends in .yaml, {API_ENDING}, .json or .png",
    )


def with_graph(data: bytes, document: Document, registry: Mapping[str, NodeSpec]) -> bytes:
    """Returns a PNG with the graph in it, for artgraph and for ComfyUI."""
    if not is_png(data):
        raise GraphError("the target is not a PNG file", "name an existing PNG file")
    data = without_text(data, _TEXTS)
    data = add_text(data, "workflow", json.dumps(to_workflow(document, registry)))
    data = add_text(data, "prompt", json.dumps(to_api(document, registry)))
    return add_text(data, GRAPH_KEY, document.yaml())


def _read_bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > 4 * MAX_BYTES:
            what = f"{path}: larger than {4 * MAX_BYTES >> 20} MiB"
            raise GraphError(what, "reduce the picture, or name the graph's own file")
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
