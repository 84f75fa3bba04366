"""Palettes: the colours of pictures, and pictures in few colours."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from ...contract.context import Context
from ...contract.errors import NodeError
from ...contract.spec import node
from ...contract.values.files import Files, file_name
from ...contract.values.kinds import Image, Pictures, Table
from ...contract.widgets import Advanced, Alpha, Choices, FileName
from .each import arrays, each_picture

_SAMPLED = 1 << 17  # most pixels that a palette is made from
_COLUMN = "colour"
Colours = Annotated[
    str,
    Field(
        max_length=4000,
        description="Colours such as #1d3557, #e63946, #f1faee; only if no palette is wired",
    ),
]


class Palette(NamedTuple):
    """What `extract_palette` returns."""

    palette: Table
    image: Image


@node(
    title="Extract palette",
    category="retouch",
    words="colour scheme, swatches, dominant colours, color thief, 提取配色, 调色板, 主色",
)
def extract_palette(
    image: Annotated[Pictures, Alpha],
    *,
    colours: Annotated[int, Field(ge=1, le=256, description="Colours to find, at most")] = 8,
    order: Annotated[
        Literal["share", "brightness", "hue"],
        Field(description="Order of the colours"),
        Choices(
            {
                "share": "the most frequent one first",
                "brightness": "from dark to light, as `gradient_map` needs them",
                "hue": "around the colour wheel, from red on",
            }
        ),
    ] = "brightness",
) -> Palette:
    """Find the colours that describe pictures best, all pictures together.

    Returns a table with the columns `colour` (such as #e63946) and `share` (0 to 1), and a picture
    of the colours, each 64 x 64 pixels. Pixels that are half transparent or more do not count. If
    the pictures have no more colours than were asked for, exactly these are returned. Of more than
    131,072 pixels, about so many are used, spread over all pictures.

    Source: Pillow's median cut, improved by its k-means, in sRGB values.

    Raises: NodeError if all pixels are transparent.
    """
    import numpy as np
    import torch

    from ...pictures.retouch.palettes import found_in, hex_of, sorted_colours, spread_out, strip

    count, height, width = image.shape[:3]
    step = -(-count * height * width // _SAMPLED) or 1
    chosen = spread_out(height * width, step)
    taken = []
    for picture in arrays(image):
        pixels = picture.reshape(-1, picture.shape[2])[chosen]
        if pixels.shape[1] == 4:
            pixels = pixels[pixels[:, 3] > 0.5]
        taken.append(np.floor(pixels[:, :3] * 255 + 0.5).astype(np.uint8))
    visible = np.concatenate(taken)
    if len(visible) == 0:
        raise NodeError("the pictures are transparent", "use pictures of which more is visible")
    found, shares = sorted_colours(*found_in(visible, colours), order)
    table = Table({_COLUMN: hex_of(found), "share": shares.tolist()})
    return Palette(table, torch.from_numpy(strip(found))[None].contiguous())


def _chosen(palette: Table | None, text: str) -> Any:
    """Returns the colours of a table, or of a text if there is none, float32 (K, 3).

    Raises: NodeError if there are none, or more than 256.
    """
    from ...pictures.retouch.palettes import PaletteError, colours_of

    texts = [part for part in text.replace(",", " ").split() if part]
    if palette is not None:
        if _COLUMN not in palette.columns:
            raise NodeError(
                "the table has no column `colour`", "wire the palette of `extract_palette`"
            )
        texts = [str(cell) for cell in palette.columns[_COLUMN]]
    try:
        found = colours_of(texts)
    except PaletteError as error:
        raise NodeError(error.what, "write colours such as #1d3557, #e63946") from error
    if len(found) > 256:
        raise NodeError(f"the palette has {len(found)} colours", "use at most 256")
    return found


@node(
    title="Save palette",
    category="save",
    words="export swatches, gpl, ase, GIMP, Krita, Photoshop, 保存调色板, 导出色板",
)
def save_palette(
    palette: Table,
    *,
    name: FileName = "",
    format: Annotated[  # noqa: A002 - the word that people look for
        Literal["gpl", "ase", "hex"],
        Field(description="File format"),
        Choices(
            {
                "gpl": "for GIMP, Krita, Inkscape and Aseprite",
                "ase": "Adobe Swatch Exchange, for Photoshop, Illustrator and Affinity",
                "hex": "one colour per line, as Lospec has them",
            }
        ),
    ] = "gpl",
) -> Files:
    """Save the column `colour` of a table as a palette for painting programs.

    Raises: NodeError if the table has no such column, or if it contains what is not a colour.
    """
    from ...pictures.retouch.palettes import file_of, hex_of

    colours = hex_of(_chosen(palette, ""))
    return Files({file_name(name, f".{format}"): file_of(colours, format, name or "artgraph")})


@node(
    title="Reduce colours",
    category="retouch",
    words="dither, quantize, posterize, pixel art, retro, palette swap, map palette, risograph,"
    " 抖动, 减色, 色调分离, 像素画, 调色板映射",
)
def reduce_colours(
    image: Annotated[Pictures, Alpha],
    palette: Table | None = None,
    *,
    colours: Colours = "",
    levels: Annotated[
        int,
        Field(
            ge=2,
            le=256,
            description="Tones of red, green and blue each, if there are no colours to use",
        ),
    ] = 4,
    dither: Annotated[
        Literal["none", "diffusion", "pattern"],
        Field(description="How to show the tones between the colours"),
        Choices(
            {
                "none": "even areas, as in a poster",
                "diffusion": "irregular dots: Floyd and Steinberg's error diffusion",
                "pattern": "a regular pattern: Bayer's 8 x 8 matrix, steady in films",
            }
        ),
    ] = "diffusion",
    strength: Annotated[
        float, Field(ge=0, le=1, description="Strength of the dots; 0: none"), Advanced
    ] = 1.0,
    ctx: Context,
) -> Image:
    """Draw pictures with the colours of a palette, or with few tones.

    Each pixel gets the nearest colour in sRGB values, as Pillow and GIMP do it. Transparency stays,
    and clear pixels have no influence on others.

    Paper: Floyd and Steinberg 1976, 'An adaptive algorithm for spatial greyscale'; Bayer 1973, 'An
    optimum method for two-level rendition of continuous-tone pictures'.

    Raises: NodeError if the palette is empty or has more than 256 colours, or if a text is not a
    colour.
    """
    from ...pictures.retouch.palettes import dithered

    given = palette is not None or colours.strip()
    used = _chosen(palette, colours) if given else levels
    return each_picture(
        lambda _, picture: dithered(picture, used, dither, strength), image, ctx=ctx
    )


@node(
    title="Gradient map",
    category="retouch",
    words="duotone, tritone, tint, colourise, colorize, palette, 渐变映射, 双色调, 上色",
)
def gradient_map(
    image: Annotated[Pictures, Alpha],
    palette: Table | None = None,
    *,
    colours: Colours = "#1d1b3a, #c8553d, #f6e7cb",
    strength: Annotated[
        float, Field(ge=0, le=1, description="0 changes nothing, and 1 replaces all colours")
    ] = 1.0,
) -> Image:
    """Replace the brightness of pictures by a gradient: the first colour is for black.

    The colours are evenly spaced from black to white, and mixed in sRGB values. Brightness is the
    luma of BT.709. Transparency stays.

    Raises: NodeError if there are no colours, or more than 256, or if a text is not a colour.
    """
    from ...pictures.retouch.palettes import graded

    used = _chosen(palette, colours)

    def grade(_: int, picture: Any) -> Any:
        found = graded(picture, used)
        return found if strength == 1 else picture + (found - picture) * strength

    return each_picture(grade, image)
