"""What a worker of a cluster does with a task: it runs some nodes of a graph.

Nothing here imports Ray.
"""

from __future__ import annotations

import os
import pickle
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ...contract.errors import ArtgraphError, CacheError, Cancelled, GraphError
from ...contract.registry import load_nodes
from ...contract.shards import add_places
from ...contract.spec import NodeSpec
from ...models.training.numerics import Numerics
from ..graph.bound import BoundNode, Graph
from ..graph.document import Document
from ..run.compute import Computed
from ..run.device_option import numerics_for
from ..run.events import Previewed
from ..run.job import Job
from ..run.plan import ENDS, LostBlobError, Step
from ..run.publish import Publisher
from ..run.worker import Worker
from ..store.keys import Key
from .store import WorkerStore, let_go, opened
from .task import Message, Outcome, Pictured, Task, code_of

_REPORT_SECONDS = 0.2  # between two reports of a task
Report = Callable[[list[Message]], bool]  # returns whether the user wants to stop


def perform(task: Task, report: Report) -> list[Message]:
    """Run the nodes of a task. Returns the messages that were not reported yet.

    report: receives messages from time to time.
    """
    _use_threads(task.threads)
    try:
        registry = load_nodes(task.packs)
        code = code_of(task.modules)
        if code != task.code:
            raise GraphError(
                f"the machine {socket.gethostname()} of the cluster has other code: {code}, not"
                f" {task.code}",
                "install the same versions of artgraph, torch and packs on all machines",
            )
        add_places(task.shards)
        place = opened(task.place)
        with TemporaryDirectory(prefix="artgraph-", ignore_cleanup_errors=True) as scratch:
            return _Performance(task, registry, place, Path(scratch), report).messages()
    except ArtgraphError as error:
        return [Outcome("", error)]


class _Performance:
    """One execution of a task; the node runs in this thread, another one reports."""

    def __init__(
        self,
        task: Task,
        registry: dict[str, NodeSpec],
        place: WorkerStore,
        scratch: Path,
        report: Report,
    ) -> None:
        self._task, self._place, self._report = task, place, report
        self._numerics = _numerics_here(task.numerics)
        self._results = dict(task.results)
        self._waiting: list[Message] = []
        self._mutex, self._ended = threading.Lock(), threading.Event()
        nodes = {
            data.name: BoundNode(
                data.name, data.line, registry[data.type], data.wires, data.values, data.file
            )
            for data in task.nodes
        }
        document = Document(task.file, task.folders.graph, {}, {}, {}, {}, [])
        self._job = Job(
            Graph(document, task.folders, nodes),
            place.store,
            self._numerics,
            Publisher(scratch, ""),
            self._add,
            previews=task.previews,
        )
        self._worker = Worker(self._job, self._add, self._results)

    def messages(self) -> list[Message]:
        """Run the nodes. Returns the messages that were not reported."""
        reporter = threading.Thread(target=self._report_repeatedly, daemon=True)
        reporter.start()
        try:
            self._place.fetch(self._task.results.items())
            for name in self._task.names:
                if not self._run(name):
                    break
        except (LostBlobError, CacheError) as error:
            self._add(Outcome("", error))
        finally:
            self._ended.set()
            reporter.join()
        messages = self._stored(self._drained())
        if self._worker.cancelled.is_set():
            let_go(self._task.place)  # it uploads what waits, such as the state of a training
        else:
            self._place.end_task()
        return messages

    def _run(self, name: str) -> bool:
        """Run a node, unless it needs one that has failed. Returns whether the task goes on."""
        node = self._job.graph.nodes[name]
        if not node.sources <= self._results.keys():
            return True
        forced = name in self._task.forced
        try:
            done = self._worker.compute(Step(node, "run"), forced, self._numerics, lambda: None)
        except Exception as error:
            self._add(Outcome(name, _portable(error), self._key_of(error)))
            return not isinstance(error, ENDS)
        self._results[name] = done.result
        self._add(Outcome(name, done._replace(key=Key(done.key.digest, {}))))
        return True

    def _key_of(self, error: Exception) -> str:
        """Returns the key under which the worker has recorded an error, or an empty text."""
        failures = self._job.failures.items()
        return next((key for key, (known, _) in failures if known is error), "")

    def _add(self, message: Message) -> None:
        if isinstance(message, Previewed):
            message = Pictured(message, Path(message.path).read_bytes())
        with self._mutex:
            self._waiting.append(message)

    def _drained(self) -> list[Message]:
        with self._mutex:
            messages, self._waiting = self._waiting, []
        return messages

    def _stored(self, messages: list[Message]) -> list[Message]:
        """Returns messages after other machines can read the results that they name."""
        outcomes = [message.outcome for message in messages if isinstance(message, Outcome)]
        if outcomes:
            keys = [done.key.digest for done in outcomes if isinstance(done, Computed)]
            try:
                self._place.complete(keys, self._worker.cancelled)
            except (CacheError, Cancelled) as error:
                self._worker.cancelled.set()
                kept = [message for message in messages if not isinstance(message, Outcome)]
                return [*kept, Outcome("", error)]
        return messages

    def _report_repeatedly(self) -> None:
        while not self._ended.wait(_REPORT_SECONDS):
            try:
                if self._report(self._stored(self._drained())):
                    self._worker.cancelled.set()
            except Exception:  # the process that started the run has ended
                self._worker.cancelled.set()
                return


def _use_threads(threads: int) -> None:
    """Make libraries use as many threads as in the process of the run; Ray sets 1."""
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read when they are loaded
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)


def _numerics_here(numerics: Numerics) -> Numerics:
    """Returns the numerics for the GPU that Ray reserved, which is always called cuda:0.

    Raises: GraphError if this GPU does not compute with the same precision.
    """
    if not numerics.device.startswith("cuda"):
        return numerics
    found = numerics_for(replace(numerics, device="cuda").option())
    if found.name() != numerics.name():
        raise GraphError(
            f"the GPU of the machine {socket.gethostname()} computes with {found.name()}, not"
            f" {numerics.name()}, and results depend on it",
            "use GPUs of one kind",
        )
    return found


def _portable(error: Exception) -> Exception:
    """Returns an error that another process can read, with its traceback as a note."""
    trace = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.__traceback__ = error.__cause__ = error.__context__ = None
    error.add_note(f"on the machine {socket.gethostname()}:\n{trace}")
    return error
