"""Changing a trained GAN without training: bending its feature maps, blending it, fewer classes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError, advised
from ..contract.quantities import counted
from ..contract.spec import node
from ..contract.values.models import Gan
from ..contract.widgets import Advanced, Choices
from ..contract.wording import chosen_names, in_form_of, listed

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.gan.api import GanConfig

LOOKS = 48  # pictures whose feature maps are compared to find groups of channels
KIN = 0.5  # GANs whose weights are less similar than this were hardly trained from one another

Levels = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="coarse (layout), middle (shapes), fine (surface), all; or numbers from 1, the"
        " coarsest, such as 1-2",
    ),
]


@node(
    title="Bend",
    category="bend",
    device=True,
    words="network bending, glitch, distort, hack, feature maps, autolume, stylegan,"
    " circuit bending, 网络弯折, 弯折, 扭曲, 故障艺术",
)
def bend(
    gan: Gan,
    *,
    operation: Annotated[
        Literal[
            "rotate",
            "enlarge",
            "shift right",
            "shift down",
            "mirror",
            "dilate",
            "amplify",
            "add",
            "negate",
            "threshold",
            "blur",
            "ripple",
        ],
        Field(description="What happens to the feature maps"),
        Choices(
            {
                "rotate": "turn; 1 is half a turn, and below 0 the other way",
                "enlarge": "from a quarter (-1) to four times (1) of the size",
                "shift right": "1 is half of the width; below 0 to the left",
                "shift down": "1 is half of the height; below 0 upwards",
                "mirror": "blend with the mirror image, 0 to 1",
                "dilate": "high values grow (to half of the picture); below 0 low values",
                "amplify": "from a quarter (-1) to four times (1) of the values",
                "add": "raise all values, or lower them below 0",
                "negate": "0.5 removes the values, 1 reverses them; 0 to 1",
                "threshold": "only two values remain at 1; 0 to 1",
                "blur": "remove fine parts; below 0 sharpen",
                "ripple": "each point spreads into a ring; 0 to 1",
            }
        ),
    ] = "ripple",
    strength: Annotated[
        float, Field(ge=-1, le=1, description="How strongly; 0 changes nothing")
    ] = 0.5,
    levels: Levels = "coarse",
    channels: Annotated[
        str,
        Field(
            min_length=1,
            max_length=300,
            description="Numbers of the feature maps that are bent, such as 1-16, 40; or all",
        ),
        Advanced,
    ] = "all",
    clusters: Annotated[
        int,
        Field(
            ge=1,
            le=32,
            description="Groups into which these maps are divided by what they respond to",
        ),
    ] = 1,
    cluster: Annotated[
        int, Field(ge=1, le=32, description="Group that is bent; 1: the largest")
    ] = 1,
    ctx: Context,
) -> Gan:
    """Bend a GAN: change the feature maps between its levels whenever it draws.

    The result is a GAN like any other: it can be drawn with, saved, bent again, and trained
    further, which learns to draw with the bend. The weights stay as they are. A feature map is a
    picture inside the GAN of the places of one thing, such as edges, dark areas or a kind of shape.
    A bend of a coarse level changes whole parts of the picture, and of a fine level lines and
    colours. Maps are continued by reflection at the borders (`blur` and `ripple`: by the
    opposite border).

    With `clusters` above 1, feature maps that respond to the same things form groups, and only the
    group `cluster` is bent. They are found from the maps of 48 pictures of all classes, by k-means.

    Raises: NodeError if the GAN has no such level, feature map or group, for a strength below 0 of
    mirror, negate, threshold or ripple, and after 64 bends.
    Paper: Broad et al. 2021, "Network Bending: Expressive Manipulation of Deep Generative Models".
    """
    from ..models.gan.api import GanConfig
    from ..models.gan.bends import Bend
    from ..models.gan.levels import read_levels, read_numbers

    config = GanConfig.from_dict(gan.config)
    if cluster > clusters:
        raise NodeError(
            f"there is no group {cluster} of {clusters}", "raise `clusters`, or lower `cluster`"
        )
    with advised("set `levels` to coarse, middle, fine, all, or to numbers such as 1-2"):
        chosen_levels = read_levels(levels, len(config.channels))
    added = []
    for level in chosen_levels:
        with advised("set `channels` to all, or to numbers such as 1-16, 40"):
            chosen = read_numbers(channels, config.channels[level], "feature map")
        if clusters > 1:
            chosen = _cluster(gan, level, chosen, clusters, cluster, ctx)
        added.append(Bend(operation, strength, level, tuple(chosen)))
        with advised("set `strength` to 0 or more"):
            added[-1].check(config.channels)
    if not strength:
        return gan
    with advised("bend a GAN that is bent less often"):
        config = replace(config, bends=(*config.bends, *added))
    return Gan(config.to_dict(), gan.state, gan.origin)


def _cluster(
    gan: Gan, level: int, channels: list[int], clusters: int, cluster: int, ctx: Context
) -> list[int]:
    """Returns the channels of one group of those of a level."""
    from ..models.gan.api import GanConfig
    from ..models.gan.clusters import clusters_of, responses

    latents = _looks(GanConfig.from_dict(gan.config), ctx)
    network = gan.network(ctx.device)
    found = responses(network, level, latents, ctx.numerics, ctx.progress)
    groups = clusters_of(found[channels], clusters)
    sizes = ", ".join(str(len(group)) for group in groups)
    if cluster > len(groups):
        raise NodeError(
            f"level {level + 1} has only {counted(len(groups), 'group')} of feature maps ({sizes})",
            "lower `cluster`",
        )
    ctx.log(f"groups of feature maps of level {level + 1}: {sizes}; number {cluster} is bent")
    return [channels[index] for index in groups[cluster - 1]]


def _looks(config: GanConfig, ctx: Context) -> tuple[Tensor, Tensor]:
    """Returns latents and class weights of pictures of all classes in turn."""
    import torch

    z = [torch.randn(config.latent_dim, generator=ctx.rng(0, index)) for index in range(LOOKS)]
    labels = torch.arange(LOOKS) % len(config.classes)
    return torch.stack(z), torch.nn.functional.one_hot(labels, len(config.classes)).float()


@node(
    title="Blend GANs",
    category="bend",
    words="merge models, average weights, model mixing, layer swapping, toonify, stylegan,"
    " interpolate models, 模型融合, 合并模型, 混合权重",
)
def blend_models(
    first: Gan,
    second: Gan,
    *,
    coarse: Annotated[
        float, Field(ge=0, le=1, description="Share of the second in the coarse levels (layout)")
    ] = 0.0,
    middle: Annotated[
        float, Field(ge=0, le=1, description="Share of the second in the middle levels (shapes)")
    ] = 0.5,
    fine: Annotated[
        float, Field(ge=0, le=1, description="Share of the second in the fine levels (surface)")
    ] = 1.0,
    style: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Share of the second in the layers that turn latents and classes into the"
            " style of all levels",
        ),
        Advanced,
    ] = 0.5,
    ctx: Context,
) -> Gan:
    """Blend the weights of two GANs, level by level, into one GAN.

    It works for GANs of one method and size of which one was trained from the other (`start` of
    `train_gan`), or both from a third one: the layout of one, with the surface of the other. With
    all shares at 0 the result is the first GAN, and at 1 the second.

    If the classes differ, the blend has those of the first, followed by further ones of the second.
    With a share of 0 or 1 for `style`, a class that only the other GAN has may be drawn badly. A
    GAN with two levels (32 px) has no middle one. The critic, which only a training needs, is that
    of the GAN with the larger share.

    Raises: NodeError if the GANs have different shapes or bends.
    Paper: Pinkney and Adler 2020, "Resolution Dependent GAN Interpolation for Controllable Image
    Synthesis Between Domains".
    """
    from ..models.gan.api import GanConfig
    from ..models.gan.blending import blended, kinship

    shares = {"coarse": coarse, "middle": middle, "fine": fine, "style": style}
    if not any(shares.values()):
        return first
    if all(share == 1 for share in shares.values()):
        return second
    config, other = (GanConfig.from_dict(gan.config) for gan in (first, second))
    other = replace(other, classes=in_form_of(other.classes, config.classes))
    with advised("wire two GANs of one shape"):
        config, state = blended((config, first.state), (other, second.state), shares)
    likeness = kinship(first.state, second.state)
    if likeness < KIN:
        ctx.warn(
            f"the weights of these GANs are hardly alike ({likeness:.2f}, equal ones 1), so the"
            " blend may draw nothing - blend a GAN with one that was trained from it"
        )
    return Gan(config.to_dict(), state)


@node(
    title="Prune classes",
    category="bend",
    words="remove classes, delete labels, fewer styles, keep class, 删除类别, 精简",
)
def prune_classes(
    gan: Gan,
    *,
    keep: Annotated[
        str,
        Field(
            min_length=1,
            max_length=10_000,
            description="Names of the classes that stay, separated by commas or lines",
        ),
    ],
    ctx: Context,
) -> Gan:
    """Remove all classes of a GAN except some.

    The pictures of these classes stay the same. `each` and `mixed` of `sample_latent` then mean
    these classes only, and a training from the GAN begins with them. Latents of the GAN with all
    its classes do not fit the result. A GAN of the classic method draws all classes alike, so it
    can't be pruned.

    Raises: NodeError for a class that the GAN does not have, and for the method classic.
    """
    from ..models.gan.api import GanConfig
    from ..models.gan.blending import pruned

    config = GanConfig.from_dict(gan.config)
    names = tuple(chosen_names(keep.replace("\n", ","), config.classes, "the GAN has no class"))
    if not names:
        raise NodeError("`keep` names no class", f"name one of {listed(config.classes)}")
    with advised("wire another GAN"):
        config, state = pruned((config, gan.state), names)
    ctx.log(f"the classes are now {listed(config.classes)}")
    return Gan(config.to_dict(), state, gan.origin)
