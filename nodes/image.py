"""Batches of pictures: contact sheets, picking, joining, resizing, taking from a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.alpha import has_alpha, opaque
from ..contract.values.dataset import Dataset
from ..contract.values.kinds import Image, Pictures, Table
from ..contract.values.pictures import by_part, concatenate, select, to_uint8
from ..contract.widgets import Advanced, Alpha, Choices, Streams
from ..contract.wording import chosen_names
from ..pictures.class_doubts import LOOSE

if TYPE_CHECKING:
    from torch import Tensor

MAX_PIXELS = 100_000_000  # limit for the pixels of a contact sheet


@node(
    title="Contact sheet",
    category="compose",
    version=3,
    words="contact sheet, collage, mosaic, tile, montage, overview, 拼图, 网格, 总览",
)
def image_grid(
    image: Annotated[Pictures, Alpha],
    labels: Annotated[
        Table | None, Field(description="Its columns are written below the pictures")
    ] = None,
    *,
    columns: Annotated[
        int, Field(ge=0, le=1000, description="Pictures in a row; 0: as square as possible")
    ] = 0,
    scale: Annotated[
        int,
        Field(ge=0, le=16, description="Enlargement factor; 0: only small pictures grow"),
        Advanced,
    ] = 0,
    gap: Annotated[
        int, Field(ge=0, le=64, description="Space between the pictures in pixels"), Advanced
    ] = 4,
    background: Annotated[
        Literal["white", "grey", "black"],
        Field(description="Colour between the pictures"),
        Advanced,
    ] = "white",
    title: Annotated[str, Field(max_length=200, description="Title above the pictures")] = "",
    caption: Annotated[
        str,
        Field(
            max_length=200,
            description="Columns of `labels` to write below each picture, separated by commas;"
            " empty: the first column of text",
        ),
        Advanced,
    ] = "",
) -> Image:
    """Arrange a batch of pictures on one sheet, with captions if `labels` is wired.

    `labels` needs a row for each picture, like the tables of `classify` and `dataset_images`. If no
    picture has a class of its own, their names are written instead of "pictures".
    Small pictures are enlarged without blurring. A checkerboard is behind transparent parts.

    Raises: NodeError if `caption` names a column that `labels` does not have, or if the sheet would
    have more than 100 million pixels.
    """
    import torch

    from ..pictures.sheet import contact_sheet, lay_out

    captions = _captions(labels, caption) if labels is not None else []
    count, height, width = image.shape[:3]
    layout = lay_out(
        count,
        height,
        width,
        columns=columns,
        scale=scale,
        gap=gap,
        captions=bool(captions),
        title=bool(title),
    )
    if layout.size[0] * layout.size[1] > MAX_PIXELS:
        raise NodeError(
            f"a sheet of {layout.size[0]} x {layout.size[1]} pixels has more than 100 million",
            "use fewer pictures or a smaller `scale`",
        )
    pixels = to_uint8(image).numpy()
    sheet = contact_sheet(pixels, layout, background=background, captions=captions, title=title)
    return torch.from_numpy(sheet)[None].float().div_(255)


def _captions(labels: Table, caption: str) -> list[str]:
    names = chosen_names(caption, labels.columns, "`labels` has no column")
    if not names:
        texts = [
            n for n, column in labels.columns.items() if any(isinstance(c, str) for c in column)
        ]
        telling = [name for name in texts if set(labels.columns[name]) != {LOOSE}]
        names = [*telling, *texts, *labels.columns, ""][:1]
    columns = [labels.columns.get(name, []) for name in names]
    return [" ".join(map(_cell_text, row)) for row in zip(*columns, strict=True)]


def _cell_text(cell: Any) -> str:
    return f"{cell:.3g}" if isinstance(cell, float) else "" if cell is None else str(cell)


@node(
    title="Preview image",
    category="judge",
    shows=True,
    words="show, look, view, display, 预览, 查看",
)
def preview_image(image: Annotated[Pictures, Alpha]) -> Image:
    """Show pictures on this node in the editor. Saves no file.

    The node returns the pictures unchanged, so it can be put on a wire. On the command line it
    shows nothing. In ComfyUI, use ComfyUI's own node *Preview Image* instead.
    """
    return image


@node(
    title="Pick images",
    category="compose",
    words="select, slice, frames, every second, choose, reverse, 选取, 帧",
)
def pick_images(
    image: Annotated[Pictures, Alpha],
    *,
    start: Annotated[
        int,
        Field(
            ge=-100_000,
            le=100_000,
            description="First picture, counted from 0; below 0: from the end",
        ),
    ] = 0,
    count: Annotated[
        int, Field(ge=0, le=100_000, description="Number of pictures; 0: all that follow")
    ] = 1,
    every: Annotated[int, Field(ge=1, le=100_000, description="Take only every n-th picture")] = 1,
) -> Image:
    """Take some pictures out of a batch.

    Raises: NodeError if the batch has no picture at `start`.
    """
    first = start if start >= 0 else max(0, len(image) + start)
    picked: Tensor = image[first::every]
    if len(picked) == 0:
        what = f"there is no picture {start} in a batch of {len(image)}"
        raise NodeError(what, "lower `start`, which is counted from 0")
    return (picked[:count] if count else picked).clone()


@node(
    title="Join batches",
    category="compose",
    words="combine, concatenate, stack, join pictures, merge, 合并图片",
)
def batch_images(
    first: Annotated[Pictures, Alpha],
    second: Annotated[Pictures, Alpha],
    third: Annotated[Pictures | None, Alpha] = None,
) -> Image:
    """Join batches of pictures into one, in the size of the first batch.

    Pictures of another size are cropped to the proportions of the first batch and resized. If one
    batch has an alpha channel, the others become opaque pictures with one.
    """
    height, width = first.shape[1:3]

    def fitted(part: Tensor) -> Tensor:
        return resized(part, width, height, "crop")

    others = [by_part(fitted, b, height, width) for b in (second, third) if b is not None]
    batches = [first, *others]
    return concatenate([*map(opaque, batches)] if any(map(has_alpha, batches)) else batches)


@node(
    title="Resize image",
    category="retouch",
    words="scale, upscale, upscaler, enlarge, bigger, shrink, downscale, size, crop, pad,"
    " 缩放, 放大, 高清放大, 缩小, 尺寸, 裁剪",
)
def resize_image(
    image: Annotated[Pictures, Alpha],
    *,
    width: Annotated[
        int, Field(ge=0, le=8192, description="Width in pixels; 0: from the height")
    ] = 256,
    height: Annotated[
        int, Field(ge=0, le=8192, description="Height in pixels; 0: from the width")
    ] = 0,
    fit: Annotated[
        Literal["crop", "salient", "pad", "stretch"],
        Field(description="What to do with a picture of other proportions"),
        Choices(
            {
                "crop": "use only the middle",
                "salient": "use only the most striking part",
                "pad": "add white edges, or clear ones to pictures with alpha",
                "stretch": "change its proportions",
            }
        ),
    ] = "crop",
    filter: Annotated[  # noqa: A002 - the word that people look for
        Literal["smooth", "pixels"],
        Field(description="How to compute the new pixels"),
        Choices({"smooth": "interpolate", "pixels": "copy the nearest pixel, without blurring"}),
        Advanced,
    ] = "smooth",
) -> Image:
    """Resize pictures.

    The colour of what is fully transparent does not reach the pixels beside it. With `fit:
    salient`, each picture is cropped to its most striking part, as by `load_dataset`. In a film,
    this part may jump from picture to picture.

    Raises: NodeError if width and height are both 0, or for more than 500 million pixels in all.
    """
    rows, columns = image.shape[1:3]
    smooth = filter == "smooth"
    if width == height == 0:
        raise NodeError("width and height are both 0", "set one of them")
    width = width or max(1, round(columns * height / rows))
    height = height or max(1, round(rows * width / columns))
    if len(image) * width * height > 5 * MAX_PIXELS:
        raise NodeError(
            f"{len(image)} pictures of {width} x {height} have more than 500 million pixels",
            "use fewer pictures or a smaller size",
        )

    def fitted(part: Tensor) -> Tensor:
        if fit == "salient":
            pieces = [_salient_part(picture, width, height)[None] for picture in part]
            return concatenate([resized(p, width, height, "crop", smooth) for p in pieces])
        return resized(part, width, height, fit, smooth)

    return by_part(fitted, image, height, width)


def resized(
    image: Tensor,
    width: int,
    height: int,
    fit: Literal["crop", "pad", "stretch"],
    smooth: bool = True,
) -> Tensor:
    """Returns pictures, float (N, H, W, C) in 0..1, in another size."""
    import torch
    import torch.nn.functional as F

    from ..models.alpha import with_shares, without_shares

    rows, columns = image.shape[1:3]
    if fit == "crop":
        part_h, part_w = _largest_part(rows, columns, width, height)
        left, top = (columns - part_w) // 2, (rows - part_h) // 2
        image = image[:, top : top + part_h, left : left + part_w]
    inner = (height, width)
    if fit == "pad":
        scale = min(width / columns, height / rows)
        inner = (max(1, round(rows * scale)), max(1, round(columns * scale)))
    small = image
    if tuple(image.shape[1:3]) != inner and smooth:
        planes = with_shares(image).permute(0, 3, 1, 2)
        planes = F.interpolate(planes, inner, mode="bicubic", antialias=True)
        small = without_shares(planes.permute(0, 2, 3, 1))
    elif tuple(image.shape[1:3]) != inner:
        planes = F.interpolate(image.permute(0, 3, 1, 2), inner, mode="nearest-exact")
        small = planes.permute(0, 2, 3, 1)
    if fit != "pad":
        return small.clone(memory_format=torch.contiguous_format)
    channels = image.shape[3]
    edge = torch.ones if channels == 3 else torch.zeros
    whole = edge(len(image), height, width, channels)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    whole[:, top : top + inner[0], left : left + inner[1]] = small
    return whole


def _largest_part(rows: int, columns: int, width: int, height: int) -> tuple[int, int]:
    """Returns height and width of the largest part of a picture with other proportions."""
    keep = min(columns / width, rows / height)
    return max(1, round(keep * height)), max(1, round(keep * width))


def _salient_part(picture: Tensor, width: int, height: int) -> Tensor:
    """Returns the most striking part of a picture, (H, W, C) in 0..1."""
    from PIL import Image as Picture

    from ..pictures.fitting import box_of

    rows, columns = picture.shape[:2]
    part_h, part_w = _largest_part(rows, columns, width, height)
    levels = (picture * 255).round().clamp(0, 255).byte().numpy()
    left, top, *_ = box_of(Picture.fromarray(levels), height, width, "salient")
    left, top = min(round(left), columns - part_w), min(round(top), rows - part_h)
    return picture[top : top + part_h, left : left + part_w]


class DatasetImages(NamedTuple):
    """Pictures of a dataset, and a table with the class and the name of each."""

    image: Image
    table: Table


@node(
    title="Dataset images",
    category="prepare",
    words="contact sheet, samples, show pictures, unpack, 查看图片, 样本",
)
def dataset_images(
    dataset: Annotated[Dataset, Alpha, Streams],
    *,
    count: Annotated[int, Field(ge=1, le=10_000, description="Number of pictures")] = 64,
    order: Annotated[
        Literal["first", "each class"],
        Field(description="Order of the pictures"),
        Choices({"first": "as in the dataset", "each class": "the classes in turn"}),
    ] = "each class",
    ctx: Context,
) -> DatasetImages:
    """Take pictures from a dataset, with a table of their classes and names.

    A message says how many of the dataset they are, if not all.
    """
    labels = dataset.labels.tolist()
    rows = list(range(len(labels)))
    if order == "each class":
        seen = [0] * len(dataset.classes)
        turns = []
        for row, label in enumerate(labels):
            turns.append((seen[label], label, row))
            seen[label] += 1
        rows = [row for _, _, row in sorted(turns)]
    rows = rows[:count]
    if len(rows) < len(labels):
        ctx.log(f"{len(rows):,} of {len(labels):,} pictures")
    image = select(dataset.images, rows)
    columns: dict[str, list[Any]] = {
        "class": [dataset.classes[labels[row]] for row in rows],
        "name": [dataset.names[row] for row in rows],
    }
    return DatasetImages(image, Table(columns))
