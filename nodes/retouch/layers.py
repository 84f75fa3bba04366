"""Pictures over pictures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ...contract.context import Context
from ...contract.spec import node
from ...contract.values.alpha import has_alpha
from ...contract.values.kinds import Image, Mask, Pictures
from ...contract.values.pictures import by_part
from ...contract.widgets import Alpha, Choices
from ..image import resized
from .each import each_picture
from .masks import fitted


@node(
    title="Blend layers",
    category="compose",
    words="mix, overlay, multiply, screen, difference, composite, double exposure, collage,"
    " opacity, 混合, 叠加, 正片叠底, 滤色, 图层, 双重曝光",
)
def blend_layers(
    base: Annotated[Pictures, Alpha],
    layer: Annotated[Pictures, Alpha],
    mask: Mask | None = None,
    *,
    mode: Annotated[
        Literal[
            "normal",
            "multiply",
            "screen",
            "overlay",
            "darken",
            "lighten",
            "dodge",
            "burn",
            "hard light",
            "soft light",
            "difference",
            "exclusion",
            "add",
            "subtract",
            "hue",
            "saturation",
            "colour",
            "luminosity",
        ],
        Field(description="How the colours of the layer meet those below it"),
        Choices(
            {
                "normal": "the layer covers the base",
                "multiply": "darker, like ink on ink",
                "screen": "lighter, like light on light",
                "overlay": "more contrast, with the lights and darks of the base",
                "darken": "the darker of both, for each channel",
                "lighten": "the lighter of both, for each channel",
                "dodge": "the base becomes lighter, up to white",
                "burn": "the base becomes darker, down to black",
                "hard light": "more contrast, with the lights and darks of the layer",
                "soft light": "like a diffuse lamp of the layer's colours",
                "difference": "black if both are equal",
                "exclusion": "like the difference, with less contrast",
                "add": "the sum, such as for glows",
                "subtract": "the base less the layer",
                "hue": "hue of the layer; saturation and luminosity of the base",
                "saturation": "saturation of the layer; hue and luminosity of the base",
                "colour": "hue and saturation of the layer; luminosity of the base",
                "luminosity": "luminosity of the layer; hue and saturation of the base",
            }
        ),
    ] = "normal",
    opacity: Annotated[
        float, Field(ge=0, le=1, description="0 shows only the base, and 1 the whole layer")
    ] = 1.0,
    fit: Annotated[
        Literal["crop", "pad", "stretch"],
        Field(description="What to do with a layer of another size"),
        Choices(
            {
                "crop": "fill the base with the middle of the layer",
                "pad": "show the whole layer in the middle of the base",
                "stretch": "change its proportions",
            }
        ),
    ] = "crop",
    ctx: Context,
) -> Image:
    """Put a layer over a base, with the blend modes that painting programs have.

    The mask is resized to the base; the layer shows where the mask is 1. A single picture or mask
    is used for all others. The result has the size of the base, and an alpha channel if the base
    has one. A transparent layer over an opaque base gives an opaque picture. With the opacity 0 or
    an empty mask, the base does not change. The difference of two pictures is `mode: difference`.

    The arithmetic is in sRGB values, as in Photoshop, GIMP's legacy modes and web browsers.

    Source: W3C, 'Compositing and Blending Level 1'.

    Raises: NodeError if the batches differ in length.
    """
    from ...models.alpha import opaque
    from ...pictures.retouch.blending import blended

    rows, columns = base.shape[1:3]

    def placed(part: Any) -> Any:
        if fit == "pad":
            part = opaque(part) if part.shape[3] == 3 else part
        return resized(part, columns, rows, fit)

    if tuple(layer.shape[1:3]) != (rows, columns) and len(layer):
        channels = 4 if fit == "pad" or has_alpha(layer) else 3
        layer = by_part(placed, layer, rows, columns, channels)

    def blend(_: int, below: Any, above: Any, part: Any) -> Any:
        share = opacity if part is None else part * opacity
        return blended(below, above, mode, share)

    return each_picture(
        blend, base, layer, None if mask is None else fitted(mask, rows, columns), ctx=ctx
    )
