"""Classifiers of pictures: configs, networks and predictions. `trainee` trains them.

There is a small residual network, and the classic one of textbooks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import to_signed
from ..configs import (
    Size,
    check_choice,
    check_names,
    check_size,
    check_whole,
    read_config,
    sides_of,
)
from ..pretrained.network import PretrainedNet
from ..training.in_parts import in_parts
from ..training.loop import Progress
from ..training.numerics import Numerics

Method = Literal["residual", "classic"]

HALVINGS = (3, 6)  # fewest and most halvings in a residual net
AT_ONCE = 256  # pictures that a network sees at once when it is used
CLASSIC_SIDE = 10  # shortest side in pixels that the classic network can halve twice
TEMPERATURES = (0.01, 100.0)  # lowest and highest temperature of a config


@dataclass(frozen=True)
class ClassifierConfig:
    """What defines a classifier's network.

    size:         of the training pictures.
    width:        channels of the first stage; the last has four times as many ("classic": twice).
    halvings:     how often the residual net halves a picture; 0 halves it to about 8 px.
    temperature:  number by which logits are divided, to calibrate the probabilities.
    mirrored:     whether a picture's logits are the mean of those of the picture and of its mirror
                  image (Krizhevsky et al. 2012, section 4.1). It is set if the network was trained
                  with mirrored pictures.
    """

    method: Method
    size: Size
    classes: tuple[str, ...]
    width: int = 32
    halvings: int = 0
    temperature: float = 1.0
    mirrored: bool = False

    def __post_init__(self) -> None:
        check_choice("method", self.method, get_args(Method))
        # The classic network's dense layer grows with the picture: 63 MB at 256 px.
        check_size(self.size, 16, 256 if self.method == "classic" else 512)
        if self.method == "classic" and min(self.shape) < CLASSIC_SIDE:
            raise ValueError(
                f"the sides must be at least {CLASSIC_SIDE} px for the method classic, not"
                f" {min(self.shape)} px"
            )
        check_whole("width", self.width, 8, 128 if self.method == "residual" else 32)
        check_names("classes", self.classes)
        if self.halvings != 0:
            check_whole("halvings", self.halvings, *HALVINGS)
        low, high = TEMPERATURES
        if type(self.temperature) is not float or not low <= self.temperature <= high:
            raise ValueError(
                f"temperature must be from {low} to {high}, not {self.temperature!r:.80}"
            )
        if type(self.mirrored) is not bool:
            raise ValueError(f"mirrored must be true or false, not {self.mirrored!r:.80}")

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the training pictures."""
        return sides_of(self.size)

    @property
    def depth(self) -> int:
        """How often a residual net of this config halves a picture."""
        edge = math.sqrt(math.prod(self.shape))
        return self.halvings or max(HALVINGS[0], round(math.log2(edge / 8)))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ClassifierConfig:
        """Returns the config of a dict made by `dataclasses.asdict`.

        Raises: ValueError for a wrong value, or an unknown or a missing key.
        """
        return read_config(cls, data)


def make_classifier(config: ClassifierConfig) -> ResidualNet | ClassicNet:
    """Returns a network without trained weights.

    It maps pictures (N, 3, H, W) in -1..1 to logits (N, classes).
    """
    network: ResidualNet | ClassicNet
    if config.method == "classic":
        network = ClassicNet(*config.shape, config.width, len(config.classes))
    else:
        network = ResidualNet(config.depth, config.width, len(config.classes))
    network.temperature, network.mirrored = config.temperature, config.mirrored
    return network


class ResidualBlock(nn.Module):
    """Two convolutions before the sum, norm and ReLU first (He et al. 2016, fig. 4e)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        changes = stride > 1 or inputs != outputs
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False) if changes else None
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.norm1(x))
        if self.skip is not None:
            x = self.skip(F.avg_pool2d(hidden, self.stride, ceil_mode=True))
        change: Tensor = self.conv2(F.relu(self.norm2(self.conv1(hidden))))
        return x + change


class ResidualNet(nn.Module):
    """A residual network whose stem and stages halve the picture `halvings` times in all.

    With width w, the stages have w, (w, ...,) 2w, 4w and 4w channels. The last stage does not
    change the size. Pictures may have another size than in training.
    """

    temperature, mirrored = 1.0, False

    def __init__(self, halvings: int, width: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, 2, 1, bias=False)
        widths = [width] * (halvings - 2) + [2 * width, 4 * width, 4 * width]
        strides = [1] + [2] * (halvings - 1) + [1]
        self.stages = nn.ModuleList(
            ResidualBlock(inputs, outputs, stride)
            for inputs, outputs, stride in zip([width, *widths], widths, strides, strict=False)
        )
        self.norm = nn.BatchNorm2d(4 * width)
        self.dense = nn.Linear(4 * width, classes)
        self.widths = tuple(widths)

    def features(self, x: Tensor) -> list[Tensor]:
        """Returns the maps after each stage k: (N, widths[k], h, w), h about H / 2^(k+1)."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def pooled(self, x: Tensor) -> Tensor:
        """Returns the last layer's inputs (N, widths[-1]), of pictures (N, 3, H, W) in -1..1."""
        return F.relu(self.norm(self.features(x)[-1])).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.dense(self.pooled(x))
        return logits


