"""Pictures from several latents: by masks, and side by side without seams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError, advised
from ..contract.spec import node
from ..contract.values.kinds import GanLatent, Image, Mask, VaeLatent
from ..contract.values.models import Gan
from ..contract.widgets import Choices
from .edit_gan import Levels

if TYPE_CHECKING:
    from torch import Tensor

MAX_PIXELS = 100_000_000  # limit for the pixels of one picture


@node(
    title="Compose latents",
    category="compose",
    device=True,
    words="spatial style mixing, mask, collage, regions, splice, two styles in one picture,"
    " stylegan, feature blending, 遮罩合成, 区域混合, 拼贴",
)
def compose_latents(
    gan: Gan,
    base: Annotated[GanLatent, Field(description="Latents of the whole picture")],
    second: Annotated[GanLatent, Field(description="Latents of the white part of `mask`")],
    mask: Mask,
    third: Annotated[
        GanLatent | None,
        Field(description="Latents of the white part of `third_mask`, above the second"),
    ] = None,
    third_mask: Mask | None = None,
    *,
    softness: Annotated[
        float,
        Field(ge=0, le=1, description="Width of the masks' borders, as a share of the picture"),
    ] = 0.05,
    levels: Levels = "all",
    ctx: Context,
) -> Image:
    """Draw one picture from several latents, each in its own part, by masks.

    A picture is drawn for each latent, and after each level of the GAN their feature maps are
    joined by the masks. So what begins in one part goes on in the next one, and colours and shapes
    meet without a cut. The masks are resized to the pictures of the GAN. A single latent or mask is
    used for all others. If a mask is black everywhere, or white everywhere, the picture is the
    same, bit by bit, as `generate` draws it from that latent.

    With `levels`, the masks hold at some levels only, and the base decides the others: with `fine`,
    the layout of the base has another surface in the white part. GANs of the methods r3 and classic
    have no style at each level. Their pictures are drawn apart up to the middle one of `levels`,
    and joined there.

    Raises: NodeError if batches differ in length, for a third latent without a mask (or a mask
    without it), and for latents of another GAN.
    Paper: Suzuki et al. 2018, "Spatially controllable image synthesis with internal representation
    collaging".
    """
    import torch

    from ..models.gan.api import GanConfig, generate
    from ..models.gan.joined import draw_masked, weights_of
    from ..models.gan.levels import read_levels

    if (third is None) != (third_mask is None):
        raise NodeError("`third` and `third_mask` belong together", "wire both of them, or neither")
    config = GanConfig.from_dict(gan.config)
    with advised("set `levels` to coarse, middle, fine, all, or to numbers such as 1-2"):
        chosen = read_levels(levels, len(config.channels))
    latents = [base, second] if third is None else [base, second, third]
    masks = [mask] if third_mask is None else [mask, third_mask]
    for latent in latents:
        gan.check_latents(latent.z.shape[1], latent.classes.shape[1])
    count = _common_length([*(x.z for x in latents), *masks])
    network = gan.network(ctx.device)
    plain: dict[int, Tensor] = {}  # the pictures of a latent without masks

    def whole(index: int, row: int) -> Tensor:
        if index not in plain:
            latent = latents[index]
            plain[index] = generate(network, latent.z, latent.classes, ctx.numerics)
        return _row(plain[index], row)

    drawn: list[Tensor] = []
    everywhere = len(chosen) == len(config.channels) or config.method != "projected"
    for row in range(count):
        shown = weights_of([_row(m, row)[0] for m in masks], config.shape, softness)
        alone = [index for index, part in enumerate(shown) if bool((part == 1).all())]
        if alone and (alone[0] == 0 or everywhere):
            drawn.append(whole(alone[0], row))
        else:
            pairs = [(_row(x.z, row), _row(x.classes, row)) for x in latents]
            drawn.append(draw_masked(network, pairs, shown, chosen, config, ctx.numerics))
        ctx.progress(row + 1, count)
    return torch.cat(drawn)


def _row(batch: Tensor, row: int) -> Tensor:
    """Returns one row as a batch; that of a batch of one for every number."""
    return batch[row : row + 1] if len(batch) > 1 else batch


def _common_length(batches: list[Tensor]) -> int:
    """Returns the length of batches, of which single ones are used for all of the others."""
    lengths = {len(batch) for batch in batches}
    if len(lengths - {1}) > 1:
        raise NodeError(
            f"batches of {' and '.join(map(str, sorted(lengths)))} can't be used together",
            "wire batches of the same length, or single latents and masks",
        )
    return max(lengths)


@node(
    title="Panorama",
    category="compose",
    device=True,
    words="strip, wide picture, frieze, wallpaper, seamless, tile, tiling, endless, infinite,"
    " latent walk in space, banner, 全景, 长卷, 无缝, 平铺, 壁纸",
)
def panorama(
    gan: Gan,
    latent: GanLatent,
    *,
    columns: Annotated[
        int, Field(ge=1, le=1000, description="Windows in a row; each is half a picture wide")
    ] = 8,
    rows: Annotated[
        int, Field(ge=1, le=1000, description="Rows of windows; each is half a picture high")
    ] = 1,
    repeats: Annotated[
        Literal["none", "across", "down", "both"],
        Field(description="In which direction the picture can be repeated without a seam"),
        Choices(
            {
                "none": "a single picture",
                "across": "its right side continues at its left one: a closed strip",
                "down": "its lower side continues at its upper one",
                "both": "a tile",
            }
        ),
    ] = "none",
    ctx: Context,
) -> Image:
    """Draw one wide or large picture in which the latents change from place to place.

    The picture consists of windows that overlap by half. Each has the size of the GAN's pictures
    and a latent of its own, in reading order. If there are fewer latents than windows, they are
    used again from the first one on. After each level of the GAN, the feature maps of all windows
    are joined in the parts that overlap, so there are no seams. A walk (`latent_walk`) makes the
    change slower. 8 columns of a GAN of 64 px are 288 px wide, or 256 px if the picture repeats
    across.

    All methods work. Shapes that a GAN only draws in the middle, such as a thing on white, merge
    with their neighbours.

    Raises: NodeError for latents of another GAN, if a direction that repeats has only one window,
    and if the picture would need too much memory.
    Paper: Bar-Tal et al. 2023, "MultiDiffusion: fusing diffusion paths for controlled image
    generation" (overlapping windows, joined at each stage), here for the levels of a GAN.
    """
    import torch

    from ..models.gan.api import GanConfig
    from ..models.gan.joined import Grid, draw_windows

    config = GanConfig.from_dict(gan.config)
    gan.check_latents(latent.z.shape[1], latent.classes.shape[1])
    directions = (repeats in ("down", "both"), repeats in ("across", "both"))
    with advised("change `columns`, `rows` or `repeats`"):
        grid = Grid.of(config, rows, columns, directions)
    places = torch.arange(rows * columns) % len(latent.z)
    if len(latent.z) > len(places):
        ctx.warn(
            f"there are {len(latent.z)} latents, but only {len(places)} windows, so the others are"
            " not drawn - raise `columns` or `rows`"
        )
    network = gan.network(ctx.device)
    return draw_windows(network, (latent.z[places], latent.classes[places]), grid, ctx.numerics)


@node(
    title="Compose VAE latents",
    category="compose",
    words="mask, collage, splice, regions, mix latents by mask, 遮罩合成, 潜变量拼接",
)
def compose_vae_latents(
    base: Annotated[VaeLatent, Field(description="Latents of the whole picture")],
    second: Annotated[VaeLatent, Field(description="Latents of the white part of the mask")],
    mask: Mask,
) -> VaeLatent:
    """Put latents of a VAE into other ones, in the white part of a mask.

    `vae_decode` draws the result. The latent of a VAE is a small picture of many channels, such as
    8 x 8, and the mask is resized to it. So borders are soft, and the decoder draws what fits both
    sides. With a mask that is black everywhere, the latents stay the same. A single latent or mask
    is used for all others.

    Raises: NodeError if the batches differ in length, or if the latents have different shapes.
    Paper: Kingma and Welling 2014, "Auto-encoding variational Bayes" (the latent space).
    """
    import torch
    import torch.nn.functional as F

    count = _common_length([base.z, second.z, mask])
    if base.z.shape[1:] != second.z.shape[1:]:
        raise NodeError(
            f"latents of the shapes {(*base.z.shape[1:],)} and {(*second.z.shape[1:],)} can't be"
            " composed",
            "wire latents of one VAE",
        )
    share = F.interpolate(mask[:, None], base.z.shape[2:], mode="bilinear", antialias=True)
    share = share.clamp(0, 1)
    first, other = (x.expand(count, -1, -1, -1) for x in (base.z, second.z))
    mixed = torch.where(share == 1, other, first + share * (other - first))
    return VaeLatent(torch.where(share == 0, first, mixed).contiguous())
