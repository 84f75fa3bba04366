"""A process of a training on several devices, as seen by itself (see crew.py)."""

from __future__ import annotations

import inspect
import os
import pickle
import shutil
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Collection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import team
from .loop import Preview, State, TrainingRun
from .numerics import Numerics
from .windows import streams_in

_WATCH_SECONDS = 0.5  # between two looks whether the process of the run is still there


class Stopped(BaseException):
    """The user, or an error in the process of the run, stops the training."""


def work(pipe: Connection, parent: int) -> None:
    """Train as a member of a crew; the process ends with its parent, or is ended by it."""
    folder, (number, count, meeting), device, numerics = pickle.loads(pipe.recv_bytes())  # noqa: S301
    threading.Thread(target=_watch, args=(parent, folder), daemon=True).start()
    host = _Host(pipe)
    try:
        numerics.apply()
        with numerics.current():
            team.join(number, count, numerics.device, meeting)
            places = {device: numerics.device} if device != "cpu" else None
            train, args, kwargs = torch.load(
                folder / "job.pt",
                map_location=places,
                mmap=True,
                weights_only=False,  # a file of our own
            )
            bound = inspect.signature(train).bind(*args, **kwargs)
            bound.arguments["run"] = host.run(numerics) if number == 0 else _silent(numerics)
            result = train(*bound.args, **bound.kwargs)
            streams = streams_in((*bound.args, *bound.kwargs.values()))
            found = [team.from_all(stream.found()) for stream in streams]
        if number == 0:
            host.send("result", result, None if host.preview is None else host.preview(), found)
    except BaseException as error:
        host.send("failed", _sendable(error))
    while True:  # until the parent ends it, because an exit would count as a loss
        time.sleep(3600)


def _watch(parent: int, folder: Path) -> None:
    """End this process if its parent has ended; nobody else removes the folder then."""
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _sendable(error: BaseException) -> BaseException:
    """Returns the error with its traceback as a note, or another one if it can't be pickled."""
    lines = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    if isinstance(error, Stopped):
        error = RuntimeError("stopped")
    error.add_note(f"In a process of the training:\n{lines}")
    return error


class _Host:
    """What the runner does for the first process, by messages to the process of the run."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.preview: Preview | None = None

    def run(self, numerics: Numerics) -> TrainingRun:
        """Returns what the training receives."""
        warnings.showwarning = lambda message, *_, **__: self.ask("warning", str(message))

        def log(line: str) -> None:
            self.ask("log", line)

        def warn(line: str) -> None:
            self.ask("warn", line)

        def stages(stages: Any) -> None:
            self.ask("stages", [*stages])

        return TrainingRun(numerics, _Checkpoint(self.ask), self.progress, log, warn, stages)

    def progress(self, done: float, total: float, preview: Preview | None = None) -> None:
        self.preview = preview or self.preview
        self.ask("progress", done, total, preview is not None)

    def ask(self, kind: str, *content: Any) -> Any:
        """Returns the answer to a request. Raises: Stopped."""
        self.send(kind, *content)
        while True:
            what, *answer = pickle.loads(self._pipe.recv_bytes())  # noqa: S301
            if what == "stop":
                raise Stopped
            if what == "answer":
                return answer[0]
            name, arguments = answer
            self._send(self._called(name, *arguments))

    def _called(self, name: str, *arguments: Any) -> Any:
        if name == "preview":
            assert self.preview is not None
            return self.preview().cpu()
        return getattr(self.preview, name, lambda *_: {})(*arguments)

    def send(self, kind: str, *content: Any) -> None:
        self._send((kind, *content))

    def _send(self, message: Any) -> None:
        self._pipe.send_bytes(pickle.dumps(message))


class _Checkpoint:
    """The states and kept weights of the training, in the first process."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def load(self, at_most: int) -> tuple[int, State] | None:
        found: tuple[int, State] | None = team.from_first(lambda: self._ask("load", at_most))
        return found

    def save(self, step: int, state: State) -> None:
        self._ask("save", step, _on_processor(state))

    def kept(self) -> list[int]:
        found: list[int] = self._ask("kept")
        return found

    def keep(self, step: int, weights: State, beside: Collection[int]) -> None:
        self._ask("keep", step, _on_processor(weights), [*beside])

    def load_kept(self, step: int) -> State | None:
        found: State | None = team.from_first(lambda: self._ask("load_kept", step))
        return found


class _Received(_Checkpoint):
    """The states that the first process loads, in the other ones; they save nothing."""

    def save(self, step: int, state: State) -> None:
        pass

    def kept(self) -> list[int]:
        return []

    def keep(self, step: int, weights: State, beside: Collection[int]) -> None:
        pass


def _silent(numerics: Numerics) -> TrainingRun:
    """Returns what the training receives in all processes but the first."""

    def no_progress(done: float, total: float, preview: Preview | None = None) -> None:
        pass

    warnings.simplefilter("ignore")
    return TrainingRun(numerics, _Received(lambda *_: None), no_progress)


def _on_processor(state: State) -> dict[str, Tensor]:
    return {name: value.detach().cpu() for name, value in state.items()}
