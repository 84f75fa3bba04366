"""Directions of a GAN's latents: finding and naming them, and moving along them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError, advised
from ..contract.spec import node
from ..contract.values.explored import Directions
from ..contract.values.kinds import GanLatent
from ..contract.values.models import Classifier, Gan
from ..contract.widgets import Advanced, Choices, Seed
from ..contract.wording import listed
from .edit_gan import Levels

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..models.gan.api import GanConfig

CLASSIFIED = 1024  # pictures of the GAN that are classified to find the directions of classes


@node(
    title="Latent directions",
    category="explore",
    device=True,
    words="ganspace, sefa, pca, interfacegan, attributes, sliders, semantic directions, edit,"
    " 潜空间方向, 属性, 主成分",
)
def latent_directions(
    gan: Gan,
    classifier: Annotated[
        Classifier | None,
        Field(
            description="Its classes name the directions of `classes`; unwired: those of the GAN"
        ),
    ] = None,
    first: Annotated[
        GanLatent | None, Field(description="Latents at which the direction `between` begins")
    ] = None,
    second: Annotated[
        GanLatent | None, Field(description="Latents to which the direction `between` leads")
    ] = None,
    *,
    kind: Annotated[
        Literal["components", "factors", "classes", "between"],
        Field(description="How the directions are found"),
        Choices(
            {
                "components": "in which the GAN's pictures vary most (GANSpace)",
                "factors": "which change most by the weights alone (SeFa)",
                "classes": "to each class of the classifier or the GAN; named like these",
                "between": "from the latents `first` to `second`, such as inverted pictures",
            }
        ),
    ] = "components",
    count: Annotated[
        int, Field(ge=1, le=64, description="Number of directions (components and factors)")
    ] = 6,
    levels: Annotated[Levels, Advanced] = "all",
    name: Annotated[
        str, Field(min_length=1, max_length=100, description="Name of the direction `between`")
    ] = "between",
    seed: Seed = 0,
    ctx: Context,
) -> Directions:
    """Find directions in which a GAN's pictures can be changed, for `move_latent`.

    Strength 1 is one standard deviation of the GAN's random latents for `components` and `factors`,
    which are sorted from the largest change to the smallest. `levels` are those whose weights
    decide the `factors`; only a GAN of the method projected has several.

    For `classes`, 1,024 random pictures of the GAN are recognised by the `classifier`, or have the
    class for which they were drawn. Strength 1 replaces everything in which the classes differ by
    the mean of the named class; the rest of a picture stays. A class that the classifier finds in
    none of them is left out, with a warning.

    For `between`, wire two batches of latents, such as the inverted pictures of two folders.
    Strength 1 leads as far as from the mean of the first batch to that of the second.

    Raises: NodeError if there is one class only, or if `first` or `second` is missing.
    Paper: Härkönen et al. 2020, "GANSpace" (components); Shen and Zhou 2021, "Closed-form
    factorization of latent semantics in GANs" (factors); Shen et al. 2020, "Interpreting the latent
    space of GANs for semantic face editing" (classes).
    """
    from ..models.gan.api import GanConfig
    from ..models.gan.directions import factors, principal, sampled

    config, network = GanConfig.from_dict(gan.config), gan.network(ctx.device)
    model = gan.latents_digest()
    if kind == "between":
        return Directions((name,), _between(gan, network, first, second), model)
    if kind == "classes":
        return _of_classes(gan, network, classifier, seed, ctx)
    points, codes = sampled(network, config, seed, ctx.device)
    count = min(count, codes.shape[1])
    if kind == "components":
        vectors, noun = principal(network, config, points, codes, count), "component"
    else:
        vectors, noun = (
            factors(network, config, read_moving(levels, config), codes, count),
            "factor",
        )
    names = tuple(f"{noun} {number}" for number in range(1, len(vectors) + 1))
    return Directions(names, vectors.cpu().contiguous(), model)


def read_moving(levels: str, config: GanConfig) -> list[int]:
    """Returns the indices of the levels that a text names. Raises: NodeError."""
    from ..models.gan.levels import read_levels

    if not config.style and levels != "all":
        raise NodeError(
            f"a GAN of the method {config.method} has one latent for all levels",
            "set `levels` to all",
        )
    with advised("set `levels` to coarse, middle, fine, all, or to numbers such as 1-2"):
        return read_levels(levels, len(config.channels))


def _between(
    gan: Gan, network: nn.Module, first: GanLatent | None, second: GanLatent | None
) -> Tensor:
    """Returns the direction (1, D) from the mean of some latents to that of others."""
    if first is None or second is None:
        raise NodeError(
            "the direction `between` leads from latents to others", "wire `first` and `second`"
        )
    begin, end = (styles_of(gan, network, latent).mean((0, 1)) for latent in (first, second))
    return (end - begin)[None].cpu()


def styles_of(gan: Gan, network: nn.Module, latent: GanLatent) -> Tensor:
    """Returns the styles (N, L, S) of the levels, or the latents (N, 1, S) of a GAN without them.

    Raises: NodeError if they are latents of another GAN.
    """
    import torch

    from ..models.gan.api import GanConfig
    from ..models.gan.codes import codes_of

    config = GanConfig.from_dict(gan.config)
    by_level = gan.check_latents(*latent.lengths)
    device = next(network.parameters()).device
    parts = len(config.channels) if by_level else 1
    pairs = zip(latent.z.chunk(parts, 1), latent.classes.chunk(parts, 1), strict=True)
    with torch.no_grad():
        codes = [codes_of(network, config, z.to(device), c.to(device)).float() for z, c in pairs]
    styles = torch.stack(codes, 1)
    if config.style:
        styles = styles.expand(-1, len(config.channels), -1)
    if latent.shift is None:
        return styles
    shift: Tensor = latent.shift.to(device).unflatten(1, styles.shape[1:])
    return styles + shift


def _of_classes(
    gan: Gan, network: nn.Module, classifier: Classifier | None, seed: int, ctx: Context
) -> Directions:
    """Returns the direction of each class of the classifier, or of the GAN if there is none."""
    import torch

    from ..models.blocks import to_bytes
    from ..models.gan.api import GanConfig
    from ..models.gan.codes import draw_all
    from ..models.gan.directions import of_classes, sampled

    classes = gan.classes if classifier is None else classifier.classes
    if classifier is not None:
        classifier.check_classes()
    if len(classes) < 2:
        raise NodeError(
            "there is only one class, so no direction leads to it",
            "wire a classifier that has several, or choose another `kind`",
        )
    config = GanConfig.from_dict(gan.config)
    points, codes = sampled(network, config, seed, ctx.device, CLASSIFIED)
    probabilities = points.classes
    if classifier is not None:
        pictures = [to_bytes(part) for part in draw_all(network, points, ctx.numerics)]
        probabilities = _recognised(classifier, torch.cat(pictures), ctx)
    vectors, frame = of_classes(codes, probabilities)
    found = vectors.abs().amax(1) > 0
    missing = [name for name, known in zip(classes, found.tolist(), strict=True) if not known]
    if missing:
        ctx.warn(
            f"the classifier finds none of the GAN's pictures to be of {listed(missing)}, so these"
            " classes have no direction - wire a classifier of classes that the GAN draws"
        )
    names = tuple(name for name, known in zip(classes, found.tolist(), strict=True) if known)
    if not names:
        raise NodeError("no class has a direction", "wire another classifier")
    return Directions(names, vectors[found].cpu(), gan.latents_digest(), frame.cpu())


def _recognised(classifier: Classifier, pictures: Tensor, ctx: Context) -> Tensor:
    """Returns the probabilities (N, C) of the classes of uint8 pictures."""
    from ..models.alpha import flattened
    from ..models.blocks import fit_middle
    from ..models.classifier.networks import predict

    if pictures.shape[3] == 4:
        pictures = flattened(pictures, (128, 128, 128))
    size = classifier.height, classifier.width
    if tuple(pictures.shape[1:3]) != size:
        pictures = fit_middle(pictures.float() / 255, *size).mul(255).add(0.5).byte()
    network = classifier.network(ctx.device)
    found: Tensor = predict(network, pictures, ctx.numerics, progress=ctx.progress)
    return found
