"""A graph that can run: its nodes with their wires and values, their order and needs.

The graph algorithms are networkx's; those used here are iterative, so depth is no limit.
networkx is imported on first use.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from ..nodes.contract import NodeSpec
from ..nodes.errors import GraphError
from ..nodes.wording import suggestion
from .document import Document, Problem
from .folders import Folders

if TYPE_CHECKING:
    import networkx as nx


class Source(NamedTuple):
    """Where a wire comes from."""

    node: str
    output: str


@dataclass
class BoundNode:
    """A node that can run. `values` holds checked widget values, but for those wired."""

    name: str
    line: int
    spec: NodeSpec
    wires: dict[str, Source] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def sources(self) -> set[str]:
        """The nodes it needs."""
        return {source.node for source in self.wires.values()}


@dataclass
class Graph:
    """A checked graph. `document` is what was written, `--set` values put in."""

    document: Document
    folders: Folders
    nodes: dict[str, BoundNode]

    def is_sorted(self) -> bool:
        """True where each node stands below those it needs, which proves that there is no loop."""
        seen: set[str] = set()
        for node in self.nodes.values():
            if not node.sources <= seen:
                return False
            seen.add(node.name)
        return True

    @cached_property
    def dag(self) -> nx.DiGraph[str]:
        """The nodes' names, an edge from each to those that need it."""
        import networkx as nx

        dag: nx.DiGraph[str] = nx.DiGraph()
        dag.add_nodes_from(self.nodes)
        for node in self.nodes.values():
            dag.add_edges_from((source, node.name) for source in node.sources)
        return dag

    def order(self, only: Iterable[str] = ()) -> list[str]:
        """All nodes, or those named and what they need, every node after its sources.

        Raises: GraphError for a name that is no node.
        """
        import networkx as nx

        order = list(nx.topological_sort(self.dag))
        targets = list(only)
        if not targets:
            return order
        self.require_nodes(targets, "--only")
        needed = set(targets).union(*(nx.ancestors(self.dag, name) for name in targets))
        return [name for name in order if name in needed]

    def require_nodes(self, names: Iterable[str], option: str) -> None:
        """Raise GraphError for names that are not there."""
        file = self.document.file
        wrong = [
            f"{option} {name}: {file} has no such node - {suggestion(name, self.nodes)}"
            for name in names
            if name not in self.nodes
        ]
        if wrong:
            raise GraphError(*wrong)

    def problem(self, node: BoundNode, message: object, is_input: bool = False) -> Problem:
        """A problem placed at a node."""
        return Problem(self.document.file, node.line, node.name, str(message), is_input)
