"""An artist's own pictures: one file, a folder as a data set, and splitting a data set."""

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


@node(title="Load image", category="image")
def load_image(
    fallback: Annotated[Image | None, Fallback] = None,
    *,
    path: Annotated[
        InputPicture | None,
        Field(description="PNG, JPEG, WebP, GIF, TIFF or BMP file. Empty: use the fallback"),
    ] = None,
) -> Image:
    """Read one picture file at its full size: (1, H, W, 3).

    Turned upright by EXIF, transparency laid on white, 16 bits and colour profiles brought to
    8-bit sRGB; of an animation the first frame. At most 80 million pixels.

    Raises: InputError where the file is no picture, damaged or too large.
    """
    import numpy as np
    import torch

    from ..pictures.reading import UnreadableError, read_picture

    if path is None:
        if fallback is None:
            raise InputError("no path is given", "name a picture file, or wire a fallback")
        return fallback
    try:
        pixels = np.array(read_picture(path))
    except UnreadableError as error:
        raise InputError(f"can't read {path.name!r}: {error}", "choose another file") from error
    return torch.from_numpy(pixels)[None].float().div_(255)


@node(title="Load pictures", category="data")
def load_dataset(
    fallback: Annotated[Dataset | None, Fallback] = None,
    *,
    folder: Annotated[
        InputFolder | None,
        Field(
            description="Folder of pictures; each sub-folder is a class. Empty: use the fallback"
        ),
    ] = None,
    size: Annotated[int, Field(ge=8, le=1024, description="Edge of a picture in pixels")] = 64,
    fit: Annotated[
        Literal["crop", "pad", "stretch"],
        Field(description="How a picture becomes square"),
        Choices(
            {
                "crop": "the middle is cut out",
                "pad": "white is added",
                "stretch": "its proportions change",
            }
        ),
    ] = "crop",
    ctx: Context,
) -> Dataset:
    """Read a folder of your pictures as a data set, in the order of their names.

    The class of a picture is the sub-folder it lies in, however deep; pictures directly in the
    folder are of the class "pictures". Hidden files and what is no picture are passed over, links
    that lead out of the folder refused. A picture that can't be read is logged and left out.

    Raises: InputError where no picture is found, or none can be read.
    """
    from ..pictures.reading import find_pictures
    from ..pictures.suffixes import READABLE

    if folder is None:
        if fallback is None:
            raise InputError("no folder is given", "name a folder of pictures, or wire a fallback")
        return fallback
    folder = folder.resolve()
    paths, outside = find_pictures(folder)
    for path in outside:
        ctx.log(f"left out {_name(path, folder)!r}: the link leads out of the folder")
    if not paths:
        looked = ", ".join(READABLE)
        raise InputError(
            f"no pictures in {folder.name!r}: looked for {looked} in it and its sub-folders",
            "put pictures there, or name another folder",
        )
    if len(paths) * size * size * 3 > 2**32:
        raise NodeError(f"{len(paths)} pictures of {size} pixels take over 4 GiB", "lower the size")
    images, read = _read_all(paths, folder, size, fit, ctx)
    kinds = [_kind(path, folder) for path in read]
    classes = tuple(sorted(set(kinds)))
    place = {name: index for index, name in enumerate(classes)}
    import torch

    labels = torch.tensor([place[kind] for kind in kinds], dtype=torch.int64)
    return Dataset(images, labels, classes, tuple(_name(path, folder) for path in read))


def _read_all(
    paths: list[Path],
    folder: Path,
    size: int,
    fit: Literal["crop", "pad", "stretch"],
    ctx: Context,
) -> tuple[Tensor, list[Path]]:
    """The pictures that can be read, uint8 (N, S, S, 3), and their paths."""
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
    """The path within the folder, with "/", fit for JSON."""
    return path.relative_to(folder).as_posix().encode(errors="replace").decode()


def _kind(path: Path, folder: Path) -> str:
    """The class: the outermost sub-folder, else a fixed word, as a folder's own name is no data."""
    parts = _name(path, folder).split("/")
    return parts[0] if len(parts) > 1 else "pictures"


class Split(NamedTuple):
    """A data set in two parts; together they hold each picture once."""

    train: Dataset
    test: Dataset


@node(title="Split data set", category="data")
def split_dataset(
    dataset: Dataset,
    *,
    fraction: Annotated[
        float, Field(ge=0.01, le=0.99, description="Part of each class that goes to the test")
    ] = 0.2,
    seed: Seed = 0,
    ctx: Context,
) -> Split:
    """Split a data set into pictures to train on and pictures to test with, class by class.

    Each class of two or more pictures has at least one in both; a class of one is for training.

    Raises: NodeError where no class has two pictures.
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
        raise NodeError("no class has two pictures", "a data set to split needs more")
    return Split(_subset(dataset, ~held), _subset(dataset, held))


def _subset(dataset: Dataset, mask: Tensor) -> Dataset:
    rows = mask.nonzero()[:, 0]
    names = tuple(dataset.names[row] for row in rows.tolist())
    return Dataset(dataset.images[rows], dataset.labels[rows], dataset.classes, names)
