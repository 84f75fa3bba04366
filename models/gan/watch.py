"""Evaluates a GAN at intervals during its training, and warns if something goes wrong."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..kernel_distances import HALVES
from ..training.numerics import Numerics
from .augment import SMALL_SET
from .batches import TrainingSet
from .evaluation import LAYOUT, Draw, Evaluation, Judge, Reference
from .problems import PATIENCE, TREND, problems_of, will_copy


class WatchResult(NamedTuple):
    """The evaluations of a training.

    progress:  the metrics of `Evaluation` as columns, with a row for each evaluation. Further
               columns are `interval`; `verdict`, which compares the evaluations; `features`, which
               names those of the metrics; and `kept`, whether the weights are kept.
    warnings:  what is wrong with the pictures of the returned GAN.
    best:      the step whose pictures are the best of those that can be returned: kept, or last.
    summary:   which steps have the smallest distance, in one line; empty if that is unknown.
    """

    progress: dict[str, list[Any]]
    warnings: list[str]
    best: int
    summary: str


class Watch:
    """The evaluations of a training; checkpoints contain them.

    On a GPU, the processor compares the generated pictures in a thread, so that the GPU can
    continue with the training.
    """

    def __init__(self, data: TrainingSet, seed: int, numerics: Numerics, judge: Judge) -> None:
        self._data, self._seed, self._numerics, self._judge = data, seed, numerics, judge
        self._evaluations: list[Evaluation] = []
        self._running: list[Future[Evaluation]] = []  # at most one
        self._unread: list[str] = []  # warnings that `news` has not returned yet
        self._thread = None if numerics.device == "cpu" else ThreadPoolExecutor(1, "evaluation")
        self._made: Reference | None = None

    def measure(self, step: int, draw: Draw) -> Evaluation:
        """Returns the metrics of the pictures after `step` steps."""
        return self._reference().compare(step, self._reference().generate(draw))

    def evaluate(self, step: int, draw: Draw) -> None:
        """Draw pictures and begin an evaluation; without a GPU, it is finished at once."""
        self._wait()
        reference = self._reference()
        generated = reference.generate(draw)
        if self._thread is None:
            self._add(reference.compare(step, generated))
        else:
            self._running.append(self._thread.submit(reference.compare, step, generated))

    def news(self) -> list[str]:
        """Returns the warnings of finished evaluations that the ones before did not have."""
        if all(future.done() for future in self._running):
            self._wait()
        news, self._unread = self._unread, []
        return news

    def _reference(self) -> Reference:
        if self._made is None:
            self._made = Reference(self._data, self._seed, self._numerics, self._judge)
        return self._made

    def _wait(self) -> None:
        """Wait until a running evaluation is finished, and add it."""
        while self._running:
            self._add(self._running.pop().result())

    def _add(self, evaluation: Evaluation) -> None:
        *_, before = [{}, *self._problems(self._evaluations)]
        self._evaluations.append(evaluation)
        texts = self._problems(self._evaluations)[-1].items()
        step = evaluation.step
        self._unread += [f"step {step}: {text}" for kind, text in texts if kind not in before]

    def finish(
        self, step: int, draw: Draw, kept: Collection[int], best: bool = False
    ) -> WatchResult:
        """Returns all evaluations, the last of them after `step` steps, with its warnings.

        kept: the steps whose weights are kept.
        best: whether the warnings are those of the best step instead.
        """
        self._wait()
        rows = [*self._evaluations]
        if not rows or rows[-1].step < step:
            rows.append(self.measure(step, draw))
        return self._result(rows, None if best else step, kept)

    def at(self, step: int, kept: Collection[int]) -> WatchResult:
        """Returns all evaluations, with the warnings of the one after `step` steps."""
        self._wait()
        return self._result(self._evaluations, step, kept)

    def _result(
        self, rows: list[Evaluation], step: int | None, kept: Collection[int]
    ) -> WatchResult:
        columns: dict[str, list[Any]] = {
            f.name: [getattr(row, f.name) for row in rows]
            for f in fields(Evaluation)
            if f.name != "halves"
        }
        columns["interval"] = [row.interval for row in rows]
        verdicts = columns["verdict"] = self._verdicts(rows)
        columns["features"] = [self._judge.title] * len(rows)
        columns["kept"] = ["yes" if row.step in kept else "no" for row in rows]
        found = [row for row in rows if row.step in kept or row is rows[-1]]
        by_step = dict(zip((row.step for row in rows), self._problems(rows), strict=True))
        best = self._best(found, by_step).step if found else 0
        warnings = [*by_step.get(best if step is None else step, {}).values()]
        return WatchResult(columns, warnings, best, self._summary(columns["step"], verdicts))

    def _best(self, found: list[Evaluation], problems: Mapping[int, object]) -> Evaluation:
        """Returns the one of `found` with the smallest distance, of those that may be chosen.

        Those with problems may not. Copies have the smallest distances, so with few pictures those
        that are less new than other real pictures may not either. If none remains, the newest of
        the others is returned.

        problems: by step; nothing that is false is a problem.
        """
        sound = [row for row in found if not problems[row.step]] or found
        new = [row for row in sound if not self._is_less_new(row)]
        if new:
            return min(new, key=lambda row: _or(row.distance, math.inf))
        return max(sound, key=lambda row: row.novelty)

    def _is_less_new(self, row: Evaluation) -> bool:
        """Returns whether pictures are less new than other real ones, with few pictures."""
        return row.novelty < row.usual and len(self._data.labels) < SMALL_SET

    def _problems(self, rows: list[Evaluation]) -> list[dict[str, str]]:
        """Returns the texts of `warnings` for each evaluation, and those of foreseen copies."""
        problems: list[dict[str, str]] = []
        for number, row in enumerate(rows):
            found = self.warnings(row)
            recent = rows[max(0, number + 1 - TREND) : number + 1]
            if "copied" not in found and row.step >= PATIENCE and will_copy(recent):
                before = dict(zip((r.step for r in rows), [*problems, found], strict=False))
                found["copying"] = self._foreseen(rows[: number + 1], before)
            problems.append(found)
        return problems

    def _foreseen(self, rows: list[Evaluation], problems: Mapping[int, object]) -> str:
        """Returns the text for copies that are foreseen at the last of `rows`."""
        row = rows[-1]
        best = self._best(rows[:-1], problems)
        return (
            "the generated pictures are becoming copies of training pictures: they differ"
            f" {row.novelty:.0%} as much as training pictures from each other, less at each"
            f" evaluation, and other real pictures seldom less than {row.usual:.0%} (by"
            f" {self._judge.name} or in {LAYOUT} x {LAYOUT} greys) - set `at_step` to"
            f" {best.step}, or add pictures"
        )

    def _summary(self, steps: list[int], verdicts: list[str]) -> str:
        """Returns which steps have the smallest distance, in one line; "" if that is unknown."""
        best, equal, worse = (
            [step for step, verdict in zip(steps, verdicts, strict=True) if verdict == kind]
            for kind in ("best", "as good", "worse")
        )
        if not best or not equal + worse:
            return ""
        text = f"by {self._judge.title}, the pictures of step {best[0]} are the best"
        if equal:
            text += f", and those of {', '.join(map(str, equal))} are as good within the interval"
        last = steps[-1]
        if last in best + equal:
            return f"{text}; the last step is one of them"
        return f"{text}; the last step is not - set `at_step` to {best[0]} for an earlier one"

    def _verdicts(self, rows: list[Evaluation]) -> list[str]:
        """Returns for each evaluation what is wrong, or how its distance compares.

        These are the kind of the first problem, or `best`, `as good` (chance explains the
        difference), `worse`, or `unknown` if there are too few pictures. With few pictures,
        `less new` means that their novelty is below that of other real pictures.
        """
        verdicts = [
            next(iter(problems)) if problems else "less new" if self._is_less_new(row) else ""
            for row, problems in zip(rows, self._problems(rows), strict=True)
        ]
        good = [
            row
            for row, problem in zip(rows, verdicts, strict=True)
            if not problem and not math.isnan(row.interval)
        ]
        best = min(good, key=lambda row: row.distance, default=None)

        def compared(row: Evaluation) -> str:
            if best is None or math.isnan(row.interval):
                return "unknown"
            if row is best:
                return "best"
            return "as good" if row.is_as_good_as(best) else "worse"

        return [problem or compared(row) for row, problem in zip(rows, verdicts, strict=True)]

    def state_dict(self) -> dict[str, Tensor]:
        self._wait()
        rows = [
            [*(getattr(row, f.name) for f in fields(row) if f.name != "halves"), *row.halves]
            for row in self._evaluations
        ]
        columns = len(fields(Evaluation)) - 1 + HALVES
        return {"evaluations": torch.tensor(rows, dtype=torch.float64).view(-1, columns)}

    def load_state_dict(self, state: dict[str, Tensor], /) -> None:
        """Load the evaluations of a checkpoint.

        Those of older checkpoints were measured with other features (`looks`), or have fewer
        columns. They are left out.
        """
        rows = state["evaluations"].tolist() if "evaluations" in state else []
        columns = len(fields(Evaluation)) - 1 + HALVES
        if len(state.get("looks", ())) or (rows and len(rows[0]) != columns):
            rows = []
            self._unread.append(
                "the evaluations before this step were made by an older version with other"
                " figures, so `progress` leaves them out"
            )
        self._evaluations = [
            Evaluation(round(step), *metrics[:-HALVES], halves=(*metrics[-HALVES:],))  # type: ignore[misc]
            for step, *metrics in rows
        ]

    def warnings(self, evaluation: Evaluation) -> dict[str, str]:
        """Returns what is wrong at an evaluation: texts for the user, by kind of problem."""
        return problems_of(evaluation, self._judge.name)


def _or(value: float, other: float) -> float:
    return other if math.isnan(value) else value
