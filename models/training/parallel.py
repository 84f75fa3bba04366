"""Trains one model in several processes, one on each device (data-parallel training).

The process of the run does not train. It starts the others (crew.py), answers what the first of
them asks for (progress, checkpoints, messages), and watches them. If one of them is lost, it ends
the others and starts again from the last checkpoint with one less. So no process has to notice by
itself that another one is gone, which on a GPU may take forever. A checkpoint contains nothing that
depends on the number of processes.
"""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

from .crew import Crew, Lost, Preview
from .diverged import UnsuitableError
from .loop import State, TrainingRun
from .numerics import Numerics, core_count
from .windows import streams_in

P = ParamSpec("P")
Result = TypeVar("Result")


def on_devices(train: Callable[P, Result]) -> Callable[P, Result]:
    """Make a training function work on as many devices as its `TrainingRun` says.

    The `TrainingRun` is its parameter `run`. The other arguments and the result must be data that
    can be pickled. With one device, the function is called as it is.
    """
    signature = inspect.signature(train)

    @functools.wraps(train)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Result:
        bound = signature.bind(*args, **kwargs)
        run: TrainingRun = bound.arguments["run"]
        if run.devices == 1:
            return train(*args, **kwargs)
        bound.arguments["run"] = None  # each process receives its own
        return _train_together((wrapper, bound.args, bound.kwargs), run)  # type: ignore[no-any-return]

    return wrapper


def _train_together(job: Any, run: TrainingRun) -> Any:
    """Call a function in a crew. `job`: the function, its arguments and its keyword arguments."""
    devices, streams = devices_of(run), streams_in((*job[1], *job[2].values()))
    if run.numerics.graphs:
        run.log("a training on several devices does not use CUDA graphs")
    if run.numerics.device == "cpu" and run.devices > (cores := core_count()):
        there = "is only 1 core" if cores == 1 else f"are only {cores} cores"
        run.warn(
            f"devices is {run.devices}, but there {there}: set devices to at most {cores}, since"
            " more processes than cores make a training slower"
        )
    with TemporaryDirectory(prefix="artgraph-devices-", dir=run.temporary) as folder:
        torch.save(job, Path(folder) / "job.pt")
        host = Host(run)
        while True:
            crew = Crew(Path(folder), devices, run.numerics.device)
            try:
                result, found = crew.work(host)
            except Lost as loss:
                devices = host.without(loss, devices)
            else:
                for stream, findings in zip(streams, found, strict=True):
                    for each in findings:
                        stream.add_found(each)
                return result
            finally:
                crew.close()


def devices_of(run: TrainingRun) -> list[Numerics]:
    """Returns the numerics of each process: on a GPU of its own, or with its share of the threads.

    Raises: UnsuitableError if there are too few GPUs, or the device can't be combined.
    """
    own, count = run.numerics, run.devices
    kind = own.device.split(":")[0]
    if sys.platform == "win32" or not torch.distributed.is_available():
        raise UnsuitableError(
            f"devices is {count}, but this torch can only train on one device",
            "set devices: 1, or use Linux",
        )
    if own.compiled:
        raise UnsuitableError(
            f"devices is {count}, but +compile can only be used with one device",
            "remove +compile from the device, or set devices: 1",
        )
    if kind == "cpu":
        return [replace(own, threads=max(1, own.threads // count))] * count
    found = [own.device] if kind == "mps" else _cards(own.device, count)
    if len(found) < count:
        there = (
            f"there is only {len(found)} GPU"
            if len(found) == 1
            else (f"there are only {len(found)} GPUs of its kind")
        )
        raise UnsuitableError(
            f"devices is {count}, but {there} ({', '.join(found)})",
            f"set devices to at most {len(found)}",
        )
    return [replace(own, device=name, graphs=False) for name in found[:count]]


def _cards(device: str, needed: int) -> list[str]:
    """Returns this GPU and the others of its kind, or all GPUs if fewer than needed are there."""
    first, there = torch.device(device).index or 0, torch.cuda.device_count()
    if there < needed:
        return [f"cuda:{number}" for number in range(there)]
    kinds = [
        (p.name, p.major, p.minor) for p in map(torch.cuda.get_device_properties, range(there))
    ]
    others = [n for n, kind in enumerate(kinds) if n != first and kind == kinds[first]]
    return [f"cuda:{number}" for number in (first, *others)]


class Host:
    """Answers the first process of a crew, for all crews of one training."""

    def __init__(self, run: TrainingRun) -> None:
        self._run, self._staged = run, False
        self._said, self._repeated = set[str](), set[str]()  # lines; those of lost crews
        self._loss = ""  # a line about a lost process, until it is reported
        self._last: tuple[float, float] | None = None
        self._saved = 0

    def without(self, loss: Lost, devices: list[Numerics]) -> list[Numerics]:
        """Returns the devices that remain. Raises: UnsuitableError if there is none."""
        count, self._repeated = self._run.devices, {*self._said}
        rest = [device for number, device in enumerate(devices) if number not in loss.lost]
        if not rest:
            raise UnsuitableError(
                f"all {count} processes of the training were lost; the last one {loss.reason}",
                "run it again, perhaps with a smaller `batch` or fewer `devices`: it continues from"
                f" step {self._saved}",
            )
        which = " and ".join(str(number + 1) for number in loss.lost)
        what = "processes" if len(loss.lost) > 1 else "process"
        noun = "devices" if len(rest) > 1 else "device"
        self._loss = (
            f"{what} {which} of {len(devices)} of the training {loss.reason}; the training"
            f" continued from step {{}} on {len(rest)} {noun}, so its bits are not"
            f" those of {count} devices - to have those, run this node again with --force"
        )
        if self._run.numerics.device == "cpu":
            threads = max(1, self._run.numerics.threads // len(rest))
            rest = [replace(device, threads=threads) for device in rest]
        return rest

    def idle(self) -> None:
        """Report the last progress again, so that the user can stop a training that hangs."""
        if self._last is not None:
            self._run.progress(*self._last)

    def progress(self, done: float, total: float, preview: Preview | None) -> None:
        self._last = done, total
        self._run.progress(done, total, preview)

    def stages(self, stages: Any) -> None:
        if not self._staged:
            self._run.stages(stages)
        self._staged = True

    def log(self, line: str) -> None:
        if line not in self._repeated:
            self._said.add(line)
            self._run.log(line)

    def warn(self, line: str) -> None:
        if line not in self._repeated:
            self._said.add(line)
            self._run.warn(line)

    def warning(self, text: str) -> None:
        """Repeat a warning of Python."""
        warnings.warn(text, stacklevel=2)

    def load(self, at_most: int) -> tuple[int, State] | None:
        found = self._run.checkpoint.load(at_most)
        self._saved = found[0] if found else 0
        if self._loss:
            self._run.warn(self._loss.format(self._saved))
            self._loss = ""
        return found

    def save(self, step: int, state: State) -> None:
        self._run.checkpoint.save(step, state)
        self._saved = step

    def kept(self) -> list[int]:
        return self._run.checkpoint.kept()

    def keep(self, step: int, weights: State, beside: list[int]) -> None:
        self._run.checkpoint.keep(step, weights, beside)

    def load_kept(self, step: int) -> dict[str, Tensor] | None:
        return self._run.checkpoint.load_kept(step)
