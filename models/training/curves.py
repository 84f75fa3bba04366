"""The metrics of a training over its steps."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

RECORD_EVERY = 10  # steps averaged into one row


class Curves:
    """Metrics over the steps: one row each RECORD_EVERY steps, and one for a last part.

    They stay on the device until someone looks, so that a GPU need not wait for the processor.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._rows: list[list[float]] = []
        self._fresh: list[tuple[int, Tensor]] = []  # rows still on the device, with their steps
        self._sum: Tensor | None = None  # of the window's metrics, on the device
        self._step = 0

    def add(self, step: int, metrics: Mapping[str, Tensor]) -> None:
        self._names = list(metrics)
        values = torch.stack([value.detach().float() for value in metrics.values()])
        self._sum = values if self._sum is None else self._sum.to(values.device) + values
        self._step = step
        if step % RECORD_EVERY == 0:
            self._fresh.append((step, self._sum / RECORD_EVERY))
            self._sum = None

    def _full_rows(self) -> list[list[float]]:
        """All full rows, fetched from the device."""
        self._rows += [self._row(step, means) for step, means in self._fresh]
        self._fresh.clear()
        return self._rows

    def _row(self, step: int, means: Tensor) -> list[float]:
        """The figures of a row; a training that has broken down goes no further, nor on disk."""
        figures: list[float] = means.tolist()
        for name, figure in zip(self._names, figures, strict=True):
            if not math.isfinite(figure):
                raise ValueError(
                    f"the training broke down: {name} is no finite number after {step} steps, as"
                    " the steps are too large for these pictures"
                )
        return [float(step), *figures]

    def _all_rows(self) -> list[list[float]]:
        """The full rows, and one for the steps since."""
        if self._sum is None:
            return self._full_rows()
        part = self._row(self._step, self._sum / (self._step % RECORD_EVERY))
        return [*self._full_rows(), part]

    def rows(self) -> dict[str, list[float]]:
        rows = self._all_rows()
        columns = zip(*rows, strict=True) if rows else ([] for _ in range(1 + len(self._names)))
        return dict(zip(["step", *self._names], map(list, columns), strict=True))

    def latest(self) -> dict[str, float]:
        """The last full row; empty before there is one."""
        names, rows = ["step", *self._names], self._full_rows()
        return dict(zip(names, rows[-1], strict=True)) if rows else {}

    def state(self) -> dict[str, Tensor]:
        self._all_rows()  # which finds a breakdown
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
        self._names = bytes(state["curves.names"].tolist()).decode().split("\n")
        self._rows = state["curves.rows"].tolist()
        self._step = int(state["curves.step"])
        self._sum = state.get("curves.sum")
