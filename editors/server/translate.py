"""Translates the editor's forms of a graph to documents."""

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
    """A graph of the editor as a document."""

    document: Document
    ids: dict[str, str]  # the editor's id of each node, by the node's name
    unknown: dict[str, str]  # the editor's id of nodes that artgraph lacks, by name in problems


def from_prompt(
    prompt: Any, registry: Mapping[str, NodeSpec], file: str, folder: Path
) -> Translated:
    """Returns the graph in a prompt. The document's problems contain what can't be translated.

    Raises: GraphError if the data is not a prompt.
    """
    assembler = Assembler(read_api(prompt), registry, file, keeps_unknown=True)
    document = document_of(assembler.data(), file, folder)
    document.problems.extend(assembler.problems)
    ids = {name: number for number, name in assembler.names.items()}
    return Translated(document, ids, assembler.unnamed_nodes())


def with_workflow(
    graph: Graph, ids: dict[str, str], workflow: Any, registry: Mapping[str, NodeSpec]
) -> tuple[Document, dict[str, str]]:
    """Returns the document and ids of the workflow if it runs the same as the prompt's graph.

    Only the workflow contains the title, the knobs and the layout. If it runs something else,
    the document and ids of the prompt are returned.
    """
    prompt = (graph.document, ids)
    try:
        file, folder = graph.document.file, graph.document.folder
        converted = from_comfy(workflow, registry, file, folder, keeps_unknown=True)
        bound = bind(converted.document, registry, graph.folders)
    except ArtgraphError:
        return prompt
    if _runs(bound, converted.ids) != _runs(graph, ids):
        return prompt
    return converted.document, converted.ids


def _runs(graph: Graph, ids: Mapping[str, str]) -> dict[str, Any]:
    """Returns what runs for each id: the type of the node, its values and its wires."""
    return {
        ids[node.name]: (
            node.spec.id,
            node.values,
            {name: (ids[source.node], source.output) for name, source in node.wires.items()},
        )
        for node in graph.nodes.values()
    }
