"""A graph that can run: its nodes with their wires and values, in order of their dependencies.

Nothing here is recursive, so depth is not limited. graphlib sorts the nodes. networkx finds loops
and is only imported if there are any, since the import takes 85 ms and a small graph's whole plan
190 ms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from ...contract.errors import GraphError
from ...contract.problem import Problem
from ...contract.spec import NodeSpec
from ...contract.wording import suggestion
from .document import Document
from .folders import Folders


class Source(NamedTuple):
    """The output at which a wire begins."""

    node: str
    output: str


_MOST_NAMES = 20  # names of nodes in a message


class Omitted(NamedTuple):
    """The nodes of a graph that do not run.

    needing: nodes that are left out because they need one that does not run.
    unread:  nodes of a file of ComfyUI that were muted or bypassed and are unknown here, and those
             that need them.
    """

    muted: tuple[str, ...] = ()
    bypassed: tuple[str, ...] = ()
    needing: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """What is left out, in one line; empty if nothing is."""
        parts = (
            ("muted", self.muted),
            ("bypassed", self.bypassed),
            ("left out because they need such a node", self.needing),
            ("left out because artgraph does not have them", self.unread),
        )
        return "; ".join(f"{what}: {_listed(names)}" for what, names in parts if names)


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


@dataclass
class BoundNode:
    """A node that can run; `values` contains the checked values of the widgets without a wire."""

    name: str
    line: int
    spec: NodeSpec
    wires: dict[str, Source] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    file: str | None = None  # the file of a graph inside the graph, as messages name it

    @property
    def sources(self) -> set[str]:
        """The names of the nodes to which it is wired."""
        return {source.node for source in self.wires.values()}


@dataclass
class Graph:
    """A checked graph.

    document: the graph as written, with the values of `--set`.
    idle:     nodes that only replace files or folders that are set; they run if named in `only`.
    omitted:  nodes that are muted, bypassed, or left out for that reason.
    """

    document: Document
    folders: Folders
    nodes: dict[str, BoundNode]
    idle: set[str] = field(default_factory=set)
    omitted: Omitted = field(default_factory=Omitted)

    @cached_property
    def sorted(self) -> tuple[str, ...]:
        """All nodes, each after its sources; in the order as written, if that order fits.

        The order does not depend on Python's random order of sets.

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
        """Returns whether the wires form no loop."""
        try:
            return len(self.sorted) == len(self.nodes)
        except CycleError:
            return False

    def loops(self) -> list[list[str]]:
        """Returns one loop of each strongly connected component, as the names of its nodes."""
        import networkx as nx

        wires: nx.DiGraph[str] = nx.DiGraph()
        for node in self.nodes.values():
            wires.add_edges_from((source, node.name) for source in node.sources)
        components = [nodes for nodes in nx.strongly_connected_components(wires) if len(nodes) > 1]
        components += [{name} for name in nx.nodes_with_selfloops(wires)]
        return [[edge[0] for edge in nx.find_cycle(wires.subgraph(nodes))] for nodes in components]

    def unwire_fallbacks(self) -> None:
        """Unwire the fallbacks of nodes whose file or folder is set.

        Nodes that only these fallbacks needed become idle.
        """
        unwired = set()
        for node in self.nodes.values():
            fallbacks = [name for name in node.spec.fallbacks if name in node.wires]
            if fallbacks and any(node.values.get(name) for name in node.spec.paths):
                unwired |= {node.wires.pop(name).node for name in fallbacks}
        while unwired:
            busy = (node for node in self.nodes.values() if node.name not in self.idle)
            unwired -= {source for node in busy for source in node.sources}
            self.idle |= unwired
            unwired = {source for name in unwired for source in self.nodes[name].sources}

    def order(self, only: Iterable[str] = ()) -> list[str]:
        """Returns all nodes that are not idle, or those in `only` with all that they need.

        Each node comes after its sources. What is saved after fewer trainings comes first, so that
        the first pictures need not wait for trainings that have nothing to do with them.

        Raises: GraphError for a name that does not exist.
        """
        waiting = self.named(only, "--only")
        needed = set() if waiting else set(self.sorted) - self.idle
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting += self.nodes[name].sources
        names = [name for name in self.sorted if name in needed]
        return sorted(names, key=self._trainings_before_saving(names).__getitem__)

    def _trainings_before_saving(self, names: Sequence[str]) -> dict[str, float]:
        """Returns for each node how many trainings are needed for the first that saves after it.

        A node never has more than those that need it, so sources stay first if nodes are sorted.
        """
        trainings: dict[str, int] = {}  # a bit for each training that a node needs
        bit = 1
        for name in names:
            node = self.nodes[name]
            trainings[name] = bit if node.spec.length else 0
            bit <<= bool(node.spec.length)
            for source in node.sources:
                trainings[name] |= trainings[source]
        fewest = dict.fromkeys(names, math.inf)
        for name in reversed(names):
            node = self.nodes[name]
            if node.spec.saves:
                fewest[name] = min(fewest[name], trainings[name].bit_count())
            for source in node.sources:
                fewest[source] = min(fewest[source], fewest[name])
        return fewest

    def ancestors(self, name: str) -> set[str]:
        """Returns a node with all the nodes that it needs."""
        needed, waiting = {name}, [name]
        while waiting:
            new = self.nodes[waiting.pop()].sources - needed
            needed |= new
            waiting += new
        return needed

    def dependents(self, name: str) -> set[str]:
        """Returns a node with all the nodes that need it."""
        found = {name}
        for other in self.sorted:
            if self.nodes[other].sources & found:
                found.add(other)
        return found

    def named(self, names: Iterable[str], option: str) -> list[str]:
        """Returns the nodes with these names; for a graph inside the graph, all its nodes.

        Raises: GraphError for names that do not exist; `option` is the option that named them.
        """
        found, wrong = [], []
        for name in names:
            inside = [node for node in self.nodes if node.startswith(f"{name}/")]
            found += [name] if name in self.nodes else inside
            if not inside and name not in self.nodes:
                what = f"{option} {name or repr(name)}: {self.document.file} has no such node"
                advice = suggestion(name, self.nodes)
                if any(n == name or n.startswith(f"{name}/") for n in self.document.nodes):
                    what = f"{option} {name}: this node does not run ({self.omitted.line})"
                    advice = "remove its `mode`, or that of the node that it needs"
                wrong.append(Problem("other", None, what, advice))
        if wrong:
            raise GraphError.of(wrong)
        return found

    def problem(self, node: BoundNode, what: str, advice: str) -> Problem:
        """Returns a problem of a node, with its file and line."""
        file = node.file or self.document.file
        return Problem("other", None, what, advice, file, node.line, node.name)
