"""Variational autoencoders: training one, pictures to latents and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError, advised
from ..contract.spec import node
from ..contract.values.kinds import Dataset, Image, Pictures, Table, VaeLatent
from ..contract.values.models import Classifier, Vae
from ..contract.values.pictures import each_part
from ..contract.widgets import Choices, Seed, Steps
from .latent import Style, class_weights

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.vae.prior_network import PriorConfig


class TrainedVae(NamedTuple):
    """What `train_vae` gives."""

    vae: Vae
    curves: Table


@node(title="Train VAE", category="vae", device=True, version=2)
def train_vae(
    dataset: Dataset,
    classifier: Classifier | None = None,
    start: Vae | None = None,
    *,
    method: Annotated[
        Literal["residual", "classic"],
        Field(description="The kind of network"),
        Choices({"residual": "convolutional, latents keep their place", "classic": "dense"}),
    ] = "residual",
    quantiser: Annotated[
        Literal["kl", "fsq"],
        Field(description="What latents are like"),
        Choices({"kl": "near N(0, 1)", "fsq": "each number has a few levels"}),
    ] = "kl",
    sharpen: Annotated[
        Literal["none", "features", "adversarial"],
        Field(description="What sharpens the pictures"),
        Choices(
            {
                "none": "nothing",
                "features": "the features of a wired classifier",
                "adversarial": "a critic",
            }
        ),
    ] = "none",
    steps: Steps = 600,
    batch: Annotated[int, Field(ge=1, le=512, description="Pictures in a step")] = 32,
    channels: Annotated[
        int | None,
        Field(ge=1, le=256, description="Of a latent; empty: 16, or 32 for fsq and classic"),
    ] = None,
    beta: Annotated[
        float | None,
        Field(ge=0, le=10, description="Weight of the latents' closeness to N(0, 1); empty: usual"),
    ] = None,
    keep_latents: Annotated[
        bool,
        Field(description="With `start`: its encoder and prior stay, the decoder alone learns"),
    ] = False,
    seed: Seed = 0,
    ctx: Context,
) -> TrainedVae:
    """Train a variational autoencoder: it learns to pack pictures into latents and back.

    Latents of the residual method are (N, 16, S/8, S/8), with fsq 32 instead of 16, of the classic
    one (N, 32, 1, 1). With
    `start`, the training goes on from that VAE, on other pictures and perhaps in another size;
    method, quantiser and channels are then its own. Its prior is lost, since latents change;
    with `keep_latents` it stays. A wired `classifier` is for sharpening by features. The curves
    hold the losses by step.

    Raises: NodeError for settings that don't go together.
    Paper: Kingma and Welling 2014, "Auto-encoding variational Bayes"; Mentzer et al. 2023,
    "Finite scalar quantization" (fsq); Esser et al. 2021, "Taming transformers" (adversarial).
    """
    from ..models.vae.api import VaeConfig, VaeSettings
    from ..models.vae.api import train_vae as train

    features = None
    if classifier is not None and sharpen == "features":
        features = classifier.features(ctx.device)
    with advised("change the dataset, the widgets or what is wired"):
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
            ctx.training_run,
            steps=steps,
            start=None if start is None else (VaeConfig.from_dict(start.config), start.state),
            features=features,
        )
    return TrainedVae(Vae(asdict(trained.config), trained.state), Table(dict(trained.curves)))


@node(title="VAE encode", category="vae", device=True)
def vae_encode(vae: Vae, image: Pictures, *, ctx: Context) -> VaeLatent:
    """Turn pictures into latents; they are cropped and resized to the VAE's size first."""
    from ..models.blocks import fit_square
    from ..models.vae.api import encode

    square = each_part(lambda part: fit_square(part, vae.size), image)
    return VaeLatent(encode(vae.network(ctx.device), square, ctx.numerics))


@node(title="VAE decode", category="vae", device=True)
def vae_decode(vae: Vae, latent: VaeLatent, *, ctx: Context) -> Image:
    """Turn latents into pictures.

    Raises: NodeError for latents of another VAE.
    """
    from ..models.vae.api import decode

    expected = vae.latent_shape
    if tuple(latent.z.shape[1:]) != expected:
        raise NodeError(
            f"the latents are {tuple(latent.z.shape[1:])}, this VAE's are {expected}",
            "wire latents that this VAE encoded",
        )
    return decode(vae.network(ctx.device), latent.z, ctx.numerics)


