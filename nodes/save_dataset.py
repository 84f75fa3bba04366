"""Saving the pictures of a dataset, each under its own name, in a folder for each class."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.alpha import WHITE, flat, flattened_line, has_alpha
from ..contract.values.dataset import Dataset
from ..contract.values.files import Files, file_name
from ..contract.values.safe_names import Original, renamed, safe_names
from ..contract.widgets import Advanced, Alpha, Background, FileName
from .save import Quality

MOST_BYTES = 1 << 30  # of all files, which are in memory until they are written


@node(
    title="Save dataset", category="save", words="export, folder, sort files, archive, 导出, 文件夹"
)
def save_dataset(
    dataset: Annotated[Dataset, Alpha],
    *,
    name: Annotated[
        FileName,
        Field(
            max_length=100,
            description="Folder for the pictures, such as cats or project/cats; empty: the name of"
            " the node",
        ),
    ] = "",
    format: Annotated[  # noqa: A002 - the word that people look for
        Literal["png", "jpeg", "webp"],
        Field(description="File format; png is lossless and contains the graph"),
    ] = "png",
    quality: Annotated[Quality, Advanced] = 92,
    background: Annotated[Background, Advanced] = WHITE,
    ctx: Context,
) -> Files:
    """Save the pictures of a dataset under their own names, in a folder for each class.

    `load_dataset` loads the folder again with the same classes and, if the format is png, the same
    pixels; their order follows the names. Names that some system does not allow are changed, and
    two pictures of one name get a number. Which pictures form a group is not saved. The files may
    have 1 GiB in all, since they are in memory until they are written.

    JPEG has no transparency: the background is put behind transparent parts.

    Raises: NodeError if the files are larger.
    """
    from ..contract.quantities import size_text
    from ..pictures.encoding import ENDINGS, encode_still

    if format == "jpeg" and has_alpha(dataset):
        ctx.warn(flattened_line("dataset", "JPEG files", background))
        dataset = flat(dataset, background)
    files: dict[str, bytes] = {}
    size = 0
    for number, (path, pixels) in enumerate(zip(_paths(dataset, ctx), dataset.images, strict=True)):
        data = encode_still(pixels.numpy(), format, quality)
        size += len(data)
        if size > MOST_BYTES:
            raise NodeError(
                f"the first {number} of {len(dataset)} pictures need {size_text(MOST_BYTES)}",
                "choose webp or jpeg, or save parts of the dataset, split by split_dataset",
            )
        files[file_name(name, f"/{path}{ENDINGS[format]}")] = data
        ctx.progress(number + 1, len(dataset))
    return Files(files)


def _paths(dataset: Dataset, ctx: Context) -> list[str]:
    """Returns the path of each picture without an ending: its class and its name.

    A warning says which names are changed.
    """
    classes = _folders(dataset, ctx)
    originals = []
    for path, label in zip(dataset.names, dataset.labels.tolist(), strict=True):
        inside = path.removeprefix(f"{dataset.classes[label]}/")
        originals.append(_original(f"{classes[label]}/{inside}"))
    names = safe_names(originals, in_folder=True)
    if line := renamed(originals, names):
        ctx.warn(line)
    return names


def _folders(dataset: Dataset, ctx: Context) -> list[str]:
    """Returns the name of the folder of each class, and warns of what is not saved of the classes.

    `load_dataset` must not skip such a folder.
    """
    from ..pictures.walk import kind_in_archive

    names = [name.replace("/", "_") for name in dataset.classes]
    names = [f"_{n}" if kind_in_archive(f"{n}/a.png", "file")[0] != "picture" else n for n in names]
    folders = safe_names([Original(name, "") for name in names], in_folder=True)
    pairs = zip(dataset.classes, folders, strict=True)
    if changed := [f"{name!r} as {folder!r}" for name, folder in pairs if name != folder]:
        ctx.warn(f"the folders of some classes get other names: {', '.join(changed)}")
    used = set(dataset.labels.tolist())
    if empty := [repr(name) for n, name in enumerate(dataset.classes) if n not in used]:
        ctx.warn(f"classes without pictures get no folder: {', '.join(empty)}")
    if dataset.groups is not None:
        ctx.warn("the groups are not saved - split the dataset before you save it")
    return folders


def _original(path: str) -> Original:
    """Returns a path in two parts; the ending is that of a picture file, if it has one."""
    from ..pictures.suffixes import is_listed

    stem, dot, suffix = path.rpartition(".")
    is_picture = is_listed(f".{suffix.lower()}") and not stem.endswith("/")
    return Original(stem, dot + suffix) if is_picture else Original(path, "")
