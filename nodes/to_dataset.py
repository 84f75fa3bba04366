"""A dataset from pictures on a wire, such as those that other nodes have drawn or changed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.quantities import counted
from ..contract.spec import node
from ..contract.values.dataset import Dataset
from ..contract.values.kinds import Pictures, Table
from ..contract.values.pictures import to_uint8
from ..contract.widgets import Alpha
from ..contract.wording import chosen_names
from .classes import distinct

_LABELS = ("label", "class", "category")  # usual names of the column with the classes
_NAMES = ("name", "file_name")  # usual names of the column with the names of the pictures
_USUAL = "pictures"  # the class of pictures without one, as of `load_dataset`
_MOST_BYTES = 2**32  # of all pictures


@node(
    title="Images to dataset",
    category="prepare",
    words="make dataset, train on images, batch, labels, classes, 制作数据集, 标签",
)
def images_to_dataset(
    image: Annotated[Pictures, Alpha],
    labels: Table | None = None,
    *,
    classes: Annotated[
        str,
        Field(
            max_length=20_000,
            description="Class of all pictures, or of each, separated by commas or on lines of"
            ' their own; empty: those of `labels`, or "pictures"',
        ),
    ] = "",
    column: Annotated[
        str,
        Field(
            max_length=200,
            description="Column of `labels` with the classes; empty: label, class or category",
        ),
    ] = "",
    ctx: Context,
) -> Dataset:
    """Make a dataset of a batch of pictures, so that models can be trained on them.

    The pictures have one size. Resize them before, since models are trained on small pictures, such
    as 64 px. `labels` needs a row for each picture, like the tables of `classify` and
    `dataset_images`; its column `name` becomes the names of the pictures. What is fully transparent
    becomes black.

    Raises: NodeError if there are not as many classes as pictures, if `labels` has no such column,
    or for more than 4 GiB of pictures.
    """
    import torch

    from ..models.configs import size_text
    from ..pictures.walk import natural_order

    count, height, width, channels = image.shape
    if count * height * width * channels > _MOST_BYTES:
        what = f"{counted(count, 'picture')} of {size_text(height, width)} need more than 4 GiB"
        raise NodeError(what, "resize them before")
    texts = _classes(classes, labels, column, count)
    names = tuple(sorted(set(texts), key=natural_order))
    index = {name: number for number, name in enumerate(names)}
    pixels = to_uint8(image)
    if channels == 4:
        pixels[..., :3] *= (pixels[..., 3:] > 0).to(torch.uint8)
    sizes = [f"{name} {texts.count(name)}" for name in names]
    line = f"{counted(count, 'picture')} of {size_text(height, width)}"
    ctx.log(f"{line}: {', '.join(sizes[:20])}" if len(names) > 1 else line)
    return Dataset(pixels, torch.tensor([index[t] for t in texts]), names, _names(labels, count))


def _classes(text: str, labels: Table | None, column: str, count: int) -> list[str]:
    """Returns the class of each picture."""
    separator = "\n" if "\n" in text.strip() else ","
    written = [part.strip() for part in text.strip().split(separator)] if text.strip() else []
    if written and labels is not None:
        advice = "empty `classes`, or leave `labels` unwired"
        raise NodeError("the classes are written, and also come from `labels`", advice)
    if labels is not None:
        written = _cells(labels, column, count)
    if not written:
        return [_USUAL] * count
    if "" in written:
        place = written.index("") + 1
        raise NodeError(
            f"class {place} of {len(written)} is empty", "write a class for each picture"
        )
    if len(written) not in (1, count):
        what = f"there are {len(written)} classes for {counted(count, 'picture')}"
        raise NodeError(what, "write one class for all, or one for each picture")
    return written * count if len(written) == 1 else written


def _cells(labels: Table, column: str, count: int) -> list[str]:
    """Returns the classes in a table with a row for each picture."""
    if len(labels) != count:
        what = f"`labels` has {counted(len(labels), 'row')} for {counted(count, 'picture')}"
        raise NodeError(what, "wire the table of these pictures")
    found = [name for name in _LABELS if name in labels.columns][:1]
    names = chosen_names(column, labels.columns, "`labels` has no column") or found
    if len(names) != 1:
        there = ", ".join(labels.columns)
        raise NodeError("`labels` has no column with classes", f"set `column` to one of {there}")
    return [_text(cell) for cell in labels.columns[names[0]]]


def _text(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else " ".join(str(cell).split())


def _names(labels: Table | None, count: int) -> tuple[str, ...]:
    """Returns the names of the pictures: those in the table, or numbers."""
    columns = {} if labels is None else labels.columns
    cells = next((columns[name] for name in _NAMES if name in columns), None)
    digits = max(4, len(str(count)))
    numbers = [f"{number:0{digits}}" for number in range(1, count + 1)]
    if cells is None:
        return tuple(numbers)
    return distinct([_text(cell) or number for cell, number in zip(cells, numbers, strict=True)])
