"""The metrics of a training over its steps."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from .diverged import DivergedError

RECORD_EVERY = 10  # number of steps that are averaged into one row


class Curves:
    """Metrics over the steps: a row for every RECORD_EVERY steps, and one for the remaining steps.

    Metrics stay on the device until someone reads them, so that a GPU need not wait for the
    processor.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._rows: list[list[float]] = []
        self._pending: list[tuple[int, Tensor]] = []  # step and means of rows still on the device
        self._sum: Tensor | None = None  # sum of the metrics since the last row, on the device
        self._step = 0

    def add(self, step: int, metrics: Mapping[str, Tensor]) -> None:
        """Add the metrics of step number `step` (from 1)."""
        self._names = list(metrics)
        values = torch.stack([value.detach().float() for value in metrics.values()])
        self._sum = values if self._sum is None else self._sum.to(values.device) + values
        self._step = step
        if step % RECORD_EVERY == 0:
            self._pending.append((step, self._sum / RECORD_EVERY))
            self._sum = None

    def _full_rows(self) -> list[list[float]]:
        """Returns all rows of RECORD_EVERY steps; waits for those still on the device."""
        self._rows += [self._row(step, means) for step, means in self._pending]
        self._pending.clear()
        return self._rows

    def _row(self, step: int, means: Tensor) -> list[float]:
        """Returns a row. Raises: DivergedError, before a checkpoint with such weights is saved."""
        values: list[float] = means.tolist()
        for name, value in zip(self._names, values, strict=True):
            if not math.isfinite(value):
                raise DivergedError(
                    f"the training diverged: the metric {name!r} is not finite after {step} steps"
                )
        return [float(step), *values]

    def _all_rows(self) -> list[list[float]]:
        """Returns the full rows, and one for the steps since the last of them."""
        if self._sum is None:
            return self._full_rows()
        part = self._row(self._step, self._sum / (self._step % RECORD_EVERY))
        return [*self._full_rows(), part]

    def rows(self) -> dict[str, list[float]]:
        """Returns the columns by name: `step`, and each metric."""
        rows = self._all_rows()
        columns = zip(*rows, strict=True) if rows else ([] for _ in range(1 + len(self._names)))
        return dict(zip(["step", *self._names], map(list, columns), strict=True))

    def latest(self) -> dict[str, float]:
        """Returns the last full row by name; empty if there is none yet."""
        names, rows = ["step", *self._names], self._full_rows()
        return dict(zip(names, rows[-1], strict=True)) if rows else {}

    def since(self, row: int) -> dict[str, list[float]]:
        """Returns the full rows from number `row` (from 0) as columns; empty if there are none."""
        names, rows = ["step", *self._names], self._full_rows()[row:]
        return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}

    def state(self) -> dict[str, Tensor]:
        """Returns the tensors for a checkpoint. Raises: DivergedError."""
        self._all_rows()  # raises if the training has diverged
        names = "\n".join(self._names).encode()
        state = {
            "curves.names": torch.frombuffer(bytearray(names), dtype=torch.uint8),
            "curves.rows": torch.tensor(self._full_rows(), dtype=torch.float64),
            "curves.step": torch.tensor(self._step),
        }
        if self._sum is not None:
            state["curves.sum"] = self._sum.cpu()
        return state

    def load(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self._names = bytes(state["curves.names"].tolist()).decode().split("\n")
        self._rows = state["curves.rows"].tolist()
        self._step = int(state["curves.step"])
        self._sum = state.get("curves.sum")
