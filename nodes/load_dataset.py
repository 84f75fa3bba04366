"""Pictures of your own as a dataset: a folder, an archive or a Parquet file."""

from __future__ import annotations

import math
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import Field

from ..contract.aspects import SQUARE, nearest_common, shape_of
from ..contract.context import Context
from ..contract.errors import InputError, NodeError, unreadable
from ..contract.spec import node
from ..contract.values.alpha import WHITE
from ..contract.values.collected import CollectedPictures
from ..contract.values.dataset import Dataset
from ..contract.values.pictures import parts
from ..contract.widgets import (
    Advanced,
    Alpha,
    Fallback,
    InputPictures,
    InputReview,
    Neutral,
)
from .data import Fit, Ground, Transparency, behind, out_of_memory, replaced
from .review import decisions, reviewed_pictures

if TYPE_CHECKING:
    from torch import Tensor

    from ..pictures.fitting import Fit, Fitted
    from ..pictures.packed import Packed
    from ..pictures.reading import UnreadableError
    from ..pictures.sources.reviewed import Reviewed
    from ..pictures.sources.source import Source
    from ..pictures.survey import Survey


_Result: TypeAlias = "Fitted | UnreadableError | OSError | MemoryError"


@node(
    title="Load pictures",
    category="prepare",
    version=2,
    words="photos, pictures, folder, images from folder, load images, my images, dataset,"
    " directory, zip, upload, 照片, 文件夹, 我的图片, 数据集, 导入",
)
def load_dataset(
    fallback: Annotated[Dataset | None, Fallback, Alpha] = None,
    *,
    folder: Annotated[
        InputPictures | None,
        Field(
            description="Folder of pictures, or a zip, tar or Parquet file of them; each sub-folder"
            " is a class; empty: use the fallback"
        ),
    ] = None,
    size: Annotated[
        int, Field(ge=8, le=1024, description="Width and height of a square picture in pixels")
    ] = 64,
    fit: Fit = "crop",
    aspect: Annotated[
        str,
        Field(
            max_length=20,
            description="Width to height, such as 3:2; auto: as most pictures; `size` is then the"
            " edge of a square of about equal area",
        ),
        Neutral(SQUARE),
        Advanced,
    ] = SQUARE,
    alpha: Annotated[Transparency, Advanced] = "flatten",
    background: Annotated[Ground, Advanced] = WHITE,
    table: Annotated[
        str,
        Field(
            max_length=200,
            description="CSV, TSV or JSONL file beside the pictures with the columns file_name and"
            " label, which are the classes then; empty: the only one that fits; none: none",
        ),
        Neutral(""),
        Advanced,
    ] = "",
    label: Annotated[
        str,
        Field(
            max_length=200,
            description="Column of the table or of the Parquet file with the classes; empty: label,"
            " class or category",
        ),
        Neutral(""),
        Advanced,
    ] = "",
    review: Annotated[
        InputReview | None,
        Field(
            description="YAML file that says which pictures to drop, move to another class, crop"
            " and rate; empty: none"
        ),
        Neutral(None),
        Advanced,
    ] = None,
    ctx: Context,
) -> Dataset:
    """Load a folder or an archive of pictures as a dataset, in natural order (frame2, frame10).

    The class of a picture is the name of its sub-folder. Deeper folders do not make classes of
    their own. Pictures directly in the folder have the class "pictures". If a table with the
    columns `file_name` and `label` is beside the pictures, the classes are its labels, and so they
    are in Parquet files and WebDataset archives. Archives are not unpacked. Hidden files, system
    folders, output folders of artgraph, links that lead out of the folder, and pictures that
    can't be read are skipped. One line says how many pictures are used; if something is skipped
    or looks like a mistake, the line is a warning that lists what it is.

    All pictures get the same shape: squares, or with another `aspect` than 1:1, a width and a
    height that are multiples of an eighth of the size (at least 8 px). With the aspect auto, the
    median of the folder is used, rounded to 1:1, 5:4, 4:3, 3:2, 16:9, 2:1 or 3:1, upright or wide.
    How much is cut off or added is reported.

    With `fit: salient`, the most striking part of each picture is used: it differs most from what
    is at the edges of the picture, and has the strongest outlines. What is transparent does not
    count. If nothing is striking, the middle is used.

    With `review`, some pictures are left out, or have another class, as an artist decided. Crops
    are applied before `fit`. Pictures with more stars are drawn more often in trainings, and those
    to be kept are never dropped by nodes that prepare datasets.

    With `alpha: keep`, the pictures have an alpha channel, (N, H, W, 4). The colours of what is
    fully transparent are not used when pictures are resized, and become black.

    Raises: InputError if there is no picture, if none can be read, if an archive, a table or the
    review can't be used, or if the disk has a fault; NodeError for an aspect that is not between
    1:4 and 4:1, or for more than 4 GiB of pictures.
    """
    from ..models.configs import size_text
    from ..pictures.packed import SourceError
    from ..pictures.sources.source import open_source
    from ..pictures.sources.summary import nothing_read
    from ..pictures.walk import natural_order, printable

    if folder is None and review is not None:
        raise InputError("`review` needs the folder of its pictures", "set `folder`")
    if folder is None:
        if fallback is None:
            raise InputError("no folder is given", "set `folder`, or wire `fallback`")
        return replaced(fallback, alpha, background)
    colour = behind(alpha, background)
    try:
        source = open_source(folder, table, label)
        reviewed = reviewed_pictures(folder, source, review)
        found = reviewed.survey
        if not found.pictures:
            raise _nothing_found(found, source, folder.name)
        shape = _shape(reviewed, source, size, aspect, ctx)
        if len(found.pictures) * math.prod(shape) * (4 if colour is None else 3) > 2**32:
            pictures = f"{len(found.pictures)} pictures of {size_text(*shape)}"
            raise NodeError(f"{pictures} need more than 4 GiB", "lower `size`")
        images, names, change = _read_all(reviewed, source, shape, fit, colour, ctx)
    except SourceError as error:
        raise InputError(f"{folder.name!r}: {error.what}", error.advice) from error
    except OSError as error:
        where = printable(str(error.filename or folder))
        raise unreadable(Path(where), error) from error
    except MemoryError as error:
        raise out_of_memory(folder.name) from error
    if not names:
        raise InputError(*nothing_read(found, folder.name))
    kinds = [reviewed.label(name) for name in names]
    classes = tuple(sorted(set(kinds), key=natural_order))
    _report(reviewed, source, names, change, ctx)
    if colour is None and all(bool((part[..., 3] == 255).all()) for part in parts(images)):
        ctx.log("no picture has transparent parts, so `alpha: keep` only needs more memory")
    index = {name: number for number, name in enumerate(classes)}
    import torch

    labels = torch.tensor([index[kind] for kind in kinds])
    stars, keep = decisions(reviewed, names)
    return Dataset(images, labels, classes, names, stars=stars, keep=keep)


