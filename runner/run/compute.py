"""Executes one node: its result is found in the store, or computed and stored.

Runs (from the command line or the editor) and ComfyUI use the same functions. A `Host` represents
the differences: how inputs are read, and who gets progress, warnings and cancellation.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from ...contract.context import Context
from ...contract.errors import InputError, NodeError
from ...contract.spec import NodeSpec
from ...contract.values.kinds import socket_of
from ...contract.values.socket import Socket, SocketError
from ...models.training.numerics import Numerics
from ...models.training.stages import Stage
from ..store.holders import Holder, describe
from ..store.keys import Key, with_fingerprints
from ..store.results import Result
from ..store.store import Store
from .events import Action
from .files_read import FilesRead

_MOST_READINGS = 3  # how often a node runs if the files that it reads change meanwhile


class Host(Protocol):
    """The program in which a node runs, for one execution of the node."""

    @property
    def numerics(self) -> Numerics: ...

    def inputs(self) -> dict[str, Any]:
        """Returns the values of the wired inputs, newly read from the store."""

    def progress(self, done: float, total: float, preview: Any = None) -> None:
        """Report progress (`Progress`). Raises: Cancelled if the user wants to stop."""

    def stages(self, stages: Sequence[Stage]) -> None:
        """Called before the first progress, if the work has several stages."""

    def log(self, message: str) -> None:
        """Show one line about the work."""

    def warn(self, message: str) -> None:
        """Show one line about the result."""

    @property
    def label(self) -> str:
        """The node and its graph, for other processes that wait for the result."""

    def waiting(self, holder: Holder | None) -> None:
        """Show that the node waits for this process, which computes the same result."""

    def check_cancelled(self) -> None:
        """Raise Cancelled if the user wants to stop."""

    def started(self, step: int | None) -> None:
        """Called right before the node runs; `step` is the step at which its training resumes."""

    def computed(self) -> None:
        """Called when the outputs are computed, before they are stored."""

    def switches(self) -> AbstractContextManager[None]:
        """Returns a context in which torch's process-wide switches are set for the numerics."""


class Computed(NamedTuple):
    """A node's result, its key, what was done for it, and the step at which its training resumed.

    The key is not the one that was asked for if a file that the node reads has changed since.
    """

    key: Key
    result: Result
    action: Action
    from_step: int | None = None


def find_or_compute(
    spec: NodeSpec,
    widgets: Mapping[str, Any],
    key: Key,
    store: Store,
    host: Host,
    forced: bool = False,
    asked_remote: bool = False,
) -> Computed:
    """Returns the result under `key`, after computing it if it is not stored.

    If the node reads files, their fingerprints are taken again before and after it runs. A result
    is stored only under the key of the files that were really read. If they change meanwhile, the
    node runs again.

    forced:       compute it even if it is stored, and without the checkpoints of its training.
    asked_remote: the remote cache is known not to contain this key.

    Raises: the errors of the node; InputError if its files change each time; Cancelled,
    SocketError, CacheError.
    """
    files = FilesRead(spec, widgets, store)
    for _ in range(_MOST_READINGS):
        fresh = with_fingerprints(key, spec, files.take()) if files else key
        asked_remote = asked_remote and fresh.digest == key.digest
        key = fresh
        done = _attempt(spec, widgets, key, store, host, forced, asked_remote, files)
        if done is not None:
            return done
        host.log(f"{files.names} changed while it was read, and is read again")
    raise InputError(
        f"{files.names} changed each time while it was read",
        "wait until it is complete, and run again",
    )


def _attempt(
    spec: NodeSpec,
    widgets: Mapping[str, Any],
    key: Key,
    store: Store,
    host: Host,
    forced: bool,
    asked_remote: bool,
    files: FilesRead,
) -> Computed | None:
    """Returns the result under `key`, or None if the node read files that changed meanwhile."""
    result = None if forced else store.lookup(key.digest, far=False)
    if result is None:
        with store.lock(key.digest, host.check_cancelled, host.waiting, host.label):
            # Another process or machine may have computed the result while this one waited.
            if not forced:
                result = store.lookup(key.digest, far=not asked_remote)
            if result is None:
                return _compute(spec, widgets, key, store, host, forced, files)
    return reuse(key, result, host)


def waiting_line(holder: Holder | None) -> str:
    """Returns one line about the process that a node waits for."""
    who, advice = describe(holder)
    return f"waits for the same result of {who} - {advice}"


def reuse(key: Key, result: Result, host: Host) -> Computed:
    """Returns a stored result, after showing its warnings again."""
    for message in result.warnings:
        host.warn(message)
    return Computed(key, result, "cached")


def _compute(
    spec: NodeSpec,
    widgets: Mapping[str, Any],
    key: Key,
    store: Store,
    host: Host,
    forced: bool,
    files: FilesRead,
) -> Computed | None:
    warnings: list[str] = []

    def warn(message: str) -> None:
        warnings.append(message)
        if not files:
            host.warn(message)

    numerics = host.numerics
    context = Context(
        numerics,
        host.progress,
        log=host.log,
        warn=warn,
        stages=host.stages,
        temporary=store.blobs.temporary,
    )
    from_step = None
    if key.training is not None:
        total = widgets[spec.length or ""]
        checkpoint = store.checkpoint(key.training, total, spec.id)
        if forced:
            checkpoint.clear()
        else:
            checkpoint.fetch()
        from_step = checkpoint.longest(total)
        context = replace(context, checkpoint=checkpoint)
    inputs = host.inputs()
    host.started(from_step)
    with ExitStack() as settings:
        if spec.device:
            settings.enter_context(numerics.current())
            numerics.release()
            settings.enter_context(host.switches())
        start = time.perf_counter()
        try:
            outputs = _call(spec, inputs, widgets, context)
        except NodeError:
            if files.are_unchanged():
                raise
            return None
        seconds = time.perf_counter() - start
        del inputs  # frees memory, which storing needs, too
        host.computed()
        values = {
            name: (_socket(spec, name, value), value)
            for name, value in outputs.items()
            if value is not None or not spec.outputs[name].optional
        }
        # The switches are still set, since large batches of pictures are computed while stored.
        result = store.put(key, values, seconds, warnings, files.are_unchanged)
    del outputs, values
    if spec.device:
        numerics.release()
    if result is None:
        return None
    if files:  # only now is it certain that the warnings are about this result
        for message in warnings:
            host.warn(message)
    return Computed(key, result, "run" if from_step is None else "extend", from_step)


def _call(
    spec: NodeSpec, inputs: Mapping[str, Any], widgets: Mapping[str, Any], context: Context
) -> dict[str, Any]:
    try:
        return spec(inputs, widgets, context)
    except SystemExit as error:
        raise RuntimeError(f"it tried to end the process ({error})") from error


def _socket(spec: NodeSpec, output: str, value: Any) -> Socket:
    """Returns the socket of an output; if several are possible, the one of the value.

    Raises: SocketError if the output does not declare the kind of the value.
    """
    sockets = spec.outputs[output].sockets
    if len(sockets) == 1:
        return sockets[0]
    socket = socket_of(type(value))
    if socket not in sockets or socket is None:
        raise SocketError(f"output {output} is a {type(value).__name__}")
    return socket
