"""Saving pictures, films and tables: each node returns the contents of files to write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import advised
from ..contract.package import PYAV
from ..contract.spec import node
from ..contract.values.alpha import WHITE, flat, flattened_line, has_alpha
from ..contract.values.files import Files, file_name
from ..contract.values.kinds import Pictures, Table
from ..contract.values.pictures import pictures_per_part, quantise
from ..contract.widgets import Advanced, Alpha, Background, Choices, FileName, Neutral

if TYPE_CHECKING:
    from torch import Tensor

    from ..pictures.encoding import Pixels

Quality = Annotated[
    int, Field(ge=1, le=100, description="Quality of JPEG and WebP; WebP is lossless at 100")
]


@node(
    title="Save image",
    category="save",
    words="export, png, jpg, write, output, download, 保存, 导出图片",
)
def save_image(
    image: Annotated[Pictures, Alpha],
    *,
    name: FileName = "",
    format: Annotated[  # noqa: A002 - the word that people look for
        Literal["png", "jpeg", "webp"],
        Field(description="File format; png is lossless and contains the graph"),
    ] = "png",
    quality: Annotated[Quality, Advanced] = 92,
    background: Annotated[Background, Neutral(WHITE), Advanced] = WHITE,
    ctx: Context,
) -> Files:
    """Save pictures: one as `name.png`, several as `name_0001.png` and so on.

    A PNG or WebP file has the alpha channel of the picture. JPEG has none: the background is put
    behind transparent parts.
    """
    from ..pictures.encoding import ENDINGS, encode_still

    if format == "jpeg" and has_alpha(image):
        ctx.warn(flattened_line("image", "a JPEG file", background))
        image = flat(image, background)
    digits = max(4, len(str(len(image))))
    files = {}
    for number, picture in enumerate(image, 1):
        part = "" if len(image) == 1 else f"_{number:0{digits}}"
        files[file_name(name, part + ENDINGS[format])] = encode_still(
            _pixels(picture), format, quality
        )
        ctx.progress(number, len(image))
    return Files(files)


@node(
    title="Save animation",
    category="save",
    version=3,
    words="gif, webp, apng, animation, loop, film, movie, video, 动画, 动图, 视频",
)
def save_animation(
    image: Annotated[Pictures, Alpha],
    *,
    name: FileName = "",
    format: Annotated[  # noqa: A002
        Literal["gif", "webp", "apng"],
        Field(description="File format"),
        Choices(
            {
                "gif": "plays everywhere, but has only 256 colours",
                "webp": "a small file",
                "apng": "lossless",
            }
        ),
    ] = "gif",
    fps: Annotated[float, Field(ge=0.1, le=60, description="Pictures per second")] = 12.0,
    loop: Annotated[bool, Field(description="Repeat without end"), Advanced] = True,
    ping_pong: Annotated[bool, Field(description="Play forwards, then backwards")] = False,
    quality: Annotated[Quality, Advanced] = 92,
    ctx: Context,
) -> Files:
    """Save a batch of pictures as one animation.

    A GIF plays at most 50 pictures per second. WebP and APNG files have the alpha channel of the
    pictures; in a GIF, each pixel is either opaque or fully transparent.

    Raises: NodeError if a GIF would show one picture for more than 655 seconds.
    """
    from ..pictures.encoding import ENDINGS, MAX_GIF_FPS, encode_animation

    if format == "gif" and fps > MAX_GIF_FPS:
        ctx.warn(
            f"the GIF plays {MAX_GIF_FPS} pictures per second instead of {fps:g}, as viewers slow"
            " down faster ones - save it as webp or apng, or lower `fps`"
        )
    frames = [_pixels(picture) for picture in image]
    if format == "gif" and has_alpha(image) and any(map(_is_translucent, frames)):
        ctx.warn(
            "a GIF has no half transparent pixels, so each becomes opaque or clear - save it as"
            " webp or apng"
        )
    if ping_pong:
        frames += frames[-2:0:-1]
    with advised("raise `fps`, remove pictures that are equal, or save it as webp or apng"):
        data = encode_animation(frames, format, fps, loop, quality)
    return Files({file_name(name, ENDINGS[format]): data})


@node(
    title="Save video",
    category="save",
    needs=PYAV,
    words="film, movie, mp4, mov, export, frames, 视频, 电影, 导出",
)
def save_video(
    image: Pictures,
    *,
    name: FileName = "",
    format: Annotated[  # noqa: A002
        Literal["mp4", "webm"],
        Field(description="File format"),
        Choices({"mp4": "H.264, plays everywhere", "webm": "VP9, a smaller file"}),
    ] = "mp4",
    fps: Annotated[float, Field(ge=0.1, le=120, description="Pictures per second")] = 24.0,
    ping_pong: Annotated[bool, Field(description="Play forwards, then backwards")] = False,
    quality: Annotated[
        int, Field(ge=1, le=100, description="Quality; a higher one makes a larger file"), Advanced
    ] = 92,
    ctx: Context,
) -> Files:
    """Save a batch of pictures as a film. Needs the extra `film`.

    The pictures are read and encoded one after the other, so they need not fit into memory; the
    film itself must, and may have 1 GiB at most. Films have an even width and height: of a picture
    with an odd one, the last column or row is repeated. Colours have half the resolution. Whether a
    film is repeated is a setting of the player.

    Raises: NodeError if the film is larger, or if its pictures have a size that can't be encoded.
    """
    from ..pictures.film_writing import encode_film

    count, height, width = len(image), *image.shape[1:3]
    total = 2 * count - 2 if ping_pong and count > 2 else count
    if height % 2 or width % 2:
        even = f"{width + width % 2} x {height + height % 2}"
        ctx.warn(
            f"the film has {even} px instead of {width} x {height}, as films need an even width and"
            " height: the last column or row is repeated"
        )

    def frames() -> Iterator[Pixels]:
        for number, pixels in enumerate(_in_order(image, ping_pong), 1):
            yield pixels
            ctx.progress(number, total)

    with advised("lower `quality`, save fewer pictures, or make them smaller with resize_image"):
        data = encode_film(frames(), (height, width), format, fps, quality)
    return Files({file_name(name, f".{format}"): data})


@node(
    title="Save table",
    category="save",
    words="csv, spreadsheet, export, excel, numbers, 表格, 导出",
)
def save_table(
    table: Table,
    *,
    name: FileName = "",
    format: Annotated[  # noqa: A002
        Literal["csv", "json"],
        Field(description="File format"),
        Choices({"csv": "for spreadsheets", "json": "a list of rows"}),
    ] = "csv",
) -> Files:
    """Save a table, for example class scores or training curves."""
    from ..pictures.encoding import encode_table

    return Files({file_name(name, f".{format}"): encode_table(table.columns, format)})


def _pixels(picture: Tensor) -> Pixels:
    """Returns a picture, float (H, W, C) in 0..1, as uint8."""
    pixels: Pixels = quantise(picture).numpy()
    return pixels


def _is_translucent(pixels: Pixels) -> bool:
    alpha = pixels[..., 3]
    return bool(((alpha > 0) & (alpha < 255)).any())


def _in_order(image: Any, ping_pong: bool) -> Iterator[Pixels]:
    """Yields the pictures as uint8 (H, W, 3): forwards, and then backwards without both ends."""
    part = pictures_per_part(image.shape)
    for pictures in image.split(part):
        yield from quantise(pictures).numpy()
    if ping_pong:
        for stop in range(len(image) - 1, 1, -part):
            (pictures,) = image[max(1, stop - part) : stop].split(part)
            yield from quantise(pictures).numpy()[::-1]
