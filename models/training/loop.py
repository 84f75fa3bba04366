"""The one training loop: steps, checkpoints, curves and previews, shared by every model.

A model brings a `Trainee`: its networks and optimisers by name, one optimisation step, and a
preview. Randomness is counted, never carried on: what step k draws depends on (seed, k) alone,
so a resumed or extended run repeats an undisturbed one bit for bit, and a checkpoint needs no
generator state (compare edm2, Karras et al. 2024, which seeds by images seen). For the same
reason no schedule may depend on the total number of steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from .curves import Curves
from .numerics import Numerics

CHECKPOINT_SECONDS = 10.0

State = dict[str, Tensor]
Preview = Callable[[], Tensor]
Config = TypeVar("Config")
Extra = TypeVar("Extra")


class Checkpoint(Protocol):
    """Stores the state of one training."""

    def load(self, at_most: int) -> tuple[int, State] | None:
        """Returns the state after the most steps that are at most `at_most`, with their number."""

    def save(self, step: int, state: State) -> None:
        """Store the state after `step` steps."""


class Progress(Protocol):
    """Called after each step; raises to stop the training, which then saves a checkpoint."""

    def __call__(self, done: float, total: float, preview: Preview | None = None) -> None: ...


@dataclass(frozen=True)
class TrainingRun:
    """What the runner lends to a training.

    numerics:    device, precision and threads to compute with.
    checkpoint:  stores the state along the way.
    progress:    called after each step.
    log:         called with lines for the user, such as an early warning.
    """

    numerics: Numerics
    checkpoint: Checkpoint
    progress: Progress
    log: Callable[[str], None] = lambda line: None


class TrainingResult(NamedTuple, Generic[Config, Extra]):
    """What a training returns.

    config:  what the networks are made from.
    state:   their weights.
    curves:  `step`, and the mean of each metric over the steps before it.
    extra:   what only some trainings have, or None.
    """

    config: Config
    state: State
    curves: dict[str, list[float]]
    extra: Extra


class Stateful(Protocol):
    """A network, an optimiser or an average: anything with a state dict."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Any, /) -> Any: ...


class Trainee(Protocol):
    """What one kind of model brings to the loop."""

    def stateful(self) -> Mapping[str, Stateful]:
        """Returns everything that training changes, by name: a checkpoint contains its state."""

    def step(self, step: int) -> Mapping[str, Tensor]:
        """Do optimisation step number `step` (from 0); returns metrics, scalars on the device."""

    def preview(self) -> Tensor:
        """Returns pictures that show the progress, uint8 (N, H, W, 3); changes no state."""


def train(trainee: Trainee, *, steps: int, run: TrainingRun) -> dict[str, list[float]]:
    """Train up to `steps` steps in all, going on from the latest checkpoint.

    Returns the curves: `step` and the mean of each metric over the steps before it.
    Raises: ValueError if a metric is no longer finite.
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
    """The preview of a training under way; called, it returns pictures."""

    def __init__(self, trainee: Trainee, curves: Curves) -> None:
        self._trainee, self._curves = trainee, curves

    def __call__(self) -> Tensor:
        return self._trainee.preview()

    def metrics(self) -> dict[str, float]:
        """Returns the last row of the curves, by name; empty before there is one."""
        return self._curves.latest()


def _state_of(stateful: Mapping[str, Stateful]) -> State:
    """Flatten state dicts to `name.key` tensors; the code decides an optimiser's settings."""
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
        mine = {k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")}
        if isinstance(item, torch.optim.Optimizer):
            _load_optimiser(item, mine)
        else:
            item.load_state_dict(mine)


def _load_optimiser(optimiser: torch.optim.Optimizer, state: State) -> None:
    """Restore the slots, each in its parameter's memory layout.

    Fused kernels walk both side by side, and a file contains plain row-major tensors even if the
    parameter is channels-last.
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
