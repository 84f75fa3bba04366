"""Output of a sweep of many combinations: how far it is, and each failure and warning once."""

from __future__ import annotations

import time
from pathlib import Path

from ..contract.quantities import duration
from ..runner.run.events import (
    CombinationFinished,
    CombinationStarted,
    Event,
    Failed,
    Finished,
    Listener,
    Logged,
    Planned,
    RunFinished,
    SweepFinished,
    Warned,
)
from .output import is_behind
from .progress import Bars, Lines, make_listener

_MANY = 50  # combinations of which each and its nodes are shown
_LINE_SECONDS = 10.0  # shortest time between two lines
_BAR = "/sweep"  # the bar of the combinations among those of the nodes; no node has this name


def make_sweep_listener(as_json: bool, quiet: bool, folder: str, total: int) -> Listener:
    """Returns the listener of a sweep of so many combinations, as `make_listener`."""
    listener = make_listener(as_json, quiet, folder)
    if total > _MANY and isinstance(listener, Lines):
        return ManyBars(folder) if isinstance(listener, Bars) else ManyLines(folder)
    return listener


class ManyLines(Lines):
    """Prints a line about the sweep from time to time, and no lines about nodes that ran."""

    last = 0.0  # the time of the last line
    total = done = failed = reused = 0
    computed = 0.0  # seconds for combinations that were not reused
    begun = 0.0  # the time at which this combination began

    def line(self, event: Event) -> str | None:
        now = time.monotonic()
        if isinstance(event, CombinationStarted):
            self.total, self.begun = event.total, now
            if self.last:
                return None
            self.last = now
            place = Path(self._folder) / "previews"
            return f"{event.total:,} combinations; what is done so far is in {place}"
        if isinstance(event, CombinationFinished):
            self.count(event, now)
            return self.line_about_sweep(now)
        if isinstance(event, Finished | Logged | RunFinished | Planned):
            return None
        if isinstance(event, Failed) and event.because is not None:
            return None
        if isinstance(event, Warned):
            return self.warning(event)
        line = super().line(event)
        if isinstance(event, SweepFinished):
            return "\n".join(filter(None, [*self.repeated(), line]))
        return line

    def line_about_sweep(self, now: float) -> str | None:
        """Returns a line from time to time, and otherwise None."""
        if now - self.last < _LINE_SECONDS or is_behind(self._stream):
            return None
        self.last = now
        return self.how_far()

    def count(self, event: CombinationFinished, now: float) -> None:
        self.done += event.status == "done"
        self.failed += event.status == "failed"
        self.reused += event.reused
        self.computed += 0.0 if event.reused else now - self.begun

    def how_far(self) -> str:
        """Returns how far the sweep is, and how long the rest takes if it is to be computed."""
        ended = self.done + self.failed
        counts = [f"{ended:,} of {self.total:,} combinations"]
        counts += [f"{self.reused:,} reused"] if self.reused else []
        counts += [f"{self.failed:,} failed"] if self.failed else []
        if ended > self.reused:
            left = self.computed / (ended - self.reused) * (self.total - ended)
            counts.append(f"about {duration(left)} left")
        return ", ".join(counts)

    def warning(self, event: Warned) -> str | None:
        """Returns the line about a warning if it is the first of its kind."""
        key = event.node, event.message
        self._repeated[key] = self._repeated.get(key, 0) + 1
        return super().line(event) if self._repeated[key] == 1 else None

    def repeated(self) -> list[str]:
        """Returns a line for each warning that came for several combinations."""
        return [
            f"{node}: warning in {count:,} combinations: {message}"
            for (node, message), count in self._repeated.items()
            if count > 1
        ]


class ManyBars(ManyLines, Bars):
    """Shows a bar for the combinations, above those of the nodes that run."""

    def __call__(self, event: Event) -> None:
        if isinstance(event, CombinationStarted) and _BAR not in self._tasks:
            self._tasks[_BAR] = self.bars().add_task("sweep", total=event.total, note="", path="")
        if isinstance(event, SweepFinished) and self._bars is not None:
            self._bars.stop()
            self._bars = None
        if not isinstance(event, RunFinished):
            super().__call__(event)
        if isinstance(event, CombinationFinished) and self._bars is not None:
            ended = self.done + self.failed
            self._bars.update(self._tasks[_BAR], completed=ended, note=self.how_far())

    def line_about_sweep(self, now: float) -> str | None:
        return None  # the bar says it
