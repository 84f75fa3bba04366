"""EfficientNet B0 to B7 and Lite.

Paper: Tan and Le 2019, "EfficientNet: Rethinking model scaling for convolutional neural networks",
table 1. Lite (Liu 2020) is without squeeze-and-excitation, and has ReLU6 in place of SiLU.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import Shapes, children, convolution, under

STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the first block of each stage
LAST = (1, 2, 4, 6)  # stages whose maps are returned: those of strides 4, 8, 16 and 32


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, squeeze-and-excitation and projection (MBConv).

    Paper: Sandler et al. 2018, "MobileNetV2", figure 3; Hu et al. 2018, "Squeeze-and-excitation
    networks", figure 3.
    """

    def __init__(self, shapes: Shapes, stride: int, same: bool) -> None:
        super().__init__()
        self.expand = convolution(shapes, "expand") if "expand.weight" in shapes else None
        middle = shapes.get("depthwise.weight", (0,))[0]
        self.depthwise = convolution(shapes, "depthwise", stride, middle, same)
        excited = "squeeze.weight" in shapes
        self.squeeze = convolution(shapes, "squeeze") if excited else None
        self.excite = convolution(shapes, "excite") if excited else None
        self.project = convolution(shapes, "project")
        inputs = middle if self.expand is None else self.expand.in_channels
        self.residual = stride == 1 and inputs == self.project.out_channels

    def forward(self, x: Tensor) -> Tensor:
        activation = F.relu6 if self.squeeze is None else F.silu
        hidden = x if self.expand is None else activation(self.expand(x))
        hidden = activation(self._filtered(hidden))
        if self.squeeze is not None and self.excite is not None:
            gate = F.silu(self.squeeze(hidden.mean((2, 3), keepdim=True)))
            hidden = hidden * torch.sigmoid(self.excite(gate))
        change: Tensor = self.project(hidden)
        return x + change if self.residual else change

    def _filtered(self, hidden: Tensor) -> Tensor:
        """Returns the depthwise convolution.

        On a processor, the gradient of a strided one takes ten times as long in bfloat16 as in
        float32, so it is computed in float32 if the weights are frozen.
        """
        frozen = hidden.requires_grad and not self.depthwise.weight.requires_grad
        if hidden.is_cpu and frozen and self.depthwise.stride != (1, 1):
            with torch.autocast("cpu", enabled=False):
                filtered: Tensor = self.depthwise(hidden.float())
        else:
            filtered = self.depthwise(hidden)
        return filtered


class EfficientNet(nn.Module):
    """The layers up to the last pooling."""

    def __init__(self, shapes: Shapes, same: bool) -> None:
        """`same`: whether the convolutions are padded as in TensorFlow."""
        super().__init__()
        stages = children(shapes, "stages.")
        if len(stages) != len(STRIDES):
            raise ValueError(f"there are {len(stages)} stages instead of {len(STRIDES)}")
        self.stem = convolution(shapes, "stem", 2, same=same)
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    InvertedResidual(block, 1 if number else stride, same)
                    for number, block in enumerate(children(stage))
                )
            )
            for stage, stride in zip(stages, STRIDES, strict=True)
        )
        self.top = convolution(shapes, "top")
        lite = not any(name.startswith("squeeze.") for name in under(shapes, "stages.0.0."))
        self.activation = F.relu6 if lite else F.silu

    def last_part(self) -> list[nn.Module]:
        """Returns the modules that are trained if the network is fine-tuned."""
        return [*self.stages[5:], self.top]

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Returns maps of 1/4 to 1/32 of the size, and the inputs (N, D) of the last layer."""
        x = self.activation(self.stem(x))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        summary = self.activation(self.top(x)).mean((2, 3))
        return [maps[number] for number in LAST], summary
