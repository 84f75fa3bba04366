"""A graph as the editor shows it: whatever is wrong with it, it opens, with its problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from ...contract.errors import GraphError
from ...contract.problem import Problem
from ...contract.spec import NodeSpec
from ...runner.graph.binding import bind
from ...runner.graph.document import Document, NodeEntry
from ...runner.graph.folders import Folders
from ...runner.graph.nesting import flatten, is_graph
from .workflow_read import ours_of
from .workflow_write import written


class Shown(NamedTuple):
    """A workflow, and what is wrong with the graph.

    problems: by the id of a node in the workflow; those of no node by "".
    """

    workflow: dict[str, Any]
    problems: dict[str, list[Problem]]


def show(
    document: Document, registry: Mapping[str, NodeSpec], folders: Folders, first: int = 1
) -> Shown:
    """Returns a document as a workflow, with the nodes of graphs inside it.

    first: the id of the first node.
    """
    flat, _ = flatten_shown(document, registry, folders)
    workflow, misfit = written(flat, registry, first)
    ids = {ours_of(node).get("name"): str(node["id"]) for node in workflow["nodes"]}
    for node in workflow["nodes"]:
        for path, name in (ours_of(node).get("inside") or {}).items():
            ids[name] = f"{node['id']}:{path}"
    problems: dict[str, list[Problem]] = {}
    for problem in _problems(document, registry, folders):
        node = problem.node or ""
        problems.setdefault(ids.get(node, ids.get(node.partition("/")[0], "")), []).append(problem)
    if misfit is not None:
        what, advice = f"{misfit}, so that part is not shown", "correct the file, or save the graph"
        problem = Problem("other", None, what, advice, document.file)
        problems.setdefault("", []).append(problem)
    return Shown(workflow, problems)


def _problems(
    document: Document, registry: Mapping[str, NodeSpec], folders: Folders
) -> tuple[Problem, ...]:
    try:
        bind(document.copy(), registry, folders)
    except GraphError as error:
        return tuple(error.problems)
    return ()


def flatten_shown(
    document: Document, registry: Mapping[str, NodeSpec], folders: Folders
) -> tuple[Document, list[Problem]]:
    """Returns the document with the nodes of its inner graphs.

    A node whose inner graph can't be read stays as it is.
    """
    try:
        flat, problems = flatten(document, registry, folders)
    except GraphError:
        return document, []  # too many graphs inside, which `bind` reports
    nodes: dict[str, NodeEntry] = {}
    inner: dict[str, list[NodeEntry]] = {}
    for entry in flat.nodes.values():
        inner.setdefault(entry.name.partition("/")[0], []).append(entry)
    for name, entry in document.nodes.items():
        if not is_graph(entry.type) or name not in inner:
            nodes[name] = flat.nodes.get(name, entry)
        nodes |= {other.name: other for other in inner.get(name, []) if other.name != name}
    nodes |= {name: entry for name, entry in flat.nodes.items() if name not in nodes}
    return replace(flat, nodes=nodes), problems
