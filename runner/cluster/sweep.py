"""Computes the combinations of a sweep on a cluster, many at a time, before they run in turn.

Their graphs become one graph, in which equal nodes are there once. Its results are stored, but no
files are written: each combination then runs as usual, and finds its results. Meanwhile, the next
ones are computed. The first one that uses a result counts it as its own, so that tables are those
of a sweep on one machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Self

from ...contract.errors import Cancelled
from ..graph.bound import BoundNode, Graph, Source
from ..run.compute import Computed
from ..run.events import Event, Listener, Logged, Progressed, Waiting
from ..run.job import Job
from ..run.plan import ENDS, LostBlobError, Step, make_plan
from ..run.record import Record
from ..run.schedule import Threads
from ..run.worker import Done, Worker
from .connection import Connection
from .run import ClusterRun

_LEAST = 64  # combinations that are computed together


class Ahead:
    """Computes combinations before their turn, in a thread of its own.

    While some combinations run in turn, the next ones are computed. As a context, it stops what is
    still computed at its end.

    graphs: returns the graphs of some combinations, by their places in the sweep.
    count:  the number of combinations.
    job_of: returns the job of a graph, whose publisher is not used. Its `failures` and `ahead` are
            those of the runs of the combinations.
    listener: called in the thread that calls `reach`.
    only:   nodes to run, as for `Run.execute`.
    """

    def __init__(
        self,
        cluster: Connection,
        graphs: Callable[[range], Iterable[Graph]],
        count: int,
        job_of: Callable[[Graph, Listener], Job],
        listener: Listener,
        only: Sequence[str] = (),
    ) -> None:
        self._cluster, self._graphs, self._count, self._job_of = cluster, graphs, count, job_of
        self._listener, self._only = listener, only
        self._threads = Threads(1)  # whose results are events, and the error or None at the end
        self._places = range(0)  # what is computed now, or was computed last
        self._is_running = self._is_cancelled = False
        self._error: Exception | None = None
        self._worker: Worker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.cancel()
        self._threads.close()
        if kind is None or not issubclass(kind, Cancelled):  # the user does not want to wait
            self._receive(wait=True)

    def cancel(self) -> None:
        """Stop at the next step of the nodes that run."""
        self._is_cancelled = True
        if self._worker is not None:
            self._worker.cancelled.set()

    def reach(self, place: int) -> None:
        """Wait until the combination at this place is computed, and begin with those after it.

        Nodes that fail do so again when their combination runs, but without a task.

        Raises: CacheError, GraphError.
        """
        self._receive(wait=False)
        while place >= self._places.start and not self._is_cancelled:
            self._receive(wait=True)
            error, self._error = self._error, None
            is_last = self._places.stop == self._count
            if not is_last:
                self._start()
            if error is not None:
                raise error
            if is_last:
                return

    def _start(self) -> None:
        first, number = self._places.stop, max(_LEAST, 2 * self._cluster.slots)
        self._places = places = range(first, min(self._count, first + number))
        self._is_running = True
        self._threads.call(lambda: self._end_of(places))

    def _receive(self, wait: bool) -> None:
        """Show what was reported. With `wait`, also what is reported until the end."""
        results = self._threads.results
        while self._is_running and (wait or not results.empty()):
            found = results.get()
            if isinstance(found, Event):
                self._listener(found)
            else:
                self._is_running, self._error = False, found

    def _end_of(self, places: range) -> Exception | None:
        """Compute combinations. Returns the error that ended this."""
        try:
            self._compute(self._job_of(self._merged(places), self._report))
        except Exception as error:
            return error
        return None

    def _merged(self, places: range) -> Graph:
        labels = [f"[{place + 1}/{self._count}]" for place in places]
        return merged(zip(labels, self._graphs(places), strict=True), self._only)

    def _compute(self, job: Job) -> None:
        record = Record(job, {}, [])
        # A result that is reused here is not yet used by the run of a combination.
        self._worker = worker = Worker(replace(job, ahead={}), record.emit, record.results)
        if self._is_cancelled:
            worker.cancelled.set()
        plan = make_plan(job.graph, job.store, job.numerics)
        for step in plan:
            if step.result is not None:
                record.results[step.node.name] = step.result
        threads = Threads(job.jobs)
        end: Exception | None = None
        try:
            run = _Computing(self._cluster, job, worker, record)
            for name, outcome in run.outcomes(plan, threads):
                if isinstance(outcome, Exception) and (not name or isinstance(outcome, ENDS)):
                    end = end or outcome
                else:
                    record.add(name, outcome)
        finally:
            threads.close()
            job.store.flush()
            self._worker = None
        if end is not None and not isinstance(end, LostBlobError | Cancelled):
            raise end

    def _report(self, event: Event) -> None:
        if isinstance(event, Logged | Progressed | Waiting):
            self._threads.results.put(event)


class _Computing(ClusterRun):
    """Computes nodes without writing files."""

    def before(self, plan: list[Step]) -> dict[str, str]:
        return {}

    def finish(self, node: BoundNode, outcome: Computed) -> Done:
        key, result, action, from_step = outcome
        if action != "cached":
            self._job.ahead[key.digest] = outcome
        return Done(node, action, key, result, [], from_step, None)


def merged(graphs: Iterable[tuple[str, Graph]], only: Sequence[str] = ()) -> Graph:
    """Returns one graph of several, in which equal nodes with equal sources are there once.

    graphs: with a label for each, which precedes the names of its nodes.
    """
    nodes: dict[str, BoundNode] = {}
    known: dict[tuple[str, str, str], str] = {}
    last: Graph | None = None
    for label, graph in graphs:
        last, names = graph, dict[str, str]()
        for name in graph.order(only):
            node = graph.nodes[name]
            wires = {i: Source(names[wire.node], wire.output) for i, wire in node.wires.items()}
            facts = (node.spec.id, repr(wires), repr(sorted(node.values.items())))
            names[name] = known.setdefault(facts, f"{label} {name}")
            if names[name] not in nodes:
                nodes[names[name]] = replace(node, name=names[name], wires=wires)
    assert last is not None
    return Graph(last.document, last.folders, nodes)
