"""Doing one node: from the store where its result is there, else by running it.

Any thread may do it. Every consumer gets its inputs fresh from the store, so that a cold run and
a cached one see the same bits, and no node can harm what another gets.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..models.numerics import Numerics
from ..nodes.context import Context
from ..nodes.errors import Cancelled
from ..nodes.sockets import Socket, SocketError, socket_of
from .blobs import BlobError
from .events import Listener, Logged, Previewed, Progressed, Started, Warned
from .graph import BoundNode, Graph
from .keys import Key
from .plan import Step, node_key, stored_output, widget_values
from .publish import PreviewWriter, Publisher
from .results import Result, Stored
from .store import Store

_PROGRESS_SECONDS = 0.2


class LostBlobError(Exception):
    """A stored value that a node needs is gone; `source` gave it."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.source = source


@dataclass(frozen=True)
class Done:
    """What became of a node: `seconds` is what it took when it ran."""

    node: BoundNode
    action: Literal["ran", "cached", "extended"]
    key: Key
    result: Result
    files: list[str] = field(default_factory=list)
    from_step: int | None = None


class Worker:
    """Does nodes of one run; `results` holds those of all that are done."""

    def __init__(
        self,
        graph: Graph,
        store: Store,
        numerics: Numerics,
        publisher: Publisher,
        emit: Listener,
        previews: float | None,
        results: Mapping[str, Result],
    ) -> None:
        self._graph, self._store, self._numerics = graph, store, numerics
        self._publisher, self._emit, self._results = publisher, emit, results
        self._previews = None if previews is None else PreviewWriter(publisher, previews)
        self.cancelled = threading.Event()

    def do(self, step: Step, forced: bool, computed: Callable[[], None]) -> Done:
        """Do a node whose sources are done; `computed` hears when only storing is left.

        Raises: whatever the node does; Cancelled, CacheError, LostBlobError.
        """
        node = step.node
        if step.result is not None and step.key is not None and not forced:
            return self._reuse(node, step.key, step.result)
        widgets = widget_values(self._graph, node, self._store, self._results)
        key = step.key or node_key(node, widgets, self._store, self._numerics, self._results)
        result = None if forced else self._store.lookup(key.digest, far=False)
        if result is None:
            with self._store.lock(key.digest, self.check_cancelled):
                # Another process may have been at it while we waited, or another machine; the
                # latter was asked before where the plan knew the key.
                if not forced:
                    result = self._store.lookup(key.digest, far=step.key is None)
                if result is None:
                    return self._compute(node, widgets, key, forced, computed)
        return self._reuse(node, key, result)

    def check_cancelled(self) -> None:
        """Raise Cancelled where the user asked to stop."""
        if self.cancelled.is_set():
            raise Cancelled

    def _reuse(self, node: BoundNode, key: Key, result: Result) -> Done:
        for message in result.warnings:
            self._emit(Warned(node=node.name, type=node.spec.id, message=message))
        return Done(node, "cached", key, result, self._publish(node, key, result))

    def _compute(
        self,
        node: BoundNode,
        widgets: dict[str, Any],
        key: Key,
        forced: bool,
        computed: Callable[[], None],
    ) -> Done:
        warnings: list[str] = []
        context, from_step = self._context(node, widgets, key, forced, warnings)
        inputs = {name: self._input(node, name) for name in node.wires if name in node.spec.inputs}
        self._emit(Started(node=node.name, type=node.spec.id, step=from_step))
        if node.spec.device:
            self._numerics.release()
            self._numerics.apply()
        start = time.perf_counter()
        outputs = node.spec(inputs, widgets, context)
        seconds = time.perf_counter() - start
        del inputs
        computed()
        values = {
            name: (_socket(node, name, value), value)
            for name, value in outputs.items()
            if value is not None or not node.spec.outputs[name].optional
        }
        result = self._store.put(key, values, seconds, warnings)
        del outputs, values
        if node.spec.device:
            self._numerics.release()
        action: Literal["ran", "extended"] = "ran" if from_step is None else "extended"
        return Done(node, action, key, result, self._publish(node, key, result), from_step)

    def _input(self, node: BoundNode, name: str) -> Any:
        wire = node.wires[name]
        stored = stored_output(self._results, wire)
        sockets = node.spec.inputs[name].sockets  # its own way to read, where there is one
        socket = sockets[0] if len(sockets) == 1 else self._resolved(wire.node, wire.output)
        try:
            return self._store.value(socket, stored)
        except BlobError as error:
            self._store.blobs.remove(stored.digest)
            raise LostBlobError(wire.node) from error

    def _resolved(self, name: str, output: str) -> Socket:
        """The one socket of an output, also where a type variable ties it to an input."""
        node = self._graph.nodes[name]
        while len((port := node.spec.outputs[output]).sockets) > 1:
            tied = next(i for i, p in node.spec.inputs.items() if p.variable == port.variable)
            wire = node.wires[tied]
            node, output = self._graph.nodes[wire.node], wire.output
        return port.sockets[0]

    def _context(
        self,
        node: BoundNode,
        widgets: dict[str, Any],
        key: Key,
        forced: bool,
        warnings: list[str],
    ) -> tuple[Context, int | None]:
        """What the node may use, and the step its training goes on from.

        `warnings` gathers what it warns of, to be kept with its result.
        """

        def log(message: str) -> None:
            self._emit(Logged(node=node.name, type=node.spec.id, message=message))

        def warn(message: str) -> None:
            warnings.append(message)
            self._emit(Warned(node=node.name, type=node.spec.id, message=message))

        context = Context(self._numerics, self._progress(node), log=log, warn=warn)
        if key.training is None:
            return context, None
        total = widgets[node.spec.length or ""]
        checkpoint = self._store.checkpoint(key.training, total, node.spec.id)
        if forced:
            checkpoint.clear()
        return replace(context, checkpoint=checkpoint), checkpoint.longest(total)

    def _progress(self, node: BoundNode) -> Callable[..., None]:
        last = 0.0

        def progress(done: float, total: float, preview: Any = None) -> None:
            nonlocal last
            self.check_cancelled()
            now = time.monotonic()
            if now - last >= _PROGRESS_SECONDS or done == total:
                last = now
                self._emit(Progressed(node=node.name, type=node.spec.id, done=done, total=total))
            if preview is not None and self._previews is not None and self._previews.is_due():
                path = self._previews.save(node.name, preview())
                metrics: dict[str, float] = getattr(preview, "metrics", dict)()
                self._emit(Previewed(node=node.name, type=node.spec.id, path=path, metrics=metrics))

        return progress

    def _publish(self, node: BoundNode, key: Key, result: Result) -> list[str]:
        """Write the files among a node's outputs."""
        paths: list[str] = []
        if not node.spec.saves:
            return paths
        for name, stored in result.outputs.items():
            socket = node.spec.outputs[name].sockets[0]
            if socket.name == "files":

                def load(socket: Socket = socket, stored: Stored = stored) -> Any:
                    return self._store.value(socket, stored)

                try:
                    paths += self._publisher.publish(node.name, stored.digest, load)
                except BlobError as error:
                    self._store.blobs.remove(stored.digest)
                    self._store.forget(key.digest)
                    raise LostBlobError(node.name) from error
        return paths


def _socket(node: BoundNode, output: str, value: Any) -> Socket:
    """The socket of an output; where several are possible, the value's own."""
    sockets = node.spec.outputs[output].sockets
    if len(sockets) == 1:
        return sockets[0]
    socket = socket_of(type(value))
    if socket not in sockets or socket is None:
        raise SocketError(f"{output} is a {type(value).__name__}")
    return socket
