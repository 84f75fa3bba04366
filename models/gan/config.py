"""The settings from which a GAN's networks are built; checked, since they are read from files."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..blocks import halvings
from ..configs import (
    Size,
    check_choice,
    check_flag,
    check_names,
    check_size,
    check_whole,
    plain_config,
    read_config,
    sides_of,
    size_text,
)
from ..training.diverged import UnsuitableError
from .bends import MOST, Bend

Method = Literal["projected", "r3", "classic"]

SIZES = (32, 64, 128, 256, 512)  # edges of square pictures in pixels that a GAN can draw
CELLS = 8  # cells of the grid along the edge of a square picture
MAX_ACTIVATIONS = 1 << 22  # largest feature map of a picture, in values: 16 MiB in float32
STYLE = 128  # length of the style that modulates every level (projected only)
MAX_WEIGHTS = 50_000_000  # largest number of weights in the generator: 200 MB in float32


@dataclass(frozen=True)
class GanConfig:
    """The settings of the generator and the critic; every value is checked on construction."""

    method: Method
    size: Size  # of a picture, see `check_gan_size`
    classes: tuple[str, ...]  # names of the classes; with one class the GAN is unconditional
    channels: tuple[int, ...]  # width of the generator's levels, from the coarsest to the finest
    blocks: int = 2  # number of residual blocks in each level (not classic)
    latent: int = 64  # length of the global part of a latent vector
    noise: int = 8  # number of channels of each noise map (projected only)
    attention: int = 0  # largest edge of a feature map that has self-attention (projected only)
    normed: bool = False  # whether blocks normalise their features to RMS 1 (projected only)
    critic: int = 96  # width of the critic
    # Width of two additional convolutions at the start of the critic's pixel head, 0 for none
    # (projected only).
    fine: int = 0
    # Width of the layers of the network that computes the critic's features (projected only).
    features: tuple[int, ...] = (32, 64, 128, 128)
    smooth: bool = False  # whether it draws no stripes of 1 px in turn (projected only)
    grown: int = 0  # how often fine-tuning doubled the size; each time adds a level
    alpha: bool = False  # whether the pictures have an alpha channel
    bends: tuple[Bend, ...] = ()  # operations on feature maps, in their order; see bends.py

    def __post_init__(self) -> None:
        check_choice("method", self.method, get_args(Method))
        check_gan_size(self.size)
        check_names("classes", self.classes)
        check_whole("grown", self.grown, 0, SIZES.index(self.edge))
        _check_channels(self)
        check_whole("blocks", self.blocks, 1, 4)
        check_whole("latent", self.latent, 1, 1024)
        check_whole("noise", self.noise, 0, 32)
        check_whole("attention", self.attention, 0, 32)
        check_flag("normed", self.normed)
        check_flag("smooth", self.smooth)
        check_flag("alpha", self.alpha)
        check_whole("critic", self.critic, 8, 256)
        check_whole("fine", self.fine, 0, 256)
        if not isinstance(self.features, tuple) or len(self.features) != 4:
            raise ValueError(
                f"features must be a list of 4 whole numbers, not {self.features!r:.80}"
            )
        for width in self.features:
            check_whole("each of features", width, 8, 512)
        if sum(18 * self.blocks * width**2 for width in self.channels) > MAX_WEIGHTS:
            raise ValueError(f"the channels {[*self.channels]} make the generator too large")
        check_whole("number of bends", len(self.bends), 0, MOST)
        for bend in self.bends:
            bend.check(self.channels)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a picture."""
        return sides_of(self.size)

    @property
    def planes(self) -> int:
        """Number of channels of a picture: 3, or 4 with alpha."""
        return 4 if self.alpha else 3

    @property
    def edge(self) -> int:
        """The edge in SIZES of the square whose area is nearest to a picture's."""
        return nominal_edge(*self.shape)

    @property
    def base_edge(self) -> int:
        """The edge before fine-tuning doubled the size."""
        return self.edge >> self.grown

    def map_shape(self, edge: int) -> tuple[int, int]:
        """Returns height and width of feature maps whose edge is `edge` if pictures are square."""
        height, width = (-(-side * edge // self.edge) for side in self.shape)
        return height, width

    @property
    def base_levels(self) -> int:
        """Number of levels up to the base size; each further level doubles the size."""
        return len(self.channels) - self.grown

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Edge of each level's feature maps in pixels, if pictures are square."""
        first = 8 if self.method == "projected" else 4
        base = [first << level for level in range(self.base_levels)]
        return (*base, *(self.base_edge << level for level in range(self.grown)))

    def enlarged(self, size: Size) -> GanConfig:
        """Returns the config with one more level for each doubling up to `size`.

        The aspect may change too.

        Raises: ValueError if `size` is smaller, or the method cannot draw larger pictures.
        """
        check_gan_size(size)
        edge = nominal_edge(*sides_of(size))
        doublings = SIZES.index(edge) - SIZES.index(self.edge)
        ours, theirs = size_text(*self.shape), size_text(*sides_of(size))
        if doublings < 0:
            raise ValueError(f"a GAN of {ours} cannot be changed to draw {theirs}")
        if doublings and self.method != "projected":
            raise UnsuitableError(
                f"a GAN of method {self.method} can only draw {ours}, not {theirs}; only projected"
                " GANs can be fine-tuned on larger pictures",
                f"load the pictures with size {self.edge}, or leave `start` unwired",
            )
        defaults = GanConfig.default(self.method, size, self.classes).channels
        added = defaults[len(defaults) - doublings :]
        widths = [min(self.channels[-1], width) for width in added]
        return dataclasses.replace(
            self, size=size, channels=(*self.channels, *widths), grown=self.grown + doublings
        )

    @property
    def noise_maps(self) -> tuple[tuple[int, int, int], ...]:
        """(channels, height, width) of the noise maps; the first two levels have one each."""
        if self.method != "projected" or self.noise == 0:
            return ()
        return tuple((self.noise, *self.map_shape(edge)) for edge in self.resolutions[:2])

    @property
    def latent_dim(self) -> int:
        """Length of a latent vector: the global part, followed by the flattened noise maps."""
        return self.latent + sum(c * h * w for c, h, w in self.noise_maps)

    @property
    def style(self) -> int:
        """Length of the style of a level; 0 for methods whose levels have none."""
        return STYLE if self.method == "projected" else 0

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON; `from_dict` reverses it."""
        values = plain_config(self)
        if self.bends:
            values["bends"] = tuple(bend.to_dict() for bend in self.bends)
        return {key: [*v] if isinstance(v, tuple) else v for key, v in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GanConfig:
        """Returns a config from the values in a file. Raises: ValueError, with one line."""
        bends = values.get("bends")
        if bends is not None:
            if not isinstance(bends, list | tuple):
                raise ValueError(f"bends must be a list, not {bends!r:.80}")
            values = {**values, "bends": tuple(Bend.from_dict(bend) for bend in bends)}
        return read_config(cls, values)

    @classmethod
    def default(
        cls,
        method: Method,
        size: Size,
        classes: tuple[str, ...],
        channels: tuple[int, ...] | None = None,
    ) -> GanConfig:
        """Returns a config that can be trained without a graphics card."""
        check_gan_size(size)
        edge = nominal_edge(*sides_of(size))
        if method == "projected":
            widths = (128, 96, 64, 48, 32, 32)[: halvings(edge, 8)]
            return cls(
                method,
                size,
                classes,
                channels or widths,
                attention=16,
                normed=True,
                fine=64,
                features=(64, 128, 192, 192),
            )
        if method == "r3":
            widths = (128, 128, 96, 64, 48, 32, 32)[: halvings(edge, 4)]
            return cls(method, size, classes, channels or widths, blocks=1, noise=0, critic=48)
        widths = tuple(min(512, edge * 8 >> level) for level in range(halvings(edge, 4)))
        return cls(
            method, size, classes, channels or widths, blocks=1, latent=100, noise=0, critic=64
        )


def nominal_edge(height: int, width: int) -> int:
    """Returns the power of two whose square is nearest to the area of pictures or maps."""
    return 1 << max(0, round(math.log2(height * width) / 2))


def check_gan_size(size: object) -> None:
    """Raise a ValueError, with one line, unless a GAN can draw pictures of this size.

    Square pictures have an edge in SIZES. Others consist of whole cells, whose edge is that of a
    square of about equal area, divided by CELLS: 24 x 40 px are 6 x 10 cells of 4 px.
    """
    if not isinstance(size, tuple):
        if type(size) is not int or size not in SIZES:
            raise ValueError(f"a GAN's size must be one of {SIZES}, not {size!r:.80}")
        return
    check_size(size, SIZES[0], SIZES[-1])
    edge = nominal_edge(*size)
    cell = edge // CELLS
    if edge not in SIZES or size[0] % cell or size[1] % cell:
        raise ValueError(
            f"a GAN can't draw pictures of {size_text(*size)}: their sides must be multiples of an"
            f" eighth of {', '.join(map(str, SIZES))} px, for the square whose area is nearest"
        )


def _check_channels(config: GanConfig) -> None:
    """Check the number and the width of the levels.

    The last level has half the size. Projected GANs may have one or two levels fewer: their last
    level then draws patches of 4 or 8 px.
    """
    if not isinstance(config.channels, tuple):
        raise ValueError(f"channels must be a list of whole numbers, not {config.channels!r:.80}")
    if config.grown and config.method != "projected":
        raise ValueError(f"grown must be 0 for the method {config.method}, not {config.grown}")
    most = halvings(config.base_edge, 8 if config.method == "projected" else 4)
    fewest = max(1, most - 2) if config.method == "projected" else most
    if not fewest <= config.base_levels <= most:
        raise ValueError(
            f"channels must have {fewest} to {most} levels for {config.method} at"
            f" {config.base_edge} px, not {config.base_levels}"
        )
    for width, side in zip(config.channels, config.resolutions, strict=True):
        check_whole("each of channels", width, 8, min(512, MAX_ACTIVATIONS // side**2))
