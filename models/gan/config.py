"""What a GAN is made of: plain values for a file, with limits, as anyone may write such a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..blocks import halvings
from ..configs import check_choice, check_whole, read_config

Method = Literal["projected", "r3", "classic"]

SIZES = (32, 64, 128, 256, 512)
MAX_ACTIVATIONS = 1 << 22  # values per picture in one feature map: 16 MiB in float32
MAX_WEIGHTS = 50_000_000  # of the generator's convolutions, about: 200 MB in float32


@dataclass(frozen=True)
class GanConfig:
    """Enough to rebuild the generator and the critic; every value is checked on construction."""

    method: Method
    size: int  # pixels of a side, a power of two from 32 to 512
    classes: tuple[str, ...]  # their names; a single one makes the GAN unconditional
    channels: tuple[int, ...]  # of the generator, from the coarsest level to the finest
    blocks: int = 2  # residual blocks at each level (the classic has none and ignores this)
    latent: int = 64  # length of the global part of a latent
    noise: int = 8  # channels of each noise map (projected only)
    attention: int = 0  # largest side of a map whose places attend to each other (projected only)
    normed: bool = False  # whether blocks see features of root mean square 1 (projected only)
    critic: int = 96  # width of the critic
    # Projected only: the width of two convolutions that the critic's pixel head begins with, 0 for
    # none, and the channels of the small network whose features the other heads see.
    fine: int = 0
    features: tuple[int, ...] = (32, 64, 128, 128)
    grown: int = 0  # how often the size was doubled by a fine-tuning, with a level for each

    def __post_init__(self) -> None:
        check_choice("method", self.method, get_args(Method))
        if type(self.size) is not int or self.size not in SIZES:
            raise ValueError(f"a GAN's size is one of {SIZES}, not {self.size!r:.80}")
        _check_names(self.classes)
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
            raise ValueError(f"features must be 4 whole numbers, not {self.features!r:.80}")
        for width in self.features:
            check_whole("each of features", width, 8, 512)
        if sum(18 * self.blocks * width**2 for width in self.channels) > MAX_WEIGHTS:
            raise ValueError(f"channels {[*self.channels]} make too large a network")

    @property
    def base_size(self) -> int:
        """The size before it grew."""
        return self.size >> self.grown

    @property
    def base_levels(self) -> int:
        """How many levels draw the base size; each further one doubles it."""
        return len(self.channels) - self.grown

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Pixels of a side of each level's feature maps."""
        first = 8 if self.method == "projected" else 4
        base = [first << level for level in range(self.base_levels)]
        return (*base, *(self.base_size << level for level in range(self.grown)))

    def enlarged(self, size: int) -> GanConfig:
        """The same networks with a level more for each doubling up to `size`.

        Raises: ValueError where that is not larger, or the method cannot grow.
        """
        times = SIZES.index(size) - SIZES.index(self.size) if size in SIZES else -1
        if times < 0:
            raise ValueError(f"a GAN of {self.size} px does not shrink to {size} px")
        if times and self.method != "projected":
            raise ValueError(
                f"a GAN of method {self.method} stays at {self.size} px; only projected ones grow"
            )
        wider = GanConfig.default(self.method, size, self.classes).channels
        widths = [min(self.channels[-1], width) for width in wider[len(wider) - times :] if times]
        return dataclasses.replace(
            self, size=size, channels=(*self.channels, *widths), grown=self.grown + times
        )

    @property
    def noise_maps(self) -> tuple[tuple[int, int, int], ...]:
        """(channels, height, width) of the noise maps: one for each of the first two levels."""
        if self.method != "projected" or self.noise == 0:
            return ()
        return tuple((self.noise, side, side) for side in self.resolutions[:2])

    @property
    def latent_dim(self) -> int:
        """Length of a latent: a flat Gaussian vector, the global part and then the noise maps."""
        return self.latent + sum(c * h * w for c, h, w in self.noise_maps)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` reverses it."""
        values = dataclasses.asdict(self)
        return {key: [*v] if isinstance(v, tuple) else v for key, v in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GanConfig:
        """Check what a file says; ValueError, in one line, for anything amiss."""
        return read_config(cls, values)

    @classmethod
    def default(
        cls,
        method: Method,
        size: int,
        classes: tuple[str, ...],
        channels: tuple[int, ...] | None = None,
    ) -> GanConfig:
        """Networks that a processor without a graphics card can train."""
        if size not in SIZES:
            raise ValueError(f"a GAN's size is one of {SIZES}, not {size!r}")
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


def _check_names(names: Any) -> None:
    if not isinstance(names, tuple) or not 1 <= len(names) <= 1000:
        raise ValueError("a GAN has a list of 1 to 1000 class names")
    if not all(isinstance(name, str) and 1 <= len(name) <= 200 for name in names):
        raise ValueError("a GAN's class names are texts of 1 to 200 characters")
    if len(set(names)) != len(names):
        raise ValueError("a GAN's class names must differ from each other")


def _check_channels(config: GanConfig) -> None:
    """Levels reach half the size; a projected GAN's may stop earlier, to draw 4 or 8 px at once."""
    if not isinstance(config.channels, tuple):
        raise ValueError(f"channels must be a list of whole numbers, not {config.channels!r:.80}")
    if config.grown and config.method != "projected":
        raise ValueError(f"a GAN of method {config.method} cannot have grown")
    most = halvings(config.base_size, 8 if config.method == "projected" else 4)
    fewest = max(1, most - 2) if config.method == "projected" else most
    if not fewest <= config.base_levels <= most:
        raise ValueError(
            f"{config.method} at {config.base_size} px has {fewest} to {most} levels of channels, "
            f"not {config.base_levels}"
        )
    for width, side in zip(config.channels, config.resolutions, strict=True):
        check_whole("each of channels", width, 8, min(512, MAX_ACTIVATIONS // side**2))
