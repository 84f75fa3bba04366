"""Variational autoencoders: training, and turning pictures into latents and back."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError, advised
from ..contract.spec import node
from ..contract.values.alpha import for_model, opaque
from ..contract.values.dataset import Dataset
from ..contract.values.kinds import Image, Pictures, Table, VaeLatent
from ..contract.values.models import Classifier, Vae
from ..contract.values.pictures import each_part
from ..contract.widgets import Advanced, Alpha, Choices, Devices, Seed, Steps, Streams
from .review import rated


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
