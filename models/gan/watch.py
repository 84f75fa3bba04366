"""Evaluates a GAN at intervals during its training, and warns if something goes wrong."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import astuple, fields
from typing import NamedTuple

import torch
from torch import Tensor

from ..training.numerics import Numerics
from .batches import TrainingSet
from .evaluation import Draw, Evaluation, Reference

COLLAPSED = 0.35  # a class with a lower diversity has collapsed
COPIED = 0.5  # pictures with a lower novelty are copies
REPEATED = 0.6  # if `layouts` is lower, a few layouts repeat
PATIENCE = 200  # number of steps before the first warning


class WatchResult(NamedTuple):
    """The evaluations of a training.

    progress:  the metrics of `Evaluation` as columns, with a row for each evaluation.
    warnings:  what is wrong with the pictures at the end of the training.
    """

    progress: dict[str, list[float]]
    warnings: list[str]


class Watch:
    """The evaluations of a training; checkpoints contain them.

    On a GPU, the processor compares the generated pictures in a thread, so that the GPU can
    continue with the training.
    """

    def __init__(self, data: TrainingSet, seed: int, numerics: Numerics) -> None:
        self._data, self._seed, self._numerics = data, seed, numerics
        self._evaluations: list[Evaluation] = []
        self._running: list[Future[Evaluation]] = []  # at most one
        self._unread: list[str] = []  # warnings that `news` has not returned yet
        self._thread = None if numerics.device == "cpu" else ThreadPoolExecutor(1, "evaluation")
        self._made: Reference | None = None

    @staticmethod
    def is_due(step: int) -> bool:
        """Returns whether `step` is a multiple of 100 up to 1,000, or a multiple of 500."""
        return step % (100 if step <= 1000 else 500) == 0

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
            self._made = Reference(self._data, self._seed, self._numerics)
        return self._made

    def _wait(self) -> None:
        """Wait until a running evaluation is finished, and add it."""
        while self._running:
            self._add(self._running.pop().result())

    def _add(self, evaluation: Evaluation) -> None:
        before = {kind for last in self._evaluations[-1:] for kind in self.warnings(last)}
        self._evaluations.append(evaluation)
        texts = self.warnings(evaluation).items()
        step = round(evaluation.step)
        self._unread += [f"step {step}: {text}" for kind, text in texts if kind not in before]

    def finish(self, step: int, draw: Draw) -> WatchResult:
        """Returns all evaluations, the last of them after `step` steps, with its warnings."""
        self._wait()
        rows = [*self._evaluations]
        if not rows or rows[-1].step < step:
            rows.append(self.measure(step, draw))
        columns = {f.name: [getattr(row, f.name) for row in rows] for f in fields(Evaluation)}
        return WatchResult(columns, [*self.warnings(rows[-1]).values()])

    def state_dict(self) -> dict[str, Tensor]:
        self._wait()
        rows = [astuple(evaluation) for evaluation in self._evaluations]
        columns = len(fields(Evaluation))
        return {"looks": torch.tensor(rows, dtype=torch.float64).view(-1, columns)}

    def load_state_dict(self, state: dict[str, Tensor], /) -> None:
        self._evaluations = [Evaluation(*row) for row in state["looks"].tolist()]

    @staticmethod
    def warnings(evaluation: Evaluation) -> dict[str, str]:
        """Returns what is wrong at an evaluation: texts for the user, by kind of problem."""
        found: dict[str, str] = {}
        if evaluation.step < PATIENCE:
            return found
        if evaluation.diversity < COLLAPSED:
            found["collapsed"] = (
                "the training has collapsed: the generated pictures of a class are almost the same"
                f" ({evaluation.diversity:.0%} of the real pictures' diversity) - try another seed,"
                " or set `augment` to on"
            )
        elif evaluation.least < COLLAPSED:
            found["narrow"] = (
                "the generated pictures of at least one class are almost the same"
                f" ({evaluation.least:.0%} of the real pictures' diversity) - add pictures of that"
                " class, or train for more steps"
            )
        elif evaluation.layouts < REPEATED:
            found["repeated"] = (
                "the generated pictures repeat a few layouts, perhaps in other colours (they differ"
                f" {evaluation.layouts:.0%} as much as those of the real pictures) - add pictures,"
                " continue from another GAN (wire `start`), or train for fewer steps"
            )
        if evaluation.novelty < COPIED:
            found["copied"] = (
                "the generated pictures are close copies of training pictures (they differ"
                f" {evaluation.novelty:.0%} as much as training pictures from each other) - train"
                " for fewer steps, or add pictures"
            )
        return found
