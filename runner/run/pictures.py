"""Runs a graph for each picture of a folder, one after the other, on one cache.

What does not depend on the picture runs once, before the first one. All pictures save into one
output folder, with one manifest. If a node fails for a picture, the other pictures go on. Only one
picture is in memory at a time.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ...contract.errors import Cancelled, InputError, unreadable
from ...contract.values.safe_names import renamed, safe_names
from ...pictures.survey import Survey
from ...pictures.walk import printable
from ..graph.sources import Picture, PictureFolder, original_of, picture_folders, with_picture
from ..store.results import Result
from .earlier import Owner
from .events import (
    Event,
    Failed,
    Logged,
    NodeEvent,
    PicturesFinished,
    PictureStarted,
    RunFinished,
    Warned,
)
from .execute import Run
from .finish import finish, still_made
from .job import Job
from .record import NeedsError


class FoundPictures(NamedTuple):
    """The pictures of a folder, in order.

    files: their paths on the disk.
    notes: lines about what is left out, and about names that are changed.
    """

    pictures: list[Picture]
    files: list[Path]
    notes: list[str]


def find_pictures(folder: Path) -> FoundPictures:
    """Returns the pictures of a folder and its sub-folders, by the rules of `load_dataset`.

    Raises: InputError if there are none, or if the folder can't be read.
    """
    try:
        found = Survey(folder)
    except OSError as error:
        raise unreadable(Path(printable(str(error.filename or folder))), error) from error
    skipped = found.skipped()
    left_out = f"left out: {skipped}" if skipped else ""
    if not found.pictures:
        what = f"no pictures in {folder.name!r}" + (f"; {left_out}" if left_out else "")
        raise InputError(
            what, found.when_empty("put pictures into it, or name another folder or a file")
        )
    originals = [original_of(entry.name) for entry in found.pictures]
    names = safe_names(originals)
    notes = [
        "; ".join([left_out, *(f"{why} - {advice}" for why, advice in found.unused())])
        if left_out
        else "",
        renamed(originals, names),
    ]
    pictures = [Picture(o.path, name) for o, name in zip(originals, names, strict=True)]
    files = [Path(entry.path) for entry in found.pictures]
    return FoundPictures(pictures, files, [note for note in notes if note])


def run_of(job: Job) -> Run | FolderRun:
    """Returns the run of a graph: once, or once for each picture of its folder."""
    folders = picture_folders(job.graph)
    return FolderRun(job, folders[0]) if folders else Run(job)


class FolderRun:
    """A run for each picture of a folder, with the methods of `Run`."""

    def __init__(self, job: Job, folder: PictureFolder) -> None:
        self._job, self._folder = job, folder
        self._cancelled = threading.Event()
        self._part: Run | None = None  # the run that goes on now
        self._traces: list[str] = []
        self._shared: dict[str, Result] = {}  # of the nodes that do not depend on the picture
        self._nodes: dict[str, Any] = {}  # the entries of nodes in the manifest
        self._parts: list[RunFinished] = []  # of the runs until now
        self._is_frozen = False
        self._done, self._reused = 0, 0  # pictures without failures, and without computing
        self._failed: list[str] = []
        self._found: FoundPictures | None = None
        self.exit_code = 0

    @property
    def results(self) -> Mapping[str, Result]:
        """The results of the nodes that are done, for the current picture."""
        return {} if self._part is None else self._part.results

    def key(self, node: str) -> str | None:
        """Returns the key of a node's result for the current picture, if it is done."""
        return None if self._part is None else self._part.key(node)

    def cancel(self) -> None:
        """Stop at the next step of the nodes that run."""
        self._cancelled.set()
        if self._part is not None:
            self._part.cancel()

    def execute(self, only: Iterable[str] = (), force: Collection[str] = ()) -> RunFinished:
        """Run the graph for each picture. The arguments, result and errors are those of `Run`.

        Raises: InputError if the folder has no picture.
        """
        job, only, started = self._job, list(only), time.perf_counter()
        try:
            job.graph.named(force, "--force")
            through = job.graph.dependents(self._folder.node)
            names = job.graph.order(only)
            each = [name for name in names if name in through]
            self._found = find_pictures(self._folder.path) if each else None
            self._run_shared([name for name in names if name not in through], force)
            ends = self._ends_of(each) if self._status() != "interrupted" else []
            if ends and self._found is not None:
                self._run_pictures(self._found, ends, force)
            finished = self._sum(time.perf_counter() - started)
            # If all pictures had their turn, the files of others are moved aside, in spite of
            # single failures.
            had_turns = finished.status != "interrupted" and not self._base.record.failed
            whole = had_turns and not only
            return finish(
                job, finished, self._nodes, whole, self._current, self._check, job.listener
            )
        finally:
            gc.unfreeze()
            job.publisher.close()

    def _run_shared(self, names: list[str], force: Collection[str]) -> None:
        """Run the nodes that do not depend on the picture."""
        self._base = base = self._start(Run(self._job, traces=self._traces))
        if names:
            self._add(base.work(names, force), base)
            self._shared = dict(base.results)
            self._nodes = base.record.manifest_nodes()

    def _ends_of(self, names: list[str]) -> list[str]:
        """Returns those of some nodes that no other of them needs, and that can run.

        Nodes that need a node that has failed are reported.
        """
        nodes, record = self._job.graph.nodes, self._base.record
        for name in names:
            failed = next((s for s in nodes[name].sources if s in record.failed), None)
            if failed is not None:
                record.add(name, NeedsError(failed, record.failed[failed]))
        if record.failed:
            self._parts[0] = replace(self._parts[0], failed=len(record.failed))
        needed = {source for name in names for source in nodes[name].sources}
        return [name for name in names if name not in needed and name not in record.failed]

    def _run_pictures(self, found: FoundPictures, names: list[str], force: Collection[str]) -> None:
        """Run these nodes, and all that they need, for each picture."""
        node, kind = self._folder.node, self._job.graph.nodes[self._folder.node].spec.id
        total = len(found.pictures)
        line = f"{total:,} picture{'s' if total > 1 else ''} in {self._folder.path.name!r}"
        note = "; ".join([line, *found.notes])
        self._job.listener((Warned if found.notes else Logged)(node=node, type=kind, message=note))
        for number, (picture, file) in enumerate(zip(*found[:2], strict=True), 1):
            if self._cancelled.is_set():
                break
            begin = PictureStarted(
                node=node, type=kind, picture=picture.path, number=number, total=total
            )
            self._job.listener(begin)
            self._run_picture(picture, file, names, force)
        self._job.listener(
            PicturesFinished(
                node=node,
                type=kind,
                total=total,
                done=self._done,
                reused=self._reused,
                failed=self._failed,
            )
        )

    def _run_picture(
        self, picture: Picture, file: Path, names: list[str], force: Collection[str]
    ) -> None:
        run = self._start(Run(self._job_for(picture, file), self._shared, self._traces))
        end = run.work(names, force)
        self._add(end, run)
        self._add_nodes(picture, run)
        if end.status == "done":
            self._done += 1
            self._reused += not (end.ran or end.extended)
        elif end.status == "failed":
            self._failed.append(picture.path)
        self._job.store.enforce_budget()  # the results of all pictures may be larger than the disk
        if end.ran and not self._is_frozen:
            # Each node on the device collects garbage. It is not to look at torch's 300,000 objects
            # each time, which takes longer than many a node.
            self._is_frozen = True
            gc.freeze()

    def _job_for(self, picture: Picture, file: Path) -> Job:
        """Returns the job of one picture, whose events name it."""
        job = self._job

        def listen(event: Event) -> None:
            if isinstance(event, Failed):
                event = replace(event, message=f"{picture.path}: {event.message}")
            if isinstance(event, NodeEvent):
                event = replace(event, picture=picture.path)
            job.listener(event)

        graph = with_picture(job.graph, self._folder, file)
        return replace(job, graph=graph, picture=picture, listener=listen)

    def _start(self, run: Run) -> Run:
        """Returns the run, which `cancel` stops from now on."""
        self._part = run
        if self._cancelled.is_set():
            run.cancel()
        return run

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled

    def _add(self, end: RunFinished, run: Run) -> None:
        self._parts.append(end)
        self.exit_code = max(self.exit_code, run.exit_code)

    def _add_nodes(self, picture: Picture, run: Run) -> None:
        """Add the nodes of a picture's run to the manifest, beside those of the other pictures."""
        for name, entry in run.record.manifest_nodes().items():
            about = {key: entry.pop(key) for key in ("type", "version")}
            pictures = self._nodes.setdefault(name, about | {"pictures": {}})
            pictures.setdefault("pictures", {})[picture.name] = entry

    def _status(self) -> str:
        if self._cancelled.is_set() or any(end.status == "interrupted" for end in self._parts):
            return "interrupted"
        return "failed" if any(end.status == "failed" for end in self._parts) else "done"

    def _sum(self, seconds: float) -> RunFinished:
        """Returns the last event, with the numbers of all runs."""
        if (status := self._status()) == "interrupted":
            self.exit_code = Cancelled.exit_code
        counts = {
            name: sum(getattr(end, name) for end in self._parts)
            for name in ("ran", "cached", "extended", "failed")
        }
        return RunFinished(status=status, seconds=seconds, **counts)  # type: ignore[arg-type]

    def _current(self, saved: Mapping[Owner, Collection[str]]) -> set[Owner]:
        """Returns the owners that still make the files that they saved, given by their digests."""
        by_picture: dict[str | None, dict[str, Collection[str]]] = {}
        for (node, source), digests in saved.items():
            by_picture.setdefault(source, {})[node] = digests
        found = self._found
        files = {p.name: f for p, f in zip(*found[:2], strict=True)} if found else {}
        owners: set[Owner] = set()
        for source, nodes in by_picture.items():
            job, through = self._job, self._job.graph.dependents(self._folder.node)
            if source is not None and source in files:
                job = replace(job, graph=with_picture(job.graph, self._folder, files[source]))
                nodes = {name: digests for name, digests in nodes.items() if name in through}
            else:
                nodes = {name: digests for name, digests in nodes.items() if name not in through}
            owners |= {(name, source) for name in still_made(job, nodes, self._shared)}
        return owners
