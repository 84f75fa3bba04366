"""Decides which nodes of a plan can run now, and runs them side by side in threads."""

from __future__ import annotations

import heapq
import re
import threading
from collections.abc import Callable, Collection, Sequence
from itertools import accumulate
from queue import SimpleQueue
from typing import Any

from ...contract.values.files import file_stem, same_name
from ...models.training.numerics import Numerics
from .plan import Step

THREAD_NAME = "artgraph-node"
_ENDING = re.compile(r"(_\d{4,})?(\.\w+)?$")  # what a node adds to the name of its files


class Schedule:
    """The steps of a plan in order, each as soon as its sources are done.

    Only one node at a time computes on each of the `devices`; others run beside it. Nodes do not
    run side by side if their inputs together exceed `memory` bytes.
    """

    def __init__(
        self, plan: list[Step], done: Collection[str], memory: int, devices: Sequence[Numerics]
    ) -> None:
        before = name_conflicts(plan)
        plan = [step for step in plan if step.node.name not in done]
        self._steps = plan
        self._memory = memory
        self._numbers = {step.node.name: number for number, step in enumerate(plan)}
        self._missing: list[int] = []
        self._dependents: list[list[int]] = [[] for _ in plan]
        self._ready: list[int] = []
        self._ready_for_device: list[int] = []
        self._running: dict[str, int] = {}  # the bytes of each node's inputs
        self._devices = devices
        self._on_device: dict[str, Numerics] = {}
        for number, step in enumerate(plan):
            needed = step.node.sources
            if step.node.name in before:
                needed = needed | {before[step.node.name]}
            sources = [self._numbers[s] for s in needed if s not in done]
            for source in sources:
                self._dependents[source].append(number)
            self._missing.append(len(sources))
            if not sources:
                self._push(number)

    def __bool__(self) -> bool:
        """Returns whether anything is ready or running."""
        return bool(self._ready or self._ready_for_device or self._running)

    @property
    def is_alone(self) -> bool:
        """Whether one node runs, and no other could start."""
        return len(self._running) == 1 and not self._ready and not self._ready_for_device

    def start_next(self, input_bytes: Callable[[Step], int]) -> Step | None:
        """Returns the first step that may start now, which counts as running; None if none may.

        input_bytes: returns the memory that the inputs of a step take.
        """
        free = [device for device in self._devices if device not in self._on_device.values()]
        heaps = [h for h in (self._ready, self._ready_for_device if free else []) if h]
        if not heaps:
            return None
        heap = min(heaps, key=lambda heap: heap[0])
        step = self._steps[heap[0]]
        size = input_bytes(step)
        if self._running and sum(self._running.values()) + size > self._memory:
            return None
        heapq.heappop(heap)
        self._running[step.node.name] = size
        if step.node.spec.device:
            self._on_device[step.node.name] = free[0]
        return step

    def device(self, name: str) -> Numerics | None:
        """Returns the device on which a node computes now, or None."""
        return self._on_device.get(name)

    def leave_device(self, name: str) -> None:
        """Report that a node has computed; storing its outputs does not need the device."""
        self._on_device.pop(name, None)

    def finish(self, name: str) -> None:
        """Report that a node is done or has failed."""
        self._running.pop(name, None)
        self.leave_device(name)
        for dependent in self._dependents[self._numbers[name]]:
            self._missing[dependent] -= 1
            if self._missing[dependent] == 0:
                self._push(dependent)

    def running(self) -> int:
        """Returns the number of nodes that run."""
        return len(self._running)

    def _push(self, number: int) -> None:
        on_device = self._steps[number].node.spec.device
        heapq.heappush(self._ready_for_device if on_device else self._ready, number)


def name_conflicts(plan: list[Step]) -> dict[str, str]:
    """Returns, for each node that may save under a name of an earlier node, this earlier node.

    A file and a folder can't have the same name either: `a` and `x` conflict with `a/b` and
    `x.png/b`. The later node waits for the earlier one, so that always the later one fails.
    """
    last: dict[str, str] = {}
    before: dict[str, str] = {}
    folders: dict[str, str] = {}
    for node in (step.node for step in plan):
        if node.spec.saves:
            chosen = node.values.get(node.spec.file_name or "")
            name = same_name(str(chosen or file_stem(node.name)))
            above = {_ENDING.sub("", part) for part in accumulate(name.split("/")[:-1], _joined)}
            earlier = [last.get(name), folders.get(name), *map(last.get, sorted(above))]
            found = next(filter(None, earlier), None)
            if found is not None:
                before[node.name] = found
            last[name] = node.name
            folders |= dict.fromkeys(above, node.name)
    return before


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}"


class Threads:
    """Up to `limit` threads that call functions; the values returned are put into `results`.

    They are daemon threads, so that the process can end while a node still runs.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.results: SimpleQueue[Any] = SimpleQueue()
        self._calls: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._started = 0

    def call(self, function: Callable[[], Any]) -> None:
        """Call the function in a thread; it must not raise."""
        self._calls.put(function)
        if self._started < self.limit:
            self._started += 1
            name = f"{THREAD_NAME}-{self._started}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def close(self) -> None:
        """End the threads after the calls that wait."""
        for _ in range(self._started):
            self._calls.put(None)

    def _work(self) -> None:
        while (function := self._calls.get()) is not None:
            self.results.put(function())
