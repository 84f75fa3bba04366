"""A dataset in shards as one in memory, for nodes that need all of its pictures."""

from __future__ import annotations

import math
from tempfile import TemporaryFile
from typing import Any

from ..context import Context
from ..errors import CacheError, NodeError
from ..quantities import size_text
from .collected import IN_MEMORY
from .dataset import Dataset
from .pictures import pictures_per_part
from .streamed import StreamedPictures

MOST_BYTES = 1 << 32  # of the pictures, as in `load_dataset`


def whole(value: Any, node: str, ctx: Context) -> Any:
    """Returns a dataset in shards with all pictures read; any other value as it is.

    Many pictures are mapped from a temporary file. Those that can't be read are left out.

    Raises: NodeError if there are too many; InputError if a shard has changed or can't be read;
    CacheError if the disk is full.
    """
    if not isinstance(value, Dataset) or not isinstance(value.images, StreamedPictures):
        return value
    size = math.prod(value.images.shape)
    if size > MOST_BYTES:
        raise NodeError(
            f"{node} needs all {len(value)} pictures at once, which have {size_text(size)}; it may"
            f" have {size_text(MOST_BYTES)}",
            "set `parts` of stream_dataset to read a part, or lower its `size`",
        )
    pixels = _room(value.images.shape, ctx)
    count = pictures_per_part(value.images.shape)
    for start in range(0, len(value), count):
        rows = range(start, min(start + count, len(value)))
        pixels[start : rows.stop] = value.images.at(rows)
        ctx.progress(0, 1)
    names = tuple(value.names)
    dataset = Dataset(pixels, value.labels.clone(), value.classes, names)
    readable = value.images.readable()
    if line := unread(value, "left out"):
        ctx.warn(line)
    return dataset if len(readable) == len(dataset) else dataset.subset(readable)


def unread(value: Any, what: str = "replaced by the next of its class") -> str:
    """Returns what could not be read of a dataset in shards, for people; empty if all could.

    what: what is done about pictures that can't be read.
    """
    if not isinstance(value, Dataset) or not isinstance(value.images, StreamedPictures):
        return ""
    return value.images.report(what)


def _room(shape: tuple[int, ...], ctx: Context) -> Any:
    """Returns an empty tensor, uint8, in a temporary file if it is large."""
    import numpy as np
    import torch

    if ctx.temporary is None or math.prod(shape) <= IN_MEMORY:
        return torch.empty(shape, dtype=torch.uint8)
    try:
        with TemporaryFile(dir=ctx.temporary) as file:
            file.truncate(math.prod(shape))
            return torch.from_numpy(np.memmap(file, np.uint8, "r+", shape=shape))
    except OSError as error:
        raise CacheError(
            f"pictures can't be written to {ctx.temporary}: {error.strerror or error}",
            "free space with `artgraph cache gc`, or choose another folder with --cache",
        ) from error
