"""Which steps of a training are kept: the weights of the GAN at an evaluation, in float16.

A kept step costs no training to return to. A pure function of the number of steps decides which
steps are kept, so that interruptions and earlier lengths do not matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..training.diverged import UnsuitableError
from ..training.loop import State

if TYPE_CHECKING:
    from torch import nn

BUDGET = 128 << 20  # most bytes of the kept weights of a training
# Number of steps between two evaluations, up to the third number and after it.
FINE, COARSE, FINE_UNTIL = 100, 500, 1000


def is_look(step: int) -> bool:
    """Returns whether the GAN is evaluated, and perhaps kept, after `step` steps."""
    return step % (FINE if step <= FINE_UNTIL else COARSE) == 0


def kept_steps(steps: int, size: int) -> list[int]:
    """Returns the steps that a training of `steps` steps keeps, if each takes `size` bytes.

    These are the evaluations. If they exceed the budget, every second one is left out, if
    necessary repeatedly; at least one remains. A longer training keeps no step up to `steps` that
    this one does not keep.
    """
    looks = [
        *range(FINE, min(steps, FINE_UNTIL) + 1, FINE),
        *range(FINE_UNTIL + COARSE, steps + 1, COARSE),
    ]
    each = 1
    while len(looks) // each * size > BUDGET and len(looks) // each > 1:
        each *= 2
    return looks[each - 1 :: each]


def nearest_step(steps: Sequence[int], step: int) -> int:
    """Returns that of `steps` which is nearest to `step`; the earlier of two.

    Raises: UnsuitableError if there is none, because the training is too short.
    """
    if not steps:
        raise UnsuitableError(
            f"the training keeps no step, since it has fewer than {FINE}",
            f"set `at_step` to 0, or `steps` to {FINE} or more",
        )
    return min(steps, key=lambda kept: (abs(kept - step), kept))


def halved(networks: Mapping[str, nn.Module]) -> State:
    """Returns copies of the weights in float16, on the processor, named `network.weight`.

    A weight that is too large for float16 remains float32.
    """
    weights = {}
    for name, network in networks.items():
        for key, value in network.state_dict().items():
            half = value.detach().half() if value.is_floating_point() else value.detach()
            fits = bool(half.isfinite().all()) or not value.isfinite().all()
            weights[f"{name}.{key}"] = (half if fits else value.detach()).cpu().clone()
    return weights


def bytes_of(networks: Mapping[str, nn.Module]) -> int:
    """Returns the size of the weights in bytes, in float16."""
    return sum(
        value.numel() * (2 if value.is_floating_point() else value.element_size())
        for network in networks.values()
        for value in network.state_dict().values()
    )
