"""The arguments of one run."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

from ...models.training.numerics import Numerics
from ..graph.bound import Graph
from ..graph.sources import Picture
from ..store.results import Result
from ..store.store import Store
from .events import Listener
from .publish import Publisher

Failures = dict[str, tuple[Exception, TracebackType | None]]


class Cluster(Protocol):
    """Machines on which nodes are computed, such as `ray_cluster.RayCluster`."""

    @property
    def slots(self) -> int:
        """How many tasks are on the way at the same time."""

    def perform(
        self,
        names: Sequence[str],
        job: Job,
        results: Mapping[str, Result],
        forced: frozenset[str],
        report: Callable[[Any], None],
        cancelled: threading.Event,
    ) -> None:
        """Run nodes in one task; `report` receives all that happens, as a `ray_task.Message`."""


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


def default_jobs(devices: int) -> int:
    """Returns how many nodes may run at the same time: one per usable core, at most 4.

    With several devices, it is also enough for a node on each, and one beside them.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows do not have it
        cores = os.cpu_count() or 1
    return max(min(4, cores), devices + 1 if devices > 1 else 1)
