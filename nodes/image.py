"""Batches of pictures: contact sheets, picking, joining, resizing, taking them from a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field

from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.kinds import Dataset, Image, Pictures, Table
from ..contract.values.pictures import by_part, concatenate, select, to_uint8
from ..contract.widgets import Choices
from ..contract.wording import names_in

if TYPE_CHECKING:
    from torch import Tensor

MOST_PIXELS = 100_000_000


@node(title="Contact sheet", category="image", version=2)
def image_grid(
    image: Pictures,
    labels: Table | None = None,
    *,
    columns: Annotated[int, Field(ge=0, le=1000, description="0: near a square")] = 0,
    scale: Annotated[
        int, Field(ge=0, le=16, description="Each pixel becomes so many; 0: small ones grow")
    ] = 0,
    gap: Annotated[int, Field(ge=0, le=64, description="Pixels between the pictures")] = 4,
    background: Annotated[
        Literal["white", "grey", "black"], Field(description="What shows between the pictures")
    ] = "white",
    title: Annotated[str, Field(max_length=200, description="A line on top")] = "",
    caption: Annotated[
        str,
        Field(
            max_length=200,
            description="Columns of `labels` to write under each picture, separated by commas;"
            " empty: the first column of text",
        ),
    ] = "",
) -> Image:
    """Lay a batch of pictures out on one sheet, with a caption under each.

    `labels` has a row for each picture, as `classify` and `dataset_images` give it. Small
    pictures are enlarged without blurring.

    Raises: NodeError for a caption that is no column, or a sheet of over 100 million pixels.
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
    if layout.size[0] * layout.size[1] > MOST_PIXELS:
        raise NodeError(
            f"the sheet would have {layout.size[0]} x {layout.size[1]} pixels, over 100 million",
            "take fewer pictures or a smaller scale",
        )
    pixels = to_uint8(image).numpy()
    sheet = contact_sheet(pixels, layout, background=background, captions=captions, title=title)
    return torch.from_numpy(sheet)[None].float().div_(255)


def _captions(labels: Table, caption: str) -> list[str]:
    names = names_in(caption)
    if unknown := [name for name in names if name not in labels.columns]:
        known = ", ".join(labels.columns) or "none"
        raise NodeError(f"the labels have no column {unknown[0]!r}", f"their columns: {known}")
    if not names:
        texts = (
            n for n, column in labels.columns.items() if any(isinstance(c, str) for c in column)
        )
        names = [next(texts, next(iter(labels.columns), ""))]
    columns = [labels.columns.get(name, []) for name in names]
    return [" ".join(map(_cell_text, row)) for row in zip(*columns, strict=True)]


def _cell_text(cell: Any) -> str:
    return f"{cell:.3g}" if isinstance(cell, float) else "" if cell is None else str(cell)


@node(title="Pick images", category="image")
def pick_images(
    image: Pictures,
    *,
    start: Annotated[
        int, Field(ge=-100_000, le=100_000, description="First to take; below 0 from the end")
    ] = 0,
    count: Annotated[int, Field(ge=0, le=100_000, description="How many; 0: all that follow")] = 1,
    every: Annotated[int, Field(ge=1, le=100_000, description="Take every n-th")] = 1,
) -> Image:
    """Take some pictures out of a batch.

    Raises: NodeError where the batch has no picture there.
    """
    first = start if start >= 0 else max(0, len(image) + start)
    picked: Tensor = image[first::every]
    if len(picked) == 0:
        raise NodeError(f"the batch has {len(image)} pictures, none at {start}", "lower the start")
    return (picked[:count] if count else picked).clone()


@node(title="Join batches", category="image")
def batch_images(first: Pictures, second: Pictures, third: Pictures | None = None) -> Image:
    """Put batches of pictures one after the other; the first one's size counts.

    Pictures of another size are cut to the first one's proportions and resized.
    """
    height, width = first.shape[1:3]

    def fitted(part: Tensor) -> Tensor:
        return _resized(part, width, height, "crop")

    others = [by_part(fitted, b, height, width) for b in (second, third) if b is not None]
    return concatenate([first, *others])


