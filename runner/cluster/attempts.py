"""Runs nodes in a task of a cluster, again if its worker is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from ...contract.errors import Cancelled, NodeError
from ..graph.bound import BoundNode, Graph
from ..run.compute import Computed
from ..run.events import Logged, Waiting
from ..run.job import Job
from ..run.plan import ENDS, LostBlobError, widget_values
from ..store.results import Result
from .connection import Connection
from .losses import LostError, meaning_of
from .resources import needs_of, waiting_line
from .task import Message, Outcome, Task, task_of

_POLL_SECONDS = 0.2  # between two looks at a task
_START_SECONDS = 5.0  # after which a task that does not start is reported
_CANCEL_SECONDS = 1.0  # in which a task that runs has reported at least once
_MOST_LOSSES = 3  # how often a task is started again because its worker was lost


def perform(
    connection: Connection,
    names: Sequence[str],
    job: Job,
    results: Mapping[str, Result],
    forced: frozenset[str],
    report: Callable[[Message], None],
    cancelled: threading.Event,
) -> None:
    """Run nodes in one task; `report` receives all that happens.

    If the worker is lost, those nodes that are not done run again, a few times.

    results: the results of the nodes that ran before.

    Raises: ArtgraphError if the cluster is lost; Cancelled, CacheError, GraphError, LostBlobError.
    """
    done, over, losses = dict(results), set[str](), 0

    def note(message: Message) -> None:
        if not isinstance(message, Outcome):
            report(message)
            return
        outcome = message.outcome
        if isinstance(outcome, Exception) and (not message.name or isinstance(outcome, ENDS)):
            raise outcome
        over.add(message.name)
        if isinstance(outcome, Computed):
            done[message.name] = outcome.result
            if connection.remote and job.store.lookup(outcome.key.digest) is None:
                raise LostBlobError(message.name)
        report(message)

    while rest := _rest(job.graph, names, over, done):
        if losses:  # one by one, so that it is clear which node needs too much
            rest = rest[:1]
        before = len(over)
        task = task_of(job, rest, done, forced - over, connection.packs, connection.remote)
        try:
            _attempt(connection, task, job, note, cancelled)
            if len(over) == before:
                raise LostError("it reported nothing")
            losses = 0
        except LostError as error:
            losses = 1 if len(over) > before else losses + 1
            reason = str(error)
            if losses > _MOST_LOSSES or (error.is_final and len(rest) == 1):
                advice = "lower size, count or batch, or declare `memory` at the node"
                what = reason if error.is_final else f"{reason}, {losses} times"
                note(Outcome(rest[0], NodeError(what, advice)))
                losses = 0
            elif len(over) == before:
                node = job.graph.nodes[rest[0]]
                line = f"{reason}; it runs again ({losses} of {_MOST_LOSSES})"
                report(Logged(node=node.name, type=node.spec.id, message=line))


def _attempt(
    connection: Connection,
    task: Task,
    job: Job,
    report: Callable[[Message], None],
    cancelled: threading.Event,
) -> None:
    """Run a task once. Raises: LostError, and what `perform` raises."""
    from ray.exceptions import RayError

    connection.connect()
    node = job.graph.nodes[task.names[0]]
    needs = needs_of(node.spec, _devices(job, node, task.results), job.numerics)
    sent = connection.send(task, needs, node.spec.id)
    started, stop_at, is_reported = time.monotonic(), 0.0, False
    try:
        while not sent.wait(_POLL_SECONDS):
            for message in sent.messages():
                report(message)
            now = time.monotonic()
            if cancelled.is_set() and not stop_at:
                stop_at = now
                sent.stop()
            if sent.has_started:
                continue
            if stop_at and now - stop_at > _CANCEL_SECONDS:
                sent.cancel()
            if now - started > _START_SECONDS and not is_reported:
                is_reported = True
                line = waiting_line(needs)
                report(Waiting(node=node.name, type=node.spec.id, message=line))
        for message in sent.last_messages():
            report(message)
    except RayError as error:
        if cancelled.is_set():
            raise Cancelled from error
        with suppress(RayError):
            for message in sent.messages():
                report(message)
        raise meaning_of(error) from error
    finally:
        sent.forget()


def _devices(job: Job, node: BoundNode, results: Mapping[str, Result]) -> int:
    """Returns on how many devices a node computes."""
    if node.spec.devices is None:
        return 1
    try:
        return int(widget_values(job.graph, node, job.store, results)[node.spec.devices])
    except (NodeError, LostBlobError):  # which the worker reports
        return 1


def _rest(
    graph: Graph, names: Sequence[str], over: Collection[str], done: Collection[str]
) -> list[str]:
    """Returns the nodes that can still run: not those that need one that has failed."""
    rest: list[str] = []
    ready = set(done)
    for name in names:
        if name not in over and graph.nodes[name].sources <= ready:
            rest.append(name)
            ready.add(name)
    return rest
