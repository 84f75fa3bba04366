"""Running a graph: each node once, in order, from the store where its result is there.

Every consumer gets its inputs fresh from the store, so that a cold run and a cached one see the
same bits, and no node can harm what another gets. A failed node stops only what needs it.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

from ..models.numerics import Numerics
from ..nodes.context import Context
from ..nodes.errors import ArtgraphError, CacheError, Cancelled, InputError, NodeError
from ..nodes.sockets import Socket, SocketError, socket_of
from .blobs import BlobError
from .events import (
    Cached,
    Failed,
    Finished,
    Listener,
    Logged,
    Planned,
    Previewed,
    Progressed,
    RunFinished,
    Started,
)
from .graph import BoundNode, Graph
from .keys import Key
from .plan import Step, make_plan, node_key, stored_output, widget_values
from .publish import PreviewWriter, Publisher
from .store import Result, Store

_PROGRESS_SECONDS = 0.2


class _LostBlobError(Exception):
    """A stored value that a node needs is gone; its result has been forgotten."""


class Run:
    """One run of a graph. `cancel()` may be called from a signal handler or another thread.

    `previews` are the seconds between two pictures of a node's work, None for none.
    """

    def __init__(
        self,
        graph: Graph,
        store: Store,
        numerics: Numerics,
        publisher: Publisher,
        listener: Listener,
        previews: float | None = 5.0,
    ) -> None:
        self._graph, self._store, self._numerics = graph, store, numerics
        self._publisher, self._emit = publisher, listener
        self._previews = None if previews is None else PreviewWriter(publisher, previews)
        self._cancelled = self._applied = False
        self.results: dict[str, Result] = {}
        self._failed: dict[str, str] = {}  # the node that failed, under each that needs it
        self._records: dict[str, dict[str, Any]] = {}  # for the manifest
        self._counts = {"ran": 0, "cached": 0, "extended": 0}
        self.exit_code = 0

    def cancel(self) -> None:
        """Stop at the next step of whatever runs."""
        self._cancelled = True

    def execute(self, only: Iterable[str] = (), force: Collection[str] = ()) -> RunFinished:
        """Run; the last event, with `exit_code` set.

        Raises: GraphError for a name in `only` or `force` that is no node, CacheError.
        """
        started, status = time.perf_counter(), "done"
        only = list(only)
        plan = make_plan(self._graph, self._store, self._numerics, only, force)
        for step in plan:
            self._emit(Planned(node=step.node.name, type=step.node.spec.id, action=step.action))
        force = set(force)
        try:
            while not self._pass(plan, force):
                plan = make_plan(self._graph, self._store, self._numerics, only)
        except Cancelled:
            status, self.exit_code = "interrupted", Cancelled.exit_code
        finally:
            self._store.flush()
        if status == "done" and self._failed:
            status = "failed"
        finished = RunFinished(
            status=status,  # type: ignore[arg-type]
            **self._counts,
            failed=len(self._failed),
            seconds=time.perf_counter() - started,
        )
        self._write_manifest(finished)
        self._emit(finished)
        return finished

    def _pass(self, plan: list[Step], force: set[str]) -> bool:
        """Go through the plan once; False where a lost result asks for a new plan."""
        for step in plan:
            name = step.node.name
            if name in self.results or name in self._failed:
                continue
            if self._cancelled:
                raise Cancelled
            broken = next((s for s in step.node.sources if s in self._failed), None)
            try:
                if broken is not None:
                    self._fail(step.node, f"needs {broken!r}, which failed", self._failed[broken])
                else:
                    self._run_node(step, name in force)
                    force.discard(name)
            except _LostBlobError:
                return False
            except (Cancelled, CacheError):
                raise
            except Exception as error:
                self._fail(step.node, *self._explain(step.node, error))
        return True

    def _run_node(self, step: Step, forced: bool) -> None:
        node = step.node
        if step.result is not None and step.key is not None and not forced:
            self._reuse(node, step.key, step.result)
            return
        widgets = widget_values(self._graph, node, self._store, self.results)
        key = step.key or node_key(node, widgets, self._store, self._numerics, self.results)
        result = None if forced else self._store.lookup(key.digest)
        if result is None:
            with self._store.lock(key.digest, self._check_cancelled):
                # Another process may have been at it while we waited.
                result = None if forced else self._store.lookup(key.digest)
                if result is None:
                    self._compute(node, widgets, key, forced)
                    return
        self._reuse(node, key, result)

    def _reuse(self, node: BoundNode, key: Key, result: Result) -> None:
        files = self._publish(node, result)
        self._note(node, key, "cached", result, files)
        self._emit(
            Cached(
                node=node.name,
                type=node.spec.id,
                outputs=result.digests,
                seconds=result.seconds,
                files=files,
            )
        )

    def _compute(self, node: BoundNode, widgets: dict[str, Any], key: Key, forced: bool) -> None:
        context, from_step = self._context(node, widgets, key, forced)
        inputs = {name: self._input(node, name) for name in node.wires if name in node.spec.inputs}
        self._emit(Started(node=node.name, type=node.spec.id, step=from_step))
        start = time.perf_counter()
        outputs = node.spec(inputs, widgets, context)
        del inputs
        seconds = time.perf_counter() - start
        values = {
            name: (_socket(node, name, value), value)
            for name, value in outputs.items()
            if value is not None or not node.spec.outputs[name].optional
        }
        result = self._store.put(key, values, seconds)
        files = self._publish(node, result)
        self._note(node, key, "ran" if from_step is None else "extended", result, files)
        self._emit(
            Finished(
                node=node.name,
                type=node.spec.id,
                outputs=result.digests,
                seconds=seconds,
                files=files,
                extended=from_step,
            )
        )

    def _input(self, node: BoundNode, name: str) -> Any:
        wire = node.wires[name]
        stored = stored_output(self.results, wire)
        port = self._graph.nodes[wire.node].spec.outputs[wire.output]
        sockets = port.sockets
        if len(sockets) > 1:  # tied by a type variable to what came in there
            sockets = (self._resolved(wire.node, wire.output),)
        try:
            return self._store.value(sockets[0], stored)
        except BlobError as error:
            self._store.blobs.remove(stored.digest)
            self._store.forget(self._records[wire.node]["key"])
            del self.results[wire.node]
            raise _LostBlobError from error

    def _resolved(self, name: str, output: str) -> Socket:
        """The one socket of an output that a type variable ties to an input."""
        node = self._graph.nodes[name]
        while len((port := node.spec.outputs[output]).sockets) > 1:
            tied = next(i for i, p in node.spec.inputs.items() if p.variable == port.variable)
            wire = node.wires[tied]
            node, output = self._graph.nodes[wire.node], wire.output
        return port.sockets[0]

    def _context(
        self, node: BoundNode, widgets: dict[str, Any], key: Key, forced: bool
    ) -> tuple[Context, int | None]:
        """What the node may use, and the step its training goes on from."""
        if node.spec.device and not self._applied:
            self._numerics.apply()
            self._applied = True
        context = Context(
            numerics=self._numerics,
            progress=self._progress(node),
            log=lambda message: self._emit(
                Logged(node=node.name, type=node.spec.id, message=message)
            ),
        )
        if key.training is None:
            return context, None
        total = widgets[node.spec.length or ""]
        checkpoint = self._store.checkpoint(key.training, total)
        if forced:
            checkpoint.clear()
        return replace(context, checkpoint=checkpoint), checkpoint.longest(total)

    def _progress(self, node: BoundNode) -> Callable[..., None]:
        last = 0.0

        def progress(done: float, total: float, preview: Any = None) -> None:
            nonlocal last
            self._check_cancelled()
            now = time.monotonic()
            if now - last >= _PROGRESS_SECONDS or done == total:
                last = now
                self._emit(Progressed(node=node.name, type=node.spec.id, done=done, total=total))
            if preview is not None and self._previews is not None and self._previews.is_due():
                path = self._previews.save(node.name, preview())
                self._emit(Previewed(node=node.name, type=node.spec.id, path=path))

        return progress

    def _check_cancelled(self) -> None:
        if self._cancelled:
            raise Cancelled

    def _publish(self, node: BoundNode, result: Result) -> list[str]:
        """Write the files among a node's outputs."""
        paths: list[str] = []
        for name, stored in result.outputs.items():
            socket = node.spec.outputs[name].sockets[0]
            if socket.name == "files":
                paths += self._publisher.publish(
                    node.name,
                    stored.digest,
                    lambda socket=socket, stored=stored: self._store.value(socket, stored),
                )
        return paths

    def _note(
        self, node: BoundNode, key: Key, action: str, result: Result, files: list[str]
    ) -> None:
        self._counts[action] += 1
        self.results[node.name] = result
        self._records[node.name] = {
            "type": node.spec.id,
            "version": node.spec.version,
            "key": key.digest,
            "action": action,
            "outputs": result.digests,
            "seconds": round(result.seconds, 6),
        }

    def _fail(self, node: BoundNode, message: str, because: str | None = None) -> None:
        self._failed[node.name] = because or node.name
        line = str(self._graph.problem(node, message))
        self._emit(Failed(node=node.name, type=node.spec.id, message=line, because=because))

    def _explain(self, node: BoundNode, error: Exception) -> tuple[str]:
        """An exception as one line; a bug's traceback goes into a file."""
        code = error.exit_code if isinstance(error, ArtgraphError) else NodeError.exit_code
        self.exit_code = max(self.exit_code, code if code == InputError.exit_code else 1)
        if isinstance(error, ArtgraphError):
            return (str(error),)
        if isinstance(error, SocketError):
            return (f"returned what it must not: {error} - a bug in {node.spec.id}",)
        if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
            return ("out of memory - make size, count or batch smaller",)
        trace = "".join(traceback.format_exception(error))
        path = self._publisher.folder / "failure.txt"
        self._publisher.write(path, trace.encode())
        what = " ".join(str(error).split())[:300]
        return (f"{type(error).__name__}: {what} - the details are in {path}",)

    def _write_manifest(self, finished: RunFinished) -> None:
        from .. import __version__

        self._publisher.write_manifest(
            {
                "artgraph": __version__,
                "file": self._graph.document.file,
                "numerics": self._numerics.name(),
                "finished": finished.time,
                "status": finished.status,
                "seconds": finished.seconds,
                "nodes": self._records,
            }
        )


def _socket(node: BoundNode, output: str, value: Any) -> Socket:
    """The socket of an output; where several are possible, the value's own."""
    sockets = node.spec.outputs[output].sockets
    if len(sockets) == 1:
        return sockets[0]
    socket = socket_of(type(value))
    if socket not in sockets or socket is None:
        raise SocketError(f"{output} is a {type(value).__name__}")
    return socket
