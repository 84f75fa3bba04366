"""A graph that can run: its nodes with their wires and values, their order and needs.

Everything here is iterative, so depth is not limited. networkx finds the loops, and is imported
only if there are any. graphlib sorts: importing networkx takes 85 ms, a small graph's plan 190 ms.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from ..nodes.contract import NodeSpec
from ..nodes.errors import GraphError
from ..nodes.problem import Problem
from ..nodes.wording import suggestion
from .document import Document
from .folders import Folders


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
    file: str | None = None  # where it is not the graph's own

    @property
    def sources(self) -> set[str]:
        """The nodes it needs."""
        return {source.node for source in self.wires.values()}


@dataclass
class Graph:
    """A checked graph. `document` is what was written, `--set` values put in.

    idle: nodes that only stand in for files which are given; they run where they are asked for.
    """

    document: Document
    folders: Folders
    nodes: dict[str, BoundNode]
    idle: set[str] = field(default_factory=set)

    @cached_property
    def sorted(self) -> tuple[str, ...]:
        """All nodes, each after those that it needs; as they are written, if that is such an order.

        It depends on the order as written alone, not on how Python orders a set of texts.

        Raises: graphlib.CycleError.
        """
        seen: set[str] = set()
        for node in self.nodes.values():
            if not node.sources <= seen:
                return tuple(self._sorter().static_order())
            seen.add(node.name)
        return tuple(self.nodes)

    def _sorter(self) -> TopologicalSorter[str]:
        sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(self.nodes, ()))
        for node in self.nodes.values():
            sorter.add(node.name, *node.sources)
        return sorter

    def is_acyclic(self) -> bool:
        """Whether its nodes can be put in an order at all."""
        try:
            return len(self.sorted) == len(self.nodes)
        except CycleError:
            return False

    def loops(self) -> list[list[str]]:
        """Every knot of wires, as one loop in it."""
        import networkx as nx

        dag: nx.DiGraph[str] = nx.DiGraph()
        for node in self.nodes.values():
            dag.add_edges_from((source, node.name) for source in node.sources)
        knots = [knot for knot in nx.strongly_connected_components(dag) if len(knot) > 1]
        knots += [{name} for name in nx.nodes_with_selfloops(dag)]
        return [[edge[0] for edge in nx.find_cycle(dag.subgraph(knot))] for knot in knots]

    def spare_fallbacks(self) -> None:
        """Unwire each fallback whose file or folder is given; what only these need is idle."""
        spared = set()
        for node in self.nodes.values():
            fallbacks = [name for name in node.spec.fallbacks if name in node.wires]
            if fallbacks and any(node.values.get(name) for name in node.spec.paths):
                spared |= {node.wires.pop(name).node for name in fallbacks}
        while spared:
            busy = (node for node in self.nodes.values() if node.name not in self.idle)
            spared -= {source for node in busy for source in node.sources}
            self.idle |= spared
            spared = {source for name in spared for source in self.nodes[name].sources}

    def order(self, only: Iterable[str] = ()) -> list[str]:
        """All nodes but the idle, or those named and what they need, each after its sources.

        Raises: GraphError for a name that is no node.
        """
        waiting = self.named(only, "--only")
        if not waiting:
            return [name for name in self.sorted if name not in self.idle]
        needed: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting += self.nodes[name].sources
        return [name for name in self.sorted if name in needed]

    def named(self, names: Iterable[str], option: str) -> list[str]:
        """The nodes of these names, for a graph inside the graph all that are in it.

        Raises: GraphError for names that are not there.
        """
        found, wrong = [], []
        for name in names:
            inside = [node for node in self.nodes if node.startswith(f"{name}/")]
            found += [name] if name in self.nodes else inside
            if not inside and name not in self.nodes:
                what = f"{option} {name}: {self.document.file} has no such node"
                wrong.append(Problem("other", None, what, suggestion(name, self.nodes)))
        if wrong:
            raise GraphError.of(wrong)
        return found

    def problem(self, node: BoundNode, what: str, advice: str) -> Problem:
        """Returns a problem of a node with its place."""
        file = node.file or self.document.file
        return Problem("other", None, what, advice, file, node.line, node.name)
