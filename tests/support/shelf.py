"""What a training needs if no runner runs it: checkpoints, progress and numerics."""

from __future__ import annotations

from collections.abc import Collection

import torch

from artgraph.models.training.loop import State, TrainingRun
from artgraph.models.training.numerics import Numerics

PLAIN = Numerics("cpu", "float32", 1)


class Shelf:
    """Stores checkpoints in memory, as copies in row-major order, as a file would contain them."""

    def __init__(self) -> None:
        self.states: dict[int, State] = {}
        self.weights: dict[int, State] = {}

    def load(self, at_most: int) -> tuple[int, State] | None:
        step = max((step for step in self.states if step <= at_most), default=None)
        if step is None:
            return None
        return step, {name: tensor.clone() for name, tensor in self.states[step].items()}

    def save(self, step: int, state: State) -> None:
        row_major = torch.contiguous_format
        self.states[step] = {k: v.detach().clone(memory_format=row_major) for k, v in state.items()}

    def kept(self) -> list[int]:
        return sorted(self.weights)

    def keep(self, step: int, weights: State, beside: Collection[int]) -> None:
        self.weights[step] = weights
        self.weights = {k: v for k, v in self.weights.items() if k in beside}

    def load_kept(self, step: int) -> State | None:
        return self.weights.get(step)


def silent(done, total, preview=None):
    if preview is not None and done == 1:
        assert preview().dtype == torch.uint8


def training_run(
    shelf=None, *, numerics=PLAIN, progress=silent, log=lambda line: None, warn=lambda line: None
):
    """Returns a `TrainingRun`, with a new shelf if none is passed."""
    return TrainingRun(numerics, shelf or Shelf(), progress, log, warn)
