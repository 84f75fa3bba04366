"""What Ray runs: the desk on the machine of the run, and the function of a task.

While a task runs, it reports to the desk, which also passes on that the user wants to stop. Its
last messages are what the function returns.
"""

from __future__ import annotations

import pickle
from typing import Any

from .task import Message
from .work import perform


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
