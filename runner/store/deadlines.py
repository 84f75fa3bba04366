"""Calls that are given up if nothing happens for some time, whatever library they are made with."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any


class Beat:
    """What a call uses to report that it makes progress."""

    def __init__(self) -> None:
        self.last, self.given_up = time.monotonic(), False

    def __call__(self) -> None:
        """Report progress. Raises: TimeoutError if nobody waits for the call any more."""
        if self.given_up:
            raise TimeoutError("given up")
        self.last = time.monotonic()


class _Hand:
    """A thread that makes one call after the other."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def ask(self, call: Callable[[], Any] | None) -> None:
        """Make a call; None ends the thread."""
        self._calls.put(call)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                self.answers.put((call(), None))
            except BaseException as error:  # it is raised in the thread that waits
                self.answers.put((None, error))


class Deadlines:
    """Makes calls in threads of its own; its methods are safe for threads."""

    def __init__(self) -> None:
        self._idle: list[_Hand] = []

    def call(self, function: Callable[[Beat], Any], seconds: float) -> Any:
        """Returns what the function returns.

        Raises: what it raises; TimeoutError if it reports no progress for so many seconds. Its
        thread is left behind then, and stops the next time that it reports progress.
        """
        try:
            hand = self._idle.pop()
        except IndexError:
            hand = _Hand()
        beat = Beat()
        hand.ask(lambda: function(beat))
        while True:
            try:
                value, error = hand.answers.get(timeout=beat.last + seconds - time.monotonic())
                break
            except (queue.Empty, ValueError):  # ValueError: the time is over already
                if time.monotonic() >= beat.last + seconds:
                    beat.given_up = True
                    hand.ask(None)
                    raise TimeoutError(f"no answer within {seconds:.0f} s") from None
        self._idle.append(hand)
        if error is not None:
            raise error
        return value

    def close(self) -> None:
        """End the threads that make no call now."""
        while self._idle:
            self._idle.pop().ask(None)
