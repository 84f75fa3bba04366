"""Repainting many pictures in one style with a network, such as the pictures of a film."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError, advised
from ..contract.spec import node
from ..contract.values.dataset import Dataset
from ..contract.values.kinds import Image, Pictures, Table
from ..contract.values.models import ENCODER, Classifier, Restyler
from ..contract.values.pictures import by_rows
from ..contract.widgets import Advanced, Seed, Steps
from .review import rated

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.repaint.adain import Moments
    from ..models.repaint.adain import Restyler as RestylerNet

MOST_PIXELS = 2_500_000  # of a picture that is repainted, such as one of 1920 x 1080


class TrainedRestyler(NamedTuple):
    """What `train_restyler` returns."""

    restyler: Restyler
    curves: Table


@node(
    title="Train restyler",
    category="train",
    device=True,
    words="style transfer, adain, fast neural style, feed forward, film, real time,"
    " 训练风格迁移, 快速风格迁移",
)
def train_restyler(
    dataset: Dataset,
    styles: Annotated[
        Dataset | None, Field(description="Pictures of styles; unwired: those of `dataset`")
    ] = None,
    classifier: Annotated[
        Classifier | None,
        Field(
            description="Its features are used; unwired: the classifier that comes with artgraph"
        ),
    ] = None,
    start: Annotated[
        Restyler | None, Field(description="A restyler from which the training continues")
    ] = None,
    *,
    steps: Steps = 600,
    batch: Annotated[int, Field(ge=2, le=256, description="Pictures in each step"), Advanced] = 8,
    texture: Annotated[
        float,
        Field(ge=0, le=10, description="Weight of the patches of the style; 1 is usual"),
        Advanced,
    ] = 1.0,
    seed: Seed = 0,
    ctx: Context,
) -> TrainedRestyler:
    """Train a network that repaints any picture in the style of any other at once (AdaIN).

    `style_transfer` needs about a minute for a picture and no training; a restyler needs some
    minutes of training, and then a fraction of a second for a picture. Use it with `restyle` for
    films and folders. It learns best from pictures like those that it will repaint, of 64 to 128
    px; `restyle` accepts larger ones. The preview shows contents, styles, and the contents in these
    styles. `curves` contains the losses by step.

    With `start`, the training continues from that restyler, with its features. Pictures that a
    review rated are drawn by their stars, as by `train_gan`.

    Raises: NodeError for a classifier of the classic method, or if `start` has another classifier
    than the one that is wired.
    Paper: Huang and Belongie 2017, "Arbitrary style transfer in real-time with adaptive instance
    normalization".
    """
    from dataclasses import asdict

    from ..models.configs import size_of
    from ..models.repaint.adain import RestylerConfig
    from ..models.repaint.adain_trainee import RestylerSettings
    from ..models.repaint.adain_trainee import train_restyler as train
    from .model_files import shipped_classifier

    if start and classifier and start.classifier.digest() != classifier.digest():
        raise NodeError(
            "`start` uses the features of another classifier",
            "leave `classifier` unwired, or wire the one with which `start` was trained",
        )
    network = start.classifier if start is not None else classifier or shipped_classifier()
    dataset, draws = rated(dataset, ctx)
    examples = dataset if styles is None else rated(styles, ctx)[0]
    with advised("train with other pictures or settings, or without `start`"):
        trained = train(
            network.features(ctx.device),
            RestylerConfig("adain", size_of(dataset.height, dataset.width), network.config),
            dataset.images,
            examples.images,
            RestylerSettings(seed=seed, batch=batch, texture=texture),
            ctx.training_run,
            steps=steps,
            start=None if start is None else start.decoder,
            draws=draws,
        )
    encoder = {f"{ENCODER}{key}": value for key, value in network.state.items()}
    restyler = Restyler(asdict(trained.config), {**encoder, **trained.state})
    return TrainedRestyler(restyler, Table(dict(trained.curves)))


@node(
    title="Restyle",
    category="repaint",
    device=True,
    words="style transfer, adain, film, video, fast neural style, paint like, batch, frames,"
    " 风格迁移, 重绘, 视频风格, 批量",
)
def restyle(
    restyler: Restyler,
    image: Pictures,
    style: Image,
    *,
    strength: Annotated[
        float, Field(ge=0, le=1, description="0 changes nothing, and 1 is the whole style")
    ] = 1.0,
    steady: Annotated[
        int,
        Field(
            ge=0,
            le=1000,
            description="Pictures before and after each one of a film with which it shares its"
            " contrast; 0: each by itself",
        ),
    ] = 0,
    ctx: Context,
) -> Image:
    """Repaint pictures in a style with a trained restyler, each in a fraction of a second.

    There may be one style for all pictures, or one for each: then a film changes its style. The
    pictures may have any size, and the result has the same. Strokes have about the size in pixels
    that they had in training, so smaller pictures get larger strokes.

    In a film, `steady: 12` prevents that colours flicker if things come and go. A cut between two
    scenes is then blurred over so many pictures, so repaint scenes by themselves. Films are read
    and repainted in parts, which need little memory.

    Raises: NodeError if the numbers of pictures and styles do not fit, or for a picture of more
    than 2.5 million pixels.
    Paper: Huang and Belongie 2017, "Arbitrary style transfer in real-time with adaptive instance
    normalization".
    """
    import torch

    if len(style) not in (1, len(image)):
        raise NodeError(
            f"{len(style)} styles can't be used for {len(image)} pictures",
            "wire one style, or one for each picture",
        )
    for height, width in (image.shape[1:3], style.shape[1:3]):
        if height * width > MOST_PIXELS:
            raise NodeError(
                f"a picture of {width} x {height} pixels is too large to be repainted",
                "resize it to at most 2.5 million pixels with resize_image",
            )
    if strength == 0:
        return image
    network, count = restyler.network(ctx.device), len(image)
    theirs = _moments(network, style, ctx.part(0, 0.1))
    ours = None
    if steady and count > 1:
        ours = _averaged(_moments(network, image, ctx.part(0.1, 0.4)), steady)
    ctx = ctx.part(0.4 if ours else 0.1, 1)

    def read(rows: Sequence[int]) -> Tensor:
        found = []
        for row in rows:
            known = None if ours is None else ours.of([row])
            wanted = theirs.of([row if len(style) > 1 else 0])
            part = ctx.part(row / count, (row + 1) / count)
            found.append(_restyled(network, image[row][None], known, wanted, strength, part))
        return torch.cat(found)

    return by_rows(read, [image], count, image.shape[1:])


def _restyled(
    network: RestylerNet,
    picture: Tensor,
    ours: Moments | None,
    theirs: Moments,
    strength: float,
    ctx: Context,
) -> Tensor:
    """Returns a picture (1, H, W, 3), repainted; `ours` are its moments, if they are known."""
    import torch

    from ..models.training.in_parts import in_parts

    def drawn(planes: Tensor) -> Tensor:
        signed = planes.to(ctx.device).permute(0, 3, 1, 2) * 2 - 1
        with torch.no_grad(), ctx.numerics.autocast():
            own = network.moments(signed) if ours is None else ours
            result: Tensor = network(signed, own, theirs, strength)
        planes = result.float().add(1).div(2).clamp(0, 1)
        return planes.permute(0, 2, 3, 1).contiguous().cpu()

    return in_parts(drawn, picture, batch=1, progress=ctx.progress, network=network)


def _moments(network: RestylerNet, image: Any, ctx: Context) -> Moments:
    """Returns the moments of all pictures."""
    import torch

    from ..models.repaint.adain import Moments

    found = []
    for row in range(len(image)):
        signed = image[row][None].to(ctx.device).permute(0, 3, 1, 2) * 2 - 1
        with torch.no_grad(), ctx.numerics.autocast():
            found.append(network.moments(signed))
        ctx.progress(row + 1, len(image))
    kinds = zip(*found, strict=True)
    return Moments(*([torch.cat(level) for level in zip(*kind, strict=True)] for kind in kinds))


def _averaged(moments: Moments, reach: int) -> Moments:
    """Returns the mean of the moments of up to `reach` pictures before and after each one."""
    import torch

    from ..models.repaint.adain import Moments

    def mean(level: Tensor) -> Tensor:
        rows = [level[max(0, row - reach) : row + reach + 1].mean(0) for row in range(len(level))]
        return torch.stack(rows)

    return Moments([mean(m) for m in moments.means], [mean(d) for d in moments.deviations])
