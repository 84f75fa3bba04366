"""Which class does a picture belong to? A small residual network, and the article's classic one.

What they are made from, and what they make of pictures; `classifier_training` trains them.
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
from ..configs import check_choice, check_names, check_whole, read_config
from ..training.in_parts import in_parts
from ..training.numerics import Numerics

Method = Literal["residual", "classic"]

HALVINGS = (3, 6)  # of a residual net: the fewest and the most
TEMPERATURES = (0.01, 100.0)


@dataclass(frozen=True)
class ClassifierConfig:
    """What a classifier's network is made from.

    size:   side of the training pictures in pixels.
    width:  channels of the first stage; the last has four times as many ("classic": twice).
    halvings:     how often the residual net halves a picture; 0: until about 8 px are left.
    temperature:  what the logits are divided by, so that probabilities are calibrated.
    mirrored:     whether a picture's logits are the mean of its own and its mirror image's
                  (Krizhevsky et al. 2012, section 4.1): where training mirrored pictures, too.
    """

    method: Method
    size: int
    classes: tuple[str, ...]
    width: int = 32
    halvings: int = 0
    temperature: float = 1.0
    mirrored: bool = False

    def __post_init__(self) -> None:
        check_choice("method", self.method, get_args(Method))
        # The classic network's dense layer grows with the picture: 63 MB at 256 px.
        check_whole("size", self.size, 16, 256 if self.method == "classic" else 512)
        check_whole("width", self.width, 8, 128 if self.method == "residual" else 32)
        check_names("classes", self.classes)
        if self.halvings != 0:
            check_whole("halvings", self.halvings, *HALVINGS)
        low, high = TEMPERATURES
        if type(self.temperature) is not float or not low <= self.temperature <= high:
            raise ValueError(f"temperature must be from {low} to {high}, not {self.temperature!r}")
        if type(self.mirrored) is not bool:
            raise ValueError(f"mirrored must be true or false, not {self.mirrored!r:.80}")

    @property
    def depth(self) -> int:
        """How often a residual net of this config halves a picture."""
        return self.halvings or max(HALVINGS[0], round(math.log2(self.size / 8)))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ClassifierConfig:
        """The config of `dataclasses.asdict`, checked; ValueError says what is wrong."""
        return read_config(cls, data)


def make_classifier(config: ClassifierConfig) -> ResidualNet | ClassicNet:
    """The network for pictures (N, 3, size, size) in -1..1, giving logits (N, classes)."""
    network: ResidualNet | ClassicNet
    if config.method == "classic":
        network = ClassicNet(config.size, config.width, len(config.classes))
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
    """A stem at half the size, then stages that halve until it was done `halvings` times.

    With width w the stages have w, (w, ...,) 2w, 4w and 4w channels; the last keeps its size.
    Pictures of other sizes than the trained one are accepted too.
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
        """The maps after each stage: (N, widths[k], about size / 2^(k+1)) squared."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def pooled(self, x: Tensor) -> Tensor:
        """Pictures (N, 3, S, S) in -1..1 to what the last layer decides on: (N, widths[-1])."""
        return F.relu(self.norm(self.features(x)[-1])).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.dense(self.pooled(x))
        return logits


class Features(nn.Module):
    """A trained residual net as one that gives its feature maps, the coarser ones."""

    def __init__(self, network: ResidualNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> list[Tensor]:
        """Pictures (N, 3, S, S) in -1..1 to maps of about S/4 px and less."""
        return self.network.features(x)[1:]


class ClassicNet(nn.Module):
    """The textbook network: two convolutions, each with ReLU and max pooling, two dense layers."""

    temperature, mirrored = 1.0, False

    def __init__(self, size: int, width: int, classes: int) -> None:
        super().__init__()
        self.size = size
        self.conv1 = nn.Conv2d(3, width, 3)
        self.conv2 = nn.Conv2d(width, 2 * width, 3)
        side = ((size - 2) // 2 - 2) // 2
        self.dense1 = nn.Linear(2 * width * side * side, 64)
        self.dense2 = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.size, self.size):
            raise ValueError(f"this network takes pictures of {self.size} x {self.size} px alone")
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        logits: Tensor = self.dense2(F.relu(self.dense1(x.flatten(1))))
        return logits


def predict(
    network: ResidualNet | ClassicNet, images: Tensor, numerics: Numerics, batch: int = 256
) -> Tensor:
    """Calibrated probabilities (N, classes), float32, of uint8 images (N, S, S, 3).

    Puts the network on the device and into evaluation mode.
    """
    logits = logits_of(network, images, numerics, mirrored=network.mirrored, batch=batch)
    return (logits / network.temperature).softmax(1)


def logits_of(
    network: nn.Module, images: Tensor, numerics: Numerics, *, mirrored: bool, batch: int = 256
) -> Tensor:
    """The same before temperature and softmax; `mirrored` as in `ClassifierConfig`."""
    numerics.place(network).eval()

    def logits(part: Tensor) -> Tensor:
        with torch.no_grad(), numerics.autocast():
            pictures = to_signed(part.to(numerics.device))
            found: Tensor = network(pictures).float()
            if mirrored:
                found = (found + network(pictures.flip(3)).float()) / 2
        return found.cpu()

    return in_parts(logits, images, batch=batch)
