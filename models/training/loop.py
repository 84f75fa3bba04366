"""The training loop that all models share: steps, checkpoints, curves and previews.

A model provides a `Trainee`: its networks and optimisers by name, one optimisation step, and a
preview. The random numbers of step k depend on (seed, k) alone. So a resumed or extended training
equals an uninterrupted one bit for bit, and a checkpoint contains no state of random number
generators (compare EDM2, Karras et al. 2024, which seeds by the number of images seen). For the
same reason no schedule may depend on the total number of steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from .curves import Curves
from .numerics import Numerics
from .stages import Report, Stage, no_report

CHECKPOINT_SECONDS = 10.0  # shortest time between two checkpoints, but for the last

State = dict[str, Tensor]
Preview = Callable[[], Tensor]
Config = TypeVar("Config")
Extra = TypeVar("Extra")


class Checkpoint(Protocol):
    """Stores the state of one training, and the weights of the model at earlier steps.

    A training resumes from a state. Kept weights are smaller: they are only for using the model.
    """

    def load(self, at_most: int) -> tuple[int, State] | None:
        """Returns the latest (step, state) with step <= at_most, or None."""

    def save(self, step: int, state: State) -> None:
        """Store the state after `step` steps."""

    def kept(self) -> list[int]:
        """Returns the steps whose weights are kept, in ascending order."""

    def keep(self, step: int, weights: State, beside: Collection[int]) -> None:
        """Keep the weights after `step` steps, and delete those of steps not in `beside`."""

    def load_kept(self, step: int) -> State | None:
        """Returns the weights after `step` steps, or None if they are not kept."""


class Progress(Protocol):
    """Called after each step; raises to stop the training, which then saves a checkpoint."""

    def __call__(self, done: float, total: float, preview: Preview | None = None) -> None: ...


@dataclass(frozen=True)
class TrainingRun:
    """What a training needs from the runner.

    numerics:    device, precision and threads to compute with.
    checkpoint:  stores the state during the training.
    progress:    called after each step.
    log:         called with a line for the user, such as an early warning.
    warn:        called with a line about the result, which is stored with it.
    stages:      called with the stages of the training, if it has others than its steps.
    devices:     number of devices that train together (see parallel.py).
    temporary:   folder for temporary files of much data; None for that of the system.
    """

    numerics: Numerics
    checkpoint: Checkpoint
    progress: Progress
    log: Callable[[str], None] = lambda line: None
    warn: Callable[[str], None] = lambda line: None
    stages: Report = no_report
    devices: int = 1
    temporary: Path | None = None

    def in_stages(self, *stages: Stage) -> list[TrainingRun]:
        """Returns a run for each stage, whose progress fills its share of this run's progress."""
        self.stages(stages)
        total, start, runs = sum(stage.work for stage in stages), 0.0, []
        for stage in stages:
            runs.append(replace(self, progress=_part(self.progress, start, stage.work, total)))
            start += stage.work
        return runs


def _part(progress: Progress, start: float, work: float, whole: float) -> Progress:
    def part(done: float, total: float, preview: Preview | None = None) -> None:
        progress(start + work * done / total, whole, preview)

    return part


class TrainingResult(NamedTuple, Generic[Config, Extra]):
    """What a training returns.

    config:  the settings from which the networks can be rebuilt.
    state:   the weights of the networks.
    curves:  `step`, and the mean of each metric over the steps since the row before.
    extra:   further results of some kinds of training, or None.
    """

    config: Config
    state: State
    curves: dict[str, list[float]]
    extra: Extra


class Stateful(Protocol):
    """Anything with a state dict: a network, an optimiser or an average."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Any, /) -> Any: ...


class Trainee(Protocol):
    """What a kind of model provides to the training loop."""

    def stateful(self) -> Mapping[str, Stateful]:
        """Returns everything that training changes, by name; checkpoints contain the states."""

    def step(self, step: int) -> Mapping[str, Tensor]:
        """Do optimisation step number `step` (from 0). Returns metrics: scalars on the device."""

    def preview(self) -> Tensor:
        """Returns pictures that show the progress, uint8 (N, H, W, C); changes no state."""


def train(trainee: Trainee, *, steps: int, run: TrainingRun) -> dict[str, list[float]]:
    """Train until `steps` steps are done in total, from the latest checkpoint if there is one.

    Returns the curves: `step`, and the mean of each metric over the steps since the row before.
    Raises: DivergedError if a metric is not finite.
    """
    saved = run.checkpoint.load(steps)
    done, curves = 0, Curves()
    if saved is not None:
        done, state = saved
        curves.load(state)
        _load(trainee.stateful(), state)

    preview = LivePreview(trainee, curves)

    def save(step: int) -> None:
        run.checkpoint.save(step, {**_state_of(trainee.stateful()), **curves.state()})

    last_save = time.monotonic()
    for step in range(done, steps):
        curves.add(step + 1, trainee.step(step))
        try:
            run.progress(step + 1, steps, preview)
        except BaseException:
            save(step + 1)
            raise
        if step + 1 == steps or time.monotonic() - last_save >= CHECKPOINT_SECONDS:
            save(step + 1)
            last_save = time.monotonic()
    return curves.rows()


class LivePreview:
    """The preview of a running training. Calling it returns the pictures."""

    def __init__(self, trainee: Trainee, curves: Curves) -> None:
        self._trainee, self._curves = trainee, curves

    def __call__(self) -> Tensor:
        return self._trainee.preview()

    def metrics(self) -> dict[str, float]:
        """Returns the last row of the curves by name; empty if there is none yet."""
        return self._curves.latest()

    def curves(self, row: int) -> dict[str, list[float]]:
        """Returns the rows of the curves from number `row` as columns."""
        return self._curves.since(row)


def _state_of(stateful: Mapping[str, Stateful]) -> State:
    """Flatten state dicts to tensors named `name.key`; an optimiser's settings are not included."""
    state: State = {}
    for name, item in stateful.items():
        values = item.state_dict()
        if isinstance(item, torch.optim.Optimizer):
            slots = values["state"].items()
            values = {
                f"{index}.{key}": value for index, slot in slots for key, value in slot.items()
            }
        state.update({f"{name}.{key}": value for key, value in values.items()})
    return state


def _load(stateful: Mapping[str, Stateful], state: State) -> None:
    for name, item in stateful.items():
        own = {k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")}
        if isinstance(item, torch.optim.Optimizer):
            _load_optimiser(item, own)
        else:
            item.load_state_dict(own)


def _load_optimiser(optimiser: torch.optim.Optimizer, state: State) -> None:
    """Restore an optimiser's state, each tensor in the memory layout of its parameter.

    Fused kernels need the same layout for both, and a checkpoint contains row-major tensors even if
    the parameter is channels-last.
    """
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in state.items():
        index, name = key.split(".", 1)
        parameter = parameters[int(index)]
        if value.shape == parameter.shape:
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        slots.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": slots})
