"""Masks: made of pictures, changed, and combined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ...contract.spec import node
from ...contract.values.kinds import Mask, Pictures
from ...contract.widgets import Alpha, Background, Choices
from .each import arrays, common_length, each_picture

if TYPE_CHECKING:
    from torch import Tensor


def fitted(mask: Tensor, height: int, width: int) -> Tensor:
    """Returns masks (N, H, W) in another size, as `set_alpha` resizes them."""
    import torch.nn.functional as F

    if tuple(mask.shape[1:]) == (height, width) or len(mask) == 0:
        return mask
    planes = F.interpolate(mask[:, None], (height, width), mode="bilinear", antialias=True)
    return planes[:, 0].clamp(0, 1)


@node(
    title="Mask from picture",
    category="retouch",
    words="select, key, green screen, chroma key, luminance, selection, 选区, 抠图, 绿幕, 亮度蒙版",
)
def mask_from_picture(
    image: Annotated[Pictures, Alpha],
    *,
    by: Annotated[
        Literal["brightness", "colour", "red", "green", "blue", "opacity"],
        Field(description="What makes the mask white"),
        Choices(
            {
                "brightness": "light pixels",
                "colour": "pixels that are near to `colour`",
                "red": "much red",
                "green": "much green",
                "blue": "much blue",
                "opacity": "what is not transparent",
            }
        ),
    ] = "brightness",
    colour: Annotated[
        Background, Field(description='Colour to look for, such as "#00ff00"; only for `colour`')
    ] = "#00ff00",
    tolerance: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Distance up to which a colour is white in the mask; only for `colour`",
        ),
    ] = 0.2,
    softness: Annotated[
        float,
        Field(ge=0, le=1, description="Further distance to black; only for `colour`"),
    ] = 0.1,
) -> Mask:
    """Make a mask from the brightness, the colours or the transparency of pictures.

    A mask has the range 0 (black) to 1 (white). Brightness is the luma of BT.709 in sRGB values,
    and the distance of two colours is the Euclidean one in sRGB values, divided by that of black
    and white. Transparent parts are 0 in each kind of mask, as far as they are transparent.
    """
    import numpy as np
    import torch

    from ...pictures.retouch.shares import brightness, colour_of

    def mask(picture: Any) -> Any:
        if by == "brightness":
            return brightness(picture[..., :3])
        if by == "opacity":
            return np.ones(picture.shape[:2], np.float32)
        if by != "colour":
            return picture[..., ("red", "green", "blue").index(by)]
        away = np.sqrt(((picture[..., :3] - colour_of(colour)) ** 2).sum(2) / 3)
        if softness == 0:
            return away <= tolerance + 1e-6
        return np.clip(1 - (away - tolerance) / softness, 0, 1)

    found = torch.empty(image.shape[:3])
    for row, picture in enumerate(arrays(image)):
        values = mask(picture) * (picture[..., 3] if picture.shape[2] == 4 else 1)
        found[row] = torch.from_numpy(np.clip(values, 0, 1).astype(np.float32))
    return found


@node(
    title="Adjust mask",
    category="retouch",
    words="grow, shrink, expand, erode, dilate, feather, soften, invert, threshold,"
    " 蒙版, 羽化, 扩展, 收缩, 反选",
)
def adjust_mask(
    mask: Mask,
    *,
    threshold: Annotated[
        float | None,
        Field(ge=0, le=1, description="Value from which the mask is 1, else 0; empty: as it is"),
    ] = None,
    grow: Annotated[
        float,
        Field(ge=-256, le=256, description="Pixels by which white parts grow; below 0: shrink"),
    ] = 0.0,
    feather: Annotated[
        float, Field(ge=0, le=256, description="Softness of the edges in pixels")
    ] = 0.0,
    invert: Annotated[bool, Field(description="Exchange black and white")] = False,
) -> Mask:
    """Change masks: first the threshold, then grow or shrink, then feather, and invert last.

    Growing and shrinking use a disc, so corners become round. Nothing grows in from beyond the
    edges, and nothing shrinks there. `feather` is the standard deviation of a Gaussian blur.
    """
    import numpy as np

    from ...pictures.retouch.filters import gaussian, spread

    def change(_: int, values: Any) -> Any:
        if threshold is not None:
            values = (values >= threshold).astype(np.float32)
        if grow > 0:
            values = spread(values, grow)
        elif grow < 0:
            values = 1 - spread(1 - values, -grow)
        values = gaussian(values, feather)
        return 1 - values if invert else values

    return each_picture(change, mask)


@node(
    title="Combine masks",
    category="retouch",
    words="union, intersection, subtract, add, xor, mask, 蒙版合并, 交集, 并集, 差集",
)
def combine_masks(
    first: Mask,
    second: Mask,
    *,
    how: Annotated[
        Literal["union", "intersection", "subtract", "either"],
        Field(description="What is white in the result"),
        Choices(
            {
                "union": "what is white in one of the masks",
                "intersection": "what is white in both masks",
                "subtract": "what is white in the first mask only",
                "either": "what is white in one mask, but not in both",
            }
        ),
    ] = "union",
) -> Mask:
    """Combine two masks. The second one is resized to the first one.

    For grey values a and b, these are the operations of fuzzy sets: max(a, b), min(a, b),
    min(a, 1 - b) and |a - b|. A single mask is combined with each mask of the other batch.

    Raises: NodeError if the batches differ in length.
    """
    import numpy as np

    common_length(first, second)
    second = fitted(second, *first.shape[1:])

    def combined(_: int, a: Any, b: Any) -> Any:
        if how == "union":
            return np.maximum(a, b)
        if how == "intersection":
            return np.minimum(a, b)
        return np.minimum(a, 1 - b) if how == "subtract" else np.abs(a - b)

    return each_picture(combined, first, second)
