"""A model of workers that share one store: a discrete-event simulation, and formulas for capacity.

The simulation follows what a worker does: it looks all its tasks up one by one, and copies
those that are there; it computes the others, and uploads each result by one of eight threads.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import count

UPLOAD_THREADS = 8  # of one process (runner/store/remote.py)
STATE_SECONDS = 60.0  # between uploads of a training's states (runner/store/remote_training.py)


@dataclass(frozen=True)
class Constants:
    """What an operation costs, in seconds; measured on one machine, or assumed for S3.

    latency:  of the network, for each request.
    client:   time of a processor in the worker, for each request of a small object.
    get, put: time of the server for a small object.
    get_blob, put_blob: the same for a blob, with the time of its transfer.
    blob_client: time of a processor in the worker for a blob.
    overhead: time of a processor for each task that is computed.
    begin:    time of a processor for each worker, whatever it does.
    cores:    processors that the workers share; 0 if each has its own.
    servers:  requests that the server does at the same time; 0 for any number.
    """

    latency: float
    client: float
    get: float
    put: float
    get_blob: float
    put_blob: float
    blob_client: float
    overhead: float
    begin: float
    cores: int
    servers: int


class Resource:
    """Something that `size` processes may use at the same time; 0 for any number."""

    def __init__(self, size: int) -> None:
        self.free = size or 1 << 60
        self.waiting: deque[tuple[float, Process]] = deque()


Process = Generator[tuple[Resource | None, float], None, None]


class Simulation:
    """Runs processes, which yield (resource, seconds): use it so long, or wait if it is None."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Process, Resource | None]] = []
        self._numbers = count()

    def start(self, process: Process) -> None:
        """Begin a process now."""
        self._at(0.0, process, None)

    def run(self) -> float:
        """Returns when all processes have ended."""
        while self._events:
            self.now, _, process, held = heapq.heappop(self._events)
            if held is not None:
                held.free += 1
                if held.waiting:
                    seconds, next_one = held.waiting.popleft()
                    self._use(held, seconds, next_one)
            step = next(process, None)
            if step is not None:
                resource, seconds = step
                if resource is None:
                    self._at(seconds, process, None)
                elif resource.free:
                    self._use(resource, seconds, process)
                else:
                    resource.waiting.append((seconds, process))
        return self.now

    def _use(self, resource: Resource, seconds: float, process: Process) -> None:
        resource.free -= 1
        self._at(seconds, process, resource)

    def _at(self, seconds: float, process: Process, held: Resource | None) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), process, held))


def makespan(
    workers: int, tasks: int, found: Callable[[int], bool], seconds: float, cost: Constants
) -> float:
    """Returns the seconds until all tasks are done and uploaded.

    found:   whether the result of a task is in the store at the start.
    seconds: for which a task computes.
    """
    simulation = Simulation()
    server, cores = Resource(cost.servers), Resource(cost.cores)
    busy: dict[int, int] = {}  # the number of threads that upload, by the id of their queue

    def request(processor: float, at_server: float) -> Process:
        yield cores, processor
        yield None, cost.latency
        yield server, at_server

    def upload(queue: deque[int]) -> Process:
        while queue:
            queue.popleft()
            yield from request(cost.blob_client, cost.put_blob)
            yield from request(cost.client, cost.put)
        busy[id(queue)] -= 1

    def worker(number: int) -> Process:
        own, queue = range(number, tasks, workers), deque[int]()
        busy[id(queue)] = 0
        yield cores, cost.begin
        for task in own:
            yield from request(cost.client, cost.get)
            if found(task):
                yield from request(cost.blob_client, cost.get_blob)
        for task in own:
            if not found(task):
                yield cores, cost.overhead
                yield None, seconds
                queue.append(task)
                if busy[id(queue)] < UPLOAD_THREADS:
                    busy[id(queue)] += 1
                    simulation.start(upload(queue))

    for number in range(workers):
        simulation.start(worker(number))
    return simulation.run()


@dataclass(frozen=True)
class Load:
    """What a cluster does.

    gpus:     number of workers.
    seconds:  for which a task computes, on average.
    inputs:   results that a task needs and its machine does not have.
    found:    share of the tasks whose results are in the store.
    blob:     bytes of a result.
    training: share of the GPUs that train.
    state:    bytes of a training's state.
    """

    gpus: int
    seconds: float = 30.0
    inputs: float = 1.0
    found: float = 0.2
    blob: float = 2e6
    training: float = 0.5
    state: float = 150e6


def capacity(load: Load) -> dict[str, float]:
    """Returns what the load means for the store, each second; and dollars a month (S3's prices)."""
    computed = load.gpus * (1 - load.training) / load.seconds  # tasks a second
    tasks = computed / (1 - load.found)
    states = load.gpus * load.training / STATE_SECONDS
    gets = tasks * (1 + load.found) + 2 * tasks * load.inputs + states
    puts = 2 * computed + 2 * states
    network = load.blob * (computed + tasks * (load.found + load.inputs)) + states * load.state
    month = 30 * 86_400
    stored = computed * (load.blob + 1_500) * month
    return {
        "tasks": tasks,
        "gets": gets,
        "puts": puts,
        "network": network,
        "results": computed * month,
        "stored": stored,
        "dollars_requests": month * (gets * 0.4e-6 + puts * 5e-6),
        "dollars_stored": stored / 1e9 * 0.023,
    }
