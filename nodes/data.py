"""Pictures of your own: one file, a folder as a dataset, and splitting a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import InputError, NodeError
from ..contract.spec import node
from ..contract.values.kinds import Dataset, Image
from ..contract.widgets import Choices, Fallback, InputFolder, InputPicture, Seed

if TYPE_CHECKING:
    from torch import Tensor

_QUIET = Context.quiet()


@node(title="Load image", category="image", version=2)
def load_image(
    fallback: Annotated[Image | None, Fallback] = None,
    *,
    path: Annotated[
        InputPicture | None,
        Field(description="Picture file such as PNG, JPEG, WebP or TIFF; empty: use the fallback"),
    ] = None,
    ctx: Context = _QUIET,
) -> Image:
    """Load one picture file in its full size: (1, H, W, 3).

    PNG, JPEG, WebP, GIF, TIFF, BMP, AVIF, JPEG 2000, PPM, QOI and TGA files can be read, and HEIC
    files with the extra `heif`. The picture is turned upright if its EXIF data says so. 16 bits,
    floats and colour profiles are converted to 8-bit sRGB. White is put behind transparent parts.
    Of an animation, the first frame is used. A picture may have at most 80 million pixels.

    Raises: InputError if the file is not a picture, is damaged, too large or can't be read.
    """
    import numpy as np
    import torch

    from ..pictures.reading import UnreadableError, read_picture

    if path is None:
        if fallback is None:
            raise InputError("no picture is given", "set `path`, or wire `fallback`")
        return fallback
    name = path.name.encode(errors="replace").decode()
    try:
        pixels = np.array(read_picture(path, note=lambda text: ctx.warn(f"{name!r}: {text}")))
    except UnreadableError as error:
        raise InputError(f"can't read {name!r}: {error}", error.advice) from error
    except OSError as error:  # the file may be whole: the system does not let it be read
        reason = error.strerror or error
        raise InputError(f"can't read {name!r}: {reason}", "check the file and its disk") from error
    return torch.from_numpy(pixels)[None].float().div_(255)


@node(title="Load pictures", category="data", version=2)
def load_dataset(
    fallback: Annotated[Dataset | None, Fallback] = None,
    *,
    folder: Annotated[
        InputFolder | None,
        Field(
            description="Folder of pictures; each sub-folder is a class; empty: use the fallback"
        ),
    ] = None,
    size: Annotated[
        int, Field(ge=8, le=1024, description="Width and height of a picture in pixels")
    ] = 64,
    fit: Annotated[
        Literal["crop", "pad", "stretch"],
        Field(description="How to make a picture square"),
        Choices(
            {
                "crop": "use only the middle",
                "pad": "add white edges",
                "stretch": "change its proportions",
            }
        ),
    ] = "crop",
    ctx: Context,
) -> Dataset:
    """Load a folder of pictures as a dataset, in the order of their names.

    The class of a picture is the name of its sub-folder. Deeper folders do not make classes of
    their own. Pictures directly in the folder have the class "pictures". Hidden files and files
    that are not pictures are skipped. A link that leads out of the folder, and a picture that
    can't be read, are left out with a message.

    Raises: InputError if there is no picture, or if none can be read; NodeError for more than 4 GiB
    of pictures.
    """
    from ..pictures.reading import find_pictures
    from ..pictures.suffixes import READABLE

    if folder is None:
        if fallback is None:
            raise InputError("no folder is given", "set `folder`, or wire `fallback`")
        return fallback
    folder = folder.resolve()
    paths, outside = find_pictures(folder)
    for path in outside:
        ctx.log(f"left out {_name(path, folder)!r}: the link leads out of the folder")
    if not paths:
        looked = ", ".join(READABLE)
        raise InputError(
            f"no pictures in {folder.name!r}: looked for {looked} in it and its sub-folders",
            "put pictures into it, or choose another folder",
        )
    if len(paths) * size * size * 3 > 2**32:
        raise NodeError(
            f"{len(paths)} pictures of {size} pixels need more than 4 GiB", "lower `size`"
        )
    images, read = _read_all(paths, folder, size, fit, ctx)
    names = [_class_name(path, folder) for path in read]
    classes = tuple(sorted(set(names)))
    index = {name: number for number, name in enumerate(classes)}
    import torch

    labels = torch.tensor([index[name] for name in names], dtype=torch.int64)
    return Dataset(images, labels, classes, tuple(_name(path, folder) for path in read))


def _read_all(
    paths: list[Path],
    folder: Path,
    size: int,
    fit: Literal["crop", "pad", "stretch"],
    ctx: Context,
) -> tuple[Tensor, list[Path]]:
    """Returns the pictures that can be read, uint8 (N, S, S, 3), and their paths."""
    import os
    from concurrent.futures import ThreadPoolExecutor

    import torch

    from ..pictures.reading import Pixels, UnreadableError, read_square

    def read(path: Path) -> Pixels | UnreadableError:
        try:
            return read_square(path, size, fit)
        except UnreadableError as error:
            return error

    images = torch.empty(len(paths), size, size, 3, dtype=torch.uint8)
    good: list[Path] = []
    first_problem = ""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        try:
            for done, (path, pixels) in enumerate(
                zip(paths, pool.map(read, paths), strict=True), 1
            ):
                if isinstance(pixels, UnreadableError):
                    first_problem = first_problem or f"{_name(path, folder)}: {pixels}"
                    ctx.log(f"left out {_name(path, folder)!r}: {pixels}")
                else:
                    images[len(good)] = torch.from_numpy(pixels)
                    good.append(path)
                ctx.progress(done, len(paths))
        finally:
            pool.shutdown(cancel_futures=True)
    if not good:
        raise InputError(
            f"none of the {len(paths)} pictures in {folder.name!r} can be read ({first_problem})",
            "check the files",
        )
    return images[: len(good)], good


def _name(path: Path, folder: Path) -> str:
    """Returns the path inside the folder, with "/", in a form that JSON can represent."""
    return path.relative_to(folder).as_posix().encode(errors="replace").decode()


def _class_name(path: Path, folder: Path) -> str:
    """Returns the outermost sub-folder, or "pictures", as results must not depend on `folder`."""
    parts = _name(path, folder).split("/")
    return parts[0] if len(parts) > 1 else "pictures"


class Split(NamedTuple):
    """A dataset in two parts, which contain each picture once."""

    train: Dataset
    test: Dataset


@node(title="Split dataset", category="data")
def split_dataset(
    dataset: Dataset,
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

    Raises: NodeError if no class has two pictures.
    """
    import torch

    held = torch.zeros(len(dataset), dtype=torch.bool)
    for label in range(len(dataset.classes)):
        members = (dataset.labels == label).nonzero()[:, 0]
        if len(members) < 2:
            continue
        count = min(max(1, round(len(members) * fraction)), len(members) - 1)
        order = torch.randperm(len(members), generator=ctx.rng(seed, label))
        held[members[order[:count]]] = True
    if not held.any():
        raise NodeError("no class has two pictures", "add pictures to the dataset")
    return Split(_subset(dataset, ~held), _subset(dataset, held))


def _subset(dataset: Dataset, mask: Tensor) -> Dataset:
    rows = mask.nonzero()[:, 0]
    names = tuple(dataset.names[row] for row in rows.tolist())
    return Dataset(dataset.images[rows], dataset.labels[rows], dataset.classes, names)
