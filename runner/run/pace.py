"""How far a running node is, as a text, and how long the rest takes at the speed so far."""

from __future__ import annotations

from collections.abc import Sequence

from ...contract.quantities import duration
from ...models.training.stages import STEP, Stage

_MOST_MARKS = 240  # times that are remembered in a stage; then every other is dropped
_FIRST_SECONDS = 1.0  # for which the speed of a node is not yet known


class Pace:
    """Follows the progress of one node.

    trains: whether the node's progress is in steps, if it reports no stages.
    now:    the time at which it starts, in seconds, as in all other methods.
    """

    def __init__(self, trains: bool, now: float) -> None:
        self._trains, self._stages = trains, tuple[Stage, ...]()
        self._stage = 0
        self._marks: list[tuple[float, float]] = []  # (time, done) in the stage so far
        self._begin, self._now = now, now
        self._done, self._total = 0.0, 0.0
        self._speed: float | None = None  # work per second, of an earlier stage
        self._main: tuple[float, float] | None = None  # seconds and steps of the main stage
        self._main_begin: tuple[float, float] | None = None

    def set_stages(self, stages: Sequence[Stage]) -> None:
        """Set the stages of the node's work."""
        self._stages = tuple(stage for stage in stages if stage.work)

    def move(self, done: float, total: float, now: float) -> None:
        """Set how much is done."""
        if not self._stages:
            words, number = (STEP, round(total)) if self._trains else ("", 0)
            self._stages = (Stage(words, number, total),)
        self._now, self._total = now, total
        stage = self._stage_of(done)
        if stage != self._stage or not self._marks:
            self._speed = self._measured() or self._speed
            self._stage = stage
            # A training that resumes begins with a step that has been done already.
            self._marks = [(now, done)] if not self._marks else [self._marks[-1]]
        self._done = done
        self._marks.append((now, done))
        if len(self._marks) > _MOST_MARKS:
            self._marks = [*self._marks[:-1:2], self._marks[-1]]
        self._measure_steps()

    @property
    def words(self) -> str:
        """How far the node is, such as "step 3 of 10" or "30 %"."""
        if not self._stages:
            return ""
        stage = self._stages[self._stage]
        first = sum(other.work for other in self._stages[: self._stage])
        if not stage.number:
            return f"{100 * self._done / self._total:.0f} %" if self._total else ""
        done = round((self._done - first) / stage.work * stage.number)
        words = f"{stage.words} {done:,} of {stage.number:,}"
        after = self._stages[self._stage + 1 :]
        if stage.words == STEP and after:
            words += f" + {sum(other.number for other in after):,} to settle"
        return words

    @property
    def left(self) -> float | None:
        """The seconds until the node is done; None if its speed is not known yet.

        They are estimated from the speed in the second half of the stage so far.
        """
        speed = self._measured() or self._speed
        return None if not speed else max(0.0, self._total - self._done) / speed

    @property
    def step_seconds(self) -> float:
        """The seconds of a training step, on average; 0 if none was measured."""
        if self._main is None or self._main[1] <= 0:
            return 0.0
        return self._main[0] / self._main[1]

    def _stage_of(self, done: float) -> int:
        """Returns the number of the stage in which so much is done."""
        end = 0.0
        for number, stage in enumerate(self._stages):
            end += stage.work
            if done <= end + 1e-6 * end:
                return number
        return len(self._stages) - 1

    def _measured(self) -> float | None:
        """Returns the work per second in the second half of the stage so far."""
        if len(self._marks) < 2 or self._now - self._begin < _FIRST_SECONDS:
            return None
        time, done = self._marks[(len(self._marks) - 1) // 2]
        if self._now <= time or self._done <= done:
            return None
        return (self._done - done) / (self._now - time)

    def _measure_steps(self) -> None:
        stage = self._stages[self._stage]
        if stage.words != STEP:
            return
        if self._main_begin is None:
            self._main_begin = self._marks[0]
        time, done = self._main_begin
        steps = (self._done - done) / stage.work * stage.number
        self._main = (self._now - time, steps)


def progress_line(words: str, left: float | None) -> str:
    """Returns a line such as "step 3 of 10 · 40 s left"."""
    return " · ".join(filter(None, (words, "" if left is None else f"{duration(left)} left")))
