"""The tiny autoencoders of Ollin Boer Bohan (TAESD), which have the latents of larger VAEs.

They consist of convolutions and residual blocks in a row. Their sizes are read from the shapes of
their weights. `foreign.py` reads them from files.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..pretrained.layers import Shapes, children, convolution, under
from .networks import ForeignVae

RANGE = 3.0  # latents are bent into -3..3 before they are decoded


class TinyBlock(nn.Module):
    """Three convolutions beside a skip connection; ReLU after each convolution and the sum."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (
            convolution(shapes, f"conv{number}") for number in (1, 2, 3)
        )
        self.skip = None
        if "skip.weight" in shapes:
            self.skip = _without_bias(convolution(shapes, "skip"))

    def forward(self, x: Tensor) -> Tensor:
        change = self.conv3(F.relu(self.conv2(F.relu(self.conv1(x)))))
        return F.relu(change + (x if self.skip is None else self.skip(x)))


class TinyAutoencoder(ForeignVae):
    """A tiny autoencoder. A latent has no variance."""

    def __init__(self, channels: int, shapes: Shapes) -> None:
        super().__init__(channels)
        self.encoder = _layers(under(shapes, "encoder."), stride=2)
        self.decoder = _layers(under(shapes, "decoder."), stride=1)

    def posterior(self, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        latents: Tensor = self.encoder((pictures + 1) / 2)
        return latents.float(), None

    def picture(self, latents: Tensor) -> Tensor:
        first, *others = self.decoder
        x = F.relu(first(torch.tanh(latents / RANGE) * RANGE))
        for layer in others:
            if isinstance(layer, nn.Conv2d) and layer.bias is None:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = layer(x)
        pictures: Tensor = x.float() * 2 - 1
        return pictures


def _layers(shapes: Shapes, stride: int) -> nn.Sequential:
    """Returns a row of convolutions and blocks.

    stride: that of the convolutions without bias, which change the size.
    Raises: ValueError if a convolution in the middle has a bias.
    """
    layers: list[nn.Module] = []
    parts = children(shapes)
    for number, part in enumerate(parts):
        if "weight" not in part:
            layers.append(TinyBlock(part))
            continue
        named = {f"conv.{name}": shape for name, shape in part.items()}
        if "bias" in part:
            if number not in (0, len(parts) - 1):
                raise ValueError(f"layer {number} belongs to another kind of network")
            layers.append(convolution(named, "conv"))
        else:
            layers.append(_without_bias(convolution(named, "conv", stride)))
    return nn.Sequential(*layers)


def _without_bias(layer: nn.Conv2d) -> nn.Conv2d:
    layer.register_parameter("bias", None)
    return layer
