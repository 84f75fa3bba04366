"""The process that runs graphs. It reads tasks and writes events, each as a line of JSON.

It is a process of its own, so that the server still answers if a node crashes, runs out of memory
or blocks for minutes. It ends when the server ends.

Input:  {"run": task}, {"cancel": job id} or {"live": task}. When the input ends, the run stops with
        a checkpoint.
Output: {"job": id, "event": ...} for each event of the run, then one {"event": "end", ...}.
        {"live": number, "drawn": {...}} for each live task.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from ...contract.errors import ArtgraphError, Cancelled
from ...contract.registry import load_nodes
from ...runner.cluster.ray_cluster import RayCluster
from ...runner.graph.binding import bind
from ...runner.graph.bound import Graph
from ...runner.graph.document import parse_document, read_document
from ...runner.graph.folders import SHIPPED, Folders
from ...runner.run.device_option import all_numerics_for
from ...runner.run.events import (
    Cached,
    Event,
    Failed,
    Finished,
    NodeEvent,
    Planned,
    Previewed,
    Progressed,
    Started,
    Warned,
)
from ...runner.run.execute import Run
from ...runner.run.job import Job, default_jobs
from ...runner.run.outlook import Outlook
from ...runner.run.pictures import FolderRun, run_of
from ...runner.run.publish import Publisher
from ...runner.store.remote import Remote
from ...runner.store.results import Result
from ...runner.store.store import Store
from ..formats.cells import shown_cells
from ..formats.results import shown_outputs
from ..formats.samples import Samples
from .live import Drawn, Live
from .settings import START

_PREVIEW_SECONDS = 1.0  # seconds between two previews of a node
_PATIENCE = 10.0  # seconds that a run may take to stop after the server has ended


class Worker:
    """Runs one task after the other, and accepts cancellations meanwhile."""

    def __init__(self, settings: dict[str, Any], lines: IO[str], out: IO[str]) -> None:
        self._settings, self._lines, self._out = settings, lines, out
        self._tasks: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._run: Run | FolderRun | None = None
        self._job = ""  # id of the job that runs, or ran last
        self._cancelled: set[str] = set()
        self._registry = load_nodes(settings["packs"])
        self._folders = {name: Path(path) for name, path in settings["folders"].items()}
        self._cluster = (
            RayCluster(
                settings["ray_address"], settings["packs"], settings["remote"], _print_warning
            )
            if settings["executor"] == "ray"
            else None
        )
        self._live: Live | None = None
        self._waiting = 0  # runs that wait, for which live tasks are interrupted

    def serve(self) -> None:
        """Run tasks until the input ends."""
        threading.Thread(target=self._listen, daemon=True).start()
        self._rehearse()
        gc.freeze()  # the libraries stay, so that no search for unused objects takes 0.1 s
        while (task := self._tasks.get()) is not None:
            if "live" in task:
                self._draw(task["live"])
                continue
            self._waiting -= 1
            self._job = task["id"]
            self._send({"event": "end"} | self._do(task))
            with self._lock:
                self._run = None

    def _listen(self) -> None:
        for line in self._lines:
            message = json.loads(line)
            if "run" in message:
                self._waiting += 1
                self._tasks.put(message["run"])
            elif "live" in message:
                self._tasks.put(message)
            else:
                self._cancel(message["cancel"])
        self._cancel(self._job)
        self._waiting += 1
        self._tasks.put(None)
        time.sleep(_PATIENCE)
        os._exit(0)

    def _cancel(self, job: str) -> None:
        with self._lock:
            self._cancelled.add(job)
            if self._run is not None and job == self._job:
                self._run.cancel()

    def _rehearse(self) -> None:
        """Draw the first graph of the editor for nobody, so that the first run starts sooner.

        It takes seconds to load torch and what is used of it. A run that waits interrupts it.
        """

        def check() -> None:
            if not self._tasks.empty():
                raise Cancelled

        try:
            document = read_document(SHIPPED / f"{START}.yaml")
            folders = Folders(SHIPPED, self._folders["input"], self._folders["out"])
            graph = bind(document, self._registry, folders)
            self._live_pictures().rehearse(graph, check)
        except Cancelled:
            pass
        except Exception as error:  # the first run shows it, if it is one
            print(f"no rehearsal: {type(error).__name__}: {error}", file=sys.stderr)

    def _live_pictures(self) -> Live:
        if self._live is None:
            device = self._settings["device"]
            if self._cluster is not None and device != "cpu":
                device = "auto"  # other devices are those of the cluster
            self._live = Live(self._folders, self._registry, device)
        return self._live

    def _draw(self, task: dict[str, Any]) -> None:
        """Draw the pictures of a live task, unless a run waits."""

        def check() -> None:
            if self._waiting:
                raise Cancelled

        found = Drawn()
        try:
            check()
            found = self._live_pictures().draw(task, check)
        except Cancelled:
            pass
        except Exception as error:  # a preview is missing, and a run shows the error
            print(f"no live preview: {type(error).__name__}: {error}", file=sys.stderr)
        self._send({"live": task["number"], "drawn": asdict(found)})

    def _do(self, task: dict[str, Any]) -> dict[str, Any]:
        """Run one task. Returns how it ended."""
        try:
            return {"status": self._execute(task)}
        except ArtgraphError as error:
            return {"status": "failed", "what": error.what, "advice": error.advice}
        except Exception as error:
            return {"status": "failed", "what": f"{type(error).__name__}: {error}", "advice": ""}

    def _execute(self, task: dict[str, Any]) -> str:
        folders = self._folders
        document = parse_document(task["yaml"], task["file"], Path(task["folder"]))
        graph = bind(
            document, self._registry, Folders(document.folder, folders["input"], folders["out"])
        )
        publisher = Publisher(folders["out"] / document.name, document.yaml())
        remote = self._settings["remote"]
        second = Remote(remote, _print_warning) if remote else None
        if second is not None and self._cluster is not None:
            second.check()
        store = Store(folders["cache"], _print_warning, second)

        trainings = frozenset(name for name, spec in self._registry.items() if spec.length)
        outlook = Outlook(trainings)

        samples = Samples(Path(task["samples"]), Path(task["shown"]))
        wired: dict[str, set[str]] = {name: set() for name in graph.nodes}
        for source in (s for node in graph.nodes.values() for s in node.wires.values()):
            wired[source.node].add(source.output)

        def listener(event: Event) -> None:
            data = event.plain()
            outlook.follow(event)
            if isinstance(event, Previewed):
                samples.record(event.node, event.path)
            if isinstance(event, Finished | Cached):
                data["names"] = [os.path.relpath(f, publisher.folder) for f in event.files]
                try:
                    data["shown"] = shown_outputs(
                        graph.nodes[event.node].spec,
                        event.node,
                        run.results[event.node],
                        store,
                        Path(task["shown"]),
                        wired[event.node],
                    )
                    keep = samples.reused if isinstance(event, Cached) else samples.finished
                    data["samples"] = keep(event.node, run.key(event.node))
                except Exception as error:  # the node is done, even if it can't be shown
                    self._send(_not_shown(event, error))
            if isinstance(event, Finished | Cached | Failed):
                cells = self._cells(event, graph, run.results, store, task["shown"])
                data |= {"cells": cells} if cells else {}
            if not isinstance(event, NodeEvent):
                return  # the event `end` reports the end
            if isinstance(event, Planned) and (event.action != "cached" or event.picture):
                return
            if isinstance(event, Started | Progressed | Finished):
                data |= {"share": outlook.share, "rest": outlook.words}
            self._send(data)

        try:
            device, cluster = self._settings["device"], self._cluster
            if cluster is None:
                numerics, *others = all_numerics_for(device)
                jobs = default_jobs(1 + len(others))
            else:
                numerics, others, jobs = cluster.numerics(device), [], cluster.slots
            run = run_of(
                Job(
                    graph,
                    store,
                    numerics,
                    publisher,
                    listener,
                    previews=_PREVIEW_SECONDS,
                    jobs=jobs,
                    others=tuple(others),
                    estimates=True,
                    cluster=cluster,
                )
            )
            with self._lock:
                self._run = run
                if task["id"] in self._cancelled:
                    run.cancel()
            return run.execute(task["only"]).status
        finally:
            store.close()

    def _cells(
        self,
        event: NodeEvent,
        graph: Graph,
        results: Mapping[str, Result],
        store: Store,
        folder: str,
    ) -> list[dict[str, Any]]:
        """Returns the pictures to choose from on a node that is done or has failed."""
        node = graph.nodes[event.node]
        inputs = {
            name: results[wire.node].outputs[wire.output]
            for name, wire in node.wires.items()
            if wire.node in results and wire.output in results[wire.node].outputs
        }
        try:
            return shown_cells(node.spec, inputs, store, Path(folder))
        except Exception as error:
            self._send(_not_shown(event, error))
            return []

    def _send(self, data: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the server has ended, and the run will stop
            self._out.write(json.dumps({"job": self._job} | data) + "\n")
            self._out.flush()


def _print_warning(message: str) -> None:
    print(message, file=sys.stderr)


def _not_shown(event: NodeEvent, error: Exception) -> dict[str, Any]:
    """Returns a warning that the results of a node can't be shown."""
    message = f"its results can't be shown: {type(error).__name__}: {error}"
    return Warned(node=event.node, type=event.type, message=message).plain()


def main() -> None:
    """Run tasks from standard input. Standard output is for events: prints go to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server handles Ctrl-C and closes our input
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    settings = json.loads(sys.stdin.readline())
    Worker(settings, sys.stdin, out).serve()
    os._exit(0)  # without waiting for threads that a node has left running


if __name__ == "__main__":
    main()
