"""The one training loop: steps, checkpoints, curves and previews, shared by every model.

A model brings a `Trainee`: its networks and optimisers by name, one optimisation step, and a
preview. Randomness is counted, never carried on: what step k draws depends on (seed, k) alone,
so a resumed or extended run repeats an undisturbed one bit for bit, and a checkpoint needs no
generator state (compare edm2, Karras et al. 2024, which seeds by images seen). For the same
reason no schedule may depend on the total number of steps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from .curves import Curves

PIXELS_AT_ONCE = 1 << 21  # of a batch's pictures, that a network sees together
CHECKPOINT_SECONDS = 10.0

State = dict[str, Tensor]
Preview = Callable[[], Tensor]


class Checkpoint(Protocol):
    """Where a training keeps its state; each training has one of its own."""

    def load(self, at_most: int) -> tuple[int, State] | None:
        """The state after the most steps that are no more than `at_most`, with that number."""

    def save(self, step: int, state: State) -> None:
        """Keep the state after `step` steps."""


class Report(Protocol):
    """Told after each step; raises to stop the training (which then saves a checkpoint)."""

    def __call__(self, done: float, total: float, preview: Preview | None = None) -> None: ...


class Stateful(Protocol):
    """A network, an optimiser or an average: anything with a state dict."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Any, /) -> Any: ...


class Trainee(Protocol):
    """What one kind of model brings to the loop."""

    def parts(self) -> Mapping[str, Stateful]:
        """Everything that training changes, by name."""

    def step(self, step: int) -> Mapping[str, Tensor]:
        """Do optimisation step number `step` (from 0); the metrics as scalars on the device."""

    def preview(self) -> Tensor:
        """A few pictures that show the progress, uint8 (N, H, W, 3); changes no state."""


def train(
    trainee: Trainee, *, steps: int, checkpoint: Checkpoint, report: Report
) -> dict[str, list[float]]:
    """Train up to `steps` steps in all, going on from the latest checkpoint.

    Returns the curves: `step` and the mean of each metric over the steps before it.
    Raises: ValueError where a metric is no longer finite.
    """
    saved = checkpoint.load(steps)
    done, curves = 0, Curves()
    if saved is not None:
        done, state = saved
        curves.load(state)
        _load_parts(trainee.parts(), state)

    look = Look(trainee, curves)

    def save(step: int) -> None:
        checkpoint.save(step, {**_save_parts(trainee.parts()), **curves.state()})

    last_save = time.monotonic()
    for step in range(done, steps):
        curves.add(step + 1, trainee.step(step))
        try:
            report(step + 1, steps, look)
        except BaseException:
            save(step + 1)
            raise
        if step + 1 == steps or time.monotonic() - last_save >= CHECKPOINT_SECONDS:
            save(step + 1)
            last_save = time.monotonic()
    return curves.rows()


class Look:
    """A look at a training under way: called, its pictures; and its metrics so far."""

    def __init__(self, trainee: Trainee, curves: Curves) -> None:
        self._trainee, self._curves = trainee, curves

    def __call__(self) -> Tensor:
        return self._trainee.preview()

    def metrics(self) -> dict[str, float]:
        """The last row of the curves, by name; empty before there is one."""
        return self._curves.latest()


class Average(nn.Module):
    """Exponential moving average of a network's weights and buffers (`network` holds it).

    The decay grows from 0 towards `decay`, so that early averages follow quickly:
    min(decay, (1 + t) / (10 + t)).
    """

    def __init__(self, source: nn.Module, blank: nn.Module, decay: float) -> None:
        """`blank` is a network like `source` whose weights may be overwritten."""
        super().__init__()
        self.network = blank.requires_grad_(False)
        self.network.load_state_dict(source.state_dict())
        self._decay = decay

    @torch.no_grad()
    def update(self, source: nn.Module, step: int) -> None:
        decay = min(self._decay, (1 + step) / (10 + step))
        theirs = source.state_dict()
        pairs = [(value, theirs[name]) for name, value in self.network.state_dict().items()]
        floats = [pair for pair in pairs if pair[0].is_floating_point()]
        counts = [pair for pair in pairs if not pair[0].is_floating_point()]
        torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], 1 - decay)
        if counts:
            torch._foreach_copy_([a for a, _ in counts], [b for _, b in counts])


class Sampler:
    """Which of `count` pictures each step sees: every epoch is a fresh permutation.

    The permutation of an epoch depends on (seed, epoch) alone.
    """

    def __init__(self, count: int, batch: int, seed: int) -> None:
        self._count, self._batch, self._seed = count, batch, seed
        self._epochs: dict[int, Tensor] = {}

    def indices(self, step: int) -> Tensor:
        """(batch,) int64, of step number `step` (from 0)."""
        start = step * self._batch
        first, last = start // self._count, (start + self._batch - 1) // self._count
        self._epochs = {e: self._epoch(e) for e in range(first, last + 1)}
        order = torch.cat(list(self._epochs.values()))
        return order[start - first * self._count :][: self._batch]

    def _epoch(self, epoch: int) -> Tensor:
        known = self._epochs.get(epoch)
        if known is not None:
            return known
        return torch.randperm(self._count, generator=generator(self._seed, epoch))


def micro_batches(batch: int, size: int, group: int = 1) -> list[slice]:
    """Parts of a batch of pictures of `size` px, to bound the memory of a step.

    Each has at most PIXELS_AT_ONCE pixels, or one group, and is a multiple of `group`; gradients
    are summed over them. It is one part for usual sizes. That depends on these numbers alone: free
    memory must not decide the bits.
    """
    most = max(group, PIXELS_AT_ONCE // size**2 // group * group)
    parts = math.ceil(batch / most)
    each = math.ceil(batch / parts / group) * group
    return [slice(start, min(start + each, batch)) for start in range(0, batch, each)]


def generator(seed: int, *counters: int, device: str = "cpu") -> torch.Generator:
    """A generator that depends on the seed and the counters alone (SplitMix64 mixing)."""
    mixed = seed & _MASK
    for counter in counters:
        mixed = _splitmix(mixed ^ _splitmix(counter & _MASK))
    return torch.Generator(device).manual_seed(_splitmix(mixed) >> 1)


_MASK = (1 << 64) - 1


def _splitmix(x: int) -> int:
    """Steele, Lea and Flood 2014, 'Fast splittable pseudorandom number generators'."""
    x = (x + 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def _save_parts(parts: Mapping[str, Stateful]) -> State:
    """Flatten state dicts to `part.key` tensors; an optimiser's settings are the code's to say."""
    state: State = {}
    for part, stateful in parts.items():
        values = stateful.state_dict()
        if isinstance(stateful, torch.optim.Optimizer):
            slots = values["state"].items()
            values = {
                f"{index}.{name}": value for index, slot in slots for name, value in slot.items()
            }
        state.update({f"{part}.{key}": value for key, value in values.items()})
    return state


def _load_parts(parts: Mapping[str, Stateful], state: State) -> None:
    for part, stateful in parts.items():
        mine = {k.removeprefix(f"{part}."): v for k, v in state.items() if k.startswith(f"{part}.")}
        if isinstance(stateful, torch.optim.Optimizer):
            _load_optimiser(stateful, mine)
        else:
            stateful.load_state_dict(mine)


def _load_optimiser(optimiser: torch.optim.Optimizer, state: State) -> None:
    """Restore the slots, each in its parameter's memory layout.

    Fused kernels walk both side by side, and a file keeps plain row-major tensors even where
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
