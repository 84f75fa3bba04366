"""Output of a run: progress bars, plain lines, or one JSON event per line."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from ..contract.quantities import duration
from ..runner.run.events import (
    Cached,
    CombinationStarted,
    Event,
    Failed,
    Finished,
    Listener,
    Logged,
    NodeEvent,
    PicturesFinished,
    PictureStarted,
    Previewed,
    Progressed,
    RunFinished,
    Started,
    SweepFinished,
    Waiting,
    Warned,
)
from ..runner.run.pace import progress_line
from .output import is_behind

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LINE_SECONDS = 10.0  # shortest time between two progress lines in seconds
_PICTURES = "/"  # the bar of the pictures among those of the nodes; no node has this name
_SHOWN = 5  # names of failed pictures, or of written files, in one line
_FAILURES = 20  # failures of a sweep that are shown


def make_listener(as_json: bool, quiet: bool, folder: str) -> Listener:
    """Returns the listener for the options and standard output; `folder` contains the outputs."""
    if as_json:
        return JsonLines()
    if quiet:
        return Quiet()
    return Bars(folder) if sys.stdout.isatty() else Lines(folder)


class Quiet:
    """Prints failures only, on standard error. Those of a sweep are in its table, too."""

    _left = -1  # how many more failures are printed; negative for all

    def __call__(self, event: Event) -> None:
        if isinstance(event, CombinationStarted) and event.number == 1:
            self._left = _FAILURES
        if isinstance(event, Failed) and event.because is None and self._left:
            print(event.message, file=sys.stderr)
            self._left -= 1
            if self._left == 0:
                print("further failures are only in the table of the sweep", file=sys.stderr)
        elif isinstance(event, SweepFinished) and event.failed:
            counts = f"{event.failed:,} of {event.total:,} combinations failed"
            print(f"{counts}; see the column `error` of {event.files[0]}", file=sys.stderr)
        elif isinstance(event, PicturesFinished) and event.failed:
            failed = len(event.failed)
            more = f" and {failed - _SHOWN:,} more" if failed > _SHOWN else ""
            names = ", ".join(event.failed[:_SHOWN]) + more
            print(f"{failed:,} of {event.total:,} pictures failed: {names}", file=sys.stderr)


class JsonLines(Quiet):
    """Prints one JSON object per line on standard output."""

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if isinstance(event, Progressed) and is_behind(sys.stdout):
            return  # the reader is slow, and a later event says more
        sys.stdout.write(json.dumps(event.plain(), separators=(",", ":")) + "\n")
        if not isinstance(event, Cached):
            sys.stdout.flush()


class Lines(Quiet):
    """Prints plain lines, for logs and pipes."""

    def __init__(self, folder: str, stream: TextIO | None = None) -> None:
        self._folder, self._stream = folder, stream or sys.stdout
        self._skipped = 0  # nodes of this run that need a failed one
        self._last = 0.0  # time of the last progress line
        self._picture = ""  # which of how many pictures goes through the graph
        self._repeated: dict[tuple[str, str], int] = {}  # warnings of nodes, over all pictures

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if isinstance(event, Started):
            self._last = time.monotonic()
        line = self.progress(event) if isinstance(event, Progressed) else self.line(event)
        if line is not None:
            self.show(line)

    def show(self, line: str) -> None:
        print(line, file=self._stream, flush=True)

    def progress(self, event: Progressed) -> str | None:
        """Returns a node's progress and remaining time, or None if it is too early for a line."""
        now = time.monotonic()
        if is_behind(self._stream) or now - self._last < _LINE_SECONDS or event.done == event.total:
            return None
        self._last = now
        place = f"{self._picture}: " if event.picture else ""
        left = "" if event.left is None else f", about {duration(event.left)} left"
        return f"{place}{event.node}: {event.words}{left}"

    def line(self, event: Event) -> str | None:
        """Returns the line about an event, or None if people do not need to read about it."""
        if isinstance(event, PictureStarted):
            self._picture = f"picture {event.number:,} of {event.total:,}"
            return None
        if isinstance(event, NodeEvent) and (event.picture or isinstance(event, PicturesFinished)):
            return self.line_of_picture(event)
        if isinstance(event, Finished):
            resumed = f", resumed from step {event.extended}" if event.extended else ""
            return f"{event.node}: done in {event.seconds:.1f} s{resumed}{_files(event.files)}"
        if isinstance(event, Logged):
            return f"{event.node}: {event.message}"
        if isinstance(event, Warned):
            return f"{event.node}: warning: {event.message}"
        if isinstance(event, Waiting):
            return f"{event.node}: {event.message}"
        if isinstance(event, CombinationStarted):
            self._folder = event.folder
            settings = ", ".join(f"{name}={value}" for name, value in event.settings.items())
            return f"[{event.number}/{event.total}] {settings}"
        if isinstance(event, SweepFinished):
            lines = [moved_aside(*item) for item in event.moved.items()]
            return "\n".join([*lines, _end_of_sweep(event)])
        if isinstance(event, Failed) and event.because is not None:
            self._skipped += 1
            return f"{event.node}: skipped, because {event.because!r} failed"
        if isinstance(event, RunFinished):
            skipped, self._skipped = self._skipped, 0  # the next run of a sweep counts anew
            counts = [
                f"{count} {word}"
                for count, word in (
                    (event.ran, "ran"),
                    (event.extended, "resumed"),
                    (event.cached, "reused"),
                    (event.failed - skipped, "failed"),
                    (skipped, "skipped"),
                )
                if count
            ]
            summary = ", ".join(counts) or "nothing ran"
            lines = [moved_aside(*item) for item in event.moved.items()]
            lines += [f"{event.status} in {event.seconds:.1f} s: {summary}; see {self._folder}"]
            return "\n".join(lines)
        return None

    def line_of_picture(self, event: NodeEvent) -> str | None:
        """Returns the line about an event while a folder of pictures goes through the graph.

        If a node has the same warning for several pictures, it is shown once, and counted.
        """
        if isinstance(event, Finished):
            return f"{self._picture}: {event.picture}{_files(event.files)}" if event.files else None
        if isinstance(event, Warned):
            key = event.node, event.message
            self._repeated[key] = self._repeated.get(key, 0) + 1
            if self._repeated[key] > 1:
                return None
            return f"{event.picture}: {event.node}: warning: {event.message}"
        if isinstance(event, Logged | Waiting):
            return f"{event.picture}: {event.node}: {event.message}"
        if isinstance(event, Failed) and event.because is not None:
            self._skipped += 1
        if isinstance(event, PicturesFinished):
            lines = [
                f"{node}: warning for {count:,} pictures: {message}"
                for (node, message), count in self._repeated.items()
                if count > 1
            ]
            self._repeated.clear()
            reused = f", {event.reused:,} of them reused" if event.reused else ""
            return "\n".join([*lines, f"{event.done:,} of {event.total:,} pictures done{reused}"])
        return None


