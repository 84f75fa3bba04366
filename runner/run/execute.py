"""Runs a graph: each node once, in order, independent nodes side by side.

If a node fails, only the nodes that need it are skipped. Finished results remain stored.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from ...contract.errors import CacheError, Cancelled
from ...models.training.numerics import Numerics
from ..store.results import Result
from .earlier import Owner
from .events import Planned, RunFinished
from .finish import finish, still_made
from .job import Job
from .plan import ENDS, LostBlobError, Step, make_plan
from .record import NeedsError, Record
from .schedule import Schedule, Threads, name_conflicts
from .worker import Done, Worker

_MEMORY_FACTOR = 8  # bytes of memory per stored byte: uint8 as float32, and as much to compute
_MAX_LOSSES = 3  # how often the result of one node may be lost in one run


class Run:
    """One run of a graph. `cancel()` may be called from a signal handler or another thread.

    done:   the results of nodes that ran before, which are not run again. A result that turns out
            to be lost is removed from it.
    traces: the tracebacks of bugs in earlier parts of the run, to which more are added.
    """

    def __init__(
        self, job: Job, done: dict[str, Result] | None = None, traces: list[str] | None = None
    ) -> None:
        self._job, self._graph, self._store = job, job.graph, job.store
        self._devices = (job.numerics, *job.others)
        self._memory = _half_of_memory() if job.memory is None else job.memory
        self._done = {} if done is None else done
        self.record = Record(job, self._done, [] if traces is None else traces)
        self._worker = Worker(job, self.record.emit, self.record.results)
        self._losses: dict[str, int] = {}
        self._interrupted = False

    @property
    def results(self) -> Mapping[str, Result]:
        """The results of the nodes that are done."""
        return self.record.results

    def key(self, node: str) -> str | None:
        """Returns the key of a node's result, if it is done."""
        return self.record.keys.get(node)

    @property
    def exit_code(self) -> int:
        """Exit code of the command line."""
        return Cancelled.exit_code if self._interrupted else self.record.exit_code

    def cancel(self) -> None:
        """Stop at the next step of the nodes that run."""
        self._worker.cancelled.set()

    def execute(self, only: Iterable[str] = (), force: Collection[str] = ()) -> RunFinished:
        """Run the graph. Returns the last event; `exit_code` is set.

        only:  names of nodes to run, with all that they need; empty for all.
        force: names of nodes to run even if their results are stored.

        Raises: GraphError for a name in `only` or `force` that does not exist; CacheError.
        """
        only = list(only)
        try:
            finished = self.work(only, force)
            return finish(
                self._job,
                finished,
                self.record.manifest_nodes(),
                finished.status == "done" and not only,
                self._current,
                self._worker.check_cancelled,
                self.record.emit,
            )
        finally:
            self._job.publisher.close()

    def work(self, only: Collection[str], force: Collection[str]) -> RunFinished:
        """Run the nodes, without a manifest. Returns the last event, which is not emitted.

        The arguments and errors are those of `execute`.
        """
        started = time.perf_counter()
        forced = set(self._graph.named(force, "--force"))
        plan = self._plan(only, force)
        for step in plan:
            expected = self._worker.estimator.of(step) if self._job.estimates else None
            node, kind = step.node.name, step.node.spec.id
            self.record.emit(Planned(node=node, type=kind, action=step.action, seconds=expected))
        threads = Threads(self._job.jobs)
        try:
            while not (self._reuse(plan) and self._run_plan(plan, forced, threads)):
                plan = self._plan(only)
        except Cancelled:
            self._interrupted = True
        finally:
            threads.close()
            self._store.flush()
        status = "interrupted" if self._interrupted else "done"
        return self.record.finish(status, time.perf_counter() - started)

    def _plan(self, only: Collection[str], force: Collection[str] = ()) -> list[Step]:
        job = self._job
        return make_plan(self._graph, self._store, job.numerics, only, force, self._done)

    def _reuse(self, plan: list[Step]) -> bool:
        """Reuse the stored results, in order and without a schedule. Returns False if one is lost.

        If two nodes save under one name, the second must fail, so it waits for the first.
        """
        waiting = name_conflicts(plan)
        for step in plan:
            name = step.node.name
            if step.result is None or name in waiting or name in self.record.results:
                continue
            self._worker.check_cancelled()
            outcome = self._do(step, False, self._job.numerics, lambda: None)
            if isinstance(outcome, CacheError | Cancelled):
                raise outcome
            if isinstance(outcome, LostBlobError):
                self._forget_lost(outcome.source)
                return False
            self.record.add(name, outcome)
        return True

    def _run_plan(self, plan: list[Step], forced: set[str], threads: Threads) -> bool:
        """Run the nodes of a plan. Returns False if a result is lost, so that a new plan is needed.

        Raises: Cancelled, CacheError.
        """
        if self._job.cluster is not None:
            return self._run_on_cluster(plan, forced, threads)
        record = self.record
        done = record.results.keys() | record.failed.keys()
        schedule = Schedule(plan, done, self._memory, self._devices)
        lost, end = False, None
        while schedule:
            stopping = end is not None or lost or self._worker.cancelled.is_set()
            step = None
            if not stopping and schedule.running() < threads.limit:
                step = schedule.start_next(self._input_bytes)
            if step is None:
                if schedule.running() == 0:
                    break
                name, outcome = threads.results.get()
            else:
                name = step.node.name
                outcome = self._start(step, name in forced, schedule, threads)
                if outcome is None:
                    continue
            if isinstance(outcome, Done | Exception):
                schedule.finish(name)
                if isinstance(outcome, LostBlobError):
                    lost = True
                    self._forget_lost(outcome.source)
                elif isinstance(outcome, Cancelled | CacheError):
                    end = end or outcome
                else:
                    forced.discard(name)
                    record.add(name, outcome)
            else:
                schedule.leave_device(name)
        if end is not None:
            raise end
        self._worker.check_cancelled()
        return not lost

    def _run_on_cluster(self, plan: list[Step], forced: set[str], threads: Threads) -> bool:
        """Run the nodes of a plan on the cluster; like `_run_plan`."""
        assert self._job.cluster is not None
        lost, end = False, None
        for name, outcome in self._job.cluster.outcomes(
            self._job, self._worker, self.record, plan, forced, threads
        ):
            if isinstance(outcome, LostBlobError):
                lost = True
                self._forget_lost(outcome.source)
            elif isinstance(outcome, Exception) and (not name or isinstance(outcome, ENDS)):
                end = end or outcome
            else:
                forced.discard(name)
                self.record.add(name, outcome)
        if end is not None:
            raise end
        self._worker.check_cancelled()
        return not lost

    def _start(
        self, step: Step, forced: bool, schedule: Schedule, threads: Threads
    ) -> Done | Exception | None:
        """Run a node in a thread and return None; or here, if no other node could run meanwhile."""
        name = step.node.name
        failed = self.record.failed
        broken = next((s for s in step.node.sources if s in failed), None)
        if broken is not None:
            return NeedsError(broken, failed[broken])
        numerics = schedule.device(name) or self._job.numerics
        if step.result is not None or self._job.jobs == 1 or schedule.is_alone:
            return self._do(step, forced, numerics, lambda: None)

        def call() -> tuple[str, Done | Exception]:
            return name, self._do(step, forced, numerics, lambda: threads.results.put((name, None)))

        threads.call(call)
        return None

    def _do(
        self, step: Step, forced: bool, numerics: Numerics, computed: Callable[[], None]
    ) -> Done | Exception:
        try:
            return self._worker.do(step, forced, numerics, computed)
        except Exception as error:
            return error

    def _input_bytes(self, step: Step) -> int:
        """Returns an estimate of the memory that a node's inputs take, in bytes."""
        if self._job.jobs == 1 or step.result is not None:
            return 0
        outputs = (
            self.results[wire.node].outputs.get(wire.output)
            for wire in step.node.wires.values()
            if wire.node in self.results
        )
        return sum(_MEMORY_FACTOR * (value.size or 0) for value in outputs if value)

    def _forget_lost(self, name: str) -> None:
        """Forget a result whose blob is lost, so that it is computed again.

        Raises: CacheError if this happens repeatedly.
        """
        self._losses[name] = self._losses.get(name, 0) + 1
        if self._losses[name] > _MAX_LOSSES:
            raise CacheError(
                f"the cache {self._store.folder} has lost the result of {name!r}"
                f" {self._losses[name]} times",
                "check its disk, or choose another folder with --cache",
            )
        self._done.pop(name, None)
        key = self.record.forget(name)
        if key is not None:
            self._store.forget(key)

    def _current(self, saved: Mapping[Owner, Collection[str]]) -> set[Owner]:
        """Returns the owners that still make the files that they saved, given by their digests."""
        names = {name: digests for (name, source), digests in saved.items() if source is None}
        return {(name, None) for name in still_made(self._job, names)}


def _half_of_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 2**32
