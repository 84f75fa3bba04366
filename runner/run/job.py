"""The arguments of one run."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

from ...models.training.numerics import Numerics
from ..graph.bound import Graph
from ..graph.sources import Picture
from ..store.store import Store
from .compute import Computed
from .events import Listener
from .plan import Step
from .publish import Publisher
from .schedule import Threads

Failures = dict[str, tuple[Exception, TracebackType | None]]


class Cluster(Protocol):
    """Machines on which nodes are computed, such as `RayCluster` in runner/cluster."""

    def outcomes(
        self,
        job: Job,
        worker: Any,
        record: Any,
        plan: list[Step],
        forced: Collection[str],
        threads: Threads,
    ) -> Iterator[tuple[str, Any]]:
        """Run the steps of a plan. Yields each node with its outcome, a `Done` or an error.

        worker, record: the `Worker` and the `Record` of the run.
        forced: names of nodes to run even if their results are stored.

        The name is empty if the error is not of a node. After it or one of `ENDS`, none starts.
        """


@dataclass(frozen=True)
class Job:
    """A graph to run, the store of its results, the publisher of its files, and a listener.

    previews: seconds between two pictures of a node's work; None for no pictures.
    jobs:     how many nodes may run at a time; the results don't depend on it.
    memory:   bytes that the inputs of nodes that run side by side may take; None for half of the
              machine's memory.
    others:   the numerics of more GPUs of the same kind, which are used at the same time.
    picture:  the picture of a folder for which the graph runs.
    estimates: whether the events `planned` say how long nodes are expected to take.
    cluster:  the cluster on which nodes are computed; None for this process.
    failures: errors with their tracebacks, by key; a node with such a key fails without running.
              The runs of a sweep share them, so that a node that they have in common fails once.
    ahead:    what was computed for runs before their turn, by key. The first run that reuses such a
              result removes it from here, and counts it as its own.
    """

    graph: Graph
    store: Store
    numerics: Numerics
    publisher: Publisher
    listener: Listener
    previews: float | None = 5.0
    jobs: int = 1
    memory: int | None = None
    others: tuple[Numerics, ...] = ()
    picture: Picture | None = None
    estimates: bool = False
    cluster: Cluster | None = None
    failures: Failures = field(default_factory=dict)
    ahead: dict[str, Computed] = field(default_factory=dict)


def default_jobs(devices: int) -> int:
    """Returns how many nodes may run at the same time: one per usable core, at most 4.

    With several devices, it is also enough for a node on each, and one beside them.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows do not have it
        cores = os.cpu_count() or 1
    return max(min(4, cores), devices + 1 if devices > 1 else 1)
