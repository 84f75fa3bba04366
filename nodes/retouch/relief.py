"""Pictures as solids."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...contract.context import Context
from ...contract.errors import NodeError
from ...contract.spec import node
from ...contract.values.files import Files, file_name
from ...contract.values.kinds import Pictures
from ...contract.widgets import Advanced, Alpha, FileName
from .each import arrays, common_length

_MOST_BYTES = 2**30  # limit for all files of a node


@node(
    title="Relief",
    category="save",
    words="3d print, stl, height map, lithophane, emboss, displacement, sculpture, CNC,"
    " 浮雕, 高度图, 3D打印, 置换贴图",
)
def relief(
    image: Annotated[Pictures, Alpha],
    *,
    name: FileName = "",
    width: Annotated[
        float, Field(ge=1, le=2000, description="Width of the solid in millimetres")
    ] = 100.0,
    depth: Annotated[
        float, Field(ge=0.05, le=500, description="Height of white above black in millimetres")
    ] = 5.0,
    base: Annotated[
        float, Field(ge=0.1, le=500, description="Thickness below black in millimetres")
    ] = 2.0,
    invert: Annotated[bool, Field(description="Dark parts are high, as for a lithophane")] = False,
    smooth: Annotated[
        float,
        Field(ge=0, le=32, description="Blur in pixels, so that the 256 tones show no steps"),
    ] = 1.0,
    points: Annotated[
        int,
        Field(ge=2, le=2000, description="Points of the solid along its longer edge, at most"),
        Advanced,
    ] = 400,
    ctx: Context,
) -> Files:
    """Save pictures as reliefs: a height map (PNG, 16 bits) and a solid (STL) for 3D printers.

    The height is the brightness, BT.709's luma of the sRGB values, and what is transparent is low.
    The solid is `width` x H/W x width millimetres, from the centres of the pixels at its edges, and
    `base` to `base + depth` high; its back is flat. It is watertight: each edge belongs to two
    triangles. A solid of 400 x 400 points has 16 MB. The height map has the size of the picture,
    and 65535 is the height of white. Several pictures are numbered as by `save_image`.

    Source: 3D Systems, 'StereoLithography interface specification' (binary STL); its numbers have
    no unit, and printers read them as millimetres.

    Raises: NodeError if the files would need more than 1 GiB.
    """
    from ...pictures.retouch.relief import height_map, heights_of, reduced, solid, stl

    count, rows, columns = common_length(image), *image.shape[1:3]
    share = min(1.0, points / max(rows, columns))
    if count * rows * columns * share**2 * 100 > _MOST_BYTES:
        raise NodeError(f"{count} solids need more than 1 GiB", "lower `points`")
    digits = max(4, len(str(count)))
    files = {}
    for number, picture in enumerate(arrays(image), 1):
        part = "" if count == 1 else f"_{number:0{digits}}"
        heights = heights_of(picture, invert, smooth)
        files[file_name(name, f"{part}.png")] = height_map(heights)
        triangles = solid(reduced(heights, points), width, depth, base)
        files[file_name(name, f"{part}.stl")] = stl(triangles)
        ctx.progress(number, count)
    return Files(files)