class Bars(Lines):
    """Shows a progress bar for each running node, and prints lines above the bars."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, NodeEvent):
            self.update(event)
        elif isinstance(event, RunFinished) and self._bars is not None:
            self._bars.stop()
            self._bars = None
        super().__call__(event)

    def update(self, event: NodeEvent) -> None:
        if isinstance(event, PictureStarted):
            if event.number == 1:
                self._tasks[_PICTURES] = self.bars().add_task(
                    "", total=event.total, note="", path=""
                )
            if self._bars is not None and _PICTURES in self._tasks:
                text = f"picture {event.number:,} of {event.total:,}"
                self._bars.update(
                    self._tasks[_PICTURES],
                    completed=event.number - 1,
                    description=text,
                    note=event.picture,
                )
            return
        if isinstance(event, Started):
            bars = self.bars()
            self._tasks[event.node] = bars.add_task(event.node, total=None, note="", path="")
        task = self._tasks.get(event.node)
        if task is None or self._bars is None:
            return
        if isinstance(event, Progressed):
            note = progress_line(event.words, event.left)
            self._bars.update(task, completed=event.done, total=event.total, note=note)
        elif isinstance(event, Previewed):
            self._bars.update(task, path=event.path)
        elif isinstance(event, Finished | Failed):
            self._bars.remove_task(self._tasks.pop(event.node))

    def bars(self) -> Progress:
        if self._bars is None:
            from rich.console import Console
            from rich.control import Control
            from rich.progress import BarColumn, Progress, TextColumn

            class Screen(Console):
                """A terminal whose bars are not drawn again while it is stopped with Ctrl-S."""

                def print(self, *objects: Any, **options: Any) -> None:
                    if not (objects and isinstance(objects[0], Control) and is_behind(self.file)):
                        super().print(*objects, **options)

            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:.0f} %"),
                TextColumn("{task.fields[note]}"),
                TextColumn("[dim]{task.fields[path]}"),
                console=Screen(),
            )
            self._bars.start()
        return self._bars

    def show(self, line: str) -> None:
        if self._bars is not None:
            self._bars.console.print(line, markup=False, highlight=False)
        else:
            super().show(line)

    def progress(self, event: Progressed) -> str | None:
        return None


def _end_of_sweep(event: SweepFinished) -> str:
    """Returns the line about the end of a sweep."""
    reused = f", {event.reused:,} of them reused" if event.reused else ""
    counts = f"{event.done:,} of {event.total:,} combinations done{reused}"
    if event.failed:
        counts += f", {event.failed:,} failed"
    more = f" and {len(event.files) - _SHOWN:,} more" if len(event.files) > _SHOWN else ""
    line = f"{counts}; see {', '.join(event.files[:_SHOWN])}{more}"
    if event.status == "interrupted":
        return f"{line}\nrun the same command again to go on"
    return line


def moved_aside(folder: str, count: int) -> str:
    """Returns a line about files of an earlier run."""
    return f"moved aside: {folder} ({count} file{'' if count == 1 else 's'})"


def _files(files: list[str]) -> str:
    if not files:
        return ""
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f" -> {files[0]}{more}"
