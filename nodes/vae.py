"""Variational autoencoders: training, and turning pictures into latents and back."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError, advised
from ..contract.spec import node
from ..contract.values.alpha import for_model, opaque
from ..contract.values.kinds import Dataset, Image, Pictures, Table, VaeLatent
from ..contract.values.models import Classifier, Vae
from ..contract.values.pictures import each_part
from ..contract.widgets import Advanced, Alpha, Choices, Devices, Seed, Steps, Streams
from ..contract.wording import in_form_of
from .latent import Style, class_weights
from .review import rated

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.vae.prior_network import PriorConfig


class TrainedVae(NamedTuple):
    """What `train_vae` returns."""

    vae: Vae
    curves: Table


@node(
    title="Train VAE",
    category="train",
    device=True,
    version=2,
    words="autoencoder, compress, morph, interpolate, latent space, 自编码器, 变形, 训练",
)
def train_vae(
    dataset: Annotated[Dataset, Alpha, Streams],
    classifier: Annotated[
        Classifier | None, Field(description="Its features sharpen the pictures, if you choose so")
    ] = None,
    start: Annotated[
        Vae | None, Field(description="A VAE from which the training continues")
    ] = None,
    *,
    method: Annotated[
        Literal["residual", "classic"],
        Field(description="Kind of network"),
        Choices(
            {
                "residual": "convolutional; latents keep the layout of the picture",
                "classic": "dense",
            }
        ),
    ] = "residual",
    quantiser: Annotated[
        Literal["kl", "fsq"],
        Field(description="Form of the latents"),
        Choices({"kl": "close to N(0, 1)", "fsq": "each number has only a few levels"}),
        Advanced,
    ] = "kl",
    sharpen: Annotated[
        Literal["none", "features", "adversarial"],
        Field(description="What sharpens the pictures"),
        Choices(
            {
                "none": "nothing",
                "features": "the features of the wired classifier",
                "adversarial": "a critic",
            }
        ),
        Advanced,
    ] = "none",
    steps: Steps = 600,
    batch: Annotated[int, Field(ge=1, le=512, description="Pictures in each step"), Advanced] = 32,
    channels: Annotated[
        int | None,
        Field(
            ge=1, le=256, description="Channels of a latent; empty: 16, or 32 for fsq and classic"
        ),
        Advanced,
    ] = None,
    beta: Annotated[
        float | None,
        Field(
            ge=0,
            le=10,
            description="Weight of the loss that pulls latents to N(0, 1); empty: the usual one",
        ),
        Advanced,
    ] = None,
    keep_latents: Annotated[
        bool,
        Field(description="With `start`: keep its encoder and prior, train only the decoder"),
        Advanced,
    ] = False,
    seed: Seed = 0,
    devices: Devices = 1,
    ctx: Context,
) -> TrainedVae:
    """Train a variational autoencoder (VAE) to turn pictures into latents and back.

    Latents of the residual method have the shape (N, 16, H/8, W/8), or 32 channels with fsq. Those
    of the classic method are (N, 32, 1, 1). A wired `classifier` is only used for sharpening by
    features. `curves` contains the losses by step.

    With `start`, the training continues from that VAE, with its method, quantiser and channels. The
    pictures may be others, and may have another size. The prior of `start` is removed, because the
    latents change; with `keep_latents`, they do not change, and the prior stays.

    Pictures that a review rated are drawn by their stars, as by `train_gan`.

    If the dataset has an alpha channel, the VAE learns it. With a `start` without alpha, all its
    weights are used, and the pictures begin opaque; a classic one can't be used, nor
    `keep_latents`.

    Raises: NodeError if the settings do not fit together.
    Paper: Kingma and Welling 2014, "Auto-encoding variational Bayes"; Mentzer et al. 2023,
    "Finite scalar quantization" (fsq); Esser et al. 2021, "Taming transformers" (adversarial).
    """
    from ..models.configs import size_text
    from ..models.vae.api import VaeConfig, VaeSettings
    from ..models.vae.api import train_vae as train
    from ..models.vae.config import FACTOR

    if dataset.height % FACTOR or dataset.width % FACTOR:
        edge = round(math.sqrt(dataset.height * dataset.width))
        below = max(32, edge // FACTOR * FACTOR)
        raise NodeError(
            f"the pictures are {size_text(dataset.height, dataset.width)}, but a VAE needs a"
            f" multiple of {FACTOR} px",
            f"set `size` of the dataset to {below} or {below + FACTOR}",
        )
    if start is not None and start.has_alpha:
        dataset = opaque(dataset)
    dataset, draws = rated(dataset, ctx)
    features = None
    if classifier is not None and sharpen == "features":
        features = classifier.features(ctx.device)
    with advised("train with other pictures or settings, or without `start`"):
        trained = train(
            dataset.images,
            VaeSettings(
                seed=seed,
                method=method,
                quantiser=quantiser,
                sharpen=sharpen,
                batch=batch,
                channels=channels,
                beta=beta,
                keep_latents=keep_latents,
            ),
            replace(ctx.training_run, devices=devices),
            steps=steps,
            start=None if start is None else (VaeConfig.from_dict(start.config), start.state),
            features=features,
            draws=draws,
        )
    return TrainedVae(Vae(trained.config.to_dict(), trained.state), Table(dict(trained.curves)))


@node(
    title="VAE encode",
    category="explore",
    device=True,
    words="autoencoder, compress, invert, project, 编码, 自编码器",
)
def vae_encode(vae: Vae, image: Annotated[Pictures, Alpha], *, ctx: Context) -> VaeLatent:
    """Turn pictures into latents of a VAE.

    The pictures are cropped and resized to the size of the VAE first. For a VAE of another program
    without a prior, they keep their size, rounded down to multiples of 8 px.

    Raises: NodeError if the pictures are too large.
    """
    from ..models.blocks import fit_middle
    from ..models.vae.api import encode

    image = for_model(image, vae.has_alpha, "image", ctx.warn)
    height, width = vae.size_for(*image.shape[1:3])
    fitted = each_part(lambda part: fit_middle(part, height, width), image)
    return VaeLatent(encode(vae.network(ctx.device), fitted, ctx.numerics, progress=ctx.progress))


@node(
    title="VAE decode",
    category="draw",
    device=True,
    words="draw, autoencoder, render, 解码, 绘制, 自编码器",
)
def vae_decode(vae: Vae, latent: VaeLatent, *, ctx: Context) -> Image:
    """Turn latents of a VAE into pictures.

    Raises: NodeError if the latents are from another VAE.
    """
    from ..models.vae.api import decode

    vae.check_latents(tuple(latent.z.shape[1:]))
    return decode(vae.network(ctx.device), latent.z, ctx.numerics, progress=ctx.progress)


@node(
    title="Evaluate VAE",
    category="judge",
    version=2,
    device=True,
    words="quality, error, compare, test, 质量, 测试",
)
def evaluate_vae(vae: Vae, dataset: Annotated[Dataset, Alpha], *, ctx: Context) -> Table:
    """Turn the pictures of a dataset into latents and back, and measure what is lost.

    The table has a row for each class and one for all pictures. Its columns are means over the
    pictures: `psnr` in dB; `error`, the mean absolute difference (0..1); `ssim` (1: equal); and
    `sharpness`, the energy of the gradients divided by that of the true pictures (1: equally
    sharp). If the latents are quantised, `codes` is the share of the codes that occur. Wire
    pictures that the VAE was not trained on. Pictures with alpha are compared in front of grey.

    Raises: NodeError if the pictures have another size.
    Paper: Wang et al. 2004, "Image quality assessment" (ssim).
    """
    from ..models.vae.report import reconstruction_table

    vae.check_size(dataset.height, dataset.width)
    dataset = for_model(dataset, vae.has_alpha, "dataset", ctx.warn)
    if vae.has_alpha:
        ctx.log("pictures with alpha are compared in front of grey")
    network = vae.network(ctx.device)
    columns = reconstruction_table(
        network, dataset.images, dataset.labels, dataset.classes, ctx.numerics, ctx.progress
    )
    return Table(columns)


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
