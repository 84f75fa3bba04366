"""The connection of this process to a Ray cluster."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from itertools import count
from typing import Any

from ...contract.errors import GraphError
from ...models.training.numerics import Numerics
from ..run.device_option import numerics_for
from ..run.signals import ending_signals
from .desk import Desk, work
from .resources import total
from .task import Message, Task

_SECONDS = 5.0  # in which the cluster must answer


class Connection:
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
        self._address, self._warn = address, warn
        self.remote = remote
        self.packs = tuple(os.path.abspath(p) if p.endswith(".py") else p for p in packs)  # noqa: PTH100
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
        return max(4, min(256, 2 * int(total("CPU"))))

    def numerics(self, device: str) -> Numerics:
        """Returns the numerics of `--device`, on the GPUs of the cluster unless it is cpu.

        Raises: GraphError.
        """
        import ray

        name, plus, extras = device.partition("+")
        if name in ("cpu", "mps"):
            return numerics_for(device)
        self.connect()
        if total("GPU"):
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

    def send(self, task: Task, needs: Mapping[str, Any], label: str) -> Sent:
        """Returns a task that waits for a worker with these resources (`needs_of`)."""
        number = next(self._numbers)
        function = self._function.options(**needs, max_retries=0, name=f"artgraph {label}")
        return Sent(function.remote(pickle.dumps(task), number, self._desk), number, self._desk)


class Sent:
    """A task on the way. The methods raise the errors of Ray.

    has_started: whether it was seen to run.
    """

    def __init__(self, reference: Any, number: int, desk: Any) -> None:
        self._reference, self._number, self._desk = reference, number, desk
        self.has_started = False

    def wait(self, seconds: float) -> bool:
        """Wait for so long, or until the task has ended. Returns whether it has."""
        import ray

        return bool(ray.wait([self._reference], timeout=seconds)[0])

    def messages(self) -> list[Message]:
        """Returns what the task has reported meanwhile."""
        import ray

        batches = ray.get(self._desk.take.remote(self._number))
        self.has_started = self.has_started or batches is not None
        return [m for batch in batches or () for m in pickle.loads(batch)]  # noqa: S301 - from our workers

    def last_messages(self) -> list[Message]:
        """Returns all that it reported until its end."""
        import ray

        messages, has_reported = ray.get(self._reference)
        return [*(self.messages() if has_reported else ()), *messages]

    def stop(self) -> None:
        """Let the task end within a step."""
        self._desk.stop.remote(self._number)

    def cancel(self) -> None:
        """Do not start the task."""
        import ray

        ray.cancel(self._reference)

    def forget(self) -> None:
        """Forget what it reported."""
        self._desk.forget.remote(self._number)


def _check_address(address: str) -> None:
    """Raise GraphError at once if nothing answers at an address; Ray would wait for minutes."""
    host, _, port = address.rpartition(":")
    if "://" in address:
        what = f"--executor ray: {address} is an address of Ray Client, which can't be used here"
        raise GraphError(what, "run artgraph on a machine of the cluster, and name it as HOST:PORT")
    if not host or not port.isdigit():
        return  # such as `auto`
    try:
        socket.create_connection((host, int(port)), _SECONDS).close()
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
