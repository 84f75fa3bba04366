"""Between the editor's forms of a graph and ours: convert*.py put to the server's use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...contract.errors import ArtgraphError
from ...contract.spec import NodeSpec
from ...runner.graph.binding import bind
from ...runner.graph.bound import Graph
from ...runner.graph.document import Document, document_of
from ..formats.api_json import read_api
from ..formats.assemble import Assembler
from ..formats.convert import from_comfy


class Translated(NamedTuple):
    """A graph of the editor as a document, with the editor's id of each node by name.

    `strangers` are the ids of the nodes without a counterpart here, by what problems call them.
    """

    document: Document
    ids: dict[str, str]
    strangers: dict[str, str]


def from_prompt(
    prompt: Any, registry: Mapping[str, NodeSpec], file: str, folder: Path
) -> Translated:
    """The graph in a prompt; what has no counterpart is among the document's problems.

    Raises: GraphError where it is no prompt.
    """
    assembler = Assembler(read_api(prompt), registry, file)
    document = document_of(assembler.data(), file, folder)
    document.problems.extend(assembler.problems)
    ids = {name: number for number, name in assembler.names.items()}
    return Translated(document, ids, assembler.unnamed_nodes())


def with_workflow(
    graph: Graph, ids: dict[str, str], workflow: Any, registry: Mapping[str, NodeSpec]
) -> tuple[Document, dict[str, str]]:
    """The graph of a prompt as its workflow tells it, if that runs the very same.

    A prompt is what runs; title, knobs and layout stand in the workflow alone.
    """
    plain = (graph.document, ids)
    try:
        told = from_comfy(workflow, registry, graph.document.file, graph.document.folder)
        same = bind(told.document, registry, graph.folders)
    except ArtgraphError:
        return plain
    if _what_runs(same, told.ids) != _what_runs(graph, ids):
        return plain
    return told.document, told.ids


def _what_runs(graph: Graph, ids: Mapping[str, str]) -> dict[str, Any]:
    return {
        ids[node.name]: (
            node.spec.id,
            node.values,
            {name: (ids[source.node], source.output) for name, source in node.wires.items()},
        )
        for node in graph.nodes.values()
    }