class Features(nn.Module):
    """Wraps a trained residual net so that it returns its coarser feature maps."""

    def __init__(self, network: ResidualNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> list[Tensor]:
        """Returns the maps of a quarter of the size and less, of pictures (N, 3, H, W) in -1..1."""
        return self.network.features(x)[1:]

    def vectors(self, x: Tensor) -> Tensor:
        """Returns vectors (N, D) by which pictures are compared: the means of the maps."""
        return torch.cat([m.float().mean((2, 3)) for m in self(x)], 1)


class StageMeans(nn.Module):
    """Wraps a trained residual net so that it summarises pictures of any size as vectors."""

    def __init__(self, network: ResidualNet, edge: int) -> None:
        """`edge`: of the square with the area of the pictures that the network was trained on."""
        super().__init__()
        self.network, self.edge = network, edge

    def forward(self, x: Tensor) -> Tensor:
        """Returns the means of all maps, (N, D), of pictures (N, 3, H, W) in -1..1.

        Each map is normalised as for the layer that follows, so that no channel outweighs others.
        """
        scale = self.edge / math.sqrt(x.shape[2] * x.shape[3])
        if scale != 1:
            size = [round(scale * side) for side in x.shape[2:]]
            x = F.interpolate(x, size, mode="bilinear", antialias=scale < 1)
        norms = [block.get_submodule("norm1") for block in [*self.network.stages][1:]]
        maps = zip(self.network.features(x), [*norms, self.network.norm], strict=True)
        return torch.cat([norm(m).float().mean((2, 3)) for m, norm in maps], 1)


class ClassicNet(nn.Module):
    """The textbook network: two convolutions, each with ReLU and max pooling, two dense layers."""

    temperature, mirrored = 1.0, False

    def __init__(self, rows: int, columns: int, width: int, classes: int) -> None:
        """`rows`, `columns`: height and width of the pictures."""
        super().__init__()
        self.shape = (rows, columns)
        self.conv1 = nn.Conv2d(3, width, 3)
        self.conv2 = nn.Conv2d(width, 2 * width, 3)
        places = math.prod(((side - 2) // 2 - 2) // 2 for side in self.shape)
        self.dense1 = nn.Linear(2 * width * places, 64)
        self.dense2 = nn.Linear(64, classes)

    def pooled(self, x: Tensor) -> Tensor:
        """Returns the last layer's inputs (N, 64), of pictures (N, 3, H, W) in -1..1."""
        if x.shape[2:] != self.shape:
            raise ValueError(f"this network needs pictures of {self.shape[1]} x {self.shape[0]} px")
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return F.relu(self.dense1(x.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.dense2(self.pooled(x))
        return logits


def predict(
    network: ResidualNet | ClassicNet | PretrainedNet,
    images: Tensor,
    numerics: Numerics,
    batch: int = AT_ONCE,
    progress: Progress | None = None,
) -> Tensor:
    """Returns calibrated probabilities (N, classes), float32, of uint8 images (N, H, W, 3).

    The network is moved to the device and set to evaluation mode.
    """
    mirrored = network.mirrored
    logits = logits_of(network, images, numerics, mirrored=mirrored, batch=batch, progress=progress)
    return (logits / network.temperature).softmax(1)


def logits_of(
    network: nn.Module,
    images: Tensor,
    numerics: Numerics,
    *,
    mirrored: bool,
    batch: int = AT_ONCE,
    progress: Progress | None = None,
) -> Tensor:
    """Returns the logits of `predict`, before temperature and softmax.

    mirrored: as in `ClassifierConfig`.
    """
    numerics.place(network).eval()

    def logits(part: Tensor) -> Tensor:
        with torch.no_grad(), numerics.autocast():
            pictures = to_signed(part.to(numerics.device))
            output: Tensor = network(pictures).float()
            if mirrored:
                output = (output + network(pictures.flip(3)).float()) / 2
        return output.cpu()

    return in_parts(logits, images, batch=batch, progress=progress, network=network)