def _nothing_found(found: Survey, source: Source, folder: str) -> InputError:
    """Returns the error for a folder without pictures, with what to do about its other files."""
    from ..contract.wording import listed
    from ..pictures.sources.summary import nothing_found
    from ..pictures.suffixes import READABLE

    return InputError(*nothing_found(found, source.notes, folder, listed(list(READABLE), 4)))


def _report(
    reviewed: Reviewed, source: Source, names: tuple[str, ...], change: str, ctx: Context
) -> None:
    """Show in one line what is used and what is not; as a warning if something is not.

    change: how much is cut off or added, for people; empty if that is almost nothing.
    """
    from ..pictures.sources.summary import summary

    line, doubts = summary(reviewed, source, names, change)
    if doubts:
        ctx.warn("; ".join([line, *doubts]))
    else:
        ctx.log(line)


def _shape(
    reviewed: Reviewed, source: Source, size: int, aspect: str, ctx: Context
) -> tuple[int, int]:
    """Returns height and width of the pictures, and reports what `auto` means for this folder."""
    from ..models.configs import size_text
    from ..pictures.sources.summary import median_ratio

    if aspect != "auto":
        return shape_of(size, aspect)
    median = median_ratio(reviewed, source)
    if median is None:
        return size, size
    common = nearest_common(median)
    shape = shape_of(size, common)
    text = f"{median:.3g}:1" if median >= 1 else f"1:{1 / median:.3g}"
    ctx.log(
        f"the median aspect of the pictures is {text}, so they are loaded as {common},"
        f" {size_text(*shape)}"
    )
    return shape


def _read_all(
    reviewed: Reviewed,
    source: Source,
    shape: tuple[int, int],
    fit: Fit,
    background: str | None,
    ctx: Context,
) -> tuple[Tensor, tuple[str, ...], str]:
    """Returns the pictures that can be read, uint8 (N, H, W, C), their names, and what changed.

    Many pictures are a `PictureBatch`, which reads them from a temporary file.

    The others are added to what is skipped. What changed is how much of the pictures is cut off or
    added, for people; it is empty if that is almost nothing.

    Raises: InputError if the disk has a fault; NodeError if memory runs out; CacheError if the disk
    of the cache is full.
    """
    from ..pictures.fitting import read_fitted
    from ..pictures.reading import ANOTHER, UnreadableError
    from ..pictures.sources.in_turn import in_turn
    from ..pictures.sources.summary import change_text
    from ..pictures.walk import refusal

    found = reviewed.survey
    entries = found.pictures

    def read(place: int, file: Path | Packed | UnreadableError) -> tuple[_Result, list[str]]:
        notes: list[str] = []  # what could not be used
        if isinstance(file, UnreadableError):
            return file, notes
        try:
            crop = reviewed.choice(entries[place].name).crop
            return read_fitted(file, *shape, fit, notes.append, background, crop), notes
        except (UnreadableError, OSError, MemoryError) as error:
            return error, notes

    size = (*shape, 4 if background is None else 3)
    images = CollectedPictures(len(entries), size, ctx.temporary)
    added: list[int] = []  # places of the pictures that can be read, in the order of the source
    used: dict[int, list[str]] = {}  # notes of these pictures, by their places
    changed: dict[int, float] = {}  # shares of them that are cropped or padded
    with closing(in_turn(read, source.read(entries))) as results:
        for done, (place, (fitted, notes)) in enumerate(results, 1):
            entry = entries[place]
            if isinstance(fitted, UnreadableError):
                advice = "" if fitted.advice == ANOTHER else fitted.advice
                found.add_unreadable(entry.name, str(fitted), advice)
            elif isinstance(fitted, MemoryError):
                raise out_of_memory(entry.name) from fitted
            elif isinstance(fitted, OSError):
                why = refusal(fitted)
                if why is None:
                    raise unreadable(Path(entry.name), fitted) from fitted
                found.skip(why, entry.name)
            else:
                images.add(fitted.pixels)
                added.append(place)
                changed[place] = fitted.share
                if notes:
                    used[place] = notes
            ctx.progress(done, len(entries))
    order = sorted(range(len(added)), key=added.__getitem__)
    places = [added[row] for row in order]
    for place in sorted(used):
        for text in used[place]:
            found.add_note(entries[place].name, text)
    change = change_text([changed[place] for place in places], fit, background == WHITE)
    return images.result(order), tuple(entries[place].name for place in places), change
