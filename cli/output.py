"""Standard output and standard error that never raise and never hold up the work.

`protect` puts an `Outlet` under both streams. What the reader of a stream does not accept at once
waits in memory, and a thread writes it. Errors of the stream are remembered, not raised, and
characters that its encoding lacks are escaped. So it does not matter to a node, to a listener or to
a library whether the output is closed, full, slow, or in a pipe whose reader has ended.
"""

from __future__ import annotations

import errno
import io
import os
import sys
import threading
import time
from collections import deque
from typing import IO, Any, Literal

from .interruption import end_at_once

try:
    from select import POLLOUT, poll
except ImportError:  # Windows
    poll = None  # type: ignore[assignment, misc]

_PIPE_BYTES = 4096  # bytes that a pipe or socket accepts if the system says that it is writable
_ORDER_SECONDS = 0.05  # for which a writer waits, so that lines of both streams keep their order
_PATIENCE = 60.0  # seconds for which a process waits at its end for a reader that reads nothing


class Outlet(io.RawIOBase):
    """The raw end of a stream. `write` always succeeds, and waits for a moment at most.

    lost: the error because of which output was lost; None if there was none.
    """

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._changed = threading.Condition()
        self._queue: deque[memoryview] = deque()
        self._is_slow = False  # the reader has not read all that was written before
        self._thread: threading.Thread | None = None
        self._can_poll = poll is not None and not self.isatty()
        self.lost: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def isatty(self) -> bool:
        return bool(self._raw.isatty())

    @property
    def is_behind(self) -> bool:
        """Whether output waits because the reader is slow."""
        return bool(self._queue)

    def write(self, data: Any) -> int:
        waiting = memoryview(bytes(data))
        with self._changed:
            if self.lost is None and not self._queue:
                waiting = self._write_now(waiting)
            if self.lost is None and waiting:
                self._queue.append(waiting)
                self._start()
                if not self._is_slow:
                    emptied = self._changed.wait_for(lambda: not self._queue, _ORDER_SECONDS)
                    self._is_slow = not emptied
        return len(data)

    def drain(self, patience: float | None) -> None:
        """Wait until everything is written, or lost.

        patience: the rest is lost if nothing can be written for so many seconds; None waits on.
        """
        with self._changed:
            while self._queue:
                first = self._queue[0]
                if not self._changed.wait(patience) and self._queue and self._queue[0] is first:
                    self._lose(TimeoutError(errno.ETIMEDOUT, "nobody reads it"))

    def _write_now(self, data: memoryview) -> memoryview:
        """Write what the reader accepts without a wait. Returns the rest."""
        try:
            while data and self._can_poll and self._is_ready():
                count = self._raw.write(data[:_PIPE_BYTES])
                if not count:
                    break
                data = data[count:]
        except (OSError, ValueError) as error:
            self._lose(error)
        return data

    def _is_ready(self) -> bool:
        poller = poll()
        poller.register(self._raw, POLLOUT)
        return bool(poller.poll(0))

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue)
                data = self._queue[0]
            try:
                count = self._raw.write(data[:_PIPE_BYTES])
            except (OSError, ValueError) as error:
                with self._changed:
                    self._lose(error)
                return
            if count is None:  # the stream was set to not block, and is full
                time.sleep(0.02)
                continue
            with self._changed:
                if not self._queue:  # the rest was given up
                    return
                if count < len(data):
                    self._queue[0] = data[count:]
                else:
                    self._queue.popleft()
                self._is_slow = self._is_slow and bool(self._queue)
                self._changed.notify_all()

    def _lose(self, error: OSError | ValueError) -> None:
        self.lost = error if isinstance(error, OSError) else OSError(errno.EBADF, str(error))
        self._queue.clear()
        self._changed.notify_all()


def protect() -> None:
    """Replace `sys.stdout` and `sys.stderr` by streams that never raise.

    A stream that is closed, as `>&-` and pythonw.exe leave it, becomes one that drops everything.
    Its number is taken, so that no file that is opened later receives what others print.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the system chooses the lowest number that is free
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - for the whole process
    sys.stdout, sys.stderr = _protected(sys.stdout), _protected(sys.stderr)


def _protected(stream: Any) -> Any:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8", errors="replace")  # noqa: PTH123
    buffer = getattr(stream, "buffer", None)
    is_unbuffered = isinstance(buffer, io.RawIOBase)  # as with PYTHONUNBUFFERED
    raw = buffer if is_unbuffered else getattr(buffer, "raw", None)
    if raw is None:  # not a stream of the system, but one of a program that runs us
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(Outlet(raw)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=is_unbuffered or stream.line_buffering or stream is sys.stderr,
    )


def is_behind(stream: IO[str]) -> bool:
    """Returns whether output waits because the reader of a stream is slow."""
    outlet = _outlet(stream)
    return outlet is not None and outlet.is_behind


def finish(code: int, purpose: Literal["output", "work"]) -> int:
    """Wait until all output is written, and report if some is lost. Returns the exit code.

    A reader that has ended is not reported, since it has read what it needs. A pipe that nobody
    reads is given up after a minute; a terminal that was stopped with Ctrl-S is not. From now on,
    signals end the process at once.

    code:    the exit code of the command.
    purpose: what the command is for. If it is its output, 0 becomes 1 if output is lost.
    """
    end_at_once()
    lost = _drain(sys.stdout)
    if lost is not None and lost.errno != errno.EPIPE:
        why = lost.strerror or str(lost)
        print(f"output was lost: {why} - send it to another place", file=sys.stderr)
        code = code or int(purpose == "output")
    _drain(sys.stderr)
    return code


def _drain(stream: IO[str]) -> OSError | None:
    """Wait until a stream is written. Returns the error because of which output is lost."""
    stream.flush()
    outlet = _outlet(stream)
    if outlet is None:
        return None
    outlet.drain(None if outlet.isatty() else _PATIENCE)
    return outlet.lost


def _outlet(stream: IO[str]) -> Outlet | None:
    outlet = getattr(getattr(stream, "buffer", None), "raw", None)
    return outlet if isinstance(outlet, Outlet) else None
