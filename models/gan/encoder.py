"""The encoder of a GAN: from a picture to the code, the class and the noise maps that draw it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import LEAK
from ..configs import check_whole, read_config
from .config import GanConfig
from .layers import initialise_normal

SEEN = 64  # edge to which larger pictures are reduced before they are encoded
GRID = 4  # cells of the grid along an edge, from which the code is computed
NORM_GROUPS = 8


@dataclass(frozen=True)
class EncoderConfig:
    """What defines an encoder, besides the GAN to which it belongs.

    code, classes: lengths of a code and of class weights.
    maps:          (channels, height, width) of each noise map.
    planes:        channels of a picture.
    model:         digest of the GAN whose latents it finds.
    """

    code: int
    classes: int
    maps: tuple[tuple[int, int, int], ...]
    planes: int
    model: str
    width: int = (
        48  # channels of the first stage; the others have two, three and four times as many
    )

    def __post_init__(self) -> None:
        check_whole("code", self.code, 1, 1024)
        check_whole("classes", self.classes, 1, 100_000)
        check_whole("planes", self.planes, 3, 4)
        check_whole("width", self.width, NORM_GROUPS, 512)
        for sides in self.maps:
            for side in sides:
                check_whole("each side of maps", side, 1, 512)

    @classmethod
    def of(cls, config: GanConfig, code: int, model: str) -> EncoderConfig:
        """Returns the config of the encoder of a GAN."""
        return cls(code, len(config.classes), config.noise_maps, config.planes, model)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON; `from_dict` reverses it."""
        return {**asdict(self), "maps": [[*sides] for sides in self.maps]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EncoderConfig:
        """Returns a config from the values in a file. Raises: ValueError, with one line."""
        maps = tuple(tuple(sides) for sides in values.get("maps", ()))
        return read_config(cls, {**values, "maps": maps})


class GanEncoder(nn.Module):
    """Strided residual convolutions; each noise map is read from features of about its size."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * times for times in (1, 2, 3, 4)]
        self.stem = nn.Conv2d(config.planes, widths[0], 4, 2, 1)
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(count)))
            for width, count in zip(widths[:3], (1, 2, 2), strict=True)
        )
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise(widths))
        self.across = nn.Conv2d(widths[2], widths[1], 1)
        self.noises = nn.ModuleList(
            nn.Conv2d(widths[2 - number], sides[0], 3, padding=1)
            for number, sides in enumerate(config.maps)
        )
        hidden = 256
        self.hidden = nn.Linear(widths[3] * GRID**2, hidden)
        self.code = nn.Linear(hidden, config.code)
        self.label = nn.Linear(hidden, config.classes)
        self.register_buffer("mean", torch.zeros(config.code))
        self.register_buffer("std", torch.ones(config.code))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns codes (N, K), class logits (N, C) and flat noise maps of (N, P, H, W)."""
        shorter = math.sqrt(x.shape[2] * x.shape[3]) / SEEN
        if shorter > 1:
            size = [max(16, round(side / shorter)) for side in x.shape[2:]]
            x = F.interpolate(x, size, mode="bilinear", antialias=True)
        x = self.stages[0](self.stem(x))
        middle = self.stages[1](self.down[0](x))
        coarse = self.stages[2](self.down[1](middle))
        fine = middle + F.interpolate(self.across(coarse), middle.shape[2:])
        noises = [
            head(_means_of_cells(F.leaky_relu(features, LEAK), sides[1:])).flatten(1)
            for head, features, sides in zip(
                self.noises, (coarse, fine), self.config.maps, strict=False
            )
        ]
        cells = _means_of_cells(self.down[2](coarse), (GRID, GRID)).flatten(1)
        hidden = F.leaky_relu(self.hidden(F.leaky_relu(cells, LEAK)), LEAK)
        codes = self.code(hidden).float() * self.std + self.mean
        noise = torch.cat(noises, 1) if noises else hidden[:, :0]
        return codes, self.label(hidden).float(), noise.float()

    def initialise_(self, random: torch.Generator) -> None:
        for layer in (self.code, self.label):
            initialise_normal(layer, 0.3, random)
        nn.init.zeros_(self.mean)
        nn.init.ones_(self.std)


class Block(nn.Module):
    """x + conv(act(norm(conv(act(norm(x)))))), zero at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        groups = math.gcd(NORM_GROUPS, width)
        self.norms = nn.ModuleList(nn.GroupNorm(groups, width) for _ in range(2))
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(F.leaky_relu(self.norms[0](x), LEAK))
        return x + self.second(F.leaky_relu(self.norms[1](hidden), LEAK))  # type: ignore[no-any-return]

    def initialise_(self, random: torch.Generator) -> None:
        nn.init.zeros_(self.second.weight)


def _means_of_cells(x: Tensor, sides: Sequence[int]) -> Tensor:
    """Returns what `adaptive_avg_pool2d` does, with a gradient that is deterministic on GPUs."""
    rows, columns = (
        _averaging(side, count).to(x) for side, count in zip(x.shape[2:], sides, strict=True)
    )
    return rows @ x @ columns.T


def _averaging(side: int, count: int) -> Tensor:
    """Returns the weights (count, side) of the pixels along an edge in the means of its cells."""
    weights = torch.zeros(count, side)
    for cell in range(count):
        pixels = slice(cell * side // count, -(-(cell + 1) * side // count))
        weights[cell, pixels] = 1 / len(range(*pixels.indices(side)))
    return weights
