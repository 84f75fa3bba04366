"""The prior's network: the velocity of latent maps, given time and class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..configs import check_names, check_whole, read_config
from ..repeatable import attention

HEAD = 32  # channels of an attention head
FREQUENCIES = 64  # number of frequencies that encode the time
WIDEST = 16  # most positions per side in the blocks; larger maps are cut into patches
MOST_PATCH = 4  # longest side of a patch in positions


@dataclass(frozen=True)
class PriorConfig:
    """What defines a prior's network, besides the shape of the VAE's latents.

    classes:  names of the dataset's classes.
    width:    channels of the blocks, a multiple of 32.
    depth:    number of blocks.
    patch:    side of the patches that the latent map is cut into, in positions.
    """

    classes: tuple[str, ...]
    width: int = 128
    depth: int = 6
    patch: int = 1

    def __post_init__(self) -> None:
        check_names("classes", self.classes)
        check_whole("width", self.width, HEAD, 512)
        check_whole("depth", self.depth, 1, 24)
        check_whole("patch", self.patch, 1, MOST_PATCH)
        if self.width % HEAD:
            raise ValueError(f"width must be a multiple of {HEAD}, not {self.width}")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PriorConfig:
        """Returns the config of a dict made by `dataclasses.asdict`.

        Raises: ValueError for a wrong value, or an unknown or a missing key.
        """
        return read_config(cls, data)


class Block(nn.Module):
    """Attention, then a convolution. Time and class determine scale, shift and gate of both.

    The adaptive layer norms (Peebles and Xie 2023, DiT) share one layer and differ by an offset
    (Chen et al. 2023, PixArt). A convolution is used instead of dense layers, since it depends on
    which positions are adjacent.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.offsets = nn.Parameter(torch.empty(6, width))
        self.ask = nn.Linear(width, 3 * width)
        self.answer = nn.Linear(width, width)
        self.widen = nn.Conv2d(width, width, 3, 1, 1)
        self.narrow = nn.Linear(width, width)

    def initialise_(self, random: torch.Generator) -> None:
        nn.init.zeros_(self.offsets)
        nn.init.xavier_uniform_(self.ask.weight, generator=random)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Transform maps (N, h, w, width), with the condition (N, 6, width)."""
        count, height, width, channels = x.shape
        scale1, shift1, gate1, scale2, shift2, gate2 = (condition + self.offsets)[
            :, :, None, None
        ].unbind(1)
        hidden = modulated(x, scale1, shift1)
        heads = self.ask(hidden).view(count, height * width, 3, channels // HEAD, HEAD)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        attended = attention(query, key, value)
        x = x + gate1 * self.answer(attended.transpose(1, 2).reshape(x.shape))
        hidden = modulated(x, scale2, shift2).permute(0, 3, 1, 2)
        change = self.narrow(F.silu(self.widen(hidden)).permute(0, 2, 3, 1))
        output: Tensor = x + gate2 * change
        return output


def modulated(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Returns the layer norm of x (N, h, w, C), times 1 + scale, plus shift."""
    normed = F.layer_norm(x, x.shape[-1:])
    return normed * (1 + scale) + shift


class PriorNet(nn.Module):
    """Predicts velocities of latent maps (N, C, h, w). Each patch is one position in the blocks."""

    def __init__(self, channels: int, config: PriorConfig) -> None:
        super().__init__()
        width, self.patch = config.width, config.patch
        values = channels * self.patch**2
        self.enter = nn.Linear(values, width)
        self.times = nn.Linear(2 * FREQUENCIES, width)
        self.classes = nn.Parameter(torch.empty(len(config.classes), width))
        self.condition = nn.Linear(width, 8 * width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(config.depth))
        self.leave = nn.Linear(width, values)

    def initialise_(self, random: torch.Generator) -> None:
        nn.init.normal_(self.classes, generator=random)
        nn.init.zeros_(self.leave.weight)
        nn.init.normal_(self.condition.weight, 0, 0.02, generator=random)

    def forward(self, points: Tensor, times: Tensor, classes: Tensor) -> Tensor:
        """Returns the velocities at points (N, C, h, w) and times (N,).

        classes: weights (N, K) of the classes. They sum to 1 for each picture, or are all zero if
            its class is unknown.
        """
        height, width = points.shape[2:]
        patches = self._cut(points)
        x = self.enter(patches)
        x = x + positions(x.shape[1], x.shape[2], x.shape[3], x.device)
        hidden = F.silu(self.times(waves(times)) + classes @ self.classes)
        condition = self.condition(hidden).view(len(x), 8, -1)
        for block in self.blocks:
            x = block(x, condition[:, :6])
        scale, shift = condition[:, 6:, None, None].unbind(1)
        return self._join(self.leave(modulated(x, scale, shift)).float())[..., :height, :width]

    def _cut(self, points: Tensor) -> Tensor:
        """Cut (N, C, h, w) into patches (N, h', w', C * patch**2), padded with zeros at the end."""
        height, width = points.shape[2:]
        padded = F.pad(points, (0, -width % self.patch, 0, -height % self.patch))
        return F.pixel_unshuffle(padded, self.patch).permute(0, 2, 3, 1)

    def _join(self, patches: Tensor) -> Tensor:
        return F.pixel_shuffle(patches.permute(0, 3, 1, 2), self.patch)


def waves(times: Tensor) -> Tensor:
    """Returns cosines and sines (N, 2 * FREQUENCIES) of times (N,) in 0..1."""
    octaves = torch.linspace(0, math.log(1000), FREQUENCIES, device=times.device)
    angles = times[:, None] * octaves.exp()
    return torch.cat([angles.cos(), angles.sin()], 1)


def positions(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """Returns cosines and sines (height, width, channels) of the positions in a map."""
    count = channels // 4
    octaves = torch.linspace(0, math.log(WIDEST), count, device=device).exp() * math.pi
    rows = (torch.arange(height, device=device) + 0.5)[:, None, None] / height * octaves
    columns = (torch.arange(width, device=device) + 0.5)[:, None] / width * octaves
    both = torch.stack([rows.expand(-1, width, -1), columns.expand(height, -1, -1)], 2)
    return torch.cat([both.cos(), both.sin()], 2).flatten(2)
