"""Executes one node of a run: finds its widgets and key, gets its result, publishes its files.

Any thread may do this. Inputs are newly read from the store for every node. So a cold run and a
cached run see the same bits, and a node cannot change the inputs of another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from ...contract.errors import Cancelled
from ...contract.values.files import SOURCE
from ...contract.values.socket import Socket
from ...models.training.numerics import Numerics, is_out_of_memory
from ...models.training.stages import Stage
from ..graph.bound import BoundNode, Source
from ..graph.sources import Picture, UnclearSource, picture_widget, source_name, source_of
from ..store.blobs import BlobError
from ..store.holders import Holder
from ..store.keys import Key
from ..store.results import Result, Stored
from .compute import Computed, find_or_compute, reuse, waiting_line
from .estimate import Estimator
from .events import Action, Listener, Logged, Previewed, Progressed, Started, Waiting, Warned
from .job import Job
from .pace import Pace
from .plan import ENDS, LostBlobError, Step, carrying, node_key, widget_values, wired_value
from .publish import PreviewWriter

_PROGRESS_SECONDS = 0.2


class Done(NamedTuple):
    """The outcome of a node.

    files:     the paths of the files that it saves.
    from_step: the step at which its training resumed.
    device:    the device on which it computed, if there are several.
    """

    node: BoundNode
    action: Action
    key: Key
    result: Result
    files: list[str]
    from_step: int | None
    device: str | None


class Worker:
    """Executes nodes of one run; `results` contains the results of all nodes that are done."""

    def __init__(self, job: Job, emit: Listener, results: Mapping[str, Result]) -> None:
        self.job, self.emit, self._results = job, emit, results
        seconds = job.previews
        self.previews = None if seconds is None else PreviewWriter(job.publisher, seconds)
        self.cancelled = threading.Event()
        self.estimator = Estimator(job.graph, job.store, job.numerics)

    def do(
        self, step: Step, forced: bool, numerics: Numerics, computed: Callable[[], None]
    ) -> Done:
        """Execute a node whose sources are done, and write its files.

        The arguments and errors are those of `compute`.
        """
        outcome = self.compute(step, forced, numerics, computed)
        has_device = step.node.spec.device and self.job.others and outcome.action != "cached"
        return self.done(step.node, outcome, numerics.device if has_device else None)

    def compute(
        self, step: Step, forced: bool, numerics: Numerics, computed: Callable[[], None]
    ) -> Computed:
        """Returns the result of a node whose sources are done.

        numerics: those of the device on which it computes.
        computed: called when the outputs are computed, before they are stored.

        Raises: the errors of the node; Cancelled, CacheError, LostBlobError.
        """
        node, job, key, widgets = step.node, self.job, step.key, step.widgets
        host = _NodeHost(self, node, numerics, computed)
        if step.result is not None and key is not None and not forced:
            outcome, own = reuse(key, step.result, host), job.ahead.pop(key.digest, None)
            return outcome if own is None else own._replace(result=outcome.result)
        if widgets is None:
            widgets = widget_values(job.graph, node, job.store, self._results)
        if key is None:
            key = node_key(job.graph, node, widgets, job.store, job.numerics, self._results)
        if key.digest in job.failures:
            error, traceback = job.failures[key.digest]
            raise error.with_traceback(traceback)
        asked_remote = step.key is not None  # `make_plan` looked the key up
        try:
            outcome = find_or_compute(
                node.spec, widgets, key, job.store, host, forced, asked_remote
            )
        except ENDS:
            raise
        except Exception as error:
            # Later there may be more memory, and the message may contain the name of a file.
            if not is_out_of_memory(error) and not node.spec.paths:
                job.failures[key.digest] = error, error.__traceback__
            raise
        if outcome.action != "cached":
            steps = widgets.get(node.spec.length or "", 0) - (outcome.from_step or 0)
            self.estimator.record(
                node, outcome.result.seconds, steps, host.pace.step_seconds, outcome.from_step
            )
        return outcome

    def check_cancelled(self) -> None:
        """Raise Cancelled if the user asked to stop."""
        if self.cancelled.is_set():
            raise Cancelled

    def inputs(self, node: BoundNode) -> dict[str, Any]:
        """Returns the values of the wired inputs that carry one.

        Raises: LostBlobError.
        """
        wires = carrying(self.job.graph, node, self._results)
        return {name: self._input(node, name, wire) for name, wire in wires}

    def _input(self, node: BoundNode, name: str, wire: Source) -> Any:
        sockets = node.spec.inputs[name].sockets  # the input's own socket may decode differently
        socket = sockets[0] if len(sockets) == 1 else self._resolved(wire.node, wire.output)
        return wired_value(socket, wire, self.job.store, self._results)

    def _resolved(self, name: str, output: str) -> Socket:
        """Returns the one socket of an output, also if a type variable ties it to an input."""
        node = self.job.graph.nodes[name]
        while len((port := node.spec.outputs[output]).sockets) > 1:
            tied = next(i for i, p in node.spec.inputs.items() if p.variable == port.variable)
            wire = node.wires[tied]
            node, output = self.job.graph.nodes[wire.node], wire.output
        return port.sockets[0]

    def done(self, node: BoundNode, outcome: Computed, device: str | None) -> Done:
        """Write the files of a node that was computed. Returns what was done.

        Raises: NodeError if a file can't be written; Cancelled, LostBlobError.
        """
        key, result, action, from_step = outcome
        files = self._publish(node, key, result) if node.spec.saves else []
        return Done(node, action, key, result, files, from_step, device)

    def _publish(self, node: BoundNode, key: Key, result: Result) -> list[str]:
        """Write the files among a node's outputs. Returns their paths.

        Raises: LostBlobError.
        """
        paths: list[str] = []
        store, source = self.job.store, self._source(node)
        for name, stored in result.outputs.items():
            socket = node.spec.outputs[name].sockets[0]
            if socket.name == "files":

                def load(socket: Socket = socket, stored: Stored = stored) -> Any:
                    return store.value(socket, stored)

                try:
                    paths += self.job.publisher.publish(
                        node.name, stored.digest, load, self.check_cancelled, source
                    )
                except BlobError as error:
                    store.forget(key.digest)
                    raise LostBlobError(node.name) from error
        return paths

    def _source(self, node: BoundNode) -> Picture | None:
        """Returns the picture that `{source}` means in the names of a node's files.

        Raises: LostBlobError.
        """
        graph, name = self.job.graph, node.spec.file_name
        if self.job.picture is not None:
            return self.job.picture
        if name not in node.wires and not SOURCE.search(str(node.values.get(name or ""))):
            return None
        try:
            source = graph.nodes[source_of(graph, node.name)]
        except UnclearSource:  # of a wired name; if it contains `{source}`, the node fails
            return None
        values = widget_values(graph, source, self.job.store, self._results)
        return source_name(source, values[picture_widget(source.spec) or ""])


class _NodeHost:
    """The host of one node of a run (compute.Host), which turns its reports into events."""

    def __init__(
        self,
        worker: Worker,
        node: BoundNode,
        numerics: Numerics,
        computed: Callable[[], None],
    ) -> None:
        self._worker, self.node = worker, node
        self.numerics, self.computed = numerics, computed
        self._last = 0.0  # the time of the last progress event
        self.pace = Pace(node.spec.length is not None, time.monotonic())
        self._rows = 0  # rows of the curves that were sent

    @property
    def device(self) -> str | None:
        """The device on which the node computes, if there are several."""
        return self.numerics.device if self.node.spec.device and self._worker.job.others else None

    def inputs(self) -> dict[str, Any]:
        return self._worker.inputs(self.node)

    def progress(self, done: float, total: float, preview: Any = None) -> None:
        self.check_cancelled()
        node, worker = self.node, self._worker
        now = time.monotonic()
        self.pace.move(done, total, now)
        if now - self._last >= _PROGRESS_SECONDS or done == total:
            self._last = now
            worker.emit(
                Progressed(
                    node=node.name,
                    type=node.spec.id,
                    done=done,
                    total=total,
                    words=self.pace.words,
                    left=self.pace.left,
                )
            )
        previews = worker.previews
        if preview is not None and previews is not None and previews.is_due(node.name):
            path = previews.save(node.name, preview())
            self._show(path, preview)

    def _show(self, path: str, preview: Any) -> None:
        """Emit an event about a preview, which a training's metrics and curves belong to."""
        metrics: dict[str, float] = getattr(preview, "metrics", dict)()
        curves: dict[str, list[float]] = getattr(preview, "curves", lambda row: {})(self._rows)
        self._rows += len(next(iter(curves.values()), ()))
        name, kind = self.node.name, self.node.spec.id
        self._worker.emit(
            Previewed(node=name, type=kind, path=path, metrics=metrics, curves=curves)
        )

    def stages(self, stages: Sequence[Stage]) -> None:
        self.pace.set_stages(stages)

    def log(self, message: str) -> None:
        self._worker.emit(Logged(node=self.node.name, type=self.node.spec.id, message=message))

    def warn(self, message: str) -> None:
        self._worker.emit(Warned(node=self.node.name, type=self.node.spec.id, message=message))

    @property
    def label(self) -> str:
        return f"node {self.node.name!r} of {self._worker.job.graph.document.file}"

    def waiting(self, holder: Holder | None) -> None:
        facts = {} if holder is None else holder._asdict()
        message = waiting_line(holder)
        self._worker.emit(
            Waiting(node=self.node.name, type=self.node.spec.id, message=message, **facts)
        )

    def check_cancelled(self) -> None:
        self._worker.check_cancelled()

    def started(self, step: int | None) -> None:
        node = self.node
        self._worker.emit(Started(node=node.name, type=node.spec.id, step=step, device=self.device))

    @contextmanager
    def switches(self) -> Iterator[None]:
        """Set the switches for the rest of the process, since a node may still be storing."""
        self.numerics.apply()
        yield
