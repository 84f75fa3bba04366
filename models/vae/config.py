"""The config of a VAE: plain values, checked, as they may come from any file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..configs import (
    Size,
    check_choice,
    check_flag,
    check_size,
    check_whole,
    plain_config,
    read_config,
    sides_of,
    size_text,
)
from ..training.diverged import UnsuitableError
from .prior_network import PriorConfig

Method = Literal["residual", "classic", "autoencoder_kl", "autoencoder_tiny"]
Quantiser = Literal["kl", "fsq"]

FOREIGN = ("autoencoder_kl", "autoencoder_tiny")  # methods of VAEs of other programs
FACTOR = 8  # side in pixels of the square that one position of a latent covers, except "classic"
MOST_PIXELS = 1 << 20  # of a picture that a VAE of another program encodes
MOST_CODES = 1 << 16  # largest product of the levels


@dataclass(frozen=True)
class VaeConfig:
    """What defines a VAE's networks.

    size:      of the training pictures; the sides are multiples of 8 px.
    channels:  channels of a latent, which has the shape (channels, height / 8, width / 8), or
               (channels, 1, 1) for "classic".
    width:     channels of the finest feature maps, a multiple of 8 ("classic" ignores it).
    prior:     config of the prior of the latents, None if none was trained.
    levels:    number of levels of quantised latents (fsq.py), repeated over the channels. Empty
               if the latents are not quantised.
    alpha:     whether the pictures have an alpha channel.
    groups:    number of groups of a group norm ("autoencoder_kl" only).

    The other sizes of VAEs of other programs are those of their weights. Without a prior, their
    pictures may have any size, and `size` is only what the program that trained them used.
    """

    method: Method
    size: Size
    channels: int
    width: int = 64
    prior: PriorConfig | None = None
    levels: tuple[int, ...] = ()
    alpha: bool = False
    groups: int = 0

    def __post_init__(self) -> None:
        check_choice("method", self.method, get_args(Method))
        # The classic network's dense layers grow with the picture: 157 MB at 128 px.
        check_size(self.size, 32, 128 if self.method == "classic" else 512)
        check_whole("channels", self.channels, 1, 256 if self.method == "classic" else 64)
        check_whole("width", self.width, 16, 128)
        if any(side % FACTOR for side in self.shape) or self.width % 8:
            raise ValueError(
                f"size and width must be multiples of 8, not {size_text(*self.shape)} and"
                f" {self.width}"
            )
        check_flag("alpha", self.alpha)
        if self.is_foreign and (self.alpha or self.levels):
            raise ValueError(f"{self.method} has neither alpha nor levels")
        check_whole("groups", self.groups, int(self.method == "autoencoder_kl"), 1024)
        self._check_levels()

    def _check_levels(self) -> None:
        if not isinstance(self.levels, tuple):
            raise ValueError(f"levels must be a list of whole numbers, not {self.levels!r:.80}")
        for count in self.levels:
            check_whole("each of levels", count, 3, 64)
        if not self.levels:
            return
        if self.method == "classic":
            raise ValueError("the classic VAE has no quantised latents, so levels must be empty")
        if self.channels % len(self.levels) or math.prod(self.levels) > MOST_CODES:
            raise UnsuitableError(
                f"with {len(self.levels)} levels, channels must be a multiple of"
                f" {len(self.levels)}, not {self.channels}, and the product of the levels at most"
                f" {MOST_CODES}",
                f"set `channels` to a multiple of {len(self.levels)}, or quantiser: none",
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the training pictures."""
        return sides_of(self.size)

    @property
    def is_foreign(self) -> bool:
        """Whether another program has trained it."""
        return self.method in FOREIGN

    @property
    def planes(self) -> int:
        """Number of channels of a picture: 3, or 4 with alpha."""
        return 4 if self.alpha else 3

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Shape of one latent: (channels, height, width)."""
        if self.method == "classic":
            return self.channels, 1, 1
        height, width = self.shape
        return self.channels, height // FACTOR, width // FACTOR

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON; `from_dict` reverses it."""
        return plain_config(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> VaeConfig:
        """Returns the config of a dict made by `to_dict`.

        Raises: ValueError for a wrong value, or an unknown or a missing key.
        """
        prior = data.get("prior")
        if prior is not None:
            if not isinstance(prior, Mapping):
                raise ValueError(f"prior must be settings by name, not {prior!r:.80}")
            data = {**data, "prior": PriorConfig.from_dict(prior)}
        return read_config(cls, data)
