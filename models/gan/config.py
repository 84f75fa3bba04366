"""The settings from which a GAN's networks are built; checked, since they are read from files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..blocks import halvings
from ..configs import check_choice, check_names, check_whole, read_config
from ..training.diverged import UnsuitableError

Method = Literal["projected", "r3", "classic"]

SIZES = (32, 64, 128, 256, 512)  # edges of pictures in pixels that a GAN can draw
MAX_ACTIVATIONS = 1 << 22  # largest feature map of a picture, in values: 16 MiB in float32
MAX_WEIGHTS = 50_000_000  # largest number of weights in the generator: 200 MB in float32


@dataclass(frozen=True)
class GanConfig:
    """The settings of the generator and the critic; every value is checked on construction."""

    method: Method
    size: int  # edge of a picture in pixels, one of SIZES
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
    grown: int = 0  # how often fine-tuning doubled the size; each time adds a level

    def __post_init__(self) -> None:
        check_choice("method", self.method, get_args(Method))
        if type(self.size) is not int or self.size not in SIZES:
            raise ValueError(f"a GAN's size must be one of {SIZES}, not {self.size!r:.80}")
        check_names("classes", self.classes)
        check_whole("grown", self.grown, 0, SIZES.index(self.size))
        _check_channels(self)
        check_whole("blocks", self.blocks, 1, 4)
        check_whole("latent", self.latent, 1, 1024)
        check_whole("noise", self.noise, 0, 32)
        check_whole("attention", self.attention, 0, 32)
        if type(self.normed) is not bool:
            raise ValueError(f"normed must be true or false, not {self.normed!r:.80}")
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

    @property
    def base_size(self) -> int:
        """The size before fine-tuning doubled it."""
        return self.size >> self.grown

    @property
    def base_levels(self) -> int:
        """Number of levels up to the base size; each further level doubles the size."""
        return len(self.channels) - self.grown

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Edge of each level's feature maps in pixels."""
        first = 8 if self.method == "projected" else 4
        base = [first << level for level in range(self.base_levels)]
        return (*base, *(self.base_size << level for level in range(self.grown)))

    def enlarged(self, size: int) -> GanConfig:
        """Returns the config with one more level for each doubling up to `size`.

        Raises: ValueError if `size` is smaller, or the method has a fixed size.
        """
        doublings = SIZES.index(size) - SIZES.index(self.size) if size in SIZES else -1
        if doublings < 0:
            raise ValueError(f"a GAN of {self.size} px cannot be changed to draw {size} px")
        if doublings and self.method != "projected":
            raise UnsuitableError(
                f"a GAN of method {self.method} can only draw {self.size} px, not {size} px; only"
                " projected GANs can be fine-tuned on larger pictures",
                f"load the pictures with size {self.size}, or leave `start` unwired",
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
        return tuple((self.noise, side, side) for side in self.resolutions[:2])

    @property
    def latent_dim(self) -> int:
        """Length of a latent vector: the global part, followed by the flattened noise maps."""
        return self.latent + sum(c * h * w for c, h, w in self.noise_maps)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON; `from_dict` reverses it."""
        values = dataclasses.asdict(self)
        return {key: [*v] if isinstance(v, tuple) else v for key, v in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GanConfig:
        """Returns a config from the values in a file. Raises: ValueError, with one line."""
        return read_config(cls, values)

    @classmethod
    def default(
        cls,
        method: Method,
        size: int,
        classes: tuple[str, ...],
        channels: tuple[int, ...] | None = None,
    ) -> GanConfig:
        """Returns a config that can be trained without a graphics card."""
        if size not in SIZES:
            raise ValueError(f"a GAN's size must be one of {SIZES}, not {size!r}")
        if method == "projected":
            widths = (128, 96, 64, 48, 32, 32)[: halvings(size, 8)]
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
            widths = (128, 128, 96, 64, 48, 32, 32)[: halvings(size, 4)]
            return cls(method, size, classes, channels or widths, blocks=1, noise=0, critic=48)
        widths = tuple(min(512, size * 8 >> level) for level in range(halvings(size, 4)))
        return cls(
            method, size, classes, channels or widths, blocks=1, latent=100, noise=0, critic=64
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
    most = halvings(config.base_size, 8 if config.method == "projected" else 4)
    fewest = max(1, most - 2) if config.method == "projected" else most
    if not fewest <= config.base_levels <= most:
        raise ValueError(
            f"channels must have {fewest} to {most} levels for {config.method} at"
            f" {config.base_size} px, not {config.base_levels}"
        )
    for width, side in zip(config.channels, config.resolutions, strict=True):
        check_whole("each of channels", width, 8, min(512, MAX_ACTIVATIONS // side**2))
