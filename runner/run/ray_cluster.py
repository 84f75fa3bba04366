"""A Ray cluster on which the nodes of runs are computed (`--executor ray`).

Each task is a plain task of Ray. While it runs, it reports to the actor `Desk` on this machine,
which also passes on that the user wants to stop. Its last messages are what the task returns.
"""

from __future__ import annotations

import logging
import math
import os
import pickle
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from itertools import count
from typing import Any

from ...contract.errors import ArtgraphError, Cancelled, GraphError, NodeError
from ...contract.spec import NodeSpec
from ...models.training.numerics import Numerics
from ..graph.bound import Graph
from ..store.results import Result
from .compute import Computed
from .device_option import numerics_for
from .events import Logged, Waiting
from .job import Job
from .plan import LostBlobError
from .ray_store import place_of
from .ray_task import ENDS, Message, NodeData, Outcome, Task, code_of, modules_of, perform
from .signals import ending_signals

_POLL_SECONDS = 0.2  # between two looks at a task
_START_SECONDS = 5.0  # after which a task that does not start is reported
_CANCEL_SECONDS = 1.0  # in which a task that runs has reported at least once
_CONNECT_SECONDS = 5.0  # in which the cluster must answer
_MOST_LOSSES = 3  # how often a task is started again because its worker was lost


