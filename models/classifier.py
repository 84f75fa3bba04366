"""Which class does a picture belong to? A small residual network, and the article's classic one.

Both train from scratch in seconds on procedural art, and on an artist's folder of a few
pictures a class; the light augmentation and the averaged weights are for the latter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .augment import moved_pictures, recoloured
from .blocks import blank, initialise, to_bytes, to_signed
from .configs import check_choice, check_whole, read_config
from .numerics import Numerics
from .parts import in_parts
from .training import Average, Checkpoint, Report, Sampler, State, Stateful, generator, train

Method = Literal["residual", "classic"]

RATE = {"residual": 3e-3, "classic": 1e-3}  # of AdamW, and of the article's Adam
WARM_UP = 20  # steps of linear warm-up
DECAY = 0.998  # of the averaged weights
SMOOTHING = 0.1  # of the labels (Szegedy et al. 2016, section 7)
PREVIEWS = 16


@dataclass(frozen=True)
class ClassifierConfig:
    """What a classifier's network is made from.

    size:   side of the training pictures in pixels.
    width:  channels of the first stage; the last has four times as many ("classic": twice).
    """

    method: Method
    size: int
    classes: tuple[str, ...]
    width: int = 32

    def __post_init__(self) -> None:
        check_choice("method", self.method, get_args(Method))
        # The classic network's dense layer grows with the picture: 63 MB at 256 px.
        check_whole("size", self.size, 16, 256 if self.method == "classic" else 512)
        check_whole("width", self.width, 8, 128 if self.method == "residual" else 32)
        if not isinstance(self.classes, tuple) or not 1 <= len(self.classes) <= 1000:
            raise ValueError("classes must be a list of 1 to 1000 names")
        if not all(isinstance(name, str) and 0 < len(name) <= 200 for name in self.classes):
            raise ValueError("a class must have a name of 1 to 200 characters")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("two classes have the same name")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ClassifierConfig:
        """The config of `dataclasses.asdict`, checked; ValueError says what is wrong."""
        return read_config(cls, data)


def make_classifier(config: ClassifierConfig) -> ResidualNet | ClassicNet:
    """The network for pictures (N, 3, size, size) in -1..1, giving logits (N, classes)."""
    if config.method == "classic":
        return ClassicNet(config.size, config.width, len(config.classes))
    return ResidualNet(config.size, config.width, len(config.classes))


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
    """A stem at half the size, then stages that halve until about 8 px are left.

    With width w the stages have w, (w, ...,) 2w, 4w and 4w channels; the last keeps its size.
    Pictures of other sizes than the trained one are accepted too.
    """

    def __init__(self, size: int, width: int, classes: int) -> None:
        super().__init__()
        halvings = max(3, round(math.log2(size / 8)))
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


def train_classifier(
    images: Tensor,
    labels: Tensor,
    classes: Sequence[str],
    *,
    method: Method = "residual",
    steps: int,
    seed: int,
    batch: int = 64,
    augment: bool = True,
    numerics: Numerics,
    checkpoint: Checkpoint,
    report: Report,
) -> tuple[ClassifierConfig, State, dict[str, list[float]]]:
    """Train on uint8 images (N, S, S, 3) with int64 labels (N,), indices into `classes`.

    augment: mirror, shift and recolour the pictures a little.

    Returns the config, the averaged weights and the curves (step, loss, accuracy in 0..1).
    Raises: ValueError where the pictures are not square, or a label has no class.
    """
    if images.shape[1] != images.shape[2]:
        raise ValueError(f"pictures must be square, not {images.shape[2]} x {images.shape[1]} px")
    if labels.min() < 0 or labels.max() >= len(classes):
        raise ValueError(f"labels must be in 0..{len(classes) - 1}, for {len(classes)} classes")
    config = ClassifierConfig(method, images.shape[1], tuple(classes))
    trainee = _Training(config, images, labels, batch, augment, seed, numerics)
    curves = train(trainee, steps=steps, checkpoint=checkpoint, report=report)
    averaged = trainee.average.network.state_dict()
    return config, {key: value.cpu().contiguous() for key, value in averaged.items()}, curves


def predict(network: nn.Module, images: Tensor, numerics: Numerics, batch: int = 256) -> Tensor:
    """Probabilities (N, classes), float32, of uint8 images (N, S, S, 3).

    Puts the network on the device and into evaluation mode.
    """
    numerics.place(network).eval()

    def probabilities(part: Tensor) -> Tensor:
        with torch.no_grad(), numerics.autocast():
            logits: Tensor = network(to_signed(part.to(numerics.device)))
        return logits.float().softmax(1).cpu()

    return in_parts(probabilities, images, batch=batch)


class _Training:
    """The trainee: network, optimiser and averaged weights."""

    def __init__(
        self,
        config: ClassifierConfig,
        images: Tensor,
        labels: Tensor,
        batch: int,
        augment: bool,
        seed: int,
        numerics: Numerics,
    ) -> None:
        self._images, self._labels = images, labels
        self._augment, self._seed, self._numerics = augment, seed, numerics
        network, copy = (blank(lambda: make_classifier(config)) for _ in range(2))
        initialise(network, generator(seed, 0, 0))
        self._network = numerics.place(network)
        self.average = Average(self._network, numerics.place(copy), DECAY)
        self._rate = RATE[config.method]
        self._optimiser = torch.optim.AdamW(
            self._network.parameters(),
            self._rate,
            weight_decay=0.05 if config.method == "residual" else 0.0,
            fused=True,
        )
        self._sampler = Sampler(len(images), batch, seed)
        counts = labels.bincount(minlength=len(config.classes)).float()
        present = (counts > 0).sum()
        # "Balanced": every class has the same say, however many pictures show it.
        weights = len(labels) / (present * counts.clamp(min=1))
        self._weights = weights.to(numerics.device)

    def parts(self) -> Mapping[str, Stateful]:
        return {
            "network": self._network,
            "optimiser": self._optimiser,
            "average": self.average,
        }

    def step(self, step: int) -> Mapping[str, Tensor]:
        chosen = self._sampler.indices(step)
        labels = self._labels[chosen].to(self._numerics.device)
        pictures = self._pictures(chosen, step)
        self._network.train()
        with self._numerics.autocast():
            logits = self._network(pictures).float()
        loss = F.cross_entropy(logits, labels, self._weights, label_smoothing=SMOOTHING)
        self._optimiser.zero_grad()
        loss.backward()
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate * min(1.0, (step + 1) / WARM_UP)
        self._optimiser.step()
        self.average.update(self._network, step)
        return {"loss": loss.detach(), "accuracy": (logits.argmax(1) == labels).float().mean()}

    def _pictures(self, chosen: Tensor, step: int) -> Tensor:
        if not self._augment:
            return to_signed(self._images[chosen].to(self._numerics.device))
        random = generator(self._seed, 1, step)
        moved = moved_pictures(self._images, chosen, random)
        return recoloured(to_signed(moved.to(self._numerics.device)), random)

    @torch.no_grad()
    def preview(self) -> Tensor:
        """Pictures spread over the set, framed in green where their class is found, else red."""
        chosen = torch.unique(torch.linspace(0, len(self._images) - 1, PREVIEWS).long())
        pictures = to_signed(self._images[chosen])
        network = self.average.network.eval()
        with self._numerics.autocast():
            found = network(pictures.to(self._numerics.device)).argmax(1).cpu()
        right = (found == self._labels[chosen])[:, None, None, None]
        green, red = (
            torch.tensor(rgb).view(3, 1, 1) for rgb in ([-1.0, 0.6, -1.0], [1.0, -1.0, -1.0])
        )
        edge = max(1, pictures.shape[-1] // 32)
        framed = torch.where(right, green, red).expand_as(pictures).clone()
        inside = (slice(None), slice(None), slice(edge, -edge), slice(edge, -edge))
        framed[inside] = pictures[inside]
        return to_bytes(framed)
