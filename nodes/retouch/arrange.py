"""Cut, extend, turn, repeat and place pictures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ...contract.context import Context
from ...contract.errors import NodeError
from ...contract.spec import node
from ...contract.values.alpha import has_alpha, opaque
from ...contract.values.kinds import Image, Pictures
from ...contract.widgets import Advanced, Alpha, Background, Choices
from .each import common_length, each_picture

Side = Annotated[int, Field(ge=0, le=8192)]
_SHARES = {"left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0}


@node(
    title="Crop picture",
    category="retouch",
    words="cut, trim, frame, section, 裁剪, 裁切",
)
def crop_picture(
    image: Annotated[Pictures, Alpha],
    *,
    width: Annotated[
        int, Field(ge=0, le=8192, description="Width in pixels; 0: as wide as possible")
    ] = 0,
    height: Annotated[
        int, Field(ge=0, le=8192, description="Height in pixels; 0: as high as possible")
    ] = 0,
    place: Annotated[
        Literal[
            "centre",
            "top left",
            "top",
            "top right",
            "left",
            "right",
            "bottom left",
            "bottom",
            "bottom right",
        ],
        Field(description="Part of the picture that stays"),
    ] = "centre",
    right: Annotated[
        int, Field(ge=-8192, le=8192, description="Pixels to the right of this place"), Advanced
    ] = 0,
    down: Annotated[
        int, Field(ge=-8192, le=8192, description="Pixels below this place"), Advanced
    ] = 0,
) -> Image:
    """Cut a rectangle out of each picture. No pixel changes, and transparency stays.

    With width and height 0, the rectangle reaches from the place to the edges.

    Raises: NodeError if the rectangle is not inside of the pictures.
    """
    rows, columns = image.shape[1:3]
    across, along = (_share(place, names) for names in (("left", "right"), ("top", "bottom")))
    left = _start(columns, width, across, right)
    top = _start(rows, height, along, down)
    wide, high = width or columns - abs(right), height or rows - abs(down)
    inside = min(left, top) >= 0 and left + wide <= columns and top + high <= rows
    if not inside or wide < 1 or high < 1:
        raise NodeError(
            f"the rectangle of {wide} x {high} pixels at {left}, {top} is not inside of the"
            f" pictures, which have {columns} x {rows}",
            "make it smaller, or move it",
        )

    def cut(_: int, picture: Any) -> Any:
        return picture[top : top + high, left : left + wide]

    return each_picture(cut, image, size=(high, wide))


def _share(place: str, sides: tuple[str, str]) -> float:
    return next((_SHARES[side] for side in sides if side in place.split()), 0.5)


def _start(size: int, part: int, share: float, moved: int) -> int:
    """Returns the first pixel of a part of `size` pixels that is at a place, and then moved."""
    return max(0, moved) if part == 0 else int((size - part) * share) + moved


@node(
    title="Pad picture",
    category="retouch",
    words="border, frame, margin, canvas size, extend, outpaint, 边框, 扩展画布, 留白",
)
def pad_picture(
    image: Annotated[Pictures, Alpha],
    *,
    left: Annotated[Side, Field(description="Pixels to add on the left")] = 16,
    top: Annotated[Side, Field(description="Pixels to add above")] = 16,
    right: Annotated[Side, Field(description="Pixels to add on the right")] = 16,
    bottom: Annotated[Side, Field(description="Pixels to add below")] = 16,
    fill: Annotated[
        Literal["colour", "clear", "edge", "mirror", "wrap"],
        Field(description="What the new pixels show"),
        Choices(
            {
                "colour": "one colour",
                "clear": "nothing; the pictures get an alpha channel",
                "edge": "the pixels at the edges",
                "mirror": "the picture in a mirror",
                "wrap": "the opposite side of the picture",
            }
        ),
    ] = "colour",
    colour: Annotated[Background, Field(description='Colour of the edges, such as "#ffffff"')] = (
        "#ffffff"
    ),
) -> Image:
    """Add edges around pictures. The pixels of the pictures themselves do not change.

    The kinds `edge`, `mirror` and `wrap` are `edge`, `symmetric` and `wrap` of NumPy's `pad`. With
    an alpha channel, edges of a colour are opaque.

    Raises: NodeError if the pictures would have more than 100 million pixels each.
    """
    from ...pictures.retouch.placing import with_edges

    rows, columns = image.shape[1:3]
    sides = (left, top, right, bottom)
    return each_picture(
        lambda _, picture: with_edges(picture, sides, fill, colour),
        image,
        size=(rows + top + bottom, columns + left + right),
        channels=4 if fill == "clear" else None,
    )


@node(
    title="Turn picture",
    category="retouch",
    words="rotate, flip, mirror, angle, straighten, 旋转, 翻转, 镜像",
)
def turn_picture(
    image: Annotated[Pictures, Alpha],
    *,
    angle: Annotated[
        float, Field(ge=-360, le=360, description="Degrees anticlockwise, about the centre")
    ] = 0.0,
    flip: Annotated[
        Literal["no", "left to right", "top to bottom"],
        Field(description="Mirror the picture before it is turned"),
    ] = "no",
    grow: Annotated[
        bool, Field(description="Make the picture as large as the turned one needs")
    ] = True,
    fill: Annotated[
        Literal["colour", "clear"],
        Field(description="What the corners show"),
        Choices({"colour": "one colour", "clear": "nothing; the pictures get an alpha channel"}),
    ] = "colour",
    colour: Annotated[Background, Field(description='Colour of the corners, such as "#ffffff"')] = (
        "#ffffff"
    ),
    ctx: Context,
) -> Image:
    """Turn or mirror pictures.

    Multiples of 90 degrees only move pixels if the turned picture fits. Other angles use Pillow's
    bicubic `rotate` on colours that are multiplied by their opacity, in sRGB values, so that clear
    pixels do not colour others.
    """
    from ...pictures.retouch.placing import turned, turned_size

    rows, columns = image.shape[1:3]

    def turn(_: int, picture: Any) -> Any:
        if flip == "left to right":
            picture = picture[:, ::-1]
        elif flip == "top to bottom":
            picture = picture[::-1]
        return turned(picture, angle, grow, colour if fill == "colour" else None)

    size = turned_size(rows, columns, angle, grow)
    return each_picture(turn, image, size=size, channels=4 if fill == "clear" else None, ctx=ctx)


@node(
    title="Repeat picture",
    category="compose",
    words="tile, pattern, wallpaper, seamless, kaleidoscope, 平铺, 重复, 图案, 无缝",
)
def repeat_picture(
    image: Annotated[Pictures, Alpha],
    *,
    across: Annotated[int, Field(ge=1, le=64, description="Copies beside each other")] = 2,
    down: Annotated[int, Field(ge=1, le=64, description="Copies below each other")] = 2,
    pattern: Annotated[
        Literal["same", "mirrored", "brick"],
        Field(description="How the copies continue each other"),
        Choices(
            {
                "same": "all copies are alike",
                "mirrored": "each second one is mirrored, so that no seam is visible",
                "brick": "each second row is moved by half of a picture",
            }
        ),
    ] = "same",
) -> Image:
    """Make a pattern of copies of each picture, with no space between them.

    The size is that of the picture times `across` and `down`. Transparency is repeated too.

    Raises: NodeError if the pattern would have more than 100 million pixels.
    """
    from ...pictures.retouch.placing import repeated

    rows, columns = image.shape[1:3]
    return each_picture(
        lambda _, picture: repeated(picture, across, down, pattern),
        image,
        size=(rows * down, columns * across),
    )


@node(
    title="Pictures side by side",
    category="compose",
    words="concatenate, stitch, before after, diptych, triptych, row, 拼接, 并排, 对比",
)
def place_beside(
    first: Annotated[Pictures, Alpha],
    second: Annotated[Pictures, Alpha],
    third: Annotated[Pictures | None, Alpha] = None,
    *,
    direction: Annotated[
        Literal["right", "below"], Field(description="Side of the first picture to continue on")
    ] = "right",
    gap: Annotated[int, Field(ge=0, le=512, description="Pixels between the pictures")] = 0,
    background: Background = "#ffffff",
) -> Image:
    """Put the pictures of two or three batches beside or below each other.

    They are resized, with the same proportions, to the height of the first ones (or to the width,
    if they are below each other). A single picture is put beside each picture of the other batch.
    If one batch has an alpha channel, the result has one too, and the gap is clear.

    Raises: NodeError if the batches differ in length, or if the result would have more than 100
    million pixels.
    """
    import numpy as np

    from ...pictures.retouch.shares import colour_of
    from ..image import resize_image

    batches = [batch for batch in (first, second, third) if batch is not None]
    common_length(*batches)
    alpha = any(map(has_alpha, batches))
    beside = direction == "right"
    rows, columns = first.shape[1:3]
    for place, batch in enumerate(batches):
        high, wide = batch.shape[1:3]
        if beside and high != rows:
            batch = resize_image(batch, width=0, height=rows)
        elif not beside and wide != columns:
            batch = resize_image(batch, width=columns, height=0)
        batches[place] = opaque(batch) if alpha else batch
    sizes = [batch.shape[1:3] for batch in batches]
    space = gap * (len(batches) - 1)
    size = (rows, sum(s[1] for s in sizes) + space)
    if not beside:
        size = (sum(s[0] for s in sizes) + space, columns)
    between = np.zeros((rows, gap, 4), np.float32) if beside else np.zeros((gap, columns, 4))
    if not alpha:
        between = np.broadcast_to(colour_of(background), (*between.shape[:2], 3))

    def joined(_: int, *pictures: Any) -> Any:
        parts = [part for picture in pictures for part in (between, picture)][1:]
        return np.concatenate(parts, 1 if beside else 0)

    return each_picture(joined, *batches, size=size, channels=4 if alpha else None)
