"""How much of a run is done, and how long the rest takes, judging by time and not by nodes."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...contract.quantities import duration
from .estimate import LONG, Seconds
from .events import (
    Cached,
    Event,
    Failed,
    Finished,
    NodeEvent,
    PictureStarted,
    Planned,
    Progressed,
    Started,
)

# Assumed for nodes that have never run here: few of them take longer, but for trainings.
_UNKNOWN, _UNKNOWN_TRAINING = 1.0, 60.0


@dataclass
class _Node:
    """A node that waits or runs.

    expected: its duration, if it is known from earlier runs.
    trains:   whether it is a training.
    started:  when it started, or None.
    left:     its rest, measured now, or None.
    """

    expected: Seconds | None
    trains: bool
    started: float | None = None
    left: float | None = None

    def spent(self, now: float) -> float:
        return 0.0 if self.started is None else max(0.0, now - self.started)

    def rest(self, now: float) -> float:
        if self.left is not None:
            return self.left
        if self.expected is not None:
            return max(0.0, self.expected.middle - self.spent(now))
        return _UNKNOWN_TRAINING if self.trains else _UNKNOWN

    @property
    def is_unknown(self) -> bool:
        return self.left is None and self.expected is None


@dataclass
class Outlook:
    """Follows the events of a run.

    trainings: the types of nodes that train.
    """

    trainings: frozenset[str]
    _waiting: dict[str, _Node] = field(default_factory=dict)
    _spent: float = 0.0  # the seconds of the nodes that are done
    _share: float = 0.0
    _now: float = 0.0
    _picture: tuple[int, int, float] = (0, 0, 0.0)  # number, how many, time of the first

    def follow(self, event: Event) -> None:
        """Take an event of the run into account."""
        self._now = event.time
        if isinstance(event, PictureStarted):
            start = self._picture[2] or event.time
            self._picture = (event.number, event.total, start)
            self._waiting.clear()
        if not isinstance(event, NodeEvent):
            return
        node = self._waiting.get(event.node)
        if isinstance(event, Planned) and event.action != "cached":
            known = None if event.seconds is None else Seconds(*event.seconds)
            self._waiting[event.node] = _Node(known, event.type in self.trainings)
        elif isinstance(event, Started) and node is not None:
            node.started = event.time
        elif isinstance(event, Progressed) and node is not None:
            node.left = event.left
        elif isinstance(event, Finished | Cached | Failed) and node is not None:
            self._spent += node.spent(event.time)
            del self._waiting[event.node]

    @property
    def share(self) -> float:
        """The share of the run that is done, 0..1; it never falls."""
        number, total, _ = self._picture
        spent, rest = self._sums()
        share = spent / (spent + rest) if spent + rest else 0.0
        if total:
            share = (number - 1) / total
        self._share = max(self._share, share)
        return self._share

    @property
    def left(self) -> float | None:
        """The seconds until the end of the run; None if nothing is known about it."""
        number, total, start = self._picture
        if total:
            done = number - 1
            return (self._now - start) / done * (total - done) if done else None
        if all(node.is_unknown for node in self._waiting.values()):
            return None
        return sum(n.rest(self._now) for n in self._waiting.values() if not n.is_unknown)

    @property
    def words(self) -> str:
        """How long the rest of the run takes, such as "about 4 min left"; empty if unknown."""
        left = self.left
        is_open = any(n.is_unknown and n.trains for n in self._waiting.values())
        if left is None or (is_open and left < LONG):
            return ""
        return f"{'more than' if is_open else 'about'} {duration(left)} left"

    def _sums(self) -> tuple[float, float]:
        """Returns the seconds that were spent so far, and those of the rest."""
        waiting = self._waiting.values()
        spent = self._spent + sum(node.spent(self._now) for node in waiting)
        return spent, sum(node.rest(self._now) for node in waiting)
