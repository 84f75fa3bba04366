"""Crossing and varying latents: the next generation of pictures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Generic, Literal, NamedTuple, TypeVar

from pydantic import Field

from ..contract.context import Context
from ..contract.spec import node
from ..contract.values.kinds import GanLatent, Image, Latent, VaeLatent
from ..contract.values.models import Gan, Vae
from ..contract.widgets import Choices, Seed
from .choose import rows_of
from .gan import generate
from .latent import mix_latents
from .latent_files import require_latents_of
from .vae import vae_decode

if TYPE_CHECKING:
    from torch import Generator, Tensor

DrawingModel = TypeVar("DrawingModel", Gan, Vae)
_SHARES = (0.25, 0.75)  # of the second parent in a blend
_LEAST = 0.5  # size of the change of a latent that is nearer to the average


class Bred(NamedTuple, Generic[Latent]):
    """What `breed` returns."""

    latent: Latent
    image: Image


@node(
    title="Breed",
    category="explore",
    device=True,
    words="cross, crossover, mutate, mutation, evolve, evolution, genetic, children, offspring,"
    " generations, picbreeder, artbreeder, variations, 杂交, 繁殖, 变异, 进化",
)
def breed(
    model: DrawingModel,
    latent: Annotated[Latent, Field(description="The parents, such as those of `choose`")],
    *,
    count: Annotated[int, Field(ge=1, le=1024, description="Number of children")] = 10,
    crossing: Annotated[
        Literal["levels", "blend", "none"],
        Field(description="How two parents are crossed"),
        Choices(
            {
                "levels": "each level of a GAN from one of them; other models blend",
                "blend": "a point between them",
                "none": "not at all: each child has one parent",
            }
        ),
    ] = "levels",
    strength: Annotated[
        float,
        Field(ge=0, le=1, description="Mutation of each child; 0: none, 1: nothing is inherited"),
    ] = 0.2,
    keep_parents: Annotated[
        bool, Field(description="The parents come first, before their children")
    ] = True,
    seed: Seed = 0,
    ctx: Context,
) -> Bred[Latent]:
    """Cross and vary chosen latents, and draw the next generation of pictures.

    Each parent in turn has a child with another parent, which is drawn by lot. With `levels`, a
    child takes each level of a GAN from one of them: the layout of one picture with the colours of
    another. This needs a GAN of the method projected; a VAE, and a GAN of another method, blend
    instead. Then the child mutates: a share of its latent is drawn again, as large as before, so
    that the pictures stay as typical as they are.

    A child depends on the seed and its number, so a larger `count` adds children. A single parent
    has children that are only mutated; with `strength` 0 their latents are its own, to the bit.

    Raises: NodeError for latents of another model.
    Paper: Secretan et al. 2008, "Picbreeder: evolving pictures collaboratively online"; Karras et
    al. 2019, "A style-based generator architecture for generative adversarial networks" (style
    mixing).
    """
    require_latents_of(model, latent)
    parents = len(latent.z)
    crossing = crossing if parents > 1 else "none"
    first = 0 if keep_parents else parents
    if isinstance(latent, GanLatent):
        assert isinstance(model, Gan)
        z, classes = _gan_family(model, latent, count, crossing, strength, seed, ctx)
        family = GanLatent(z[first:], classes[first:])
        return Bred(family, generate(model, family, ctx=ctx))
    assert isinstance(model, Vae)
    assert isinstance(latent, VaeLatent)
    bred = VaeLatent(_vae_family(latent, count, crossing, strength, seed, ctx)[first:])
    return Bred(bred, vae_decode(model, bred, ctx=ctx))


def _gan_family(
    gan: Gan, latent: GanLatent, count: int, crossing: str, strength: float, seed: int, ctx: Context
) -> tuple[Tensor, Tensor]:
    """Returns z and classes of the parents and then of their children, (N, D) and (N, C).

    If they are crossed by level, they contain a latent for each level.
    """
    import torch

    from ..models.gan.api import GanConfig

    config = GanConfig.from_dict(gan.config)
    levels = len(config.channels)
    by_level = gan.check_latents(latent.z.shape[1], latent.classes.shape[1])
    crosses_levels = crossing == "levels" and config.method == "projected" and levels > 1
    if crosses_levels and not by_level:
        latent = GanLatent(latent.z.repeat(1, levels), latent.classes.repeat(1, levels))
    z, classes = [*latent.z], [*latent.classes]
    for child in range(count):
        rng = ctx.rng(seed, child)
        one, other = _parents(child, len(latent.z), rng)
        point, weights = latent.z[one], latent.classes[one]
        if crosses_levels:
            taken = _levels_of_the_other(levels, rng)[:, None]
            point, weights = (
                torch.where(taken, x[other].view(levels, -1), x[one].view(levels, -1)).flatten()
                for x in (latent.z, latent.classes)
            )
        elif crossing != "none":
            mixed = _blend(rows_of(latent, [one]), rows_of(latent, [other]), rng)
            point, weights = mixed.z[0], mixed.classes[0]
        parts = point.view(-1, config.latent_dim).split(
            [config.latent, config.latent_dim - config.latent], 1
        )
        z.append(torch.cat([_mutated(part, strength, rng, (1,)) for part in parts], 1).flatten())
        classes.append(weights)
    return torch.stack(z), torch.stack(classes)


def _vae_family(
    latent: VaeLatent, count: int, crossing: str, strength: float, seed: int, ctx: Context
) -> Tensor:
    """Returns the latents of the parents and then of their children, (N, C, h, w)."""
    import torch

    z = [*latent.z]
    for child in range(count):
        rng = ctx.rng(seed, child)
        one, other = _parents(child, len(latent.z), rng)
        point = latent.z[one]
        if crossing != "none":
            point = _blend(rows_of(latent, [one]), rows_of(latent, [other]), rng).z[0]
        z.append(_mutated(point, strength, rng, (1, 2)))
    return torch.stack(z)


def _parents(child: int, count: int, rng: Generator) -> tuple[int, int]:
    """Returns the parents of a child: each in turn, and another one if there are several."""
    import torch

    one = child % count
    step = int(torch.randint(max(1, count - 1), (), generator=rng))
    return one, (one + 1 + step) % count


def _levels_of_the_other(levels: int, rng: Generator) -> Tensor:
    """Returns for each level whether it is that of the other parent: some, but not all."""
    import torch

    bits = int(torch.randint(1, 2**levels - 1, (), generator=rng))
    return torch.tensor([bool(bits >> level & 1) for level in range(levels)])


def _blend(one: Latent, other: Latent, rng: Generator) -> Latent:
    import torch

    low, high = _SHARES
    share = low + (high - low) * float(torch.rand((), generator=rng))
    return mix_latents(one, other, amount=share)


def _mutated(point: Tensor, strength: float, rng: Generator, dims: tuple[int, ...]) -> Tensor:
    """Returns a point of which a share is drawn again, along an arc, as large as before.

    dims: the dimensions over which the size of the numbers is measured.
    """
    import torch

    if strength == 0 or point.numel() == 0:
        return point
    size = point.square().mean(dims, keepdim=True).sqrt().clamp_min(_LEAST)
    other = torch.randn(point.shape, generator=rng) * size
    angle = strength * math.pi / 2
    return math.cos(angle) * point + math.sin(angle) * other if strength < 1 else other
