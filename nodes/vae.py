"""Variational autoencoders: training one, pictures to latents and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from .context import Context
from .contract import Seed, Steps, node
from .errors import NodeError, advised
from .sockets import Dataset, Image, Table, Vae, VaeLatent


class TrainedVae(NamedTuple):
    """What `train_vae` gives."""

    vae: Vae
    curves: Table


@node(title="Train VAE", category="vae", device=True)
def train_vae(
    dataset: Dataset,
    *,
    method: Annotated[
        Literal["residual", "classic"],
        Field(description="residual: convolutional, latents keep their place; classic: dense"),
    ] = "residual",
    steps: Steps = 600,
    batch: Annotated[int, Field(ge=1, le=512, description="Pictures in a step")] = 32,
    beta: Annotated[
        float | None,
        Field(ge=0, le=10, description="Weight of the latents' closeness to N(0, 1); empty: usual"),
    ] = None,
    seed: Seed = 0,
    ctx: Context,
) -> TrainedVae:
    """Train a variational autoencoder: it learns to pack pictures into latents and back.

    Latents of the residual method are (N, 16, S/8, S/8), of the classic one (N, 32, 1, 1). The
    curves hold the losses by step.

    Paper: Kingma and Welling 2014, "Auto-encoding variational Bayes".
    """
    from ..models.vae import train_vae as train

    with advised("change the dataset or the widgets"):
        config, state, curves = train(
            dataset.images,
            method=method,
            steps=steps,
            batch=batch,
            beta=beta,
            seed=seed,
            numerics=ctx.numerics,
            checkpoint=ctx.checkpoint,
            report=ctx.progress,
        )
    return TrainedVae(Vae(asdict(config), state), Table(dict(curves)))


@node(title="VAE encode", category="vae", device=True)
def vae_encode(vae: Vae, image: Image, *, ctx: Context) -> VaeLatent:
    """Turn pictures into latents; they are cropped and resized to the VAE's size first."""
    from ..models.blocks import fit_square
    from ..models.vae import encode

    return VaeLatent(encode(vae.network(ctx.device), fit_square(image, vae.size), ctx.numerics))


@node(title="VAE decode", category="vae", device=True)
def vae_decode(vae: Vae, latent: VaeLatent, *, ctx: Context) -> Image:
    """Turn latents into pictures.

    Raises: NodeError for latents of another VAE.
    """
    from ..models.vae import decode

    expected = vae.latent_shape
    if tuple(latent.z.shape[1:]) != expected:
        raise NodeError(
            f"the latents are {tuple(latent.z.shape[1:])}, this VAE's are {expected} - wire"
            " latents that this VAE encoded"
        )
    return decode(vae.network(ctx.device), latent.z, ctx.numerics)
