"""One picture file of your own, and splitting a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, TypeVar

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import InputError, NodeError, unreadable
from ..contract.spec import node
from ..contract.values.alpha import WHITE, flat, has_alpha, opaque
from ..contract.values.dataset import Dataset
from ..contract.values.kinds import Image, Mask
from ..contract.widgets import (
    Advanced,
    Alpha,
    Aside,
    Background,
    Choices,
    Fallback,
    InputPicture,
    Neutral,
    Seed,
)

if TYPE_CHECKING:
    from torch import Tensor

Value = TypeVar("Value")
_QUIET = Context.quiet()

Fit = Annotated[
    Literal["crop", "salient", "pad", "stretch"],
    Field(description="What to do with a picture of other proportions"),
    Choices(
        {
            "crop": "use only the middle",
            "salient": "use only the most striking part",
            "pad": "add edges in the colour of `background`, or clear ones",
            "stretch": "change its proportions",
        }
    ),
]
# What to do with transparency, and the colour behind it.
Transparency = Annotated[
    Literal["flatten", "keep"],
    Field(description="What to do with transparent parts"),
    Choices({"flatten": "put `background` behind them", "keep": "load an alpha channel"}),
    Neutral("flatten"),
]
Ground = Annotated[Background, Neutral(WHITE)]


class LoadedImage(NamedTuple):
    """What `load_image` returns."""

    image: Image
    mask: Annotated[Mask, Aside]


@node(
    title="Load image",
    category="prepare",
    version=3,
    words="photo, picture, open, png, jpg, upload, 照片, 打开图片",
)
def load_image(
    fallback: Annotated[Image | None, Fallback, Alpha] = None,
    *,
    path: Annotated[
        InputPicture | None,
        Field(
            description="Picture file such as PNG, JPEG, WebP or TIFF, or a folder, whose pictures"
            " go through the graph one by one; empty: use the fallback"
        ),
    ] = None,
    alpha: Annotated[Transparency, Advanced] = "flatten",
    background: Annotated[Ground, Advanced] = WHITE,
    ctx: Context = _QUIET,
) -> LoadedImage:
    """Load one picture file in its full size.

    If `path` is a folder, the graph runs once for each picture in it and in its sub-folders, and
    `{source}` in the name of a saved file is the name of the picture. ComfyUI accepts only
    a file.

    PNG, JPEG, WebP, GIF, TIFF, BMP, AVIF, JPEG 2000, PPM, QOI and TGA files can be read, HEIC files
    with the extra `heif`, and JPEG XL files with the extra `jxl`. The picture is turned
    upright if its EXIF data says so. 16 bits, floats and colour profiles are converted to 8-bit
    sRGB. The background is put behind transparent parts; with `alpha: keep`, they stay transparent.
    In `mask`, 1 means clear, and it is 0 everywhere if the picture has no transparency. Of an
    animation, the first frame is used. A picture may have at most 80 million pixels. The image is
    (1, H, W, 3), or (1, H, W, 4) with alpha, and the mask (1, H, W).

    Raises: InputError if the file is not a picture, is damaged, too large or can't be read.
    """
    import numpy as np
    import torch

    from ..pictures.colour import on_colour
    from ..pictures.reading import UnreadableError, read_picture

    if path is None:
        if fallback is None:
            raise InputError("no picture is given", "set `path`, or wire `fallback`")
        return LoadedImage(replaced(fallback, alpha, background), _mask_of(fallback))
    name = path.name.encode(errors="replace").decode()
    try:
        note = lambda text: ctx.warn(f"{name!r}: {text}")  # noqa: E731
        picture = read_picture(path, note=note, background=None)
        opacity = picture.getchannel(3)
        if alpha == "flatten":
            colours = picture.convert("RGB")
            is_opaque = opacity.getextrema()[0] == 255
            picture = colours if is_opaque else on_colour(colours, opacity, background)
        pixels, clear = np.array(picture), 255 - np.array(opacity)
    except UnreadableError as error:
        raise InputError(f"can't read {name!r}: {error}", error.advice) from error
    except OSError as error:  # the file may be whole: the system does not let it be read
        raise unreadable(Path(name), error) from error
    except MemoryError as error:
        raise out_of_memory(name) from error
    image, mask = (torch.from_numpy(levels)[None].float().div_(255) for levels in (pixels, clear))
    return LoadedImage(image, mask)


def _mask_of(image: Tensor) -> Tensor:
    """Returns the mask of pictures (N, H, W, C), in which 1 means clear."""
    import torch

    return 1 - image[..., 3] if has_alpha(image) else torch.zeros(image.shape[:3])


def out_of_memory(name: str) -> NodeError:
    """Returns the error for a picture that does not fit into memory."""
    advice = "close other programs, or replace the picture by a smaller one"
    return NodeError(f"memory ran out while {name!r} was read", advice)


def behind(alpha: Literal["flatten", "keep"], background: str) -> str | None:
    """Returns the colour behind transparent parts; None if they stay transparent."""
    return None if alpha == "keep" else background


def replaced(value: Value, alpha: Literal["flatten", "keep"], background: str) -> Value:
    """Returns the value that replaces a file or folder, with alpha or without it."""
    if alpha == "keep":
        return opaque(value)
    return flat(value, background) if has_alpha(value) else value


def original_sizes(folder: Path) -> dict[str, tuple[int, int]]:
    """Returns width and height of the pictures in a folder or an archive, by their names.

    Raises: InputError if it can't be read.
    """
    from ..pictures.packed import SourceError
    from ..pictures.sources.source import sizes_in

    try:
        return sizes_in(folder)
    except SourceError as error:
        raise InputError(f"{folder.name!r}: {error.what}", error.advice) from error
    except OSError as error:
        raise unreadable(Path(folder.name), error) from error


class Split(NamedTuple):
    """A dataset in two parts, which contain each picture once."""

    train: Dataset
    test: Dataset


@node(
    title="Split dataset",
    category="prepare",
    version=2,
    words="train test, validation, hold out, 划分, 验证集",
)
def split_dataset(
    dataset: Annotated[Dataset, Alpha],
    *,
    fraction: Annotated[
        float, Field(ge=0.01, le=0.99, description="Share of each class in the test part")
    ] = 0.2,
    seed: Annotated[Seed, Advanced] = 0,
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
