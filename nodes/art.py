"""Procedural art: a training set for those who have no pictures at hand yet."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.kinds import Dataset
from ..contract.widgets import Seed
from ..contract.wording import names_in


@node(title="Procedural art", category="data")
def procedural_art(
    *,
    count: Annotated[
        int, Field(ge=1, le=200_000, description="Pictures in all, going round the styles")
    ] = 2048,
    size: Annotated[int, Field(ge=16, le=1024, description="Edge of a picture in pixels")] = 64,
    styles: Annotated[
        str,
        Field(
            max_length=200,
            description="Which styles, separated by commas; empty for these eight: mondrian,"
            " kandinsky, rothko, pointillist, truchet, flowfield, bauhaus, voronoi. A ninth, which"
            " no base model has seen: hokusai",
        ),
    ] = "",
    seed: Seed = 1,
    ctx: Context,
) -> Dataset:
    """Paint a labelled set of small abstract pictures, each style a class.

    Picture i depends on the seed, its style, the size and i alone: a smaller count is the
    beginning of a larger one.

    Raises: NodeError for an unknown style, or for more than 4 GiB of pictures.
    """
    import torch

    from ..pictures.styles import ALL, STYLES, render_all

    chosen = tuple(dict.fromkeys(names_in(styles))) or tuple(STYLES)
    if unknown := [name for name in chosen if name not in ALL]:
        raise NodeError(f"there is no style {unknown[0]!r}", f"choose among {', '.join(ALL)}")
    if count * size * size * 3 > 2**32:
        raise NodeError(f"{count} pictures of {size} pixels take over 4 GiB", "ask for fewer")
    images = torch.empty(count, size, size, 3, dtype=torch.uint8)
    for done in render_all(chosen, size, seed, images.numpy()):
        ctx.progress(done, count, images[max(0, done - 16) : done].clone)
    labels = torch.arange(count) % len(chosen)
    names = tuple(f"{chosen[i % len(chosen)]} {i // len(chosen)}" for i in range(count))
    return Dataset(images, labels, chosen, names)
