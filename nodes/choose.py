"""Choosing pictures of a sheet, by clicks in an editor or by their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Generic, NamedTuple

from pydantic import Field

from ..contract.cells import chosen_cells
from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.kinds import GanLatent, Image, Latent, Pictures, VaeLatent
from ..contract.values.pictures import concatenate, to_uint8
from ..contract.widgets import Advanced, Alpha, ChosenOf
from .image import MAX_PIXELS

_FIRST = 4  # pictures that are returned if none is chosen

Cells = Annotated[
    str,
    Field(
        max_length=900,
        description="Numbers of the chosen pictures, such as 1, 4, 7-9; all: all of them; empty:"
        " none yet",
    ),
    ChosenOf("image"),
]


class Chosen(NamedTuple, Generic[Latent]):
    """What `choose` returns."""

    image: Image
    latent: Latent | None
    sheet: Image


@node(
    title="Choose pictures",
    category="explore",
    words="select, click, pick, favourites, gallery, interactive evolution, breed, keep the best,"
    " curate, 挑选, 选择, 点选, 收藏",
)
def choose(
    image: Annotated[Pictures, Alpha],
    latent: Annotated[
        Latent | None,
        Field(description="The latents from which the pictures were drawn, one for each"),
    ] = None,
    *,
    cells: Cells = "",
    columns: Annotated[
        int,
        Field(ge=0, le=1000, description="Pictures in a row of `sheet`; 0: as square as possible"),
        Advanced,
    ] = 0,
    title: Annotated[
        str, Field(max_length=200, description="Title above the pictures of `sheet`"), Advanced
    ] = "",
    ctx: Context,
) -> Chosen[Latent]:
    """Choose pictures of a batch by a click, together with their latents.

    After a run, an editor shows all pictures of the batch on this node. A click on one chooses it,
    or no longer chooses it, and writes its number into `cells`. So the choice is saved in the graph
    and runs again anywhere, also from a shell: with `--set NODE.cells=1,4`. The pictures are
    returned in the order of the batch. As long as none is chosen, the first four are returned, with
    a message.

    `sheet` shows all pictures with their numbers, (1, H, W, 3), with a frame around the chosen
    ones; to choose without an editor, save it with `save_image`.

    Raises: NodeError for a number that is larger than the batch, if there are not as many latents
    as pictures, or if the sheet would have more than 100 million pixels.
    """
    import torch

    from ..pictures.cells import numbered_sheet

    count: int = len(image)
    height, width = image.shape[1:3]
    if latent is not None and len(latent.z) != count:
        raise NodeError(
            f"`image` has {count} pictures, but `latent` has {len(latent.z)} latents",
            "wire the latents from which these pictures were drawn",
        )
    chosen = chosen_cells(cells, count)
    if not chosen:
        chosen = [*range(min(_FIRST, count))]
        some = "the only one is" if count == 1 else f"the first {len(chosen)} are"
        ctx.warn(f"no picture is chosen yet, so {some} used - click on pictures, or set `cells`")
    if count * height * width > MAX_PIXELS:
        raise NodeError(
            f"a sheet of {count} pictures of {width} x {height} pixels has more than 100 million"
            " pixels",
            "use fewer or smaller pictures",
        )
    framed = chosen if cells.strip() else []
    sheet = numbered_sheet(to_uint8(image).numpy(), framed, columns=columns, title=title)
    return Chosen(
        concatenate([image[row : row + 1] for row in chosen]),
        None if latent is None else rows_of(latent, chosen),
        torch.from_numpy(sheet)[None].float().div_(255),
    )


def rows_of(latent: Latent, rows: Sequence[int]) -> Latent:
    """Returns some of the latents of a batch."""
    if isinstance(latent, GanLatent):
        return GanLatent(latent.z[list(rows)], latent.classes[list(rows)])
    assert isinstance(latent, VaeLatent)
    return VaeLatent(latent.z[list(rows)])
