"""Style transfer: repainting one picture with the textures of another."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError, advised
from ..contract.spec import node
from ..contract.values.kinds import Image
from ..contract.widgets import Seed


@node(
    title="Style transfer",
    category="repaint",
    device=True,
    words="paint like, repaint, neural style, neural style transfer, texture, filter, colour,"
    " palette, 风格迁移, 重绘, 滤镜, 颜色, 色彩, 纹理",
)
def style_transfer(
    content: Image,
    style: Image,
    *,
    strength: Annotated[
        float, Field(ge=0, le=1, description="0 keeps light and dark of the content, 1 does not")
    ] = 0.5,
    steps: Annotated[int, Field(ge=1, le=5000, description="Optimisation steps")] = 60,
    seed: Seed = 0,
    ctx: Context,
) -> Image:
    """Repaint pictures with the patches of others, from coarse to fine, without any training.

    Picture i of `content` is repainted with picture i of `style`. If one of the batches has a
    single picture, it is paired with each picture of the other. The result has the size of
    `content`.

    Raises: NodeError if the batches differ in length, or if the pictures are too small.
    Paper: Elnekave and Weiss 2022, "Generating natural images with direct patch distributions
    matching".
    """
    from ..models.sliced_wasserstein import transfer

    counts = {len(content), len(style)}
    if len(counts - {1}) > 1:
        raise NodeError(
            f"{len(content)} and {len(style)} pictures can't be paired",
            "wire batches of the same length, or a single picture",
        )
    count = max(counts)
    planes = [
        batch.permute(0, 3, 1, 2).expand(count, -1, -1, -1) * 2 - 1 for batch in (content, style)
    ]
    with advised("wire larger pictures"):
        result = transfer(
            *planes,
            steps=steps,
            keep=1 - strength,
            seed=seed,
            numerics=ctx.numerics,
            progress=ctx.progress,
        )
    return result.add(1).div(2).clamp(0, 1).permute(0, 2, 3, 1).contiguous()
