"""A network that repaints any picture in the style of any other, in one go.

The encoder is a frozen classifier. Its maps of the content get the mean and the deviation of those
of the style, channel by channel, and a decoder paints a picture of them. The decoder is all that
is trained. Small classifiers remember less of a picture than the VGG-19 of the paper, so the
decoder receives maps of several sizes, and coarse colours. It does not receive the pixels: with
them it learns to copy them in other colours, without any texture.

Paper: Huang and Belongie 2017, "Arbitrary style transfer in real-time with adaptive instance
normalization"; Li et al. 2017, "Universal style transfer via feature transforms" (several sizes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import LEAK
from ..configs import Size, check_choice, check_size, check_whole, read_config, sides_of
from ..repeatable import enlarged, reflected

MULTIPLE = 32  # pictures are padded to a multiple of so many pixels, for maps of exact sizes
STRIDES = (4, 8, 16)  # of the maps that are used, if the classifier has them
COARSE = 8  # edge in pixels of the squares whose mean colours the decoder sees
PIXELS = 3  # channels of a picture
EPSILON = 1e-5  # added to variances (eq. 3 of the paper)


@dataclass(frozen=True)
class RestylerConfig:
    """What defines a restyler.

    size:        of the training pictures.
    classifier:  config of the classifier whose features it uses.
    width:       channels of the decoder.
    """

    method: Literal["adain"]
    size: Size
    classifier: Mapping[str, Any]
    width: int = 64

    def __post_init__(self) -> None:
        check_choice("method", self.method, ("adain",))
        check_size(self.size, 16, 1024)
        check_whole("width", self.width, 16, 256)
        if not isinstance(self.classifier, Mapping):
            raise ValueError("classifier must be the config of a classifier")

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the training pictures."""
        return sides_of(self.size)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RestylerConfig:
        """Returns the config of a dict made by `dataclasses.asdict`. Raises: ValueError."""
        return read_config(cls, data)


class Moments(NamedTuple):
    """Mean and deviation of each channel of each map, (N, C, 1, 1)."""

    means: list[Tensor]
    deviations: list[Tensor]

    def of(self, rows: Any) -> Moments:
        """Returns those of some pictures."""
        return Moments([m[rows] for m in self.means], [d[rows] for d in self.deviations])


def moments(maps: Sequence[Tensor]) -> Moments:
    """Returns the moments of maps (N, C, h, w) (eq. 5 and 6 of the paper)."""
    pairs = [torch.var_mean(m, (2, 3), correction=0, keepdim=True) for m in maps]
    return Moments([mean for _, mean in pairs], [(v + EPSILON).sqrt() for v, _ in pairs])


def adapted(maps: Sequence[Tensor], ours: Moments, theirs: Moments) -> list[Tensor]:
    """Returns maps with other moments (eq. 8 of the paper)."""
    return [
        (m - ours.means[i]) / ours.deviations[i] * theirs.deviations[i] + theirs.means[i]
        for i, m in enumerate(maps)
    ]


class Encoder(nn.Module):
    """The coarse colours of pictures, and the feature maps of a frozen classifier."""

    def __init__(self, features: nn.Module) -> None:
        """`features`: returns maps, the finest first."""
        super().__init__()
        self.features = features.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Returns the coarse colours of pictures (N, 3, H, W) in -1..1, and maps, the finest first.

        H and W must be multiples of MULTIPLE. Of several maps of a size, it is the last.
        """
        by_stride = {round(x.shape[2] / m.shape[2]): m for m in self.features(x)}
        return [
            F.avg_pool2d(x, COARSE),
            *(by_stride[stride].float() for stride in STRIDES if stride in by_stride),
        ]


class Convolution(nn.Module):
    """A convolution of 3 px with mirrored borders, and a leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, is_last: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3)
        self.is_last = is_last

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(reflected(x, 1))
        return x if self.is_last else F.leaky_relu(x, LEAK)


