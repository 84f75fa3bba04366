"""How long nodes are going to take, from their durations in earlier runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ...contract.quantities import duration
from ...models.training.numerics import Numerics
from ..graph.bound import BoundNode, Graph
from ..store.durations import Duration
from ..store.keys import digest_of
from ..store.store import Store
from .plan import Step

# How far a duration may be off, as a factor, by what it has in common with the node: place and
# values, values, place, or only the type of the node.
_DOUBTS = {(True, True): 1.3, (False, True): 1.6, (True, False): 2.5, (False, False): 4.0}
LONG = 60  # seconds; less says nothing about a run that contains unknown nodes
_DOUBT_OF_START = 1.5  # a further factor if only one of the two trainings resumed


class Seconds(NamedTuple):
    """The range in which a duration is expected, in seconds."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        """The geometric mean of the range."""
        return math.sqrt(self.low * self.high)

    @property
    def words(self) -> str:
        """The range as a text, such as "40 s to 1 min 20 s"."""
        if self.high < 1:
            return "less than 1 s"
        low, high = duration(_rounded(self.low)), duration(_rounded(self.high))
        if self.low < 1:
            return f"up to {high}"
        return f"about {low}" if low == high else f"{low} to {high}"


def _rounded(seconds: float) -> float:
    """Returns whole seconds up to a minute, then 10 s, then minutes."""
    unit = 1 if seconds < 60 else 10 if seconds < 600 else 60
    return round(seconds / unit) * unit


class Estimator:
    """Estimates the durations of the nodes of a graph."""

    def __init__(self, graph: Graph, store: Store, numerics: Numerics) -> None:
        self._graph, self._store, self._numerics = graph, store, numerics
        self._known: dict[str, dict[tuple[str | None, str | None], list[Duration]]] = {}

    def of(self, step: Step) -> Seconds | None:
        """Returns the range of a step's duration; None if no node of its type has run here."""
        if step.action == "cached":
            return Seconds(0, 0)
        node = step.node
        place, widgets, known = self._place(node), digest_of_widgets(node), self._durations(node)
        for same_place, same_widgets in ((True, True), (False, True), (True, False)):
            found = known.get((place if same_place else None, widgets if same_widgets else None))
            if found:
                break
        else:
            same_place = same_widgets = False
            found = known.get((None, None))
        if not found:
            return None
        doubt = _DOUBTS[same_place, same_widgets]
        is_resumed = step.from_step is not None
        alike = [row for row in found if row.resumed == is_resumed]
        if not alike:
            doubt *= _DOUBT_OF_START
        ranges = [_scaled(row, self._steps(step)) for row in alike or found]
        return Seconds(min(r.low for r in ranges) / doubt, max(r.high for r in ranges) * doubt)

    def record(
        self,
        node: BoundNode,
        seconds: float,
        steps: int,
        step_seconds: float,
        from_step: int | None,
    ) -> None:
        """Store how long a node took; `steps` and the rest are of a training."""
        row = Duration(
            node.spec.id,
            self._place(node),
            digest_of_widgets(node),
            self._device(node),
            from_step is not None,
            steps,
            step_seconds,
            seconds,
        )
        self._store.add_duration(row)

    def _durations(self, node: BoundNode) -> dict[tuple[str | None, str | None], list[Duration]]:
        """Returns the durations of nodes of this type, by place and values; None is any."""
        spec = node.spec
        if spec.id not in self._known:
            known = self._known[spec.id] = {}
            for row in self._store.durations(spec.id):
                if row.device == self._device(node):
                    for place in (row.place, None):
                        for widgets in (row.widgets, None):
                            known.setdefault((place, widgets), []).append(row)
        return self._known[spec.id]

    def _place(self, node: BoundNode) -> str:
        return f"{self._graph.document.name}: {node.name}"

    def _device(self, node: BoundNode) -> str:
        return self._numerics.name() if node.spec.device else ""

    def _steps(self, step: Step) -> int | None:
        """Returns how many steps a training has left, if that is known."""
        length = step.node.spec.length or ""
        values = step.widgets or step.node.values
        steps = values.get(length)
        return None if steps is None else max(0, steps - (step.from_step or 0))


def digest_of_widgets(node: BoundNode) -> str:
    """Returns a digest of a node's own values, without the length of a training."""
    others = {name: str(value) for name, value in node.values.items() if name != node.spec.length}
    return digest_of(others)


def _scaled(row: Duration, steps: int | None) -> Seconds:
    """Returns the range of a training of so many steps, or the duration of another node.

    It is not known how much of the time beside the steps depends on their number.
    """
    if row.steps <= 0 or steps is None:
        return Seconds(row.seconds, row.seconds)
    factor = steps / row.steps
    if not row.step_seconds:
        return Seconds(row.seconds * min(1, factor), row.seconds * max(1, factor))
    beside = max(0.0, row.seconds - row.steps * row.step_seconds)
    in_steps = steps * row.step_seconds
    ends = sorted((in_steps + beside, in_steps + beside * factor))
    return Seconds(*ends)


class Total(NamedTuple):
    """The duration of a run: of the nodes that are known, and the names of the others."""

    seconds: Seconds
    unknown: list[str]

    @classmethod
    def of(
        cls,
        known: Sequence[tuple[bool, Seconds]],
        unknown: list[str],
        jobs: int,
        devices: int,
    ) -> Total:
        """Returns the duration of a run.

        known:   for each node whose duration is known, whether it computes on a device.
        jobs:    how many nodes may run at the same time.
        devices: how many of those that compute on a device may.
        """
        lows = [seconds.low for _, seconds in known]
        on_device = sum(seconds.low for device, seconds in known if device)
        low = max([sum(lows) / jobs, on_device / devices, *lows], default=0.0)
        return cls(Seconds(low, sum(seconds.high for _, seconds in known)), unknown)

    @property
    def words(self) -> str:
        """The total as one line."""
        words = self.seconds.words
        if not self.unknown:
            return f"{words} in all, judging by earlier runs"
        names = ", ".join(self.unknown[:5])
        more = len(self.unknown) - 5
        names += f" and {more} more" if more > 0 else ""
        if not self.seconds.high:
            return f"unknown: {names} have not run here before"
        return f"{words}, judging by earlier runs, and the unknown time of: {names}"

    @property
    def short(self) -> str:
        """The total in few words, such as "about 4 min"; empty if little is known about it."""
        seconds = self.seconds.middle or self.seconds.high
        if self.unknown and seconds < LONG:
            return ""
        if self.seconds.high < 1:
            return "less than 1 s"
        text = duration(max(1, _rounded(seconds))).removesuffix(" 0 s")
        return f"over {text}" if self.unknown else f"about {text}"
