"""Records what the nodes of a run did, for events, the manifest and the counts."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Mapping
from typing import Any

from ...contract.errors import ArtgraphError, Cancelled, InputError, NodeError
from ...contract.values.socket import SocketError
from ...models.training.diverged import DivergedError
from ...models.training.numerics import is_out_of_memory
from ..graph.bound import BoundNode
from ..store.results import Result
from .events import Action, Cached, Event, Failed, Finished, RunFinished
from .job import Job
from .worker import Done

_log = logging.getLogger("artgraph")
FAILURE = "failure.txt"
_MOST_TRACES = 20  # tracebacks in this file
_PAST: dict[Action, str] = {"run": "ran", "cached": "cached", "extend": "extended"}


class NeedsError(Exception):
    """A node needs the node `needed`, which failed or was skipped because `because` failed."""

    def __init__(self, needed: str, because: str) -> None:
        super().__init__(needed)
        self.needed, self.because = needed, because


class Record:
    """The record of one run.

    results:   the results of the nodes that are done, by node.
    failed:    the nodes that failed or were skipped, each with the node that failed first.
    keys:      the keys of the results, by node.
    exit_code: the highest exit code of all errors.

    done:   the results of nodes that ran before.
    traces: the tracebacks of bugs, also of earlier parts of the run.
    """

    def __init__(self, job: Job, done: Mapping[str, Result], traces: list[str]) -> None:
        self._graph, self._publisher, self._listener = job.graph, job.publisher, job.listener
        self._emitting = threading.Lock()
        self._listener_failed = False
        self.results: dict[str, Result] = dict(done)
        self.failed: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self._nodes: dict[str, dict[str, Any]] = {}  # the nodes' entries in the manifest
        self._traces = traces
        self._counts = dict.fromkeys(_PAST.values(), 0)
        self.exit_code = 0

    def emit(self, event: Event) -> None:
        """Pass an event to the listener, one thread at a time.

        An error of the listener does not reach the nodes. It is logged, once per run.
        """
        with self._emitting:
            try:
                self._listener(event)
            except Cancelled:  # a signal that arrived during the call
                raise
            except Exception as error:
                if not self._listener_failed:
                    self._listener_failed = True
                    _log.warning("an event of the run was not shown: %r", error)

    def add(self, name: str, outcome: Done | Exception) -> None:
        """Record the outcome of a node."""
        node = self._graph.nodes[name]
        if isinstance(outcome, Done):
            self._add_done(outcome)
        elif isinstance(outcome, NeedsError):
            self._fail(node, f"needs {outcome.needed!r}, which failed", "", outcome.because)
        else:
            self._fail(node, *self._explain(node, outcome))

    def forget(self, name: str) -> str | None:
        """Remove a node's result. Returns its key, if there was one."""
        self.results.pop(name, None)
        return self.keys.pop(name, None)

    def finish(self, status: str, seconds: float) -> RunFinished:
        """Returns the last event of the run, without emitting it."""
        if status == "done" and self.failed:
            status = "failed"
        return RunFinished(
            status=status,  # type: ignore[arg-type]
            ran=self._counts["ran"],
            cached=self._counts["cached"],
            extended=self._counts["extended"],
            failed=len(self.failed),
            seconds=seconds,
        )

    def manifest_nodes(self) -> dict[str, Any]:
        """Returns the manifest's entries of the nodes that are done."""
        order = (name for name in self._graph.sorted if name in self._nodes)
        return {name: self._nodes[name] for name in order if name in self.results}

    def _add_done(self, done: Done) -> None:
        node, result = done.node, done.result
        digests = result.digests
        action = _PAST[done.action]
        self._counts[action] += 1
        self.results[node.name] = result
        self.keys[node.name] = done.key.digest
        self._nodes[node.name] = {
            "type": node.spec.id,
            "version": node.spec.version,
            "key": done.key.digest,
            "action": action,
            "outputs": digests,
            "seconds": round(result.seconds, 6),
        }
        if done.device is not None:
            self._nodes[node.name]["device"] = done.device
        if done.action == "cached":
            self.emit(
                Cached(
                    node=node.name,
                    type=node.spec.id,
                    outputs=digests,
                    seconds=result.seconds,
                    files=done.files,
                )
            )
        else:
            self.emit(
                Finished(
                    node=node.name,
                    type=node.spec.id,
                    outputs=digests,
                    seconds=result.seconds,
                    files=done.files,
                    extended=done.from_step,
                )
            )

    def _fail(self, node: BoundNode, what: str, advice: str, because: str | None = None) -> None:
        self.failed[node.name] = because or node.name
        self.emit(
            Failed(
                node=node.name,
                type=node.spec.id,
                message=str(self._graph.problem(node, what, advice)),
                what=what,
                advice=advice,
                because=because,
            )
        )

    def _explain(self, node: BoundNode, error: Exception) -> tuple[str, str]:
        """Returns what is wrong and what to do; the traceback of a bug is written to a file."""
        code = error.exit_code if isinstance(error, ArtgraphError) else NodeError.exit_code
        self.exit_code = max(self.exit_code, code if code == InputError.exit_code else 1)
        texts = self._texts(node, error)
        traceback.clear_frames(error.__traceback__)  # frees the tensors of the node
        return texts

    def _texts(self, node: BoundNode, error: Exception) -> tuple[str, str]:
        if isinstance(error, ArtgraphError):
            return error.what, error.advice
        if isinstance(error, SocketError):
            return f"the node returned a wrong value: {error}", "report this bug"
        if is_out_of_memory(error):
            return "out of memory", "lower size, count or batch"
        if isinstance(error, DivergedError):
            return str(error), "lower the learning rate, or train for fewer steps"
        path = self._publisher.folder / FAILURE
        if len(self._traces) < _MOST_TRACES:
            self._traces.append(f"{node.name}: " + "".join(traceback.format_exception(error)))
            self._publisher.write(path, "\n".join(self._traces).encode())
        what = " ".join(str(error).split())[:300]
        return f"{type(error).__name__}: {what}", f"the details are in {path}"