@node(title="Resize image", category="image")
def resize_image(
    image: Pictures,
    *,
    width: Annotated[int, Field(ge=0, le=8192, description="Pixels; 0: by the height")] = 256,
    height: Annotated[int, Field(ge=0, le=8192, description="Pixels; 0: by the width")] = 0,
    fit: Annotated[
        Literal["crop", "pad", "stretch"],
        Field(description="What happens to a picture of other proportions"),
        Choices(
            {
                "crop": "the middle is cut out",
                "pad": "white is added",
                "stretch": "its proportions change",
            }
        ),
    ] = "crop",
    filter: Annotated[  # noqa: A002 - the word that people look for
        Literal["smooth", "pixels"],
        Field(description="How a picture is enlarged"),
        Choices({"smooth": "interpolated", "pixels": "without blurring"}),
    ] = "smooth",
) -> Image:
    """Bring pictures to another size.

    Raises: NodeError where both sides are 0, or for over 500 million pixels in all.
    """
    rows, columns = image.shape[1:3]
    if width == height == 0:
        raise NodeError("width and height are both 0", "give one of them")
    width = width or max(1, round(columns * height / rows))
    height = height or max(1, round(rows * width / columns))
    if len(image) * width * height > 5 * MOST_PIXELS:
        raise NodeError(
            f"{len(image)} pictures of {width} x {height} are over 500 million pixels",
            "take fewer, or a smaller size",
        )

    def fitted(part: Tensor) -> Tensor:
        return _resized(part, width, height, fit, filter == "smooth")

    return by_part(fitted, image, height, width)


def _resized(
    image: Tensor,
    width: int,
    height: int,
    fit: Literal["crop", "pad", "stretch"],
    smooth: bool = True,
) -> Tensor:
    """Float (N, H, W, 3) in 0..1 at another size."""
    import torch
    import torch.nn.functional as F

    rows, columns = image.shape[1:3]
    if fit == "crop":
        keep = min(columns / width, rows / height)
        part_w, part_h = max(1, round(keep * width)), max(1, round(keep * height))
        left, top = (columns - part_w) // 2, (rows - part_h) // 2
        image = image[:, top : top + part_h, left : left + part_w]
    inner = (height, width)
    if fit == "pad":
        scale = min(width / columns, height / rows)
        inner = (max(1, round(rows * scale)), max(1, round(columns * scale)))
    planes = image.permute(0, 3, 1, 2)
    if tuple(planes.shape[2:]) != inner and smooth:
        planes = F.interpolate(planes, inner, mode="bicubic", antialias=True).clamp(0, 1)
    elif tuple(planes.shape[2:]) != inner:
        planes = F.interpolate(planes, inner, mode="nearest-exact")
    small = planes.permute(0, 2, 3, 1)
    if fit != "pad":
        return small.clone(memory_format=torch.contiguous_format)
    whole = torch.ones(len(image), height, width, 3)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    whole[:, top : top + inner[0], left : left + inner[1]] = small
    return whole


class DatasetImages(NamedTuple):
    """Pictures of a data set, and a row for each with its class and name."""

    image: Image
    table: Table


@node(title="Data set's images", category="data")
def dataset_images(
    dataset: Dataset,
    *,
    count: Annotated[int, Field(ge=1, le=10_000, description="Pictures to take")] = 64,
    order: Annotated[
        Literal["first", "each class"],
        Field(description="The order of the pictures"),
        Choices({"first": "as they come", "each class": "classes take turns"}),
    ] = "each class",
) -> DatasetImages:
    """Take pictures out of a data set, to look at or to work on, with a table of their classes."""
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
    image = select(dataset.images, rows)
    columns: dict[str, list[Any]] = {
        "class": [dataset.classes[labels[row]] for row in rows],
        "name": [dataset.names[row] for row in rows],
    }
    return DatasetImages(image, Table(columns))