@node(title="Evaluate VAE", category="vae", device=True)
def evaluate_vae(vae: Vae, dataset: Dataset, *, ctx: Context) -> Table:
    """Pack a dataset's pictures into latents and back, and tell what was lost, class by class.

    One row for each class and one for all, each the mean over pictures: `psnr` in dB, `error`
    (mean absolute, in 0..1), `ssim` (1 is equal), and `sharpness`: the energy of the gradients
    over that of the true pictures, 1 for equally sharp ones. A VAE with quantised latents has
    `codes` too: the share of its codes that occurs. Wire pictures that it was not trained on.

    Raises: NodeError for a dataset of another size.
    Paper: Wang et al. 2004, "Image quality assessment" (ssim).
    """
    from ..models.vae.report import reconstruction_table

    vae.check_size(dataset.size)
    network = vae.network(ctx.device)
    columns = reconstruction_table(
        network, dataset.images, dataset.labels, dataset.classes, ctx.numerics, ctx.progress
    )
    return Table(columns)


class TrainedPrior(NamedTuple):
    """What `train_prior` gives."""

    vae: Vae
    curves: Table


@node(title="Train prior", category="vae", device=True)
def train_prior(
    vae: Vae,
    dataset: Dataset,
    start: Vae | None = None,
    *,
    steps: Steps = 2000,
    batch: Annotated[int, Field(ge=1, le=1024, description="Latents in a step")] = 32,
    mirror: Annotated[
        bool, Field(description="Pictures may be mirrored left to right; off for lettering")
    ] = True,
    seed: Seed = 0,
    ctx: Context,
) -> TrainedPrior:
    """Train what draws new latents of a VAE, class by class, for `vae_sample`.

    The VAE comes out unchanged but for its prior, so that one file holds both. Wire the pictures
    that the VAE was trained on, or others of its size. With `start`, the training goes on from
    that VAE's prior, which may be that of `vae` itself; classes it does not know begin as a mean
    of those it does. The curves hold the loss by step: it says little, look at samples.

    Raises: NodeError for a dataset of another size, and where `start` has no prior, or one of
    other latents.
    Paper: Liu et al. 2023, "Flow straight and fast"; Lipman et al. 2023, "Flow matching for
    generative modeling"; Ho and Salimans 2022, "Classifier-free diffusion guidance".
    """
    from ..models.vae.prior import PriorSettings, encode_all
    from ..models.vae.prior import train_prior as train

    vae.check_size(dataset.size)
    network = vae.network(ctx.device)
    first, rest = ctx.part(0, 0.1), ctx.part(0.1, 1)
    latents = encode_all(network, dataset.images, mirror, ctx.numerics, first.progress)
    with advised("change the dataset or what is wired to `start`"):
        trained = train(
            latents,
            dataset.labels,
            dataset.classes,
            PriorSettings(seed=seed, batch=batch),
            rest.training_run,
            vae=network,
            steps=steps,
            start=None if start is None else _prior_of(start, vae),
        )
    kept = {key: value for key, value in vae.state.items() if not key.startswith("prior.")}
    kept |= {f"prior.{key}": value for key, value in trained.state.items()}
    both = Vae({**vae.config, "prior": asdict(trained.config)}, kept)
    return TrainedPrior(both, Table(dict(trained.curves)))


class SampledVae(NamedTuple):
    """What `vae_sample` gives."""

    latent: VaeLatent
    image: Image


@node(title="VAE sample", category="vae", device=True)
def vae_sample(
    vae: Vae,
    *,
    count: Annotated[int, Field(ge=1, le=4096, description="Pictures to draw")] = 16,
    style: Style = "each",
    guidance: Annotated[
        float,
        Field(ge=0, le=10, description="Above 1: more typical of the class, less varied"),
    ] = 1.5,
    seed: Seed = 0,
    ctx: Context,
) -> SampledVae:
    """Draw latents from a VAE's prior, and the pictures they stand for. Same seed, same pictures.

    Latent i depends on (seed, i) alone, so that a larger count only adds pictures.

    Raises: NodeError for a VAE without a prior, and for a class that the prior does not know.
    """
    import torch

    from ..models.vae.api import decode
    from ..models.vae.prior import sample_prior

    prior = vae.prior(ctx.device)
    if prior is None:
        raise NodeError("the VAE has no prior to draw from", "wire it through train_prior first")
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
        progress=ctx.progress,
    )
    return SampledVae(VaeLatent(z), decode(network, z, ctx.numerics))


def _prior_of(start: Vae, vae: Vae) -> tuple[PriorConfig, dict[str, Tensor]]:
    """Config and weights of the prior of `start`, which must be one of latents like `vae`'s."""
    from ..models.vae.api import VaeConfig

    config = VaeConfig.from_dict(start.config)
    if config.prior is None:
        raise NodeError(
            "`start` is a VAE without a prior",
            "wire one that has been through train_prior, or leave it unwired",
        )
    if config.channels != vae.latent_shape[0]:
        raise NodeError(
            f"latents of `start` have {config.channels} channels, the VAE's {vae.latent_shape[0]}",
            "wire VAEs of a kind",
        )
    start.prior()
    weights = {
        k.removeprefix("prior."): v for k, v in start.state.items() if k.startswith("prior.")
    }
    return config.prior, weights
