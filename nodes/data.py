"""Pictures of your own: one file, a folder as a dataset, and splitting a dataset."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, TypeVar

from pydantic import Field

from ..contract.aspects import SQUARE, nearest_common, shape_of
from ..contract.context import Context
from ..contract.errors import InputError, NodeError, unreadable
from ..contract.spec import node
from ..contract.values.alpha import WHITE, flat, has_alpha, opaque
from ..contract.values.kinds import Dataset, Image
from ..contract.widgets import (
    Alpha,
    Background,
    Choices,
    Fallback,
    InputPicture,
    InputPictures,
    Neutral,
    Seed,
)

if TYPE_CHECKING:
    from torch import Tensor

    from ..pictures.survey import Survey

Value = TypeVar("Value")
_QUIET = Context.quiet()

# What to do with transparency, and the colour behind it.
Transparency = Annotated[
    Literal["flatten", "keep"],
    Field(description="What to do with transparent parts"),
    Choices({"flatten": "put `background` behind them", "keep": "load an alpha channel"}),
    Neutral("flatten"),
]
Ground = Annotated[Background, Neutral(WHITE)]


@node(title="Load image", category="image", version=2)
def load_image(
    fallback: Annotated[Image | None, Fallback, Alpha] = None,
    *,
    path: Annotated[
        InputPicture | None,
        Field(description="Picture file such as PNG, JPEG, WebP or TIFF; empty: use the fallback"),
    ] = None,
    alpha: Transparency = "flatten",
    background: Ground = WHITE,
    ctx: Context = _QUIET,
) -> Image:
    """Load one picture file in its full size: (1, H, W, 3), or (1, H, W, 4) with alpha.

    PNG, JPEG, WebP, GIF, TIFF, BMP, AVIF, JPEG 2000, PPM, QOI and TGA files can be read, and HEIC
    files with the extra `heif`. The picture is turned upright if its EXIF data says so. 16 bits,
    floats and colour profiles are converted to 8-bit sRGB. The background is put behind transparent
    parts; with `alpha: keep`, they stay transparent, and `image_alpha` returns them as a mask. Of
    an animation, the first frame is used. A picture may have at most 80 million pixels.

    Raises: InputError if the file is not a picture, is damaged, too large or can't be read.
    """
    import numpy as np
    import torch

    from ..pictures.reading import UnreadableError, read_picture

    if path is None:
        if fallback is None:
            raise InputError("no picture is given", "set `path`, or wire `fallback`")
        return _fallback(fallback, alpha, background)
    name = path.name.encode(errors="replace").decode()
    try:
        behind = _behind(alpha, background)
        note = lambda text: ctx.warn(f"{name!r}: {text}")  # noqa: E731
        pixels = np.array(read_picture(path, note=note, background=behind))
    except UnreadableError as error:
        raise InputError(f"can't read {name!r}: {error}", error.advice) from error
    except OSError as error:  # the file may be whole: the system does not let it be read
        raise unreadable(Path(name), error) from error
    except MemoryError as error:
        raise _out_of_memory(name) from error
    return torch.from_numpy(pixels)[None].float().div_(255)


@node(title="Load pictures", category="data", version=2)
def load_dataset(
    fallback: Annotated[Dataset | None, Fallback, Alpha] = None,
    *,
    folder: Annotated[
        InputPictures | None,
        Field(
            description="Folder of pictures; each sub-folder is a class; empty: use the fallback"
        ),
    ] = None,
    size: Annotated[
        int, Field(ge=8, le=1024, description="Width and height of a square picture in pixels")
    ] = 64,
    fit: Annotated[
        Literal["crop", "pad", "stretch"],
        Field(description="What to do with a picture of other proportions"),
        Choices(
            {
                "crop": "use only the middle",
                "pad": "add edges in the colour of `background`, or clear ones",
                "stretch": "change its proportions",
            }
        ),
    ] = "crop",
    aspect: Annotated[
        str,
        Field(
            max_length=20,
            description="Width to height, such as 3:2; auto: as most pictures; `size` is then the"
            " edge of a square of about equal area",
        ),
        Neutral(SQUARE),
    ] = SQUARE,
    alpha: Transparency = "flatten",
    background: Ground = WHITE,
    ctx: Context,
) -> Dataset:
    """Load a folder of pictures as a dataset, in natural order (frame2 before frame10).

    The class of a picture is the name of its sub-folder. Deeper folders do not make classes of
    their own. Pictures directly in the folder have the class "pictures". Hidden files, system
    folders, output folders of artgraph, links that lead out of the folder, and pictures that
    can't be read are skipped. One line says how many pictures are used; if something is skipped
    or looks like a mistake, the line is a warning that lists what it is.

    All pictures get the same shape: squares, or with another `aspect` than 1:1, a width and a
    height that are multiples of an eighth of the size (at least 8 px). With the aspect auto, the
    median of the folder is used, rounded to 1:1, 5:4, 4:3, 3:2, 16:9, 2:1 or 3:1, upright or wide.
    How much is cut off or added is reported.

    With `alpha: keep`, the pictures have an alpha channel, (N, H, W, 4). The colours of what is
    fully transparent are not used when pictures are resized, and become black.

    Raises: InputError if there is no picture, if none can be read, or if the disk has a fault;
    NodeError for an aspect that is not between 1:4 and 4:1, or for more than 4 GiB of pictures.
    """
    from ..models.configs import size_text
    from ..pictures.class_doubts import class_of
    from ..pictures.survey import Survey
    from ..pictures.walk import natural_order, printable

    if folder is None:
        if fallback is None:
            raise InputError("no folder is given", "set `folder`, or wire `fallback`")
        return _fallback(fallback, alpha, background)
    try:
        found = Survey(folder)
        if not found.pictures:
            raise _nothing_found(found, folder.name)
        shape = _shape(found, size, aspect, ctx)
        behind = _behind(alpha, background)
        if len(found.pictures) * math.prod(shape) * (4 if behind is None else 3) > 2**32:
            pictures = f"{len(found.pictures)} pictures of {size_text(*shape)}"
            raise NodeError(f"{pictures} need more than 4 GiB", "lower `size`")
        images, names, change = _read_all(found, shape, fit, behind, ctx)
    except OSError as error:
        where = printable(str(error.filename or folder))
        raise unreadable(Path(where), error) from error
    if not names:
        raise InputError(
            f"none of the {len(found.pictures)} pictures in {folder.name!r} can be read;"
            f" left out: {found.skipped()}",
            found.when_empty(),
        )
    classes = tuple(sorted(set(map(class_of, names)), key=natural_order))
    _report(found, names, len(classes), change, ctx)
    if behind is None and bool((images[..., 3] == 255).all()):
        ctx.log("no picture has transparent parts, so `alpha: keep` only needs more memory")
    index = {name: number for number, name in enumerate(classes)}
    import torch

    labels = torch.tensor([index[class_of(name)] for name in names], dtype=torch.int64)
    return Dataset(images, labels, classes, names)


def _nothing_found(found: Survey, folder: str) -> InputError:
    """Returns the error for a folder without pictures, with what to do about its other files."""
    from ..pictures.suffixes import READABLE

    what = f"no pictures in {folder!r}: looked for {', '.join(READABLE)} in it and its sub-folders"
    if skipped := found.skipped():
        what += f"; left out: {skipped}"
    unused = found.unused()
    if not unused:
        return InputError(what, found.when_empty("put pictures into it, or choose another folder"))
    others = [f"{why} - {advice}" for why, advice in unused[1:]]
    return InputError("; ".join([what, *others, unused[0].why]), unused[0].advice)


def _out_of_memory(name: str) -> NodeError:
    advice = "close other programs, or replace the picture by a smaller one"
    return NodeError(f"memory ran out while {name!r} was read", advice)


def _behind(alpha: Literal["flatten", "keep"], background: str) -> str | None:
    """Returns the colour behind transparent parts; None if they stay transparent."""
    return None if alpha == "keep" else background


def _fallback(value: Value, alpha: Literal["flatten", "keep"], background: str) -> Value:
    """Returns the value that replaces a file or folder, with alpha or without it."""
    if alpha == "keep":
        return opaque(value)
    return flat(value, background) if has_alpha(value) else value


def _report(found: Survey, names: tuple[str, ...], classes: int, change: str, ctx: Context) -> None:
    """Show in one line what is used and what is not; as a warning if something is not.

    change: how much is cut off or added, in words; empty if that is almost nothing.
    """
    from ..pictures.class_doubts import counted

    pictures = counted(len(names), "picture", "pictures")
    line = f"{pictures} in {counted(classes, 'class', 'classes')}{change and f', {change}'}"
    skipped, doubts = found.skipped(), found.doubts(names)
    if skipped:
        doubts = [f"left out: {skipped}", *doubts]
    if doubts:
        ctx.warn("; ".join([line, *doubts]))
    else:
        ctx.log(line)


def _shape(found: Survey, size: int, aspect: str, ctx: Context) -> tuple[int, int]:
    """Returns height and width of the pictures, and reports what `auto` means for this folder."""
    import statistics

    from ..models.configs import size_text
    from ..pictures.reading import ratio_of_picture

    if aspect != "auto":
        return shape_of(size, aspect)
    ratios = [
        ratio
        for ratio in (ratio_of_picture(Path(entry.path)) for entry in found.pictures)
        if ratio is not None
    ]
    if not ratios:
        return size, size
    common = nearest_common(statistics.median_low(ratios))
    shape = shape_of(size, common)
    ctx.log(f"the aspect of most pictures is {common}, so they are loaded as {size_text(*shape)}")
    return shape


def _read_all(
    found: Survey,
    shape: tuple[int, int],
    fit: Literal["crop", "pad", "stretch"],
    background: str | None,
    ctx: Context,
) -> tuple[Tensor, tuple[str, ...], str]:
    """Returns the pictures that can be read, uint8 (N, H, W, C), their names, and what changed.

    The others are added to what is skipped. What changed is how much of the pictures is cut off or
    added, in words; it is empty if that is almost nothing.

    Raises: InputError if the disk has a fault; NodeError if memory runs out.
    """
    import os
    from concurrent.futures import ThreadPoolExecutor

    import torch

    from ..pictures.reading import ANOTHER, Fitted, UnreadableError, read_fitted
    from ..pictures.walk import Entry, refusal

    notes: dict[str, list[str]] = {}  # what could not be used, by the name of the picture

    def read(entry: Entry) -> Fitted | UnreadableError | OSError | MemoryError:
        def note(text: str) -> None:
            notes.setdefault(entry.name, []).append(text)

        try:
            return read_fitted(Path(entry.path), *shape, fit, note, background)
        except (UnreadableError, OSError, MemoryError) as error:
            return error

    entries = found.pictures
    images = torch.empty(len(entries), *shape, 4 if background is None else 3, dtype=torch.uint8)
    names: list[str] = []
    changed = 0.0  # sum of the shares that are cropped or padded
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        try:
            results = zip(entries, pool.map(read, entries), strict=True)
            for done, (entry, fitted) in enumerate(results, 1):
                if isinstance(fitted, UnreadableError):
                    advice = "" if fitted.advice == ANOTHER else fitted.advice
                    found.add_unreadable(entry.name, str(fitted), advice)
                elif isinstance(fitted, MemoryError):
                    raise _out_of_memory(entry.name) from fitted
                elif isinstance(fitted, OSError):
                    why = refusal(fitted)
                    if why is None:
                        raise unreadable(Path(entry.name), fitted) from fitted
                    found.skip(why, entry.name)
                else:
                    images[len(names)] = torch.from_numpy(fitted.pixels)
                    changed += fitted.share
                    names.append(entry.name)
                    for text in notes.get(entry.name, []):
                        found.add_note(entry.name, text)
                ctx.progress(done, len(entries))
        finally:
            pool.shutdown(cancel_futures=True)
    share = changed / max(1, len(names))
    border = "white border" if background == WHITE else "border"
    what = "cut off" if fit == "crop" else border
    change = f"{share:.0%} of the area is {what} on average" if share >= 0.005 else ""
    return images[: len(names)], tuple(names), change


class Split(NamedTuple):
    """A dataset in two parts, which contain each picture once."""

    train: Dataset
    test: Dataset


@node(title="Split dataset", category="data", version=2)
def split_dataset(
    dataset: Annotated[Dataset, Alpha],
    *,
    fraction: Annotated[
        float, Field(ge=0.01, le=0.99, description="Share of each class in the test part")
    ] = 0.2,
    seed: Seed = 0,
    ctx: Context,
) -> Split:
    """Split a dataset into one part for training and one for testing, class by class.

    If a class has two or more pictures, both parts contain at least one of them. If it has only
    one, the picture is used for training.

    Identical pictures, and pictures of one group such as the pieces of a scan, stay in one part:
    otherwise, the test would contain pictures that were trained on. So a part can be smaller than
    the fraction says, and a class whose pictures all belong together is used for training. For
    pictures that are almost identical, use `drop_duplicates` before.

    Raises: NodeError if no class has two pictures that may be separated.
    """
    from ..models.groups import choose_per_class, groups_of, together

    groups = groups_of(dataset.images, dataset.groups)
    held = choose_per_class(
        dataset.labels,
        groups,
        lambda size: min(max(1, round(size * fraction)), size - 1),
        lambda label: ctx.rng(seed, label),
    )
    if not held.any():
        if together(groups):
            raise NodeError(
                "all pictures of each class are identical or belong to one group",
                "add other pictures to the dataset",
            )
        raise NodeError("no class has two pictures", "add pictures to the dataset")
    if line := together(groups):
        ctx.log(line)
    return Split(dataset.subset((~held).nonzero()[:, 0]), dataset.subset(held.nonzero()[:, 0]))
