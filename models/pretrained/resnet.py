"""ResNet 18 to 152, also wider or with grouped convolutions.

Paper: He et al. 2016, "Deep residual learning for image recognition", table 1. The stride of a
bottleneck is that of its 3x3 convolution (Goyal et al. 2017, section 5.1).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from .layers import Shapes, children, convolution


class Residual(nn.Module):
    """A basic block of two convolutions, or a bottleneck of three (figure 5)."""

    def __init__(self, shapes: Shapes, stride: int) -> None:
        super().__init__()
        bottleneck = "conv3.weight" in shapes
        self.conv1 = convolution(shapes, "conv1", 1 if bottleneck else stride)
        self.conv2 = convolution(
            shapes, "conv2", stride if bottleneck else 1, self.conv1.out_channels
        )
        self.conv3 = convolution(shapes, "conv3") if bottleneck else None
        changes = "shortcut.weight" in shapes
        self.shortcut = convolution(shapes, "shortcut", stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv2(F.relu(self.conv1(x)))
        if self.conv3 is not None:
            hidden = self.conv3(F.relu(hidden))
        if self.shortcut is not None:
            x = self.shortcut(x)
        return F.relu(x + hidden)


class ResNet(nn.Module):
    """The layers up to the last pooling."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        stages = children(shapes, "stages.")
        if len(stages) != 4:
            raise ValueError(f"there are {len(stages)} stages instead of 4")
        self.stem = convolution(shapes, "stem", 2)
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    Residual(block, 2 if number == 0 and stage > 0 else 1)
                    for number, block in enumerate(children(blocks))
                )
            )
            for stage, blocks in enumerate(stages)
        )

    def last_part(self) -> list[nn.Module]:
        """Returns the modules that are trained if the network is fine-tuned."""
        return [self.stages[3]]

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Returns maps of 1/4 to 1/32 of the size, and the inputs (N, D) of the last layer."""
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2, 1)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps, x.mean((2, 3))
