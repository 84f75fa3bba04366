"""Procedural art: a dataset for people who have no pictures of their own at hand."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..contract.aspects import SQUARE, shape_of
from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.dataset import Dataset
from ..contract.widgets import Advanced, Neutral, Seed
from ..contract.wording import chosen_names


@node(
    title="Procedural art",
    category="prepare",
    words="example pictures, demo, generate shapes, abstract, generative art, pattern, colour,"
    " colourful, noise, 示例, 抽象图案, 生成艺术, 颜色, 色彩, 噪声",
)
def procedural_art(
    *,
    count: Annotated[
        int, Field(ge=1, le=200_000, description="Pictures in all, with the styles in turn")
    ] = 2048,
    size: Annotated[
        int, Field(ge=16, le=1024, description="Width and height of a square picture in pixels")
    ] = 64,
    styles: Annotated[
        str,
        Field(
            max_length=200,
            description="Styles, separated by commas; empty: these eight: mondrian, kandinsky,"
            " rothko, pointillist, truchet, flowfield, bauhaus, voronoi. A ninth, which is new to"
            " the base models: hokusai",
        ),
    ] = "",
    seed: Seed = 1,
    aspect: Annotated[
        str,
        Field(
            max_length=20,
            description="Width to height, such as 3:2; `size` is then the edge of a square of about"
            " equal area",
        ),
        Neutral(SQUARE),
        Advanced,
    ] = SQUARE,
    ctx: Context,
) -> Dataset:
    """Paint a dataset of small abstract pictures; each style is a class.

    Picture i depends only on the seed, its style, the size, the aspect and i. So a larger count
    adds pictures and does not change the others.

    With another `aspect` than 1:1, height and width are rounded to multiples of an eighth of the
    size (at least 8 px), so that every model can be trained on the pictures: size 64 with the
    aspect 3:2 is 72 x 48 px.

    Raises: NodeError if a style does not exist, for an aspect that is not between 1:4 and 4:1, or
    for more than 4 GiB of pictures.
    """
    import torch

    from ..models.configs import size_text
    from ..pictures.styles import ALL, STYLES, render_all

    named = chosen_names(styles, ALL, "there is no style")
    chosen = tuple(dict.fromkeys(named)) or tuple(STYLES)
    height, width = shape_of(size, aspect)
    if count * height * width * 3 > 2**32:
        pictures = f"{count} pictures of {size_text(height, width)}"
        raise NodeError(f"{pictures} need more than 4 GiB", "lower `count`")
    images = torch.empty(count, height, width, 3, dtype=torch.uint8)
    for done in render_all(chosen, seed, images.numpy()):
        ctx.progress(done, count, images[max(0, done - 16) : done].clone)
    labels = torch.arange(count) % len(chosen)
    names = tuple(f"{chosen[i % len(chosen)]} {i // len(chosen)}" for i in range(count))
    return Dataset(images, labels, chosen, names)
