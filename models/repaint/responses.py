"""How strongly the channels or classes of a network respond to pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..training.numerics import Numerics


@dataclass(frozen=True)
class Response:
    """Something that a network responds to.

    network:   maps pictures (N, 3, H, W) in -1..1 to feature maps, or to logits.
    level:     index of the feature map; None if the network returns logits.
    channels:  indices of the channels or classes.
    """

    network: nn.Module
    level: int | None
    channels: Sequence[int]

    def values(self, pictures: Tensor, numerics: Numerics) -> Tensor:
        """Returns the responses (N, channels, h, w) to pictures; (N, classes, 1, 1) of classes."""
        with numerics.autocast():
            found = self.network(pictures.contiguous(memory_format=torch.channels_last))
        maps = found[..., None, None] if self.level is None else found[self.level]
        if len(self.channels) < maps.shape[1]:
            maps = maps[:, torch.tensor(self.channels, device=maps.device)]
        return maps.float()  # type: ignore[no-any-return]