class _LostError(Exception):
    """The worker of a task was lost; the text says why.

    is_final: the same would happen again.
    """

    def __init__(self, reason: str, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


class Desk:
    """Receives what tasks report, and reports to them that the user wants to stop."""

    def __init__(self) -> None:
        self._batches: dict[int, list[bytes]] = {}
        self._stopped: set[int] = set()

    def report(self, task: int, batch: bytes) -> bool:
        """Accept messages of a task. Returns whether the user wants to stop."""
        self._batches.setdefault(task, []).append(batch)
        return task in self._stopped

    def take(self, task: int) -> list[bytes] | None:
        """Returns the new messages of a task; None if it has never reported."""
        if task not in self._batches:
            return None
        batches, self._batches[task] = self._batches[task], []
        return batches

    def stop(self, task: int) -> None:
        self._stopped.add(task)

    def forget(self, task: int) -> None:
        self._batches.pop(task, None)
        self._stopped.discard(task)


def work(task: bytes, number: int, desk: Any) -> tuple[list[Message], bool]:
    """Perform a task on a worker. Returns its last messages, and whether it reported others."""
    import ray

    has_reported = False

    def report(messages: list[Message]) -> bool:
        nonlocal has_reported
        has_reported = True
        return bool(ray.get(desk.report.remote(number, pickle.dumps(messages))))

    return perform(pickle.loads(task), report), has_reported  # noqa: S301 - from our own process


class RayCluster:
    """A cluster; it is only connected when the first task starts.

    address: the address of the cluster; None for RAY_ADDRESS, or a cluster that runs on this
             machine, or else one that is started for this process.
    packs:   the packs that the workers load.
    remote:  the address of the remote cache.
    warn:    receives one line if a cluster is started.

    Raises: GraphError if Ray is not installed.
    """

    def __init__(
        self,
        address: str | None,
        packs: Iterable[str],
        remote: str | None,
        warn: Callable[[str], None],
    ) -> None:
        if find_spec("ray") is None:
            raise GraphError(
                "--executor ray: Ray is not installed", "run `pip install 'artgraph[ray]'`"
            )
        self._address, self._remote, self._warn = address, remote, warn
        self._packs = tuple(os.path.abspath(p) if p.endswith(".py") else p for p in packs)  # noqa: PTH100
        self._numbers = count()
        self._connecting = threading.Lock()
        self._desk: Any = None
        self._function: Any = None

    def connect(self) -> None:
        """Connect to the cluster, if that was not done yet. Call it in the main thread first.

        Raises: GraphError if that is not possible.
        """
        with self._connecting:
            if self._desk is None:
                with _own_signals():
                    self._start()

    def _start(self) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster of ours reports nothing
        ray._private.worker.print_to_stdstream = _print_nothing  # it prints to standard output
        address = self._address or os.environ.get("RAY_ADDRESS")
        if address:
            _check_address(address)
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            if ray.is_initialized():
                pass
            elif address:
                ray.init(address, **options)
            else:
                try:
                    ray.init("auto", **options)
                except ConnectionError:
                    self._warn("no Ray cluster runs on this machine; one is started for this run")
                    ray.init("local", include_dashboard=False, **options)
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise GraphError(
                f"--executor ray: the cluster {address or ''} can't be used: {reason}",
                "check that `ray status` answers on this machine; if the cluster has a token, set"
                " RAY_AUTH_MODE=token",
            ) from error
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._desk = ray.remote(Desk).options(num_cpus=0, scheduling_strategy=here).remote()
        self._function = ray.remote(work)

    @property
    def slots(self) -> int:
        """How many tasks are on the way at the same time: two per core of the cluster."""
        self.connect()
        return max(4, min(256, 2 * int(_total("CPU"))))

    def numerics(self, device: str) -> Numerics:
        """Returns the numerics of `--device`, on the GPUs of the cluster unless it is cpu.

        Raises: GraphError.
        """
        import ray

        name, plus, extras = device.partition("+")
        if name in ("cpu", "mps"):
            return numerics_for(device)
        self.connect()
        if _total("GPU"):
            ask = ray.remote(numerics_for).options(num_cpus=0, num_gpus=1)
            try:
                return replace(ray.get(ask.remote(f"cuda{plus}{extras}")), device="cuda")
            except ray.exceptions.RayError as error:
                reason = " ".join(str(error).split())[-300:]
                what = f"--device {device}: no GPU of the cluster can be used: {reason}"
                raise GraphError(what, "check the machines, or use --device cpu") from error
        if name != "auto":
            what = f"--device {device}: the cluster has no GPU"
            raise GraphError(what, "add a machine that has one, or use --device cpu")
        return numerics_for(f"cpu{plus}{extras}")

    def perform(
        self,
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

        Raises: ArtgraphError if the cluster is lost; Cancelled, CacheError, GraphError,
        LostBlobError.
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
                if self._remote and job.store.lookup(outcome.key.digest) is None:
                    raise LostBlobError(message.name)
            report(message)

        while rest := _rest(job.graph, names, over, done):
            if losses:  # one by one, so that it is clear which node needs too much
                rest = rest[:1]
            before = len(over)
            task = _task(job, rest, done, forced - over, self._packs, self._remote)
            try:
                self._once(task, job, note, cancelled)
                if len(over) == before:
                    raise _LostError("it reported nothing")
                losses = 0
            except _LostError as error:
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

    def _once(
        self,
        task: Task,
        job: Job,
        report: Callable[[Message], None],
        cancelled: threading.Event,
    ) -> None:
        """Run a task once. Raises: _LostError, and what `perform` raises."""
        import ray

        self.connect()
        node, number = job.graph.nodes[task.names[0]], next(self._numbers)
        options = _needs(node.spec, job.numerics)
        started, is_stopped, stop_at, has_started = time.monotonic(), False, 0.0, False
        reference = self._function.options(**options).remote(pickle.dumps(task), number, self._desk)

        def pass_on() -> bool:
            batches = ray.get(self._desk.take.remote(number))
            for message in (m for batch in batches or () for m in pickle.loads(batch)):  # noqa: S301 - from our workers
                report(message)
            return batches is not None

        try:
            while not ray.wait([reference], timeout=_POLL_SECONDS)[0]:
                has_started = pass_on() or has_started
                now = time.monotonic()
                if cancelled.is_set() and not is_stopped:
                    is_stopped, stop_at = True, now
                    self._desk.stop.remote(number)
                if is_stopped and not has_started and now - stop_at > _CANCEL_SECONDS:
                    ray.cancel(reference)
                if not has_started and now - started > _START_SECONDS:
                    started = math.inf
                    line = _waiting_line(options)
                    report(Waiting(node=node.name, type=node.spec.id, message=line))
            messages, has_reported = ray.get(reference)
            if has_reported:
                pass_on()
            for message in messages:
                report(message)
        except ray.exceptions.RayError as error:
            if cancelled.is_set():
                raise Cancelled from error
            with suppress(ray.exceptions.RayError):
                pass_on()
            raise _failure(error) from error
        finally:
            self._desk.forget.remote(number)


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


def _task(
    job: Job,
    names: Sequence[str],
    results: Mapping[str, Result],
    forced: frozenset[str],
    packs: tuple[str, ...],
    remote: str | None,
) -> Task:
    nodes = _described(job.graph, names)
    specs = [job.graph.nodes[name].spec for name in nodes]
    modules = modules_of(specs)
    inside = set(names)
    needed = {s for name in names for s in job.graph.nodes[name].sources} - inside
    return Task(
        code_of(modules),
        modules,
        packs,
        tuple(nodes.values()),
        tuple(names),
        forced & inside,
        {name: results[name] for name in needed},
        job.numerics,
        job.graph.document.file,
        job.graph.folders,
        place_of(job.store, remote),
        job.previews,
        Numerics.of("cpu").threads,
    )


def _described(graph: Graph, names: Sequence[str]) -> dict[str, NodeData]:
    """Returns the nodes, and those that say what kinds of values they get."""
    found: dict[str, NodeData] = {}
    waiting = list(names)
    inside = set(names)
    while waiting:
        node = graph.nodes[waiting.pop()]
        if node.name in found:
            continue
        found[node.name] = NodeData(
            node.name, node.line, node.spec.id, node.wires, node.values, node.file
        )
        has_variable = any(len(port.sockets) > 1 for port in node.spec.outputs.values())
        if node.name in inside or has_variable:
            waiting += node.sources
    return found


def _needs(spec: NodeSpec, numerics: Numerics) -> dict[str, Any]:
    """Returns the resources of a node's task as Ray's options."""
    on_gpu = numerics.device.startswith("cuda")
    cpus = spec.cpus
    if cpus is None:
        cpus = min(numerics.threads, _most("CPU")) if spec.device and not on_gpu else 1
    gpus = spec.gpus if spec.gpus is not None else float(spec.device)
    options: dict[str, Any] = {"num_cpus": cpus, "num_gpus": gpus if on_gpu else 0}
    if spec.memory is not None:
        options["memory"] = spec.memory
    return options | {"max_retries": 0, "name": f"artgraph {spec.id}"}


def _total(resource: str) -> float:
    """Returns how much of a resource the cluster has."""
    import ray

    return float(ray.cluster_resources().get(resource, 0))  # type: ignore[no-untyped-call]


def _most(resource: str) -> float:
    """Returns the largest amount of a resource that a machine of the cluster has."""
    import ray

    machines = [m for m in ray.nodes() if m["Alive"]]  # type: ignore[no-untyped-call]
    return max((float(m["Resources"].get(resource, 0)) for m in machines), default=0.0)


def _waiting_line(options: Mapping[str, Any]) -> str:
    """Returns why a task does not start."""
    names = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
    for option, resource in names.items():
        wanted, most = options.get(option, 0), _most(resource)
        if wanted > most:
            unit = " bytes" if resource == "memory" else ""
            return (
                f"waits for a machine with {resource} {wanted:g}{unit}; the largest of the cluster"
                f" has {most:g} - add one, or stop with Ctrl-C"
            )
    return "waits for a worker of the cluster"


def _failure(error: Exception) -> Exception:
    """Returns the error to raise for an error of Ray."""
    from ray import exceptions

    reason = " ".join(str(error).split())
    if isinstance(error, exceptions.OutOfMemoryError):
        return _LostError("out of memory on a machine of the cluster", is_final=True)
    if isinstance(error, exceptions.TaskCancelledError):
        return Cancelled()
    if isinstance(error, exceptions.RayActorError):  # the desk, which is on this machine
        return ArtgraphError(
            "the Ray cluster has ended, or its process for messages on this machine",
            "start it again with `ray start`, then run again: finished results are reused",
        )
    if isinstance(error, exceptions.RayTaskError):
        cause = " ".join(str(error.cause or error).split())
        return GraphError(
            f"a worker of the cluster can't run artgraph: {cause[-300:]}",
            "install the same version of artgraph on all machines",
        )
    if isinstance(error, exceptions.NodeDiedError):
        return _LostError("its machine was lost")
    if isinstance(error, exceptions.WorkerCrashedError):
        return _LostError("its process was killed")
    return _LostError(f"its task was lost ({type(error).__name__}: {reason[:120]})")


def _check_address(address: str) -> None:
    """Raise GraphError at once if nothing answers at an address; Ray would wait for minutes."""
    host, _, port = address.rpartition(":")
    if "://" in address:
        what = f"--executor ray: {address} is an address of Ray Client, which can't be used here"
        raise GraphError(what, "run artgraph on a machine of the cluster, and name it as HOST:PORT")
    if not host or not port.isdigit():
        return  # such as `auto`
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise GraphError(
            f"--executor ray: no cluster answers at {address} ({error})",
            "start one with `ray start --head`, or correct --ray-address or RAY_ADDRESS",
        ) from error


def _print_nothing(*_: object, **__: object) -> None:
    """Print nothing: artgraph reports what happens to its tasks."""


@contextmanager
def _own_signals() -> Iterator[None]:
    """Restore the handlers of signals after the block, since Ray replaces them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in ending_signals()}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
