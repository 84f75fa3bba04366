"""The average of a network's weights over a training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .inputs import Number


class Average(nn.Module):
    """Exponential moving average of a network's weights and buffers, stored in `network`.

    The decay of step t is min(decay, (1 + t) / (10 + t)). It is small at first, so that the average
    soon forgets the initial weights.
    """

    def __init__(self, source: nn.Module, blank: nn.Module, decay: float) -> None:
        """`blank` is a network with the same structure as `source`; its weights are overwritten."""
        super().__init__()
        self.network = blank.requires_grad_(False)
        self.network.load_state_dict(source.state_dict())
        self._decay = decay

    def weight(self, step: int) -> float:
        """Returns the weight of the current network in the average, after step number `step`."""
        return 1 - min(self._decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, source: nn.Module, weight: Number) -> None:
        """Move the average towards the weights of `source`."""
        current = source.state_dict()
        pairs = [(value, current[name]) for name, value in self.network.state_dict().items()]
        floats = [pair for pair in pairs if pair[0].is_floating_point()]
        counts = [pair for pair in pairs if not pair[0].is_floating_point()]
        averages, latest = [a for a, _ in floats], [b for _, b in floats]
        if isinstance(
            weight, Tensor
        ):  # torch has no such lerp with one tensor as the weight of all
            changes = torch._foreach_sub(latest, averages)
            torch._foreach_mul_(changes, weight)
            torch._foreach_add_(averages, changes)
        else:
            torch._foreach_lerp_(averages, latest, weight)
        if counts:
            torch._foreach_copy_([a for a, _ in counts], [b for _, b in counts])
