"""The surface of pictures: blur, sharpness, grain, edges and print."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ...contract.context import Context
from ...contract.spec import node
from ...contract.values.kinds import Image, Pictures
from ...contract.widgets import Advanced, Alpha, Background, Choices, Seed
from .each import each_picture


@node(
    title="Blur picture",
    category="retouch",
    words="soften, gaussian, bokeh, motion blur, smooth, 模糊, 高斯模糊, 柔化, 散景",
)
def blur_picture(
    image: Annotated[Pictures, Alpha],
    *,
    kind: Annotated[
        Literal["gaussian", "box", "lens", "motion"],
        Field(description="Shape of the blur"),
        Choices(
            {
                "gaussian": "soft; the radius is the standard deviation",
                "box": "the mean of a square with an odd edge, 2 x radius + 1",
                "lens": "round spots, as from a lens out of focus",
                "motion": "a line of the length `radius`",
            }
        ),
    ] = "gaussian",
    radius: Annotated[
        float, Field(ge=0, le=200, description="Size in pixels; 0 changes nothing")
    ] = 4.0,
    angle: Annotated[
        float,
        Field(ge=-360, le=360, description="Degrees anticlockwise from the right; only for motion"),
        Advanced,
    ] = 0.0,
    ctx: Context,
) -> Image:
    """Blur pictures. What is transparent does not colour its surroundings.

    The means are those of sRGB values, as in Pillow, Photoshop and CSS, of colours that are
    multiplied by their opacity; the opacity is blurred too. Beyond the edges, the pixels at the
    edges are repeated. For `box`, the radius is rounded to whole pixels.
    """
    from ...pictures.retouch.filters import blurred

    def blur(_: int, picture: Any) -> Any:
        return picture if radius == 0 else blurred(picture, kind, radius, angle)

    return each_picture(blur, image, ctx=ctx)


@node(
    title="Sharpen picture",
    category="retouch",
    words="unsharp mask, crisp, detail, clarity, local contrast, 锐化, 清晰, 细节",
)
def sharpen_picture(
    image: Annotated[Pictures, Alpha],
    *,
    amount: Annotated[float, Field(ge=0, le=10, description="Strength; 0 changes nothing")] = 1.0,
    radius: Annotated[
        float,
        Field(gt=0, le=100, description="Size of details in pixels; a large one adds contrast"),
    ] = 1.5,
    threshold: Annotated[
        float,
        Field(ge=0, le=1, description="Smallest difference that is sharpened, against noise"),
        Advanced,
    ] = 0.0,
    ctx: Context,
) -> Image:
    """Sharpen pictures by an unsharp mask: v + amount x (v - blurred), in sRGB values.

    The blur is a Gaussian one with the radius as its standard deviation, as in Pillow's and GIMP's
    unsharp mask, and clear pixels do not count. Transparency stays.
    """
    from ...pictures.retouch.filters import sharpened

    def sharpen(_: int, picture: Any) -> Any:
        return picture if amount == 0 else sharpened(picture, amount, radius, threshold)

    return each_picture(sharpen, image, ctx=ctx)


@node(
    title="Add grain",
    category="retouch",
    words="film grain, noise, analogue, analog film, texture, grainy, 颗粒, 噪点, 胶片",
)
def add_grain(
    image: Annotated[Pictures, Alpha],
    *,
    amount: Annotated[
        float, Field(ge=0, le=1, description="Standard deviation of the grain; 0 changes nothing")
    ] = 0.05,
    size: Annotated[
        float, Field(ge=1, le=32, description="Size of a grain in pixels; 1: each pixel differs")
    ] = 1.0,
    coloured: Annotated[bool, Field(description="Different grain for red, green and blue")] = False,
    midtones: Annotated[
        bool, Field(description="Less grain in the lights and darks, as on film")
    ] = True,
    seed: Seed = 0,
    ctx: Context,
) -> Image:
    """Add grain to pictures, in sRGB values. Transparency stays.

    The grain of picture number i depends only on the seed, i and the size, and is the same on every
    machine. With `midtones`, it is multiplied by 4 v (1 - v) for the brightness v.

    Source: sums of four uniform numbers (Irwin-Hall), which are nearly normal.
    """
    from ...pictures.retouch.filters import grained

    def grain(row: int, picture: Any) -> Any:
        if amount == 0:
            return picture
        return grained(picture, amount, size, coloured, midtones, seed, row)

    return each_picture(grain, image, ctx=ctx)


@node(
    title="Find edges",
    category="retouch",
    words="outline, contour, line drawing, ink, sketch, sobel, xdog, 边缘, 轮廓, 线稿, 素描",
)
def find_edges(
    image: Annotated[Pictures, Alpha],
    *,
    kind: Annotated[
        Literal["edges", "drawing"],
        Field(description="What to draw"),
        Choices(
            {
                "edges": "white lines on black, the brighter the harder an edge is",
                "drawing": "black ink on white paper, with dark areas filled",
            }
        ),
    ] = "drawing",
    width: Annotated[
        float, Field(ge=0.3, le=32, description="Width of the lines in pixels, about")
    ] = 1.0,
    strength: Annotated[float, Field(ge=0, le=10, description="How much weak edges count")] = 1.0,
    threshold: Annotated[
        float,
        Field(ge=0, le=1, description="Brightness below which areas are black; only for drawing"),
        Advanced,
    ] = 0.5,
    ctx: Context,
) -> Image:
    """Draw the edges of pictures in grey, from their brightness in sRGB values.

    Transparent parts count as white paper, and the transparency stays. `edges` is the length of the
    gradient by Sobel's operator after a Gaussian blur, `drawing` an extended difference of
    Gaussians.

    Paper: Winnemöller, Kyprianidis and Olsen 2012, 'XDoG: an eXtended difference-of-Gaussians
    compendium including advanced image stylization' (drawing, with k = 1.6, p = 20 x
    strength, phi = 10 and epsilon = threshold).
    """
    from ...pictures.retouch.filters import drawn, outlined

    def draw(_: int, picture: Any) -> Any:
        if kind == "edges":
            return outlined(picture, strength, width)
        return drawn(picture, strength, width, threshold)

    return each_picture(draw, image, ctx=ctx)


@node(
    title="Halftone",
    category="retouch",
    words="print, newspaper, comic, pop art, raster, screen, risograph, engraving, dots,"
    " 半调, 网点, 印刷, 波普",
)
def halftone(
    image: Annotated[Pictures, Alpha],
    *,
    kind: Annotated[
        Literal["dots", "lines", "colour"],
        Field(description="What is printed"),
        Choices(
            {
                "dots": "dots of one ink",
                "lines": "lines of one ink, as in an engraving",
                "colour": "dots of cyan, magenta, yellow and black",
            }
        ),
    ] = "dots",
    cell: Annotated[
        float, Field(ge=2, le=200, description="Distance of the dots or lines in pixels")
    ] = 8.0,
    angle: Annotated[
        float, Field(ge=-360, le=360, description="Angle of the screen in degrees")
    ] = 45.0,
    ink: Annotated[
        Background, Field(description='Colour of the ink, such as "#101010"; not for colour')
    ] = "#101010",
    paper: Annotated[
        Background, Field(description='Colour of the paper, such as "#ffffff"')
    ] = "#ffffff",
    ctx: Context,
) -> Image:
    """Print pictures as dots or lines, whose size follows the tones.

    An even tone is covered by just as much ink as 1 minus its sRGB value says. Details smaller than
    a cell are lost. In `colour`, the screens are at 15, 75, 0 and 45 degrees plus `angle`, and the
    inks multiply. Transparency stays.

    Source: Adobe, 'PostScript language reference', third edition, section 7.4, the spot functions
    of cosine dots and lines.
    """
    from ...pictures.retouch.screens import halftone as printed

    return each_picture(
        lambda _, picture: printed(picture, kind, cell, angle, ink, paper), image, ctx=ctx
    )
