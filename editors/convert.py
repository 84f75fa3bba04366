"""Graphs between artgraph's YAML, ComfyUI's API JSON, its workflow JSON, and PNG files.

What decides a result survives each way unchanged: a graph that went to ComfyUI and back has the
same keys in the cache. Titles, knobs, places, colours, groups and notes survive as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..nodes.contract import NodeSpec
from ..nodes.errors import GraphError, InputError
from ..runner.binding import bind
from ..runner.document import MAX_BYTES, Document, document_of, parse_document
from ..runner.folders import Folders
from ..runner.nesting import flatten
from ..runner.png import add_text, is_png, read_text, without_text
from ..runner.publish import GRAPH_KEY
from .convert_api import is_api, read_api, to_api
from .convert_nodes import Assembler
from .workflow_layout import arrange, read_boxes
from .workflow_read import is_workflow, read_workflow
from .workflow_write import to_workflow

API_ENDING = ".api.json"
_TEXTS = (GRAPH_KEY, "prompt", "workflow")  # in this order: what surely ran comes first


class Converted(NamedTuple):
    """A document made of ComfyUI's JSON, with the node there of each name here."""

    document: Document
    ids: dict[str, str]
    left_out: list[str]


def from_comfy(data: Any, registry: Mapping[str, NodeSpec], file: str, folder: Path) -> Converted:
    """The graph in ComfyUI's API or workflow JSON; `file` is its name in messages.

    Raises: GraphError that names all that has no counterpart here.
    """
    if isinstance(data, dict) and is_api(data.get("prompt")):
        data = data["prompt"]  # as it is sent to a server
    try:
        if is_workflow(data):
            graph = read_workflow(data, registry)
        elif is_api(data):
            graph = read_api(data)
        else:
            raise GraphError(
                f"{file}: no graph of ComfyUI's", "export the workflow from its editor"
            )
        assembler = Assembler(graph, registry, file)
        document = document_of(assembler.data(), file, folder)
        if graph.layout and not assembler.problems:
            document.layout = _named_layout(graph.layout, assembler, document)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise GraphError(
            f"{file}: the graph is malformed ({type(error).__name__}: {error})",
            "save it again from ComfyUI's editor",
        ) from error
    if assembler.problems:
        raise GraphError.of(assembler.problems)
    ids = {name: number for number, name in assembler.names.items()}
    return Converted(document, ids, graph.left_out)


def _named_layout(
    layout: dict[str, Any], assembler: Assembler, document: Document
) -> dict[str, Any]:
    """The layout by names; without the places where these are what `arrange` gives anyway."""
    named = dict(layout)
    for key in ("nodes", "colors"):
        by_id = layout.get(key, {})
        names = {number: name for number, name in assembler.names.items() if number in by_id}
        named[key] = {name: by_id[number] for number, name in names.items()}
    if not document.problems:
        plain = arrange(document, assembler.registry)
        if all(box == plain.get(name) for name, box in read_boxes(named).items()):
            del named["nodes"]
    return {key: part for key, part in named.items() if part}


def read_json(data: bytes | str, file: str) -> Any:
    """JSON data from a stranger.

    Raises: GraphError where they are none.
    """
    try:
        return json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise GraphError(
            f"{file}: no JSON that can be read ({error})", "export it again"
        ) from error


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")


def document_in_json(path: Path, registry: Mapping[str, NodeSpec]) -> Document:
    """The graph in a JSON file of ComfyUI's.

    Raises: GraphError, InputError.
    """
    return from_comfy(read_json(_bytes(path), str(path)), registry, str(path), path.parent).document


def document_in_png(path: Path, registry: Mapping[str, NodeSpec]) -> Document:
    """The graph that a PNG carries: artgraph's own, or what ComfyUI ran or drew.

    Raises: GraphError, InputError.
    """
    data = _bytes(path)
    texts = {key: text for key in _TEXTS if (text := read_text(data, key)) is not None}
    if GRAPH_KEY in texts:
        return parse_document(texts[GRAPH_KEY], str(path), path.parent)
    for text in texts.values():
        return from_comfy(read_json(text, str(path)), registry, str(path), path.parent).document
    raise GraphError(
        f"{path}: carries no graph", "only PNG files that artgraph or ComfyUI saved do"
    )


def check(document: Document, registry: Mapping[str, NodeSpec]) -> Document:
    """Check a document but for the files that it reads, which may be on another machine.

    Returns the document with the nodes of the graphs inside it in their place.

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
    """Write a checked document in the format that the target's name asks for; which that is.

    `.yaml`; `.api.json`; `.json` for a workflow; an existing `.png`, which then carries it all.

    Raises: GraphError for another name, or where the file can't be written.
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
            target.write_bytes(with_graph(target.read_bytes(), document, registry))
            return "a picture that carries the graph"
    except OSError as error:
        raise GraphError(
            f"{target}: can't be written: {error.strerror}", "check the path"
        ) from error
    raise GraphError(
        f"{target}: no format is known by this name",
        f"end it in .yaml, {API_ENDING}, .json or .png",
    )


def with_graph(data: bytes, document: Document, registry: Mapping[str, NodeSpec]) -> bytes:
    """A PNG with the graph in it, for artgraph and for ComfyUI."""
    if not is_png(data):
        raise GraphError("the target is no PNG", "name a PNG that is to carry the graph")
    data = without_text(data, _TEXTS)
    data = add_text(data, "workflow", json.dumps(to_workflow(document, registry)))
    data = add_text(data, "prompt", json.dumps(to_api(document, registry)))
    return add_text(data, GRAPH_KEY, document.yaml())


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > 4 * MAX_BYTES:
            raise GraphError(f"{path}: larger than {4 * MAX_BYTES >> 20} MiB", "too large to read")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}", "check the path") from error
