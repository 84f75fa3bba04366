"""Layers whose sizes are read from the shapes of their weights.

The batch norms of a trained network are folded into the convolutions before them (see `folded`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

Shapes = Mapping[str, tuple[int, ...]]  # of weights, by name


class SameConv2d(nn.Conv2d):
    """A convolution padded as in TensorFlow: on both sides, and by one more at the end if odd."""

    def forward(self, x: Tensor) -> Tensor:
        sides = []
        for size, kernel, stride in zip(x.shape[2:], self.kernel_size, self.stride, strict=True):
            missing = max(0, (-(-size // stride) - 1) * stride + kernel - size)
            sides.append((missing // 2, missing - missing // 2))
        (top, bottom), (left, right) = sides
        return super().forward(F.pad(x, (left, right, top, bottom)))


def under(shapes: Shapes, prefix: str) -> dict[str, tuple[int, ...]]:
    """Returns the shapes whose names begin with a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in shapes.items() if k.startswith(prefix)}


def children(shapes: Shapes, prefix: str = "") -> list[dict[str, tuple[int, ...]]]:
    """Returns the shapes of the parts that are numbered from 0 after a prefix.

    Raises: ValueError if a number is missing.
    """
    found = {int(m[1]) for k in shapes if (m := re.match(rf"{re.escape(prefix)}(\d+)\.", k))}
    if found != set(range(len(found))):
        missing = min(set(range(max(found))) - found)
        raise ValueError(f"{prefix}{missing} is missing")
    return [under(shapes, f"{prefix}{number}.") for number in range(len(found))]


def convolution(
    shapes: Shapes, name: str, stride: int = 1, inputs: int = 0, same: bool = False
) -> nn.Conv2d:
    """Returns a convolution, padded so that only the stride changes the size.

    inputs: number of channels of its input, if it may be grouped.
    same:   whether it is a `SameConv2d`.
    """
    outputs, each, kernel, _ = _shape(shapes, name, 4)
    groups = max(1, inputs // each)
    if same and stride > 1:
        return SameConv2d(each * groups, outputs, kernel, stride, groups=groups)
    return nn.Conv2d(each * groups, outputs, kernel, stride, kernel // 2, groups=groups)


def dense(shapes: Shapes, name: str) -> nn.Linear:
    """Returns a linear layer."""
    outputs, inputs = _shape(shapes, name, 2)
    return nn.Linear(inputs, outputs)


def layer_norm(shapes: Shapes, name: str) -> nn.LayerNorm:
    """Returns a layer norm over the last dimension."""
    return nn.LayerNorm(_shape(shapes, name, 1)[0], eps=1e-6)


def _shape(shapes: Shapes, name: str, dimensions: int) -> tuple[int, ...]:
    shape = shapes.get(f"{name}.weight")
    if shape is None or len(shape) != dimensions:
        text = "is missing" if shape is None else f"has the shape {(*shape,)}"
        raise ValueError(f"{name}.weight {text}")
    return shape


def folded(weight: Tensor, norm: Mapping[str, Tensor], eps: float) -> tuple[Tensor, Tensor]:
    """Returns weight and bias of a convolution that does what it and its batch norm do together.

    norm: the weights of the batch norm, and the mean and variance that it measured.
    """
    scale = norm["weight"].double() / (norm["running_var"].double() + eps).sqrt()
    bias = norm["bias"].double() - norm["running_mean"].double() * scale
    folded_weight = weight.double() * scale.view(-1, *[1] * (weight.ndim - 1))
    return folded_weight.float().contiguous(), bias.float()


def channels_last_norm(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """Returns x (N, C, H, W), normalised over the channels at each place."""
    normed: Tensor = norm(x.permute(0, 2, 3, 1))
    return normed.permute(0, 3, 1, 2)
