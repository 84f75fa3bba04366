"""GANs: training one, sampling its latents, drawing pictures from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError, advised
from ..contract.spec import node
from ..contract.values.kinds import Dataset, GanLatent, Image, Table
from ..contract.values.models import Classifier, Gan
from ..contract.widgets import Choices, Seed, Steps
from .latent import Style, class_weights

if TYPE_CHECKING:
    from torch import Tensor

SIZES = (32, 64, 128, 256, 512)


class TrainedGan(NamedTuple):
    """What `train_gan` gives."""

    gan: Gan
    curves: Table
    progress: Table


@node(title="Train GAN", category="gan", version=6, device=True)
def train_gan(
    dataset: Dataset,
    classifier: Classifier | None = None,
    start: Gan | None = None,
    *,
    method: Annotated[
        Literal["projected", "r3", "classic"],
        Field(description="How the GAN is trained"),
        Choices(
            {
                "projected": "quick, judged by a classifier's features",
                "r3": "slower, no features",
                "classic": "the article's DCGAN",
            }
        ),
    ] = "projected",
    steps: Steps = 1000,
    batch: Annotated[
        int, Field(ge=4, le=512, multiple_of=4, description="Pictures in a step")
    ] = 32,
    augment: Annotated[
        Literal["auto", "on", "off"],
        Field(
            description="Shift, tint and cover what the critic sees; auto: as far as a set of less"
            " than 1000 pictures needs it"
        ),
    ] = "auto",
    mirror: Annotated[
        bool, Field(description="Pictures may be mirrored left to right; off for lettering")
    ] = True,
    loss: Annotated[
        Literal["non-saturating", "min-max"], Field(description="Of the classic method alone")
    ] = "non-saturating",
    rate: Annotated[
        float,
        Field(
            gt=0,
            le=10,
            description="Learning rate, as a multiple of the method's own; lower to refine",
        ),
    ] = 1.0,
    seed: Seed = 0,
    ctx: Context,
) -> TrainedGan:
    """Train a generative adversarial network on a dataset, class by class.

    The pictures' edge is 32, 64, 128, 256 or 512 px. With `start`, the training goes on from that
    GAN, by its method; classes it does not know begin as a mean of those it does. Where the
    pictures are larger, a projected GAN grows to their size. A wired `classifier` lends its
    features to the projected method, which otherwise trains a small network of its own first. A
    fifth as many steps come on top, 500 at most, in which the weights settle.

    `curves` hold the losses by step, and how sure the critic is of real pictures (mean sign, -1
    to 1). `progress` tells, every 100 steps, how the drawn pictures compare with the real ones, in
    features that no critic sees: distance (Fréchet, in multiples of that between two halves of
    the real ones), recall (0..1), diversity within a class and the least of any (1: as the
    real ones), layouts (1: as varied as the real ones; near 0: a few return) and novelty (near
    0: copies). A collapse, layouts that return and copies are told in words as well.

    Raises: NodeError for a dataset of another size, a start that is larger, or losses that are no
    finite numbers.
    Paper: Sauer et al. 2021, "Projected GANs converge faster" (projected); Huang et al. 2024,
    "The GAN is dead; long live the GAN!" (r3); Radford et al. 2016, DCGAN (classic).
    """
    from ..models.gan.api import GanConfig, GanSettings
    from ..models.gan.api import train_gan as train
    from ..models.training.curves import DivergedError

    if dataset.size not in SIZES:
        raise NodeError(
            f"the pictures are {dataset.size} px, and a GAN draws {', '.join(map(str, SIZES))} px",
            "load the dataset in one of these sizes",
        )
    features = None
    if classifier is not None and method == "projected":
        features = classifier.features(ctx.device)
    with advised("change the dataset or the widgets"), advised("lower `rate`", DivergedError):
        trained = train(
            dataset.images,
            dataset.labels,
            dataset.classes,
            GanSettings(
                seed=seed,
                method=method,
                batch=batch,
                augment=augment,
                mirror=mirror,
                loss=loss,
                rate=rate,
            ),
            ctx.training_run,
            steps=steps,
            features=features,
            start=None if start is None else (GanConfig.from_dict(start.config), start.state),
        )
    for warning in trained.extra.warnings:
        ctx.warn(warning)
    gan = Gan(trained.config.to_dict(), trained.state)
    return TrainedGan(gan, Table(dict(trained.curves)), Table(dict(trained.extra.progress)))


class Drawn(NamedTuple):
    """What `sample_latent` gives."""

    latent: GanLatent
    image: Image


@node(title="Sample latent", category="gan", version=2, device=True)
def sample_latent(
    gan: Gan,
    *,
    count: Annotated[int, Field(ge=1, le=4096, description="Pictures to draw")] = 16,
    style: Style = "each",
    truncation: Annotated[
        float, Field(ge=0, le=1, description="Below 1: nearer the average, less varied")
    ] = 1.0,
    seed: Seed = 0,
    ctx: Context,
) -> Drawn:
    """Draw random latents and the pictures they stand for. Same seed, same pictures.

    Latent i depends on (seed, i) alone, so that a larger count only adds pictures.

    Raises: NodeError for a class the GAN does not know.
    """
    import torch

    points = [_point(gan, ctx, seed, index) for index in range(count)]
    weights = [class_weights(gan.classes, style, ctx, seed, index) for index in range(count)]
    latent = GanLatent(torch.stack(points) * truncation, torch.stack(weights))
    return Drawn(latent, generate(gan, latent, ctx=ctx))


@node(title="Generate", category="gan", version=2, device=True)
def generate(gan: Gan, latent: GanLatent, *, ctx: Context) -> Image:
    """Draw the pictures that latents stand for.

    Raises: NodeError for latents of another GAN.
    """
    from ..models.gan.api import GanConfig
    from ..models.gan.api import generate as draw

    config = GanConfig.from_dict(gan.config)
    expected = (config.latent_dim, len(config.classes))
    if (latent.z.shape[1], latent.classes.shape[1]) != expected:
        raise NodeError("the latents are of another GAN", "wire those that were sampled from this")
    return draw(gan.network(ctx.device), latent.z, latent.classes, ctx.numerics)


def _point(gan: Gan, ctx: Context, seed: int, index: int) -> Tensor:
    """A latent (D,) of N(0, 1)."""
    import torch

    from ..models.gan.api import GanConfig

    size = GanConfig.from_dict(gan.config).latent_dim
    return torch.randn(size, generator=ctx.rng(seed, index))