class Decoder(nn.Module):
    """From the coarsest map to the pixels: each size joins the map of this size."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        """`channels`: those of the colours (3), and of the maps of strides 4, 8 and so on."""
        super().__init__()
        for number, count in enumerate(channels):
            self.register_buffer(f"mean{number}", torch.zeros(count, 1, 1))
            self.register_buffer(f"deviation{number}", torch.ones(count, 1, 1))
        self.levels, self.channels = len(channels), [*channels]
        self.enter = Convolution(channels[-1], width)
        self.joins = nn.ModuleList(
            nn.Sequential(Convolution(width + count, width), Convolution(width, width))
            for count in reversed(channels[1:-1])
        )
        self.between = Convolution(width, width * 3 // 4)
        self.pixels = Convolution(width * 3 // 4, width // 2)
        self.leave = Convolution(width // 2, PIXELS, is_last=True)

    def initialise_(self, random: torch.Generator) -> None:
        """Begin with little more than the coarse colours."""
        del random
        for number in range(self.levels):
            getattr(self, f"mean{number}").zero_()
            getattr(self, f"deviation{number}").fill_(1)
        self.leave.conv.weight.data.mul_(0.3)

    def set_usual(self, usual: Moments) -> None:
        """Store the usual moments (1, C, 1, 1) of the maps, by which they are normalised."""
        for number in range(self.levels):
            getattr(self, f"mean{number}").copy_(usual.means[number][0])
            getattr(self, f"deviation{number}").copy_(usual.deviations[number][0])

    def normalised(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Returns maps, each channel of which usually has mean 0 and deviation 1."""
        return [
            (m - getattr(self, f"mean{n}")) / getattr(self, f"deviation{n}")
            for n, m in enumerate(maps)
        ]

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Returns pictures (N, 3, H, W) in about -1..1 of normalised maps of an encoder."""
        x = self.enter(maps[-1])
        for join, finer in zip(self.joins, reversed(maps[1:-1]), strict=True):
            x = join(torch.cat([enlarged(x), finer], 1))
        x = enlarged(self.between(enlarged(x)))
        colours = maps[0] * self.get_buffer("deviation0") + self.get_buffer("mean0")
        for _ in range(COARSE.bit_length() - 1):
            colours = enlarged(colours)
        changed: Tensor = self.leave(self.pixels(x))
        return colours + changed


class Restyler(nn.Module):
    """Encoder and decoder."""

    def __init__(self, features: nn.Module, decoder: Decoder) -> None:
        """Raises: ValueError if the decoder is not one for these features."""
        super().__init__()
        self.encoder, self.decoder = Encoder(features), decoder
        needed = channels_of(self.encoder)
        if needed != decoder.channels:
            raise ValueError(f"the decoder needs maps of {decoder.channels} channels, not {needed}")

    def moments(self, pictures: Tensor) -> Moments:
        """Returns the moments of the maps of pictures (N, 3, H, W) in -1..1, of any size."""
        return moments(self.encoder(padded(pictures)))

    def forward(self, pictures: Tensor, ours: Moments, theirs: Moments, strength: float) -> Tensor:
        """Returns pictures (N, 3, H, W), repainted (eq. 14 of the paper).

        ours:      moments of the pictures, or of those around them in a film.
        theirs:    moments of the styles.
        strength:  0: maps of the pictures; 1: maps with the moments of the styles.
        """
        maps = self.encoder(padded(pictures))
        changed = adapted(maps, ours, theirs)
        mixed = [m + strength * (c - m) for m, c in zip(maps, changed, strict=True)]
        drawn: Tensor = self.decoder(self.decoder.normalised(mixed))
        height, width = pictures.shape[2:]
        return drawn[:, :, :height, :width]


def decoder_of(state: Mapping[str, Tensor], width: int) -> Decoder:
    """Returns a decoder without weights, for those in a state dict. Raises: ValueError."""
    channels = [len(state[f"mean{n}"]) for n in range(len(STRIDES) + 1) if f"mean{n}" in state]
    if len(channels) < 2 or channels[0] != PIXELS:
        raise ValueError("the decoder has no maps")
    return Decoder(channels, width)


def channels_of(encoder: Encoder) -> list[int]:
    """Returns the number of channels of each map of an encoder."""
    device = next(encoder.parameters()).device
    with torch.no_grad():
        return [m.shape[1] for m in encoder(torch.zeros(1, 3, 64, 64, device=device))]


def padded(pictures: Tensor) -> Tensor:
    """Returns pictures, continued at their right and lower border to a multiple of MULTIPLE."""
    height, width = pictures.shape[2:]
    more = -width % MULTIPLE, -height % MULTIPLE
    if more == (0, 0):
        return pictures.contiguous(memory_format=torch.channels_last)
    mode = "reflect" if more[0] < width and more[1] < height else "replicate"
    return F.pad(pictures, (0, more[0], 0, more[1]), mode=mode)
