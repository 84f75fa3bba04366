"""What happens in a run, as one stream of events for progress bars, `--json` and editors."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

# What is, or was, done with a node: reused, run, or its training resumed from a checkpoint.
Action = Literal["cached", "run", "extend"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all; `time` is in seconds since 1970."""

    event: ClassVar[str]
    time: float = field(default_factory=time.time)

    def plain(self) -> dict[str, Any]:
        """The event as JSON-ready data, its name under `event`."""
        return {"event": self.event, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class NodeEvent(Event):
    """About one node: its name in the graph and its type."""

    node: str
    type: str


@dataclass(frozen=True, kw_only=True)
class Planned(NodeEvent):
    """What will be done with a node, as far as known before the run."""

    event = "planned"
    action: Action


@dataclass(frozen=True, kw_only=True)
class Started(NodeEvent):
    """A node begins to run; `step` is where a training goes on from."""

    event = "started"
    step: int | None = None


@dataclass(frozen=True, kw_only=True)
class Progressed(NodeEvent):
    """A node has done `done` of `total`."""

    event = "progress"
    done: float
    total: float


@dataclass(frozen=True, kw_only=True)
class Previewed(NodeEvent):
    """A picture of the work so far lies at `path`; a training adds its metrics, by name."""

    event = "preview"
    path: str
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Logged(NodeEvent):
    """One line for the user, such as a file that was skipped."""

    event = "log"
    message: str


@dataclass(frozen=True, kw_only=True)
class Warned(NodeEvent):
    """One line about a node's result, such as a training that went wrong; also of a reused one."""

    event = "warning"
    message: str


@dataclass(frozen=True, kw_only=True)
class Finished(NodeEvent):
    """A node ran; `outputs` gives each output's content digest, `files` what was written."""

    event = "finished"
    outputs: dict[str, str]
    seconds: float
    files: list[str] = field(default_factory=list)
    extended: int | None = None


@dataclass(frozen=True, kw_only=True)
class Cached(NodeEvent):
    """A node's stored result is reused; `seconds` is what it took when it ran."""

    event = "cached"
    outputs: dict[str, str]
    seconds: float
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Failed(NodeEvent):
    """A node failed, or (with `because`) needs one that did.

    `message` is one line, with the place in the graph: what is wrong, and what to do.
    """

    event = "failed"
    message: str
    what: str
    advice: str
    because: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The end of a run: how many nodes did what; `failed` counts those that were left out too."""

    event = "run_finished"
    status: Literal["done", "failed", "interrupted"]
    ran: int
    cached: int
    extended: int
    failed: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class CombinationStarted(Event):
    """One combination of a sweep begins; a run's events follow."""

    event = "combination"
    number: int
    total: int
    settings: dict[str, str]
    folder: str


@dataclass(frozen=True, kw_only=True)
class SweepFinished(Event):
    """The end of a sweep, with its sheets and its table."""

    event = "sweep_finished"
    files: list[str]


Listener = Callable[[Event], None]
