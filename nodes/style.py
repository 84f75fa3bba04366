"""Giving one picture the texture of another."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError, advised
from ..contract.spec import node
from ..contract.values.kinds import Image
from ..contract.widgets import Seed


@node(title="Style transfer", category="style", device=True)
def style_transfer(
    content: Image,
    style: Image,
    *,
    strength: Annotated[
        float, Field(ge=0, le=1, description="0 keeps the content's light and dark, 1 lets go")
    ] = 0.5,
    steps: Annotated[int, Field(ge=1, le=5000, description="Optimisation steps in all")] = 60,
    seed: Seed = 0,
    ctx: Context,
) -> Image:
    """Repaint pictures with the patches of others, from coarse to fine; needs no training.

    Picture i of `content` gets picture i of `style`; a single one goes with each of the others.
    The result has the content's size.

    Raises: NodeError where the batches can't be paired.
    Paper: Elnekave and Weiss 2022, "Generating natural images with direct patch distributions
    matching".
    """
    from ..models.sliced_wasserstein import transfer

    counts = {len(content), len(style)}
    if len(counts - {1}) > 1:
        raise NodeError(
            f"{len(content)} and {len(style)} pictures can't be paired",
            "wire as many of both, or one",
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
