"""New pictures made of the patches of one picture: textures, tiles, other arrangements, aspects."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.kinds import Image
from ..contract.widgets import Seed

if TYPE_CHECKING:
    from ..models.patch_synthesis import Plan

LEAST, MOST_PIXELS = 16, 1 << 22  # shortest side, and pixels of a source or a result
STRETCHED = 16  # largest factor between the aspects of source and result, or between their sides

Structure = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="Size of the parts that stay together: 0 small details, 1 whole shapes",
    ),
]
Width = Annotated[int, Field(ge=LEAST, le=4096, description="Width of the result in pixels")]
Height = Annotated[int, Field(ge=LEAST, le=4096, description="Height of the result in pixels")]


@node(
    title="Texture",
    category="compose",
    device=True,
    words="texture synthesis, endless, infinite, pattern, more of the same, fabric, background,"
    " 纹理合成, 无限纹理, 图案",
)
def texture(
    image: Image,
    *,
    width: Width = 256,
    height: Height = 256,
    structure: Structure = 0.8,
    seamless: Annotated[
        bool, Field(description="The result can be repeated in all directions without a seam")
    ] = False,
    seed: Seed = 0,
    ctx: Context,
) -> Image:
    """Make more of a picture: a texture of any size, made of its patches.

    No training is needed. Random pieces of the picture are put together, and then improved from
    coarse to fine: each patch of 7 x 7 pixels is replaced by the most similar one of the picture.
    Things keep their size in pixels; resize the picture first if they should be larger. Every
    picture of a batch gets a texture of its own, with the random numbers of seed and its place.

    Raises: NodeError if the pictures or the result are too small, or have more than 4 million
    pixels.
    Paper: Granot et al. 2022, "Drop the GAN: in defense of patches nearest neighbors as single
    image generative models".
    """
    plan = _plan((height, width), structure, shuffled=True, wraps=seamless)
    return _synthesised(image, plan, seed, ctx)


@node(
    title="Tile",
    category="compose",
    device=True,
    words="seamless, tileable, repeat, pattern, wallpaper, wrap around, offset, fabric,"
    " 无缝贴图, 平铺, 四方连续",
)
def tile(image: Image, *, structure: Structure = 0.8, ctx: Context) -> Image:
    """Change a picture so that it can be repeated in all directions without a seam.

    The middle stays nearly as it is. Near the borders, the picture is made anew of its own patches,
    so that its right side continues at its left one, and its lower side at its upper one.
    `repeat_picture` then repeats it.

    Raises: NodeError if the pictures are too small, or have more than 4 million pixels.
    Paper: Granot et al. 2022, "Drop the GAN: in defense of patches nearest neighbors as single
    image generative models".
    """
    size = (int(image.shape[1]), int(image.shape[2]))
    return _synthesised(image, _plan(size, structure, wraps=True), 0, ctx)


@node(
    title="Reshuffle",
    category="compose",
    device=True,
    words="rearrange, variation, shuffle, another composition, single image, singan,"
    " 重组, 打乱, 变体",
)
def reshuffle(image: Image, *, structure: Structure = 0.8, seed: Seed = 0, ctx: Context) -> Image:
    """Make another picture of the same parts: a new arrangement of one picture.

    The result has the size of the picture, and each seed gives another one. No training is needed.

    Raises: NodeError if the pictures are too small, or have more than 4 million pixels.
    Paper: Granot et al. 2022, "Drop the GAN: in defense of patches nearest neighbors as single
    image generative models".
    """
    size = (int(image.shape[1]), int(image.shape[2]))
    return _synthesised(image, _plan(size, structure, shuffled=True), seed, ctx)


@node(
    title="Retarget",
    category="compose",
    device=True,
    words="aspect ratio, content-aware scale, seam carving, banner, wider, taller, uncrop, extend,"
    " 内容感知缩放, 宽高比, 扩展画面",
)
def retarget(
    image: Image,
    *,
    width: Width = 384,
    height: Height = 256,
    structure: Structure = 0.8,
    ctx: Context,
) -> Image:
    """Give a picture another aspect without stretching the things in it.

    If the result is larger, parts of the picture occur more often; if it is smaller, some are left
    out. Things keep their size in pixels: use `resize_image` to enlarge the picture as a
    whole. On the coarsest scale, the picture is stretched in small steps, and after each its
    patches are replaced by patches of the picture that are not stretched.

    Raises: NodeError if the pictures are too small, if they or the result have more than 4 million
    pixels, and if the result is more than 16 times as wide or high, or less than a sixteenth.
    Paper: Granot et al. 2022, "Drop the GAN: in defense of patches nearest neighbors as single
    image generative models"; Simakov et al. 2008, "Summarizing visual data using bidirectional
    similarity".
    """
    for new, old in ((height, int(image.shape[1])), (width, int(image.shape[2]))):
        if not old / STRETCHED <= new <= old * STRETCHED:
            raise NodeError(
                f"a side of {old} px can't become {new} px: more than {STRETCHED} times as much or"
                " as little",
                "change `width` or `height`, or resize the picture first",
            )
    return _synthesised(image, _plan((height, width), structure), 0, ctx)


def _plan(
    size: tuple[int, int], structure: float, *, shuffled: bool = False, wraps: bool = False
) -> Plan:
    """Returns a plan whose coarsest scale has 64 px (structure 0) to 16 px (1)."""
    from ..models.patch_search import SIDE
    from ..models.patch_synthesis import Plan

    return Plan(size, SIDE + 1 if shuffled else 0, round(64 * 4**-structure), wraps)


def _synthesised(image: Image, plan: Plan, seed: int, ctx: Context) -> Image:
    """Returns a picture for each picture of a batch."""
    import torch

    from ..models.patch_synthesis import synthesise
    from ..models.training.rng import rng

    for height, width in (plan.size, tuple(image.shape[1:3])):
        if min(height, width) < LEAST or height * width > MOST_PIXELS:
            raise NodeError(
                f"pictures of {width} x {height} pixels are too small or too large for this",
                f"use sides of at least {LEAST} px, and at most 4 million pixels",
            )
    made = []
    for index, picture in enumerate(image):
        part = ctx.part(index / len(image), (index + 1) / len(image))
        made.append(
            synthesise(
                picture.permute(2, 0, 1) * 2 - 1,
                plan,
                partial(rng, seed, index),
                ctx.numerics,
                part.progress,
            )
        )
    return torch.stack(made).add(1).div(2).clamp(0, 1).permute(0, 2, 3, 1).contiguous()
