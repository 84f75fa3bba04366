"""Styles of several pictures in one, and the noise maps of a GAN's latents."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.kinds import GanLatent
from ..contract.values.models import Gan
from ..contract.widgets import Seed

if TYPE_CHECKING:
    from torch import Tensor


@node(
    title="Mix styles",
    category="explore",
    words="style mixing, stylegan, crossover, coarse and fine styles, breed, layers,"
    " 风格混合, 样式混合, 杂交",
)
def mix_styles(
    gan: Gan,
    coarse: Annotated[GanLatent, Field(description="Latents that decide the layout")],
    middle: Annotated[
        GanLatent | None,
        Field(description="Latents that decide the shapes; unwired: those of `coarse`"),
    ] = None,
    fine: Annotated[
        GanLatent | None,
        Field(description="Latents that decide colours and surface; unwired: those of `middle`"),
    ] = None,
) -> GanLatent:
    """Draw the layout of one picture with the shapes of a second and the surface of a third.

    Each batch has as many latents as the longest one, or a single latent. The result contains one
    latent for each level of the GAN, with its class: `generate` draws it, and walks and mixes
    between such latents work too. A GAN with two levels (32 px) has no middle one. If all three are
    the same, so is the picture. Latents that are such a result are used level by level.

    Only GANs of the method projected have a style at each level. Those of the methods r3 and
    classic have it only at the beginning: use `mix_latents` for these.

    Raises: NodeError for a GAN of another method, for latents of another GAN, and for batches of
    different lengths.
    Paper: Karras et al. 2019, "A style-based generator architecture for generative adversarial
    networks" (style mixing).
    """
    import torch

    from ..models.gan.api import GanConfig
    from ..models.gan.levels import GROUPS, group_of

    config = GanConfig.from_dict(gan.config)
    if config.method != "projected":
        raise NodeError(
            f"a GAN of the method {config.method} has one style for all levels, which can't be"
            " mixed by level",
            "use mix_latents, or a GAN of the method projected",
        )
    middle = middle or coarse
    given = dict(zip(GROUPS, (coarse, middle, fine or middle), strict=True))
    counts = {len(latent.z) for latent in given.values()}
    if len(counts - {1}) > 1:
        sizes = ", ".join(f"{len(latent.z)} {name}" for name, latent in given.items())
        raise NodeError(
            f"batches of different lengths can't be mixed: {sizes}",
            "wire batches of the same length, or single latents",
        )
    levels = len(config.channels)
    parts, shifts = [], []
    for level in range(levels):
        latent = given[group_of(level, levels)]
        by_level = gan.check_latents(*latent.lengths)
        pair = (latent.z, latent.classes)
        own = [x.chunk(levels, 1)[level] if by_level else x for x in pair]
        parts.append([x.expand(max(counts), -1) for x in own])
        shifts.append(_shift_of(latent, level, levels, max(counts)))
    z, classes = (torch.cat(found, 1) for found in zip(*parts, strict=True))
    if all(shift is None for shift in shifts):
        return GanLatent(z, classes)
    none = torch.zeros(max(counts), config.style)
    return GanLatent(z, classes, torch.cat([none if s is None else s for s in shifts], 1))


def _shift_of(latent: GanLatent, level: int, levels: int, count: int) -> Tensor | None:
    """Returns the part of the shift (count, S) that belongs to a level, or None."""
    if latent.shift is None:
        return None
    return latent.shift.chunk(levels, 1)[level].expand(count, -1)


@node(
    title="Vary noise",
    category="explore",
    words="noise maps, noise strength, noise seed, stylegan noise, details, stochastic variation,"
    " 噪声强度, 噪声图, 细节变化",
)
def vary_noise(
    gan: Gan,
    latent: GanLatent,
    *,
    strength: Annotated[
        float, Field(ge=0, le=2, description="0: no noise; 1: as it is; 2: twice as strong")
    ] = 1.0,
    change: Annotated[
        float, Field(ge=0, le=1, description="Share of the noise that is drawn again; 1: all of it")
    ] = 0.0,
    seed: Seed = 0,
    ctx: Context,
) -> GanLatent:
    """Change the noise maps of latents: the places of details, and their strength.

    A latent of a GAN of the method projected consists of a style, which stays the same, and of
    noise maps, which place the details at the two coarsest levels. Latent i receives the noise of
    seed and i. With `strength` 1 and `change` 0 the latents stay the same.

    Raises: NodeError for latents of another GAN, and for a GAN without noise maps (of the methods
    r3 and classic).
    Paper: Karras et al. 2019, "A style-based generator architecture for generative adversarial
    networks" (stochastic variation).
    """
    import torch

    from ..models.gan.api import GanConfig

    config = GanConfig.from_dict(gan.config)
    gan.check_latents(*latent.lengths)
    if not config.noise_maps:
        raise NodeError(
            f"this GAN (method {config.method}) has no noise maps",
            "use `truncation` of sample_latent, or a GAN of the method projected",
        )
    length = config.latent_dim - config.latent
    rows: list[Tensor] = []
    for index, row in enumerate(latent.z):
        points = row.view(-1, config.latent_dim)
        noise = points[:, config.latent :]
        if change:
            other = torch.randn(length, generator=ctx.rng(seed, index))
            angle = change * math.pi / 2
            noise = math.cos(angle) * noise + math.sin(angle) * other if change < 1 else other
        noise = (noise * strength).expand(len(points), -1)
        rows.append(torch.cat([points[:, : config.latent], noise], 1).flatten())
    return GanLatent(torch.stack(rows), latent.classes, latent.shift)
