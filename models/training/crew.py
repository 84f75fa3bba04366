"""The processes of a training on several devices, as seen by the process that starts them.

Each has a connection to it. The first one asks for what the runner does, and waits for the answers;
the others only report an error. A connection ends with its process.
"""

from __future__ import annotations

import functools
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .numerics import Numerics

if TYPE_CHECKING:
    from torch import Tensor

IDLE_SECONDS = 1.0  # without a message, until the user is asked whether to stop
STOP_SECONDS = 30.0  # for the step in which the user stops, and its checkpoint
_DEATH_SECONDS = 2.0  # after an error, for a process whose loss may be the reason of it
# Imports the package under its name in this process, which in ComfyUI is the path of its folder.
_START = """
import importlib.util, os, pickle, sys
from multiprocessing.connection import Connection
host = Connection(int(sys.argv[1]))
path, name, folder = pickle.loads(host.recv_bytes())
sys.path[:] = path
spec = importlib.util.spec_from_file_location(
    name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder])
sys.modules[name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules[name])
importlib.import_module(name + ".models.training.crew_member").work(host, int(sys.argv[2]))
"""


class Lost(Exception):  # noqa: N818 - named for what happened
    """Processes ended that should not. lost: their numbers from 0; reason: how the first ended."""

    def __init__(self, lost: list[int], reason: str) -> None:
        super().__init__(f"{lost}: {reason}")
        self.lost, self.reason = lost, reason


class Preview:
    """The preview of the training in the first process; afterwards its last pictures."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call, self._last = call, None

    def __call__(self) -> Tensor:
        pictures: Tensor = self._call("preview")
        return pictures

    def metrics(self) -> dict[str, float]:
        found: dict[str, float] = self._call("metrics")
        return found

    def curves(self, row: int) -> dict[str, list[float]]:
        found: dict[str, list[float]] = self._call("curves", row)
        return found


class Crew:
    """Processes that train one model, one on each of the devices.

    folder: contains the job, and will contain the place at which they meet.
    device: the device on which networks among the arguments are.
    """

    def __init__(self, folder: Path, devices: list[Numerics], device: str) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self._pipes: list[Connection] = []
        self._errors = folder / f"errors_{len(devices)}"
        self._stopped: BaseException | None = None
        self._pictures: Tensor | None = None
        self._folder, self._devices, self._device = folder, devices, device

    def _begin(self) -> None:
        """Start the processes, and send them what they need."""
        count = len(self._devices)
        meeting = self._folder / f"meeting_{count}"
        package = __package__.removesuffix(".models.training")
        for number, numerics in enumerate(self._devices):
            self._start(numerics)
            self._tell(self._pipes[-1], (sys.path, package, str(Path(__file__).parents[2])))
            place = number, count, meeting
            self._tell(self._pipes[-1], (self._folder, place, self._device, numerics))

    def _start(self, numerics: Numerics) -> None:
        here, there = Pipe()
        self._pipes.append(here)
        environment = dict(os.environ)
        if numerics.device == "cpu":
            environment["OMP_NUM_THREADS"] = str(numerics.threads)
        with self._errors.open("ab") as errors:
            # A session of its own, since the runner decides what Ctrl-C in the terminal means.
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-c", _START, str(there.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=[there.fileno()],
                env=environment,
                start_new_session=True,
            )
        there.close()
        self._processes.append(process)

    def work(self, host: Any) -> tuple[Any, list[list[Any]]]:
        """Returns the result of the training; `host` has a method for each request.

        Also returns, for each argument that is pictures in shards, what each process found in them.

        Raises: Lost; the error of the training; what a method of `host` raises.
        """
        self._begin()
        deadline = float("inf")
        while True:
            ready = wait(self._pipes, IDLE_SECONDS)
            if not ready:
                try:
                    host.idle()
                except BaseException as error:
                    self._stopped = self._stopped or error
            for pipe in ready:
                assert isinstance(pipe, Connection)
                kind, *content = self._received(pipe)
                if kind == "result":
                    result, self._pictures, found = content
                    return result, found
                if kind == "failed":
                    self._fail(content[0])
                self._answer(pipe, host, kind, content)
            if self._stopped is not None:
                deadline = min(deadline, time.monotonic() + STOP_SECONDS)
                if time.monotonic() > deadline:
                    raise self._stopped

    def _received(self, pipe: Connection) -> Any:
        try:
            return pickle.loads(pipe.recv_bytes())  # noqa: S301 - from a process of our own
        except (EOFError, OSError):
            raise self._loss() from None

    def _loss(self) -> BaseException:
        """Returns what to raise if at least one process has ended."""
        if self._stopped is not None:
            return self._stopped
        end = time.monotonic() + _DEATH_SECONDS
        while not self._codes() and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.2)  # others may end for the same reason
        codes = self._codes()
        lost = [number for number, code in codes.items() if code < 0]
        if lost:
            number = -codes[lost[0]]
            why = " (perhaps for lack of memory)" if number == signal.SIGKILL else ""
            return Lost(lost, f"was ended by signal {number}{why}")
        lines = self._errors.read_text(errors="replace").strip().splitlines()
        ends = ", ".join(f"process {n + 1} with code {code}" for n, code in codes.items())
        return RuntimeError(f"the training ended early ({ends}): {' '.join(lines[-1:])}")

    def _codes(self) -> dict[int, int]:
        """Returns the exit codes of the processes that have ended, by number."""
        return {n: code for n, p in enumerate(self._processes) if (code := p.poll()) is not None}

    def _fail(self, error: BaseException) -> None:
        """Raise the error of a process, unless the loss of another one is the reason."""
        if self._stopped is not None:
            raise self._stopped
        if isinstance(error, RuntimeError):
            end = time.monotonic() + _DEATH_SECONDS
            while time.monotonic() < end:
                if any(code < 0 for code in self._codes().values()):
                    raise self._loss()
                time.sleep(0.05)
        raise error

    def _answer(self, pipe: Connection, host: Any, kind: str, content: list[Any]) -> None:
        """Answer a request of the first process, which may ask to stop."""
        if kind == "progress":
            content[2] = Preview(functools.partial(self._call, pipe)) if content[2] else None
        answer = None
        try:
            if self._stopped is None or kind == "save":
                answer = getattr(host, kind)(*content)
        except Lost:
            raise
        except BaseException as error:
            self._stopped = self._stopped or error
        is_over = self._stopped is not None and kind != "save"
        self._tell(pipe, ("stop",) if is_over else ("answer", answer))

    def _call(self, pipe: Connection, name: str, *arguments: Any) -> Any:
        """Returns what a method of the preview in the first process returns."""
        if self._pictures is not None:
            return self._pictures if name == "preview" else {}
        self._tell(pipe, ("call", name, arguments))
        return self._received(pipe)

    def _tell(self, pipe: Connection, message: Any) -> None:
        try:  # not `send`, which would share the memory of tensors
            pipe.send_bytes(pickle.dumps(message))
        except OSError:
            raise self._loss() from None

    def close(self) -> None:
        """End all processes."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        for pipe in self._pipes:
            pipe.close()
