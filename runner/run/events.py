"""The events of a run, for progress bars, `--json` and editors."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

# What is done with a node: its result is reused, it runs, or its training resumes.
Action = Literal["cached", "run", "extend"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events; `time` is in seconds since 1970."""

    event: ClassVar[str]
    time: float = field(default_factory=time.time)

    def plain(self) -> dict[str, Any]:
        """Returns the event as data for JSON, with its name under `event`."""
        return {"event": self.event, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class NodeEvent(Event):
    """Base of the events of one node: its name in the graph and its type.

    picture: if a folder of pictures goes through the graph, the path in it of the picture for which
             the node runs.
    """

    node: str
    type: str
    picture: str | None = None


@dataclass(frozen=True, kw_only=True)
class Planned(NodeEvent):
    """What is planned for a node before the run.

    seconds: the range in which its duration is expected; None if it is unknown or not asked for.
    """

    event = "planned"
    action: Action
    seconds: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Started(NodeEvent):
    """A node begins to run.

    step:   the step at which its training resumes.
    device: the device on which it computes, if the run uses several.
    """

    event = "started"
    step: int | None = None
    device: str | None = None


@dataclass(frozen=True, kw_only=True)
class Progressed(NodeEvent):
    """A node has done `done` of `total`.

    words: how far it is, such as "step 3 of 10".
    left:  the seconds until it is done, from its speed so far; None if that is not known yet.
    """

    event = "progress"
    done: float
    total: float
    words: str = ""
    left: float | None = None


@dataclass(frozen=True, kw_only=True)
class Previewed(NodeEvent):
    """A picture of the work so far was saved at `path`.

    metrics: the last metrics of a training, by name.
    curves:  the columns of its curves, with the rows since the event before.
    """

    event = "preview"
    path: str
    metrics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Logged(NodeEvent):
    """One line about a node's work, such as a file that was skipped."""

    event = "log"
    message: str


@dataclass(frozen=True, kw_only=True)
class Warned(NodeEvent):
    """One line about a node's result, such as a bad training; repeated if the result is reused."""

    event = "warning"
    message: str


@dataclass(frozen=True, kw_only=True)
class Waiting(NodeEvent):
    """A node waits for another process, or another node, that computes the same result.

    message: one line for the user.
    process: the id of the process; None if it is unknown, like the next three.
    host:    the name of its computer.
    since:   the time at which it started with the result, in seconds since 1970.
    label:   what it does, such as "node 'vae' of cats.yaml".
    """

    event = "waiting"
    message: str
    process: int | None = None
    host: str | None = None
    since: float | None = None
    label: str | None = None


@dataclass(frozen=True, kw_only=True)
class Finished(NodeEvent):
    """A node ran.

    outputs:  the digest of each output.
    seconds:  the time that the node took.
    files:    the paths of the files that it saved.
    extended: the step at which its training resumed; None if it did not.
    """

    event = "finished"
    outputs: dict[str, str]
    seconds: float
    files: list[str] = field(default_factory=list)
    extended: int | None = None


@dataclass(frozen=True, kw_only=True)
class Cached(NodeEvent):
    """A node's stored result is reused; `seconds` is the time that the node took when it ran."""

    event = "cached"
    outputs: dict[str, str]
    seconds: float
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Failed(NodeEvent):
    """A node failed, or was skipped as it needs a node that failed.

    message: one line with file, line and node, what is wrong and what to do.
    what:    what is wrong.
    advice:  what to do.
    because: the name of the node that failed; None if it is this one.
    """

    event = "failed"
    message: str
    what: str
    advice: str
    because: str | None = None


@dataclass(frozen=True, kw_only=True)
class PictureStarted(NodeEvent):
    """The next picture of a folder goes through the graph, as number `number` of `total`.

    node: the node that loads it, as in the next event.
    """

    event = "picture"
    number: int
    total: int


@dataclass(frozen=True, kw_only=True)
class PicturesFinished(NodeEvent):
    """The end of a folder of pictures.

    total:  how many pictures it has.
    done:   how many of them went through the graph without a failure.
    reused: how many of these needed no computing, since all their results were stored.
    failed: the paths of those for which a node failed.
    """

    event = "pictures_finished"
    total: int
    done: int
    reused: int
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The end of a run, with the numbers of nodes; `failed` includes nodes that were skipped.

    A node that runs for several pictures counts once for each.

    moved: how many files of earlier runs were moved aside, by the folder to which they were moved.
    """

    event = "run_finished"
    status: Literal["done", "failed", "interrupted"]
    ran: int
    cached: int
    extended: int
    failed: int
    seconds: float
    moved: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CombinationStarted(Event):
    """One combination of a sweep begins; the events of its run follow."""

    event = "combination"
    number: int
    total: int
    settings: dict[str, str]
    folder: str


@dataclass(frozen=True, kw_only=True)
class CombinationFinished(Event):
    """The end of a combination.

    error:   why it failed, in one line; empty if it did not.
    seconds: the time that its nodes took, without reused results.
    reused:  whether all its results were stored before.
    """

    event = "combination_finished"
    number: int
    status: str
    error: str
    seconds: float
    reused: bool


@dataclass(frozen=True, kw_only=True)
class SweepFinished(Event):
    """The end of a sweep, or its interruption.

    files:  the paths of its tables and sheets; of an interrupted one, those in `previews`.
    moved:  as for a run.
    total:  how many combinations it has.
    done:   how many of them are done.
    reused: how many of these needed no computing, since all their results were stored.
    failed: how many failed.
    """

    event = "sweep_finished"
    status: Literal["done", "failed", "interrupted"]
    files: list[str]
    total: int
    done: int
    reused: int
    failed: int
    moved: dict[str, int] = field(default_factory=dict)


Listener = Callable[[Event], None]
