"""ConvNeXt.

Paper: Liu et al. 2022, "A ConvNet for the 2020s", figure 4.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import (
    Shapes,
    channels_last_norm,
    children,
    convolution,
    dense,
    layer_norm,
    under,
)


class Block(nn.Module):
    """A depthwise convolution, and two dense layers at each place, scaled by `gamma`."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.norm = layer_norm(shapes, "norm")
        (width,) = self.norm.normalized_shape
        self.conv = convolution(shapes, "conv", 1, width)
        self.fc1, self.fc2 = dense(shapes, "fc1"), dense(shapes, "fc2")
        self.gamma = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.norm(self.conv(x).permute(0, 2, 3, 1))
        hidden = self.gamma * self.fc2(F.gelu(self.fc1(hidden)))
        output: Tensor = x + hidden.permute(0, 3, 1, 2)
        return output


class Downsampling(nn.Module):
    """A layer norm over the channels and a convolution that halves the maps."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.norm, self.conv = layer_norm(shapes, "norm"), _patches(shapes)

    def forward(self, x: Tensor) -> Tensor:
        halved: Tensor = self.conv(channels_last_norm(self.norm, x))
        return halved


class Stem(nn.Module):
    """A convolution that reduces a picture to a quarter, and a layer norm over the channels."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.conv, self.norm = _patches(shapes), layer_norm(shapes, "norm")

    def forward(self, x: Tensor) -> Tensor:
        return channels_last_norm(self.norm, self.conv(x))


class ConvNeXt(nn.Module):
    """The layers up to the last one."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        stages = children(shapes, "stages.")
        if len(stages) != 4:
            raise ValueError(f"there are {len(stages)} stages instead of 4")
        self.downsamplings = nn.ModuleList(
            [
                Stem(under(shapes, "downsamplings.0.")),
                *(Downsampling(s) for s in children(shapes, "downsamplings.")[1:]),
            ]
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(block) for block in children(stage))) for stage in stages
        )
        self.norm = layer_norm(shapes, "norm")

    def last_part(self) -> list[nn.Module]:
        """Returns the modules that are trained if the network is fine-tuned."""
        return [self.downsamplings[3], self.stages[3], self.norm]

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Returns maps of 1/4 to 1/32 of the size, and the inputs (N, D) of the last layer."""
        maps = []
        for downsampling, stage in zip(self.downsamplings, self.stages, strict=True):
            x = stage(downsampling(x))
            maps.append(x)
        return maps, self.norm(x.mean((2, 3)))


def _patches(shapes: Shapes) -> nn.Conv2d:
    """Returns a convolution of patches that touch, but do not overlap."""
    convolved = convolution(shapes, "conv", shapes.get("conv.weight", (0, 0, 1))[2])
    convolved.padding = (0, 0)
    return convolved
