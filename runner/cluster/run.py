"""Runs the steps of a plan on a cluster, in groups, each when the groups that it needs are done."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from graphlib import TopologicalSorter

from ..graph.bound import BoundNode
from ..run.compute import Computed
from ..run.events import Event
from ..run.job import Job
from ..run.plan import ENDS, Step, plan_node
from ..run.record import NeedsError, Record
from ..run.schedule import Threads, name_conflicts
from ..run.worker import Done, Worker
from ..store.results import Result
from .attempts import perform
from .connection import Connection
from .groups import Group, grouped
from .task import Message, Outcome, Pictured


class ClusterRun:
    """The steps of a plan on a cluster. Files are written in this process."""

    def __init__(
        self,
        cluster: Connection,
        job: Job,
        worker: Worker,
        record: Record,
        forced: Collection[str] = (),
    ) -> None:
        self._cluster, self._job = cluster, job
        self._worker, self._record = worker, record
        self._forced = frozenset(forced)

    def outcomes(
        self, plan: list[Step], threads: Threads
    ) -> Iterator[tuple[str, Done | Exception]]:
        """Run the steps. Yields each node with its outcome, once the node is done or has failed.

        The name is empty if the error is not of a node. After it or one of `ENDS`, no group starts.
        """
        record = self._record
        done = record.results.keys() | record.failed.keys()
        groups = grouped(plan, done, self._expected, self.before(plan))
        if any(not group.is_here for group in groups):
            threads.limit = min(threads.limit, self._cluster.slots)
        order = TopologicalSorter({number: group.needs for number, group in enumerate(groups)})
        order.prepare()
        running, stops = 0, False
        while True:
            stops = stops or self._worker.cancelled.is_set()
            for number in () if stops else order.get_ready():
                running += 1
                threads.call(partial(self._perform, number, groups[number], threads))
            if not running:
                return
            name, outcome = threads.results.get()
            if isinstance(name, int):
                running -= 1
                order.done(name)
                if outcome is None:
                    continue
                name = ""
            stops = stops or not name or isinstance(outcome, ENDS)
            yield name, outcome

    def before(self, plan: list[Step]) -> dict[str, str]:
        """Returns the nodes that wait for others because of the names of their files."""
        return name_conflicts(plan)

    def finish(self, node: BoundNode, outcome: Computed) -> Done:
        """Write the files of a node that was computed. Raises: the errors of `Worker.done`."""
        return self._worker.done(node, outcome, None)

    def _expected(self, step: Step) -> float | None:
        seconds = self._worker.estimator.of(step)
        return None if seconds is None else seconds.middle

    def _perform(self, number: int, group: Group, threads: Threads) -> tuple[int, Exception | None]:
        """Run a group, and put the outcomes of its nodes into the results of the threads."""
        failed = dict(self._record.failed)
        over: set[str] = set()

        def settle(name: str, outcome: Done | Exception) -> None:
            over.add(name)
            if isinstance(outcome, Exception):
                failed[name] = outcome.because if isinstance(outcome, NeedsError) else name
            threads.results.put((name, outcome))

        def accept(message: Message) -> None:
            if not isinstance(message, Outcome):
                self._show(message)
                return
            if message.key and isinstance(message.outcome, Exception):
                self._job.failures[message.key] = message.outcome, None
            settle(message.name, self._published(message.name, message.outcome))

        def skip() -> None:
            for step in group.steps:
                broken = next((s for s in step.node.sources if s in failed), None)
                if broken is not None and step.node.name not in over:
                    settle(step.node.name, NeedsError(broken, failed[broken]))

        try:
            skip()
            for step in self._without_task(group):
                settle(step.node.name, self._done_here(step))
            names = [s.node.name for s in group.steps if s.node.name not in over]
            if names:
                perform(
                    self._cluster,
                    names,
                    self._job,
                    self._inputs(names),
                    self._forced,
                    accept,
                    self._worker.cancelled,
                )
            skip()
        except Exception as error:
            return number, error
        return number, None

    def _without_task(self, group: Group) -> Iterator[Step]:
        """Yields the steps of a group that run here, or are stored, or have failed elsewhere."""
        job, results = self._job, self._record.results
        is_first = True  # until a step needs a task, before which no file may be written
        for step in group.steps:
            node = step.node
            if group.is_here:
                yield step
            elif node.name in self._forced or not node.sources <= results.keys():
                is_first = False
            else:
                if step.key is None:  # early cutoff
                    step = plan_node(job.graph, node, job.store, job.numerics, results, False)
                has_failed = step.key is not None and step.key.digest in job.failures
                if has_failed or (is_first and step.result is not None):
                    yield step
                else:
                    is_first = False

    def _done_here(self, step: Step) -> Done | Exception:
        forced = step.node.name in self._forced
        try:
            outcome = self._worker.compute(step, forced, self._job.numerics, lambda: None)
        except Exception as error:
            return error
        return self._published(step.node.name, outcome)

    def _published(self, name: str, outcome: Computed | Exception) -> Done | Exception:
        """Returns the outcome of a node after its files are written."""
        if isinstance(outcome, Exception):
            return outcome
        self._record.results[name] = outcome.result  # for the next steps of the group
        try:
            return self.finish(self._job.graph.nodes[name], outcome)
        except Exception as error:
            return error

    def _show(self, message: Event | Pictured) -> None:
        if isinstance(message, Pictured):
            event, previews = message.event, self._worker.previews
            if previews is None:
                return
            message = replace(event, path=previews.write(event.node, message.data))
        self._record.emit(message)

    def _inputs(self, names: list[str]) -> dict[str, Result]:
        """Returns the results that some nodes need of nodes that are done."""
        nodes, results = self._job.graph.nodes, self._record.results
        needed = {source for name in names for source in nodes[name].sources}
        return {name: results[name] for name in needed if name in results}
