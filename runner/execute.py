"""Running a graph: each node once, in order, independent ones side by side.

A failed node stops only what needs it. What is done stays done, whatever comes later.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterable
from typing import Any

from ..models.numerics import Numerics
from ..nodes.errors import ArtgraphError, CacheError, Cancelled, InputError, NodeError
from ..nodes.sockets import SocketError
from .events import Cached, Event, Failed, Finished, Listener, Planned, RunFinished
from .graph import BoundNode, Graph
from .plan import Step, make_plan
from .publish import MANIFEST, Publisher
from .schedule import Schedule, Threads
from .store import Result, Store
from .work import Done, LostBlobError, Worker

FAILURE = "failure.txt"
_IN_MEMORY = 8  # bytes that a stored byte may take: uint8 as float32, and as much to work with


class Run:
    """One run of a graph. `cancel()` may be called from a signal handler or another thread.

    previews: seconds between two pictures of a node's work, None for none.
    jobs:     how many nodes may run at a time; the results don't depend on it.
    memory:   bytes that the inputs of nodes that run side by side may take; None: half of all.
    """

    def __init__(
        self,
        graph: Graph,
        store: Store,
        numerics: Numerics,
        publisher: Publisher,
        listener: Listener,
        previews: float | None = 5.0,
        jobs: int = 1,
        memory: int | None = None,
    ) -> None:
        self._graph, self._store, self._numerics = graph, store, numerics
        self._publisher, self._listener = publisher, listener
        self._jobs, self._memory = jobs, memory if memory is not None else _half_of_memory()
        self._emitting = threading.Lock()
        self.results: dict[str, Result] = {}
        self._worker = Worker(graph, store, numerics, publisher, self._emit, previews, self.results)
        self._failed: dict[str, str] = {}  # the node that failed, under each that needs it
        self._records: dict[str, dict[str, Any]] = {}  # for the manifest
        self._traces: list[str] = []  # of bugs
        self._counts = {"ran": 0, "cached": 0, "extended": 0}
        self.exit_code = 0

    def cancel(self) -> None:
        """Stop at the next step of whatever runs."""
        self._worker.cancelled.set()

    def execute(self, only: Iterable[str] = (), force: Collection[str] = ()) -> RunFinished:
        """Run; the last event, with `exit_code` set.

        Raises: GraphError for a name in `only` or `force` that is no node, CacheError.
        """
        started, status = time.perf_counter(), "done"
        only, forced = list(only), set(force)
        plan = make_plan(self._graph, self._store, self._numerics, only, force)
        for step in plan:
            self._emit(Planned(node=step.node.name, type=step.node.spec.id, action=step.action))
        threads = Threads(self._jobs)
        try:
            while not self._pass(plan, forced, threads):
                plan = make_plan(self._graph, self._store, self._numerics, only)
        except Cancelled:
            status, self.exit_code = "interrupted", Cancelled.exit_code
        finally:
            threads.close()
            self._store.flush()
        if status == "done" and self._failed:
            status = "failed"
        finished = RunFinished(
            status=status,  # type: ignore[arg-type]
            **self._counts,
            failed=len(self._failed),
            seconds=time.perf_counter() - started,
        )
        self._write_manifest(finished, plan)
        if status == "done" and not only:
            (self._publisher.folder / FAILURE).unlink(missing_ok=True)
        self._emit(finished)
        return finished

    def _emit(self, event: Event) -> None:
        with self._emitting:
            self._listener(event)

    def _pass(self, plan: list[Step], forced: set[str], threads: Threads) -> bool:
        """Go through the plan once; False where a lost result asks for a new plan."""
        schedule = Schedule(plan, self.results.keys() | self._failed.keys(), self._memory)
        whole, end = True, None
        while schedule:
            stopping = end is not None or not whole or self._worker.cancelled.is_set()
            step = None
            if not stopping and schedule.running() < threads.most:
                step = schedule.take(self._need)
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
                    whole = False
                    self._lose(outcome.source)
                elif isinstance(outcome, Cancelled | CacheError):
                    end = end or outcome
                else:
                    forced.discard(name)
                    self._take_in(name, outcome)
            else:
                schedule.leave_device(name)
        if end is not None:
            raise end
        self._worker.check_cancelled()
        return whole

    def _start(
        self, step: Step, forced: bool, schedule: Schedule, threads: Threads
    ) -> Done | Exception | None:
        """Do a node here where nothing could go on beside it; else in a thread, giving None."""
        name = step.node.name
        broken = next((s for s in step.node.sources if s in self._failed), None)
        if broken is not None:
            return _NeedsError(broken, self._failed[broken])
        if step.result is not None or self._jobs == 1 or schedule.is_alone:
            return self._do(step, forced, lambda: None)

        def call() -> tuple[str, Done | Exception]:
            return name, self._do(step, forced, lambda: threads.results.put((name, None)))

        threads.call(call)
        return None

    def _do(self, step: Step, forced: bool, computed: Callable[[], None]) -> Done | Exception:
        try:
            return self._worker.do(step, forced, computed)
        except SystemExit as error:
            return RuntimeError(f"it tried to end the process ({error})")
        except Exception as error:
            return error

    def _need(self, step: Step) -> int:
        """About how many bytes a node's inputs take."""
        if self._jobs == 1 or step.result is not None:
            return 0
        outputs = (
            self.results[wire.node].outputs.get(wire.output)
            for wire in step.node.wires.values()
            if wire.node in self.results
        )
        return sum(_IN_MEMORY * (value.size or 0) for value in outputs if value)

    def _take_in(self, name: str, outcome: Done | Exception) -> None:
        """Note what became of a node."""
        node = self._graph.nodes[name]
        if isinstance(outcome, _NeedsError):
            self._fail(node, f"needs {outcome.needed!r}, which failed", outcome.because)
        elif isinstance(outcome, Exception):
            self._fail(node, self._explain(node, outcome))
        else:
            self._note(outcome)

    def _note(self, done: Done) -> None:
        node, result = done.node, done.result
        self._counts[done.action] += 1
        self.results[node.name] = result
        self._records[node.name] = {
            "type": node.spec.id,
            "version": node.spec.version,
            "key": done.key.digest,
            "action": done.action,
            "outputs": result.digests,
            "seconds": round(result.seconds, 6),
        }
        event: Event
        if done.action == "cached":
            event = Cached(
                node=node.name,
                type=node.spec.id,
                outputs=result.digests,
                seconds=result.seconds,
                files=done.files,
            )
        else:
            event = Finished(
                node=node.name,
                type=node.spec.id,
                outputs=result.digests,
                seconds=result.seconds,
                files=done.files,
                extended=done.from_step,
            )
        self._emit(event)

    def _lose(self, name: str) -> None:
        """Forget a result whose blob is lost."""
        if name in self.results:
            self._store.forget(self._records[name]["key"])
            del self.results[name]

    def _fail(self, node: BoundNode, message: str, because: str | None = None) -> None:
        self._failed[node.name] = because or node.name
        line = str(self._graph.problem(node, message))
        self._emit(Failed(node=node.name, type=node.spec.id, message=line, because=because))

    def _explain(self, node: BoundNode, error: Exception) -> str:
        """An exception as one line; a bug's traceback goes into a file."""
        code = error.exit_code if isinstance(error, ArtgraphError) else NodeError.exit_code
        self.exit_code = max(self.exit_code, code if code == InputError.exit_code else 1)
        words = self._words(node, error)
        traceback.clear_frames(error.__traceback__)  # they hold what the node was working on
        return words

    def _words(self, node: BoundNode, error: Exception) -> str:
        if isinstance(error, ArtgraphError):
            return str(error)
        if isinstance(error, SocketError):
            return f"returned what it must not: {error} - a bug in {node.spec.id}"
        if _is_out_of_memory(error):
            return "out of memory - make size, count or batch smaller"
        self._traces.append(f"{node.name}: " + "".join(traceback.format_exception(error)))
        path = self._publisher.folder / FAILURE
        self._publisher.write(path, "\n".join(self._traces).encode())
        what = " ".join(str(error).split())[:300]
        return f"{type(error).__name__}: {what} - the details are in {path}"

    def _write_manifest(self, finished: RunFinished, plan: list[Step]) -> None:
        from .. import __version__

        names = (step.node.name for step in plan)
        self._publisher.write_manifest(
            {
                "artgraph": __version__,
                "file": self._graph.document.file,
                "numerics": self._numerics.name(),
                "finished": finished.time,
                "status": finished.status,
                "seconds": finished.seconds,
                "nodes": {name: self._records[name] for name in names if name in self._records},
            }
        )
        self._store.pin(self._publisher.folder / MANIFEST)


class _NeedsError(Exception):
    """A node needs one that failed."""

    def __init__(self, needed: str, because: str) -> None:
        super().__init__(needed)
        self.needed, self.because = needed, because


def _is_out_of_memory(error: Exception) -> bool:
    """Torch has no one error for it (compare models.parts)."""
    text = str(error).lower()
    words = ("out of memory", "can't allocate memory")
    return isinstance(error, MemoryError) or any(word in text for word in words)


def _half_of_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 2**32
