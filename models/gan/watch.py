"""Evaluates a GAN at intervals during its training, and warns if something goes wrong."""

from __future__ import annotations

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
    """The evaluations of a training; checkpoints contain them."""

    def __init__(self, data: TrainingSet, seed: int, numerics: Numerics) -> None:
        self._data, self._seed, self._numerics = data, seed, numerics
        self._evaluations: list[Evaluation] = []
        self._reference: Reference | None = None

    @staticmethod
    def is_due(step: int) -> bool:
        """Returns whether `step` is a multiple of 100 up to 1,000, or a multiple of 500."""
        return step % (100 if step <= 1000 else 500) == 0

    def measure(self, step: int, draw: Draw) -> Evaluation:
        """Returns the metrics of the pictures after `step` steps."""
        if self._reference is None:
            self._reference = Reference(self._data, self._seed, self._numerics)
        return self._reference.compare(step, draw)

    def evaluate(self, step: int, draw: Draw) -> list[str]:
        """Add an evaluation. Returns the warnings that the last evaluation did not have."""
        before = {kind for last in self._evaluations[-1:] for kind in self.warnings(last)}
        evaluation = self.measure(step, draw)
        self._evaluations.append(evaluation)
        return [text for kind, text in self.warnings(evaluation).items() if kind not in before]

    def finish(self, step: int, draw: Draw) -> WatchResult:
        """Returns all evaluations, the last of them after `step` steps, with its warnings."""
        rows = [*self._evaluations]
        if not rows or rows[-1].step < step:
            rows.append(self.measure(step, draw))
        columns = {f.name: [getattr(row, f.name) for row in rows] for f in fields(Evaluation)}
        return WatchResult(columns, [*self.warnings(rows[-1]).values()])

    def state_dict(self) -> dict[str, Tensor]:
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
