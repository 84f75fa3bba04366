"""Which nodes of a plan can run now, and the threads that run them side by side."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Collection
from queue import SimpleQueue
from typing import Any

from .plan import Step
from .publish import file_stem

THREAD_NAME = "artgraph-node"


class Schedule:
    """The steps of a plan in its order, each once all that it needs is done.

    One node at a time computes on the device; the others go on beside it. Nodes whose inputs
    together exceed `memory` bytes wait for each other.
    """

    def __init__(self, plan: list[Step], done: Collection[str], memory: int) -> None:
        before = rivals(plan)
        plan = [step for step in plan if step.node.name not in done]
        self._steps = plan
        self._memory = memory
        self._numbers = {step.node.name: number for number, step in enumerate(plan)}
        self._missing: list[int] = []
        self._dependents: list[list[int]] = [[] for _ in plan]
        self._ready: list[int] = []
        self._ready_for_device: list[int] = []
        self._running: dict[str, int] = {}  # the bytes that each needs
        self._on_device: str | None = None
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
        """Whether anything is ready or running."""
        return bool(self._ready or self._ready_for_device or self._running)

    @property
    def is_alone(self) -> bool:
        """Whether nothing runs but one node, and nothing else could."""
        return len(self._running) == 1 and not self._ready and not self._ready_for_device

    def take(self, need: Callable[[Step], int]) -> Step | None:
        """The first step that may start now; `need` says how many bytes its inputs take."""
        free = self._on_device is None
        heaps = [h for h in (self._ready, self._ready_for_device if free else []) if h]
        if not heaps:
            return None
        heap = min(heaps, key=lambda heap: heap[0])
        step = self._steps[heap[0]]
        size = need(step)
        if self._running and sum(self._running.values()) + size > self._memory:
            return None
        heapq.heappop(heap)
        self._running[step.node.name] = size
        if step.node.spec.device:
            self._on_device = step.node.name
        return step

    def leave_device(self, name: str) -> None:
        """The node has computed; what is left to do, storing, needs no device."""
        if self._on_device == name:
            self._on_device = None

    def finish(self, name: str) -> None:
        """The node is done, or has failed."""
        self._running.pop(name, None)
        self.leave_device(name)
        for dependent in self._dependents[self._numbers[name]]:
            self._missing[dependent] -= 1
            if self._missing[dependent] == 0:
                self._push(dependent)

    def running(self) -> int:
        """How many nodes run."""
        return len(self._running)

    def _push(self, number: int) -> None:
        on_device = self._steps[number].node.spec.device
        heapq.heappush(self._ready_for_device if on_device else self._ready, number)


def rivals(plan: list[Step]) -> dict[str, str]:
    """The node before each that saves under the same name, so that always the later one fails."""
    last: dict[str, str] = {}
    before: dict[str, str] = {}
    for node in (step.node for step in plan):
        if node.spec.saves:
            given = node.values.get(node.spec.file_name or "")
            name = str(given or file_stem(node.name)).casefold()
            if name in last:
                before[node.name] = last[name]
            last[name] = node.name
    return before


class Threads:
    """Up to `most` threads that call functions; what these return waits in `results`.

    They are daemons, so that a node that never ends does not keep the process.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.results: SimpleQueue[Any] = SimpleQueue()
        self._calls: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._started = 0

    def call(self, function: Callable[[], Any]) -> None:
        """Call it in a thread; it must raise nothing."""
        self._calls.put(function)
        if self._started < self.most:
            self._started += 1
            name = f"{THREAD_NAME}-{self._started}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def close(self) -> None:
        """Let the threads end."""
        for _ in range(self._started):
            self._calls.put(None)

    def _work(self) -> None:
        while (function := self._calls.get()) is not None:
            self.results.put(function())
