"""Masks of simple shapes, without a picture."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from ...contract.spec import node
from ...contract.values.kinds import Image, Mask
from ...contract.widgets import Aside, Choices


class DrawnMask(NamedTuple):
    """What `draw_mask` returns."""

    mask: Mask
    image: Annotated[Image, Aside]


@node(
    title="Draw mask",
    category="retouch",
    words="shape, layout, half, circle, checkerboard, stripes, gradient, vignette, selection,"
    " 形状蒙版, 圆形, 渐变, 棋盘格, 条纹",
)
def draw_mask(
    *,
    shape: Annotated[
        Literal[
            "left",
            "right",
            "top",
            "bottom",
            "circle",
            "frame",
            "stripes",
            "checker",
            "gradient across",
            "gradient down",
        ],
        Field(description="What is white"),
        Choices(
            {
                "left": "the left part",
                "right": "the right part",
                "top": "the upper part",
                "bottom": "the lower part",
                "circle": "an ellipse in the middle",
                "frame": "all but a rectangle in the middle",
                "stripes": "every second one of `cells` upright stripes",
                "checker": "every second one of `cells` x `cells` fields",
                "gradient across": "from black at the left to white at the right",
                "gradient down": "from black above to white below",
            }
        ),
    ] = "left",
    width: Annotated[int, Field(ge=1, le=4096, description="Width in pixels")] = 256,
    height: Annotated[int, Field(ge=1, le=4096, description="Height in pixels")] = 256,
    extent: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Share of the side that the part, the ellipse or the frame's opening has;"
            " 0: none; not for stripes, checker and gradients",
        ),
    ] = 0.5,
    cells: Annotated[
        int, Field(ge=1, le=256, description="Number of stripes, or of fields along a side")
    ] = 4,
) -> DrawnMask:
    """Draw a mask of a simple shape; white is 1. `adjust_mask` makes its edges soft.

    The first stripe and the field at the top left are black. Masks fit pictures of any size: the
    nodes that use a mask resize it. `image` is the mask as a picture, such as for the fallback of
    `load_image`.
    """
    import torch

    down = ((torch.arange(height) + 0.5) / height)[:, None].expand(height, width)
    right = ((torch.arange(width) + 0.5) / width).expand(height, width)
    white = {
        "left": right < extent,
        "right": 1 - right < extent,
        "top": down < extent,
        "bottom": 1 - down < extent,
        "circle": ((right - 0.5) ** 2 + (down - 0.5) ** 2) * 4 < extent**2,
        "frame": torch.maximum((right - 0.5).abs(), (down - 0.5).abs()) * 2 >= extent,
        "stripes": (right * cells).long() % 2,
        "checker": ((right * cells).long() + (down * cells).long()) % 2,
        "gradient across": right,
        "gradient down": down,
    }[shape]
    mask = white.float()[None].contiguous()
    return DrawnMask(mask, mask[..., None].expand(-1, -1, -1, 3).contiguous())
