"""Variations of a picture: small redraws of it by a VAE."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.kinds import Image, Pictures, VaeLatent
from ..contract.values.models import Vae
from ..contract.widgets import Alpha, Seed
from .vae import vae_encode

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.vae.networks import VaeNetwork

MOST = 4096  # variations at once


class Varied(NamedTuple):
    """What `variation` returns."""

    latent: VaeLatent
    image: Image


@node(
    title="Variation",
    category="explore",
    device=True,
    words="image to image, img2img, sdedit, redraw, similar pictures, vary, 变化, 图生图, 重绘",
)
def variation(
    vae: Vae,
    image: Annotated[Pictures, Alpha],
    *,
    strength: Annotated[
        float, Field(ge=0, le=1, description="How different; 0: as the VAE redraws it; 1: another")
    ] = 0.3,
    count: Annotated[int, Field(ge=1, le=1024, description="Variations of each picture")] = 8,
    seed: Seed = 0,
    ctx: Context,
) -> Varied:
    """Draw variations of a picture with a VAE: the same picture, in small parts drawn again.

    The pictures are cropped and resized to the size of the VAE. Their latents are mixed with random
    noise, and the prior of the VAE makes latents of pictures from the mixture, without knowing a
    class. Without a prior, the mixture itself is decoded, which looks good only for a small
    `strength`. At strength 0, all variations are the picture as the VAE redraws it.

    Variation i of a picture depends only on the seed and i, so a larger count adds some and does
    not change the others. All variations of the first picture come first.

    Raises: NodeError for more than 4,096 variations.
    Paper: Meng et al. 2022, "SDEdit: Guided image synthesis and editing with stochastic
    differential equations".
    """
    import torch

    from ..models.vae.api import decode
    from ..models.vae.prior import sample_prior

    if len(image) * count > MOST:
        raise NodeError(
            f"{len(image) * count} variations are too many, at most {MOST} are possible",
            "lower `count`, or wire fewer pictures",
        )
    start = vae_encode(vae, image, ctx=ctx.part(0, 0.1)).z
    network: VaeNetwork = vae.network(ctx.device)
    z = start.repeat_interleave(count, 0)
    if not strength:
        images = decode(network, start, ctx.numerics, progress=ctx.part(0.1, 1).progress)
        return Varied(VaeLatent(z), images.repeat_interleave(count, 0))
    noise = [torch.randn(start.shape[1:], generator=ctx.rng(seed, i)) for i in range(count)]
    drawn = torch.stack(noise).repeat(len(start), *[1] * (start.ndim - 1))
    prior = vae.prior(ctx.device)
    if prior is None:
        z = network.requantised(_mixed(z, drawn, strength))
    else:
        z = sample_prior(
            network,
            prior,
            torch.lerp(z, drawn, strength),
            torch.zeros(len(z), len(vae.classes)),
            numerics=ctx.numerics,
            progress=ctx.part(0.1, 0.9).progress,
            since=1 - strength,
        )
    images = decode(network, z, ctx.numerics, progress=ctx.part(0.9, 1).progress)
    return Varied(VaeLatent(z), images)


def _mixed(z: Tensor, noise: Tensor, strength: float) -> Tensor:
    """Returns a mixture that varies as much as both."""
    return math.sqrt(1 - strength**2) * z + strength * noise
