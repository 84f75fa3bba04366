"""The prior of a VAE: its training, and new pictures drawn with it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError, advised
from ..contract.spec import node
from ..contract.values.alpha import for_model
from ..contract.values.dataset import Dataset
from ..contract.values.kinds import Image, Table, VaeLatent
from ..contract.values.models import Vae
from ..contract.widgets import Advanced, Alpha, Seed, Steps
from ..contract.wording import in_form_of
from .latent import Style, class_weights
from .review import rated

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.vae.prior_network import PriorConfig


class TrainedPrior(NamedTuple):
    """What `train_prior` returns."""

    vae: Vae
    curves: Table


@node(
    title="Train prior",
    category="train",
    device=True,
    words="diffusion, flow, sampling, noise, 扩散, 先验, 噪声",
)
def train_prior(
    vae: Vae,
    dataset: Annotated[Dataset, Alpha],
    start: Annotated[
        Vae | None, Field(description="A VAE from whose prior the training continues")
    ] = None,
    *,
    steps: Steps = 2000,
    batch: Annotated[int, Field(ge=1, le=1024, description="Latents in each step"), Advanced] = 32,
    mirror: Annotated[
        bool,
        Field(description="Mirror pictures left to right; switch it off for lettering"),
        Advanced,
    ] = True,
    seed: Seed = 0,
    ctx: Context,
) -> TrainedPrior:
    """Train a prior, the network with which `vae_sample` draws new latents of each class.

    The output `vae` is the wired VAE together with its new prior, so one file contains both. Wire
    the pictures that the VAE was trained on, or others of the same size. `curves` contains the loss
    by step, which says little; look at samples instead.

    Pictures that a review rated are drawn by their stars, as by `train_gan`.

    With `start`, the training continues from the prior of that VAE, which may be `vae` itself. A
    new class begins as the mean of the known ones.

    Raises: NodeError if the pictures have another size, or if `start` has no prior or other
    latents.
    Paper: Liu et al. 2023, "Flow straight and fast"; Lipman et al. 2023, "Flow matching for
    generative modeling"; Ho and Salimans 2022, "Classifier-free diffusion guidance".
    """
    from ..models.configs import size_of
    from ..models.training.stages import STEP, Stage
    from ..models.vae.prior import PriorSettings, encode_all
    from ..models.vae.prior import train_prior as train

    vae.check_size(dataset.height, dataset.width)
    dataset = for_model(dataset, vae.has_alpha, "dataset", ctx.warn)
    dataset, draws = rated(dataset, ctx)
    network = vae.network(ctx.device)
    first, rest = ctx.training_run.in_stages(
        Stage("encoding picture", len(dataset.images) * (1 + mirror), steps / 9),
        Stage(STEP, steps, steps),
    )
    latents = encode_all(network, dataset.images, mirror, ctx.numerics, first.progress)
    with advised("train with other pictures, or without `start`"):
        trained = train(
            latents,
            dataset.labels,
            dataset.classes,
            PriorSettings(seed=seed, batch=batch),
            rest,
            vae=network,
            steps=steps,
            start=None if start is None else _prior_of(start, vae, dataset.classes),
            draws=draws,
        )
    weights = {key: value for key, value in vae.state.items() if not key.startswith("prior.")}
    weights |= {f"prior.{key}": value for key, value in trained.state.items()}
    config = {**vae.config, "prior": asdict(trained.config)}
    if vae.any_size:  # the prior has a size
        config["size"] = size_of(dataset.height, dataset.width)
    both = Vae(config, weights)
    return TrainedPrior(both, Table(dict(trained.curves)))


class SampledVae(NamedTuple):
    """What `vae_sample` returns."""

    latent: VaeLatent
    image: Image


@node(
    title="VAE sample",
    category="draw",
    version=2,
    device=True,
    words="random, noise, draw, autoencoder, new pictures, diffusion, generate,"
    " 随机, 噪声, 新图片, 自编码器",
)
def vae_sample(
    vae: Vae,
    *,
    count: Annotated[int, Field(ge=1, le=4096, description="Number of pictures")] = 16,
    style: Style = "each",
    guidance: Annotated[
        float,
        Field(ge=0, le=10, description="Above 1: more typical of the class, less varied"),
    ] = 1.5,
    seed: Seed = 0,
    ctx: Context,
) -> SampledVae:
    """Draw random latents with the prior of a VAE, and decode them to pictures.

    The same seed gives the same pictures. Latent i depends only on the seed and i, so a larger
    count adds pictures and does not change the others.

    Raises: NodeError if the VAE has no prior, or if the prior does not have the class `style`.
    """
    import torch

    from ..models.vae.api import decode
    from ..models.vae.prior import sample_prior

    prior = vae.prior(ctx.device)
    if prior is None:
        raise NodeError("the VAE has no prior to draw latents with", "train one with train_prior")
    shape = vae.latent_shape
    noise = [torch.randn(shape, generator=ctx.rng(seed, index)) for index in range(count)]
    weights = [class_weights(vae.classes, style, ctx, seed, index) for index in range(count)]
    network = vae.network(ctx.device)
    z = sample_prior(
        network,
        prior,
        torch.stack(noise),
        torch.stack(weights),
        guidance=guidance,
        numerics=ctx.numerics,
        progress=ctx.part(0, 0.9).progress,
    )
    images = decode(network, z, ctx.numerics, progress=ctx.part(0.9, 1).progress)
    return SampledVae(VaeLatent(z), images)


def _prior_of(
    start: Vae, vae: Vae, classes: tuple[str, ...]
) -> tuple[PriorConfig, dict[str, Tensor]]:
    """Returns config and weights of the prior of `start`, which must fit the latents of `vae`.

    Its classes are named as those of the dataset.
    """
    from ..models.vae.api import VaeConfig

    config = VaeConfig.from_dict(start.config)
    if config.prior is None:
        raise NodeError(
            "`start` is a VAE without a prior",
            "wire a VAE from train_prior, or leave `start` unwired",
        )
    if config.channels != vae.latent_shape[0]:
        raise NodeError(
            f"the latents of `start` have {config.channels} channels, not {vae.latent_shape[0]}",
            "wire a VAE whose latents have as many channels as those of `vae`",
        )
    start.prior()
    weights = {
        k.removeprefix("prior."): v for k, v in start.state.items() if k.startswith("prior.")
    }
    prior = config.prior
    return replace(prior, classes=in_form_of(prior.classes, classes)), weights
