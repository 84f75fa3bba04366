"""What a VAE is made of: plain values for a file, checked, as anyone may write such a file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..configs import check_choice, check_whole, read_config
from .prior_network import PriorConfig

Method = Literal["residual", "classic"]
Quantiser = Literal["kl", "fsq"]

FACTOR = 8  # pixels of a side that one position of a residual VAE's latent stands for
MOST_CODES = 1 << 16


@dataclass(frozen=True)
class VaeConfig:
    """What a VAE's networks are made from.

    size:      side of the training pictures in pixels, a multiple of 8.
    channels:  of a latent: (channels, size / 8, size / 8), or (channels, 1, 1) for "classic".
    width:     channels of the finest feature maps, a multiple of 8 ("classic" ignores it).
    prior:     of the latents, where one was trained.
    levels:    of quantised latents (fsq.py), repeated over the channels; empty: not quantised.
    """

    method: Method
    size: int
    channels: int
    width: int = 64
    prior: PriorConfig | None = None
    levels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_choice("method", self.method, get_args(Method))
        # The classic network's dense layers grow with the picture: 157 MB at 128 px.
        check_whole("size", self.size, 32, 128 if self.method == "classic" else 512)
        check_whole("channels", self.channels, 1, 256 if self.method == "classic" else 64)
        check_whole("width", self.width, 16, 128)
        if self.size % FACTOR or self.width % 8:
            raise ValueError(
                f"size and width must be multiples of 8, not {self.size}, {self.width}"
            )

        self._check_levels()

    def _check_levels(self) -> None:
        if not isinstance(self.levels, tuple):
            raise ValueError(f"levels must be a list of whole numbers, not {self.levels!r:.80}")
        for count in self.levels:
            check_whole("each of levels", count, 3, 64)
        if not self.levels:
            return
        if self.method == "classic":
            raise ValueError("the classic VAE's latents are not quantised")
        if self.channels % len(self.levels) or math.prod(self.levels) > MOST_CODES:
            raise ValueError(
                f"quantised latents have a multiple of {len(self.levels)} channels, and at most"
                f" {MOST_CODES} codes, not {self.channels} channels"
            )

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Of one latent: (channels, height, width)."""
        side = self.size // FACTOR if self.method == "residual" else 1
        return self.channels, side, side

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> VaeConfig:
        """The config of `dataclasses.asdict`, checked; ValueError says what is wrong."""
        prior = data.get("prior")
        if prior is not None:
            if not isinstance(prior, Mapping):
                raise ValueError(f"prior must be settings by name, not {prior!r:.80}")
            data = {**data, "prior": PriorConfig.from_dict(prior)}
        return read_config(cls, data)
