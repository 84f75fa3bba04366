"""Codes of a GAN's pictures: what decides all of a picture but its noise, in one vector.

For the method projected, a code is a style, the vector that modulates all levels (W of StyleGAN).
The other methods have no such network, and a code is the latent itself.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..training.in_parts import in_parts
from ..training.numerics import Numerics
from ..training.rng import rng
from .config import GanConfig
from .projected_networks import ProjectedGenerator

PART = 256  # latents whose styles are computed at once


class Points(NamedTuple):
    """Latents of a GAN: z (N, D), class weights (N, C), and a shift (N, L S) or None.

    The fields are those of a `GanLatent` with one latent a picture.
    """

    z: Tensor
    classes: Tensor
    shift: Tensor | None

    def to(self, device: str) -> Points:
        """Returns them on another device."""
        return Points(*(None if part is None else part.to(device) for part in self))  # type: ignore[arg-type]

    def rows(self, index: Tensor | slice) -> Points:
        """Returns some of them."""
        return Points(*(None if part is None else part[index] for part in self))  # type: ignore[arg-type]

    def with_rows(self, index: Tensor, other: Points) -> Points:
        """Returns them with the rows `index` from other ones; all have a shift, or none has."""
        pairs = zip(self, other, strict=True)
        return Points(
            *(a if a is None or b is None else a.index_copy(0, index, b) for a, b in pairs)  # type: ignore[arg-type]
        )

    def draw(self, network: nn.Module) -> Tensor:
        """Returns the pictures float32 (N, C, H, W), about -1..1."""
        given = self if self.shift is not None else self[:2]
        return network(*given).float()  # type: ignore[no-any-return]


def code_length(config: GanConfig) -> int:
    """Returns the length of a code."""
    return config.style or config.latent


def random_points(config: GanConfig, count: int, seed: int, first: int = 0) -> Points:
    """Returns random latents of the classes in turn; latent i depends on the seed and i."""
    numbers = range(first, first + count)
    z = torch.stack([torch.randn(config.latent_dim, generator=rng(seed, i)) for i in numbers])
    labels = torch.tensor(numbers) % len(config.classes)
    return Points(z, F.one_hot(labels, len(config.classes)).float(), None)


def codes_of(network: nn.Module, config: GanConfig, z: Tensor, classes: Tensor) -> Tensor:
    """Returns the codes (N, K) of latents on the device of the network, without a shift."""
    vector = z[:, : config.latent]
    if not isinstance(network, ProjectedGenerator):
        return vector
    return in_parts(network.style, vector, classes, batch=PART).float()


def points_of(
    network: nn.Module, config: GanConfig, codes: Tensor, noise: Tensor, classes: Tensor
) -> Points:
    """Returns latents with these codes (N, K), flattened noise maps and class weights.

    A code that no latent has becomes a shift of the style of the mean latent.
    """
    if not isinstance(network, ProjectedGenerator):
        return Points(codes, classes, None)
    vector = codes.new_zeros(len(codes), config.latent)
    shift = codes - network.style(vector, classes).float()
    return Points(torch.cat([vector, noise], 1), classes, shift.repeat(1, len(config.channels)))


def draw_all(
    network: nn.Module, points: Points, numerics: Numerics, batch: int = 64
) -> list[Tensor]:
    """Returns the pictures (n, C, H, W) in -1..1, on the processor, in parts of a batch."""
    found = []
    with torch.no_grad(), numerics.autocast():
        for start in range(0, len(points.z), batch):
            part = points.rows(slice(start, start + batch)).to(numerics.device)
            found.append(part.draw(network).clamp(-1, 1).cpu())
    return found
