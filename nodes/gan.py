"""GANs: training, sampling latents, and drawing pictures from them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError, advised
from ..contract.spec import node
from ..contract.values.alpha import opaque
from ..contract.values.dataset import Dataset
from ..contract.values.kinds import GanLatent, Image, Table
from ..contract.values.models import Classifier, Gan
from ..contract.widgets import (
    Advanced,
    Alpha,
    Choices,
    Devices,
    KeptStep,
    Neutral,
    Seed,
    Steps,
    Streams,
)
from ..contract.wording import in_form_of
from .latent import Style, class_weights
from .model_files import named_start
from .review import rated

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..models.gan.api import GanConfig, Judge


class TrainedGan(NamedTuple):
    """What `train_gan` returns."""

    gan: Gan
    curves: Table
    progress: Table


@node(
    title="Train GAN",
    category="train",
    version=12,
    device=True,
    training_version=9,
    words="stylegan, dcgan, generator, discriminator, teach, finetune, fine-tune, learn my style,"
    " deep learning, 训练, 生成器, 对抗网络, 微调",
)
def train_gan(
    dataset: Annotated[Dataset, Alpha, Streams],
    classifier: Annotated[
        Classifier | None,
        Field(description="Its features judge the pictures and guide the training"),
    ] = None,
    start: Annotated[
        Gan | None, Field(description="A GAN from which the training continues")
    ] = None,
    *,
    method: Annotated[
        Literal["projected", "r3", "classic"],
        Field(description="How the GAN is trained"),
        Choices(
            {
                "projected": "fast; uses the features of a classifier",
                "r3": "slower; needs no features",
                "classic": "the DCGAN of the textbooks",
            }
        ),
    ] = "projected",
    steps: Steps = 1000,
    batch: Annotated[
        int, Field(ge=4, le=512, multiple_of=4, description="Pictures in each step"), Advanced
    ] = 32,
    augment: Annotated[
        Literal["auto", "on", "off"],
        Field(
            description="Shift, tint and cover the pictures during the training; auto: as far as"
            " a dataset of fewer than 1000 pictures needs it"
        ),
        Advanced,
    ] = "auto",
    mirror: Annotated[
        bool, Field(description="Mirror pictures left to right; switch it off for lettering")
    ] = True,
    loss: Annotated[
        Literal["non-saturating", "min-max"],
        Field(description="Loss of the classic method"),
        Advanced,
    ] = "non-saturating",
    rate: Annotated[
        float,
        Field(
            gt=0,
            le=10,
            description="Learning rate, as a multiple of the usual one; lower it to refine a model",
        ),
        Advanced,
    ] = 1.0,
    seed: Seed = 0,
    at_step: Annotated[
        int,
        Field(
            ge=-1,
            le=10_000_000,
            description="Earlier step whose GAN is returned; it costs no training. 0: the last; -1:"
            " the best",
        ),
        KeptStep,
        Neutral(0),
        Advanced,
    ] = 0,
    devices: Devices = 1,
    ctx: Context,
) -> TrainedGan:
    """Train a generative adversarial network (GAN) to draw new pictures of each class of a dataset.

    One network draws pictures. A second one, the critic, learns to distinguish them from those of
    the dataset, and the first learns what convinces it.

    Square pictures must have 32, 64, 128, 256 or 512 pixels in width and height. Other pictures
    must have about the area of such a square, and sides that are multiples of an eighth of its
    edge. The projected method uses the features of a wired `classifier`; otherwise it first trains
    a small network for them. A `pretrained_classifier`, or one that was trained from it, is used
    beside that small network: the first network also learns to draw pictures whose pretrained
    features are distributed like those of the dataset; they are computed from pictures that are not
    augmented. The critic does not see them, because it would learn too fast. After `steps`, a fifth
    as many steps are added (500 at most), in which the networks change less and less.

    With `start`, the training continues from that GAN, with its method. A new class begins as the
    mean of the known ones. If the pictures have smooth edges, the GAN (projected) then draws no
    stripes of 1 px in turn, which would be seen as a grid. If the pictures are larger than those of
    `start`, a projected GAN grows to their size. If they have other proportions, the coarsest maps
    of the GAN are stretched.

    Pictures that a review rated are drawn by their stars: with 5, 4, 3, 2 and 1 star 2, 1.5, 1, 0.5
    and 0.25 times as often as those that are not rated, and never with 0.

    If the dataset has an alpha channel, the GAN draws pictures with one. Features and `progress`
    see the pictures in front of grey. A GAN to start from that has no alpha begins with opaque
    pictures; one of the classic method can't be used.

    `curves` contains the losses by step, and how certain the critic is about the pictures of the
    dataset, from 1 (it recognises all of them) to -1 (it takes all of them for drawn ones).

    `progress` compares drawn pictures with those of the dataset every 100 steps (every 500 from
    step 1,000 on), in features of networks that were not trained on them: a network of painted
    styles that comes with artgraph, and a wired `pretrained_classifier`. With both, `distance` is
    the mean of theirs, and the others use the pretrained features alone. The column `features`
    names them. The other columns are: `distance`, how different the drawn pictures are from the
    real ones (near 0 if they are of one kind; at 1 as different as two real pictures; this is the
    kernel distance); `floor`, which other real pictures seldom exceed; `interval`, by how
    much the distance may be wrong by chance; `recall`, the share of the real pictures that have
    similar drawn ones, from 0 to 1; `diversity`, and `least` for the least diverse class, how
    different drawn pictures are from each other (1: as different as the real ones; near 0: all
    alike); `layouts`, the same for the arrangement of light and dark (near 0: a few arrangements
    repeat, perhaps in other colours); and `novelty`, how different the drawn pictures are from
    those of the dataset (near 0: copies), and `usual` the novelty that other real pictures seldom
    fall below. `verdict` is `best` for the smallest distance, `as good` if chance explains the
    difference, `worse` if not, and `less new` if the novelty is below `usual` (with fewer than 1000
    pictures); or it says what is wrong. The node warns you if the training collapses (drawn
    pictures are nearly alike), if a few arrangements repeat, and if pictures are becoming copies
    or are copies.

    The GANs at these steps are kept with the training (`kept` is yes), rounded to float16, up to
    128 MiB for a training; of more, every second one is deleted. `at_step` returns the nearest one
    instead of the last GAN. No steps with smaller changes follow it. -1 returns the best of these
    and the last one: that with the smallest distance among those without problems that are not
    less new.

    Raises: NodeError if the pictures have another size or are smaller than those of `start`, or if
    a loss is not finite.
    Paper: Sauer et al. 2021, "Projected GANs converge faster" (projected); Huang et al. 2024,
    "The GAN is dead; long live the GAN!" (r3); Radford et al. 2016, DCGAN (classic).
    """
    from ..models.configs import size_of, size_text
    from ..models.gan.api import GanSettings
    from ..models.gan.api import train_gan as train
    from ..models.gan.config import SIZES, check_gan_size, nominal_edge
    from ..models.training.diverged import DivergedError

    shape = (dataset.height, dataset.width)
    sizes = f"load the dataset in one of the sizes {', '.join(map(str, SIZES))}"
    try:
        check_gan_size(size_of(*shape))
    except ValueError as error:
        raise NodeError(f"a GAN can't draw pictures of {size_text(*shape)}", sizes) from error
    needed = (start.height, start.width) if start is not None else shape
    if nominal_edge(*shape) < nominal_edge(*needed):
        raise NodeError(
            f"the GAN to start from draws {size_text(*needed)}, but the pictures are only"
            f" {size_text(*shape)}",
            f"load them with size: {nominal_edge(*needed)}",
        )
    if start is not None and start.has_alpha:
        dataset = opaque(dataset)
    features, further, judge = None, None, None
    if classifier is not None and classifier.is_pretrained:
        used_method = method if start is None else start.config["method"]
        further, judge = _pretrained(classifier, used_method, ctx)
    elif classifier is not None and method == "projected":
        features = classifier.features(ctx.device)
    helper = None if features is None and further is None else classifier
    dataset, draws = rated(dataset, ctx)
    advice = "train with other pictures or settings, or without `start`"
    with advised(advice), advised("lower `rate`", DivergedError):
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
            replace(ctx.training_run, devices=devices),
            steps=steps,
            judge=judge or shipped_judge(ctx.device),
            features=features,
            further=further,
            start=None if start is None else _base(start, dataset.classes),
            draws=draws,
            at_step=at_step,
        )
    if trained.extra.summary and not at_step:
        ctx.log(trained.extra.summary)
    for warning in trained.extra.warnings:
        ctx.warn(warning)
    gan = Gan(trained.config.to_dict(), trained.state, _origin(dataset, start, helper))
    return TrainedGan(gan, Table(dict(trained.curves)), Table(dict(trained.extra.progress)))


def _origin(dataset: Dataset, start: Gan | None, classifier: Classifier | None) -> dict[str, Any]:
    """Returns what a GAN learnt from: pictures, the GAN that it started from, and a classifier."""
    features = None
    if classifier is not None:
        name = classifier.config.get("family") if classifier.is_pretrained else None
        features = {"name": name, "weights": classifier.digest()}
    return {
        "pictures": len(dataset),
        "start": None if start is None else named_start(start),
        "features": features,
    }


def shipped_judge(device: str) -> Judge:
    """Returns the features of the shipped CNN, in which drawn pictures are compared."""
    from ..models.classifier.networks import ResidualNet, StageMeans
    from ..models.gan.api import Judge
    from .model_files import shipped_classifier

    classifier = shipped_classifier()
    network = classifier.network(device)
    assert isinstance(network, ResidualNet)
    means = StageMeans(network, classifier.height)
    return Judge("base/classifier_64", means, centred=False)


def _pretrained(
    classifier: Classifier, method: str, ctx: Context
) -> tuple[nn.Module | None, Judge | None]:
    """Returns the features of a pretrained classifier, for the training and for `progress`.

    Either is None if the features are not used for it. A network that was fine-tuned, perhaps on
    the same pictures, is not used for `progress`.
    """
    from ..models.gan.api import Judge
    from ..models.pretrained.network import PretrainedConfig, PretrainedFeatures

    network, config = classifier.features(ctx.device), PretrainedConfig.from_dict(classifier.config)
    assert isinstance(network, PretrainedFeatures)
    further = network if method == "projected" else None
    judge = None
    if not config.fine_tuned:
        judge = Judge(
            f"pretrained {config.family}", network.summaries, beside=shipped_judge(ctx.device)
        )
    if further is None:
        used = "only used for `progress`" if judge else "not used"
        ctx.warn(f"the pretrained classifier is {used}, since the method is {method}")
    return further, judge


def _base(start: Gan, classes: tuple[str, ...]) -> tuple[GanConfig, dict[str, Tensor]]:
    """Returns config and weights of `start`. Its classes are named as those of the dataset."""
    from ..models.gan.api import GanConfig

    config = GanConfig.from_dict(start.config)
    return replace(config, classes=in_form_of(config.classes, classes)), start.state


class Drawn(NamedTuple):
    """What `sample_latent` returns."""

    latent: GanLatent
    image: Image


@node(
    title="Sample latent",
    category="draw",
    version=3,
    device=True,
    words="random, seed, noise, stylegan, dcgan, truncation, new pictures, draw, generate, dream,"
    " 随机, 噪声, 新图片, 生成",
)
def sample_latent(
    gan: Gan,
    *,
    count: Annotated[int, Field(ge=1, le=4096, description="Number of pictures")] = 16,
    style: Style = "each",
    truncation: Annotated[
        float,
        Field(
            ge=0,
            le=2,
            description="Below 1: closer to the average, less varied; above 1: farther from it,"
            " stranger",
        ),
    ] = 1.0,
    seed: Seed = 0,
    ctx: Context,
) -> Drawn:
    """Draw random latents of a GAN, and the pictures that it draws from them.

    The same seed gives the same pictures. Latent i depends only on the seed and i, so a larger
    count adds pictures and does not change the others.

    Raises: NodeError if the GAN does not have the class `style`.
    """
    import torch

    points = [_point(gan, ctx, seed, index) for index in range(count)]
    weights = [class_weights(gan.classes, style, ctx, seed, index) for index in range(count)]
    latent = GanLatent(torch.stack(points) * truncation, torch.stack(weights))
    return Drawn(latent, generate(gan, latent, ctx=ctx))


@node(
    title="Generate",
    category="draw",
    version=2,
    device=True,
    words="draw, stylegan, dcgan, render, new pictures, 生成, 绘制, 新图片",
)
def generate(gan: Gan, latent: GanLatent, *, ctx: Context) -> Image:
    """Draw pictures from the latents of a GAN.

    Latents of `mix_styles` contain one for each level.

    Raises: NodeError if the latents are from another GAN.
    """
    from ..models.gan.api import generate as draw

    gan.check_latents(*latent.lengths)
    network = gan.network(ctx.device)
    return draw(
        network,
        latent.z,
        latent.classes,
        ctx.numerics,
        progress=ctx.progress,
        shift=latent.shift,
    )


def _point(gan: Gan, ctx: Context, seed: int, index: int) -> Tensor:
    """Returns a random latent (D,) from N(0, 1)."""
    import torch

    from ..models.gan.api import GanConfig

    size = GanConfig.from_dict(gan.config).latent_dim
    return torch.randn(size, generator=ctx.rng(seed, index))
