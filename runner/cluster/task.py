"""A task of a cluster: some nodes of a graph, which a worker runs, and the messages about them.

Inputs and results go through the store. A task only contains digests, and values that are so small
that the index contains them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from blake3 import blake3

from ...contract.shards import known_places
from ...contract.spec import NodeSpec
from ...contract.version import version
from ...models.training.numerics import Numerics
from ..graph.bound import Graph, Source
from ..graph.folders import Folders
from ..run.compute import Computed
from ..run.events import Event, Previewed
from ..run.job import Job
from ..store.keys import torch_version
from ..store.results import Result
from .store import Place, place_of

_PACKAGE = Path(__file__).parents[2]
_CODE = ("contract", "models", "nodes", "pictures", "runner")


class NodeData(NamedTuple):
    """A node of a graph, with the name of its type. The fields are those of `BoundNode`."""

    name: str
    line: int
    type: str
    wires: dict[str, Source]
    values: dict[str, Any]
    file: str | None


@dataclass(frozen=True)
class Task:
    """Nodes that a worker runs.

    code:    the code of artgraph and of the modules (`code_of`).
    modules: the modules outside of artgraph that define types of these nodes.
    packs:   the packs to load.
    nodes:   the nodes to run, and those whose types are needed to read their results.
    names:   the names of the nodes to run, in order.
    forced:  those of them that run even if their results are stored.
    results: the results of nodes that ran before.
    file:    the file of the graph.
    shards:  the places of the shards that the run has read, by the digests of their lists.
    threads: how many threads libraries use for nodes that do not compute on the device.
    """

    code: str
    modules: tuple[str, ...]
    packs: tuple[str, ...]
    nodes: tuple[NodeData, ...]
    names: tuple[str, ...]
    forced: frozenset[str]
    results: dict[str, Result]
    numerics: Numerics
    file: str
    folders: Folders
    place: Place
    shards: dict[str, str]
    previews: float | None
    threads: int


class Pictured(NamedTuple):
    """An event about a preview, with the bytes of its picture."""

    event: Previewed
    data: bytes


class Outcome(NamedTuple):
    """What became of a node. If the whole task failed, `name` is empty.

    key: the key under which a failure counts for other nodes (`Job.failures`), or empty.
    """

    name: str
    outcome: Computed | Exception
    key: str = ""


Message = Event | Pictured | Outcome


def modules_of(specs: Iterable[NodeSpec]) -> tuple[str, ...]:
    """Returns the modules outside of artgraph that define these types of nodes."""
    own = __name__.partition(".")[0]
    modules = {spec.function.__module__ for spec in specs}
    return tuple(sorted(name for name in modules if name.partition(".")[0] != own))


@cache
def code_of(modules: tuple[str, ...]) -> str:
    """Returns the versions of artgraph and torch, and a digest of the code and these modules."""
    digest = blake3()
    for top in _CODE:
        for path in sorted((_PACKAGE / top).rglob("*.py")):
            digest.update(path.relative_to(_PACKAGE).as_posix().encode() + path.read_bytes())
    for name in modules:
        file = getattr(sys.modules.get(name), "__file__", None)
        digest.update(b"" if file is None else Path(file).read_bytes())
    return f"artgraph {version()}, torch {torch_version()}, code {digest.hexdigest(4)}"


def task_of(
    job: Job,
    names: Sequence[str],
    results: Mapping[str, Result],
    forced: frozenset[str],
    packs: tuple[str, ...],
    remote: str | None,
) -> Task:
    """Returns the task that runs nodes of a job; `results` are those of the nodes before."""
    nodes = _described(job.graph, names)
    modules = modules_of(job.graph.nodes[name].spec for name in nodes)
    inside = set(names)
    needed = {s for name in names for s in job.graph.nodes[name].sources} - inside
    return Task(
        code=code_of(modules),
        modules=modules,
        packs=packs,
        nodes=tuple(nodes.values()),
        names=tuple(names),
        forced=forced & inside,
        results={name: results[name] for name in needed},
        numerics=job.numerics,
        file=job.graph.document.file,
        folders=job.graph.folders,
        place=place_of(job.store, remote),
        shards=known_places(),
        previews=job.previews,
        threads=Numerics.of("cpu").threads,
    )


def _described(graph: Graph, names: Sequence[str]) -> dict[str, NodeData]:
    """Returns the nodes, and those that say what kinds of values they get."""
    found: dict[str, NodeData] = {}
    waiting = list(names)
    inside = set(names)
    while waiting:
        node = graph.nodes[waiting.pop()]
        if node.name in found:
            continue
        found[node.name] = NodeData(
            node.name, node.line, node.spec.id, node.wires, node.values, node.file
        )
        has_variable = any(len(port.sockets) > 1 for port in node.spec.outputs.values())
        if node.name in inside or has_variable:
            waiting += node.sources
    return found
