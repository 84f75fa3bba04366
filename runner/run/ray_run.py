"""Runs the steps of a plan on a cluster, in groups, each when the groups that it needs are done."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from graphlib import TopologicalSorter

from ..graph.bound import BoundNode
from ..store.results import Result
from .compute import Computed
from .events import Event
from .job import Job
from .plan import Step, plan_node
from .ray_groups import Group, grouped
from .ray_task import ENDS, Message, Outcome, Pictured
from .record import NeedsError, Record
from .schedule import Threads, name_conflicts
from .worker import Done, Worker


class ClusterRun:
    """The steps of a plan on the cluster of a job. Files are written in this process."""

    def __init__(self, job: Job, worker: Worker, record: Record, forced: Collection[str]) -> None:
        assert job.cluster is not None
        self._job, self._cluster = job, job.cluster
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

        def tell(message: Message) -> None:
            if isinstance(message, Outcome):
                settle(message.name, self._published(message.name, message.outcome))
            else:
                self._show(message)

        def skip() -> None:
            for step in group.steps:
                broken = next((s for s in step.node.sources if s in failed), None)
                if broken is not None and step.node.name not in over:
                    settle(step.node.name, NeedsError(broken, failed[broken]))

        try:
            skip()
            for step in self._reusable(group):
                settle(step.node.name, self._done_here(step))
            names = [s.node.name for s in group.steps if s.node.name not in over]
            if names:
                self._cluster.perform(
                    names,
                    self._job,
                    self._inputs(names),
                    self._forced,
                    tell,
                    self._worker.cancelled,
                )
            skip()
        except Exception as error:
            return number, error
        return number, None

    def _reusable(self, group: Group) -> Iterator[Step]:
        """Yields the first steps of a group that need no task: they are stored, or run here."""
        job, results = self._job, self._record.results
        for step in group.steps:
            name = step.node.name
            if group.is_here:
                yield step
            elif (
                step.key is not None
                or name in self._forced
                or not step.node.sources <= results.keys()
            ):
                return
            else:  # early cutoff
                step = plan_node(job.graph, step.node, job.store, job.numerics, results, False)
                if step.result is None:
                    return
                yield step

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
