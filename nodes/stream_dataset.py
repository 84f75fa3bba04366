"""Pictures in shards as a dataset that is read while a training runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from ..contract.aspects import SQUARE, shape_of
from ..contract.context import Context
from ..contract.errors import InputError, unreadable
from ..contract.spec import node
from ..contract.values.alpha import WHITE
from ..contract.values.dataset import Dataset
from ..contract.values.shard_list import list_shards
from ..contract.values.streamed import StreamedPictures, StreamPlan
from ..contract.widgets import Advanced, Alpha, Fallback, InputShards
from .data import Fit, Ground, Transparency, behind, replaced


@node(
    title="Stream pictures",
    category="prepare",
    words="webdataset, shards, parquet, hugging face, large dataset, big data, s3, tar, bucket,"
    " 流式, 大数据集, 分片",
)
def stream_dataset(
    fallback: Annotated[Dataset | None, Fallback, Alpha] = None,
    *,
    shards: Annotated[
        InputShards | None,
        Field(
            description="Folder or address of tar or Parquet files, or names of some of them;"
            " empty: use the fallback"
        ),
    ] = None,
    size: Annotated[
        int, Field(ge=8, le=1024, description="Width and height of a square picture in pixels")
    ] = 64,
    fit: Fit = "crop",
    buffer: Annotated[
        int,
        Field(
            ge=1,
            le=1_000_000,
            description="Memory for pictures in MiB; with more, neighbours are mixed better",
        ),
    ] = 256,
    aspect: Annotated[
        str,
        Field(
            max_length=20,
            description="Width to height, such as 3:2; `size` is then the edge of a square of about"
            " equal area",
        ),
        Advanced,
    ] = SQUARE,
    alpha: Annotated[Transparency, Advanced] = "flatten",
    background: Annotated[Ground, Advanced] = WHITE,
    label: Annotated[
        str,
        Field(
            max_length=200,
            description="Column of Parquet files, or field of JSON files, with the classes; empty:"
            " label, class or category",
        ),
        Advanced,
    ] = "",
    part: Annotated[
        int, Field(ge=1, le=100_000, description="Which of the `parts` is used"), Advanced
    ] = 1,
    parts: Annotated[
        int,
        Field(
            ge=1,
            le=100_000,
            description="Number of equal parts without common pictures, one for each computer or"
            " test",
        ),
        Advanced,
    ] = 1,
    ctx: Context,
) -> Dataset:
    """Use pictures in shards for trainings, without loading all of them.

    Shards are tar files as of WebDataset, or Parquet files as of Hugging Face, in a folder or at an
    address such as s3://bucket/folder or https://host/folder; `shards-{000..099}.tar` names some of
    them. They may be larger than the memory and the disk. In a tar file, the class of `key.jpg` is
    in `key.cls`, `key.json` or `key.txt`, or is its folder. This node only finds the places of the
    pictures, and their classes. Trainings then read the pictures, and `buffer` limits how much
    memory they need. Other nodes read all pictures, which may have 4 GiB.

    In each epoch, a training shuffles the chunks of the dataset (64 pictures that are together in
    a shard), and then the pictures of as many chunks as have half of the `buffer`. The order
    depends on the seed of the training and on `buffer`.

    A picture that can't be read is replaced by the next one of its class, which the training
    reports. If a shard changes, the training stops. A dataset is the same as long as the names,
    sizes and times (or ETags) of its shards are. If `shards.json` is beside the shards, as
    `save_shards` writes it, the digests in it count instead of the times.

    An address in a graph file is only read if you allow it with --allow-source. Compressed tar
    files, tables of labels and zip files are not read: use `load_dataset`.

    Raises: InputError if there is no picture, or the shards can't be read or are not allowed;
    NodeError for an aspect that is not between 1:4 and 4:1, or for a `part` that does not exist.
    """
    from ..pictures.packed import SourceError
    from ..pictures.sources.shard_index import index_shards

    if shards is None:
        if fallback is None:
            raise InputError("no shards are given", "set `shards`, or wire `fallback`")
        return replaced(fallback, alpha, background)
    if part > parts:
        raise InputError(f"there is no part {part} of {parts}", "set `part` to a smaller number")
    height, width = shape_of(size, aspect)
    found = list_shards(shards)
    try:
        index = index_shards(found.files, found.shards, label, (part, parts), ctx.progress)
    except SourceError as error:
        raise InputError(f"{shards.name!r}: {error.what}", error.advice) from error
    except OSError as error:
        raise unreadable(Path(shards.name), error) from error
    colour = behind(alpha, background)
    plan = StreamPlan(found.source, found.shards, height, width, fit, colour, buffer << 20)
    if doubts := [*index.doubts, *found.files.notes]:
        ctx.warn("; ".join([index.line, *doubts]))
    else:
        ctx.log(index.line)
    return Dataset.streamed(index.classes, StreamedPictures.of_index(plan, index))
