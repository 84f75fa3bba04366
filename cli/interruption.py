"""The signals that end a run: Ctrl-C, `kill`, a terminal that is closed, Ctrl-Break on Windows."""

from __future__ import annotations

import contextlib
import signal
import sys
from types import FrameType
from typing import Protocol, TypeVar

from ..contract.errors import Cancelled
from ..runner.run.signals import ending_signals


class Cancellable(Protocol):
    """A run of a graph, once or for each picture of a folder."""

    def cancel(self) -> None: ...


_Run = TypeVar("_Run", bound=Cancellable)


class Interruption:
    """Stops the current run at the next step, with a checkpoint; a second signal stops at once.

    Before the first run starts, the first signal stops at once. A third signal ends the process.
    SIGHUP remains ignored if `nohup` started the process.
    """

    def __init__(self) -> None:
        self._run: Cancellable | None = None
        self._count = 0
        self._is_printing = False
        for number in ending_signals():
            signal.signal(number, self._stop)

    def follow(self, run: _Run) -> _Run:
        """Returns the run, which the next signal stops. It stops now if there was a signal."""
        self._run = run
        if self._count:
            run.cancel()
        return run

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1 and self._run is not None:
            self._run.cancel()
            again = "press Ctrl-C again" if number == signal.SIGINT else "send the signal again"
            self._is_printing = True  # the next signal waits until the line is complete
            with contextlib.suppress(RuntimeError):  # it interrupted a line on the same stream
                print(f"stopping at the next step; {again} to stop at once", file=sys.stderr)
            self._is_printing = False
        if not self._is_printing and (self._count > 1 or self._run is None):
            end_at_once()
            raise Cancelled


def end_at_once() -> None:
    """Let the next signal end the process, since there is nothing left to store."""
    for number in ending_signals():
        signal.signal(number, signal.SIG_DFL)
