"""Pretrained networks: configs, features and predictions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..configs import (
    Size,
    check_choice,
    check_flag,
    check_names,
    check_size,
    check_whole,
    read_config,
    sides_of,
)
from ..training.sampler import micro_batches
from .convnext import ConvNeXt
from .efficientnet import EfficientNet
from .layers import Shapes, dense, under
from .resnet import ResNet
from .sources import Family
from .vit import VisionTransformer

Body = EfficientNet | ResNet | ConvNeXt | VisionTransformer

FEWEST, MOST = 32, 518  # smallest and largest edge at which pictures are seen


@dataclass(frozen=True)
class PretrainedConfig:
    """What defines a pretrained network, beside the shapes of its weights.

    family:       kind of network.
    size:         of the pictures that it recognises.
    classes:      names of the classes; empty if it has only features.
    edge:         pictures are resized to the area of a square with this edge before they are
                  recognised.
    same:         whether convolutions are padded as in TensorFlow (EfficientNet only).
    temperature:  as in ClassifierConfig.
    mirrored:     as in ClassifierConfig.
    fine_tuned:   whether its features were also trained on pictures of a dataset here.
    """

    method: Literal["pretrained"]
    family: Family
    size: Size
    classes: tuple[str, ...]
    edge: int
    same: bool = False
    temperature: float = 1.0
    mirrored: bool = False
    fine_tuned: bool = False

    def __post_init__(self) -> None:
        check_choice("method", self.method, ("pretrained",))
        check_choice("family", self.family, get_args(Family))
        check_size(self.size, 16, MOST)
        if self.classes != ():
            check_names("classes", self.classes)
        check_whole("edge", self.edge, FEWEST, MOST)
        if type(self.temperature) is not float or not 0.01 <= self.temperature <= 100:
            raise ValueError(f"temperature must be from 0.01 to 100, not {self.temperature!r:.80}")
        check_flag("same", self.same)
        check_flag("mirrored", self.mirrored)
        check_flag("fine_tuned", self.fine_tuned)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the pictures that it recognises."""
        return sides_of(self.size)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PretrainedConfig:
        """Returns the config of a dict made by `dataclasses.asdict`. Raises: ValueError."""
        return read_config(cls, data)


class PretrainedNet(nn.Module):
    """A pretrained network. Pictures (N, 3, H, W) in -1..1 may have any size."""

    def __init__(self, config: PretrainedConfig, shapes: Shapes) -> None:
        """`shapes`: those of its weights.

        Raises: ValueError if they do not belong together.
        """
        super().__init__()
        body = under(shapes, "body.")
        self.body: Body
        if config.family == "efficientnet":
            self.body = EfficientNet(body, config.same)
        else:
            families: dict[str, Callable[[Shapes], Body]] = {
                "resnet": ResNet,
                "convnext": ConvNeXt,
                "vit": VisionTransformer,
            }
            self.body = families[config.family](body)
        self.head = dense(shapes, "head") if "head.weight" in shapes else None
        # Buffers and not numbers, so that they are on the device.
        self.mean: Tensor
        self.deviation: Tensor
        for name in ("mean", "deviation"):
            self.register_buffer(name, torch.empty(3))
        self.edge = config.edge
        self.temperature, self.mirrored = config.temperature, config.mirrored

    def last_part(self) -> list[nn.Module]:
        """Returns the modules that are trained if the network is fine-tuned."""
        return [*self.body.last_part(), *([] if self.head is None else [self.head])]

    def maps(self, x: Tensor) -> list[Tensor]:
        """Returns four feature maps, the finest first, of pictures in the size that they have."""
        maps: list[Tensor] = self.body(self._normalised(x))[0]
        return maps

    def parts(self, x: Tensor) -> list[Tensor]:
        """Returns features of pictures, resized to the area of a square of `edge`, (N, D) each.

        They are the means and maxima of the last two maps, and then the published inputs of the
        last layer. Few pictures at a time are processed, so that large sets fit into memory.
        """
        slices = micro_batches(len(x), self.edge**2)
        found = [self._parts(x[part]) for part in slices]
        return [torch.cat(parts) for parts in zip(*found, strict=True)]

    def _parts(self, x: Tensor) -> list[Tensor]:
        """Returns the features of `parts` of all pictures at once."""
        scale = self.edge / math.sqrt(x.shape[2] * x.shape[3])
        if scale != 1:
            shape = [max(1, round(side * scale)) for side in x.shape[2:]]
            x = F.interpolate(x, shape, mode="bicubic", antialias=scale < 1).clamp(-1, 1)
        maps, summary = self.body(self._normalised(x))
        pooled = [value for m in maps[-2:] for value in (m.mean((2, 3)), m.amax((2, 3)))]
        return [*pooled, summary]

    def pooled(self, x: Tensor) -> Tensor:
        """Returns the features of `parts`, joined, (N, D)."""
        return torch.cat(self.parts(x), 1)

    def logits(self, pooled: Tensor) -> Tensor:
        """Returns logits (N, classes) of feature vectors; a published last layer sees their end."""
        assert self.head is not None
        logits: Tensor = self.head(pooled[:, -self.head.in_features :])
        return logits

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.pooled(x))

    def _normalised(self, x: Tensor) -> Tensor:
        """Returns pictures, scaled as those on which the network was trained."""
        shift = (0.5 - self.mean.view(3, 1, 1)) / self.deviation.view(3, 1, 1)
        return x * (0.5 / self.deviation.view(3, 1, 1)) + shift


class PretrainedFeatures(nn.Module):
    """Wraps a pretrained network so that it returns its feature maps."""

    def __init__(self, network: PretrainedNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> list[Tensor]:
        """Returns four feature maps, the finest first, of pictures (N, 3, H, W) in -1..1."""
        return self.network.maps(x)

    def vectors(self, x: Tensor) -> Tensor:
        """Returns vectors (N, D) by which pictures are compared."""
        return self.network.pooled(x)

    def summaries(self, x: Tensor) -> Tensor:
        """Returns the published inputs of the last layer, (N, D): they rank sets of pictures best.

        docs/evidence.md contains the measurement.
        """
        return self.network.parts(x)[-1]


def load_pretrained(config: PretrainedConfig, state: Mapping[str, Tensor]) -> PretrainedNet:
    """Returns a network with copies of the weights in `state`, whose shapes give its layers.

    Raises: ValueError or RuntimeError if they do not belong together.
    """
    with torch.device("meta"):
        network = PretrainedNet(config, {name: tuple(value.shape) for name, value in state.items()})
        try:
            pooled = network.pooled(torch.empty(1, 3, FEWEST, FEWEST))
            classes = 0 if network.head is None else network.logits(pooled).shape[1]
        except RuntimeError as error:
            raise ValueError(f"the layers do not fit together ({error!s:.80})") from error
    if classes != len(config.classes):
        raise ValueError(f"there are {len(config.classes)} classes, but {classes} logits")
    network = network.to_empty(device="cpu")
    network.load_state_dict(state)
    return network
