"""Tones and colours of pictures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ...contract.context import Context
from ...contract.errors import NodeError
from ...contract.spec import node
from ...contract.values.kinds import Image, Pictures
from ...contract.widgets import Advanced, Alpha, Choices
from .each import arrays, each_picture

Channel = Annotated[
    Literal["all", "red", "green", "blue", "alpha"],
    Field(description="What is changed; `all`: red, green and blue"),
]


def _on_channel(function: Any, picture: Any, channel: str) -> Any:
    """Returns a picture with `function` of one channel, or of the three colours."""
    number = ("red", "green", "blue", "alpha", "all").index(channel)
    if number == 3 and picture.shape[2] == 3:
        return picture
    chosen = slice(0, 3) if channel == "all" else slice(number, number + 1)
    changed = picture.copy()
    changed[..., chosen] = function(picture[..., chosen])
    return changed


@node(
    title="Levels",
    category="retouch",
    words="contrast, brightness, gamma, exposure, black point, 色阶, 对比度, 亮度, 伽马",
)
def levels(
    image: Annotated[Pictures, Alpha],
    *,
    black: Annotated[
        float, Field(ge=0, le=1, description="Value that becomes the darkest one")
    ] = 0.0,
    white: Annotated[
        float, Field(ge=0, le=1, description="Value that becomes the lightest one")
    ] = 1.0,
    gamma: Annotated[
        float, Field(ge=0.1, le=10, description="Above 1: lighter middle tones; below 1: darker")
    ] = 1.0,
    darkest: Annotated[float, Field(ge=0, le=1, description="Darkest value of the result")] = 0.0,
    lightest: Annotated[float, Field(ge=0, le=1, description="Lightest value of the result")] = 1.0,
    channel: Channel = "all",
) -> Image:
    """Stretch the tones of pictures between a black and a white point.

    The equation is that of GIMP's and Photoshop's Levels, in sRGB values:
    ((v - black) / (white - black)) ^ (1 / gamma) * (lightest - darkest) + darkest. If `darkest` is
    above `lightest`, the tones are inverted. Transparency stays, except with `channel: alpha`,
    which changes nothing in pictures without an alpha channel.

    Raises: NodeError if `white` is not above `black`.
    """
    from ...pictures.retouch.tones import levelled

    if white <= black:
        raise NodeError(
            f"the white point {white:g} is not above the black point {black:g}", "raise `white`"
        )
    if (black, white, gamma, darkest, lightest) == (0, 1, 1, 0, 1):
        return each_picture(lambda _, picture: picture, image)

    def change(values: Any) -> Any:
        return levelled(values, black, white, gamma, darkest, lightest)

    return each_picture(lambda _, picture: _on_channel(change, picture, channel), image)


@node(
    title="Curves",
    category="retouch",
    words="contrast, tone curve, s-curve, fade, cross process, 曲线, 色调曲线, 对比度",
)
def curves(
    image: Annotated[Pictures, Alpha],
    *,
    points: Annotated[
        str,
        Field(
            max_length=1000,
            description="Points of the curve, each an input and an output in 0..1, separated by"
            " commas: 0 0, 0.25 0.2, 0.75 0.8, 1 1",
        ),
    ] = "0 0, 0.25 0.2, 0.75 0.8, 1 1",
    channel: Channel = "all",
) -> Image:
    """Change tones by a smooth curve through some points, in sRGB values.

    The curve has no bumps between its points, and is flat before the first and after the last one.
    Transparency stays, except with `channel: alpha`, which changes nothing in pictures without an
    alpha channel.

    Paper: Fritsch and Butland 1984, 'A method for constructing local monotone piecewise cubic
    interpolants'.

    Raises: NodeError if the text does not contain two or more points with different inputs.
    """
    from ...pictures.retouch.tones import PointsError, curved, points_of

    try:
        found = points_of(points)
    except PointsError as error:
        raise NodeError(error.what, "write points such as 0 0, 0.5 0.6, 1 1") from error
    if found == [(0, 0), (1, 1)]:
        return each_picture(lambda _, picture: picture, image)

    def change(values: Any) -> Any:
        return curved(values, found)

    return each_picture(lambda _, picture: _on_channel(change, picture, channel), image)


@node(
    title="Adjust colours",
    category="retouch",
    words="hue and saturation, color, tint, vibrance, desaturate, grayscale, lightness,"
    " 色相, 饱和度, 明度, 黑白, 调色",
)
def adjust_colours(
    image: Annotated[Pictures, Alpha],
    *,
    hue: Annotated[
        float,
        Field(ge=-180, le=180, description="Degrees on the colour wheel; 120: red becomes green"),
    ] = 0.0,
    saturation: Annotated[
        float, Field(ge=0, le=4, description="0: grey; 1: as it is; above: more colourful")
    ] = 1.0,
    lightness: Annotated[
        float, Field(ge=-1, le=1, description="-1: black; 0: as it is; 1: white")
    ] = 0.0,
    contrast: Annotated[
        float, Field(ge=0, le=4, description="0: grey; 1: as it is; above: more contrast")
    ] = 1.0,
) -> Image:
    """Change hue, saturation, lightness and contrast. Transparency stays.

    Hue, saturation and lightness are those of HSL, in sRGB values, as in painting programs. The
    contrast is changed last, around the middle grey 0.5.
    """
    from ...pictures.retouch.shares import on_colours
    from ...pictures.retouch.tones import shifted

    def change(colours: Any) -> Any:
        return shifted(colours, hue, saturation, lightness, contrast)

    return each_picture(lambda _, picture: on_colours(change, picture), image)


@node(
    title="Negative",
    category="retouch",
    words="invert colours, inverse, complement, film negative, 反相, 负片, 反色",
)
def negative(image: Annotated[Pictures, Alpha]) -> Image:
    """Turn light into dark, and each colour into its complement: 1 - v in sRGB values.

    Transparency stays.
    """
    from ...pictures.retouch.shares import on_colours

    return each_picture(lambda _, picture: on_colours(lambda c: 1 - c, picture), image)


@node(
    title="Match colours",
    category="retouch",
    words="colour transfer, color grading, look, tone, histogram matching, same mood,"
    " 颜色匹配, 色彩迁移, 调色, 直方图匹配",
)
def match_colours(
    image: Annotated[Pictures, Alpha],
    example: Annotated[Pictures, Alpha],
    *,
    kind: Annotated[
        Literal["spread", "mix", "histogram"],
        Field(description="What becomes equal to that of the example"),
        Choices(
            {
                "spread": "mean and spread of lightness and of two colour axes; gentle",
                "mix": "mean, spread and how the colours occur together; closer",
                "histogram": "all tones of red, green and blue; may show steps in smooth areas",
            }
        ),
    ] = "spread",
    strength: Annotated[
        float, Field(ge=0, le=1, description="0 changes nothing, and 1 matches fully")
    ] = 1.0,
    together: Annotated[
        bool,
        Field(description="Change all pictures alike, as for a film; else each on its own"),
        Advanced,
    ] = False,
    ctx: Context,
) -> Image:
    """Give pictures the colours of example pictures, without changing what they show.

    All example pictures count as one. Pixels count as far as they are opaque, and transparency
    stays. `spread` works in OKLab, the others in sRGB values. The result of a strength between 0
    and 1 is a mix in sRGB values.

    Paper: Reinhard et al. 2001, 'Color transfer between images' (spread); Pitie and Kokaram 2007,
    'The linear Monge-Kantorovitch linear colour mapping for example-based colour transfer' (mix);
    Gonzalez and Woods, 'Digital image processing', histogram specification (histogram).

    Raises: NodeError if all pixels of the example are fully transparent.
    """
    from ...pictures.retouch.matching import matched, statistics

    lab = kind == "spread"
    aim = statistics(arrays(example), lab)
    if aim is None:
        raise NodeError("nothing in the example is visible", "use a picture that is not clear")
    whole = statistics(arrays(image), lab) if together else None

    def match(_: int, picture: Any) -> Any:
        own = whole or statistics([picture], lab)
        if strength == 0 or own is None:
            return picture
        found = matched(picture, own, aim, kind)
        return found if strength == 1 else picture + (found - picture) * strength

    return each_picture(match, image, ctx=ctx)
