"""Saving a dataset as shards: tar files that `stream_dataset` and other programs read in parts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.alpha import WHITE, flat, flattened_line, has_alpha
from ..contract.values.dataset import Dataset
from ..contract.values.files import Files, file_name
from ..contract.widgets import Advanced, Alpha, Background, FileName, Seed
from .save import Quality
from .save_dataset import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@node(
    title="Save shards",
    category="save",
    words="webdataset, tar, export, large dataset, stream, 分片, 导出, 大数据集",
)
def save_shards(
    dataset: Annotated[Dataset, Alpha],
    *,
    name: Annotated[
        FileName,
        Field(
            max_length=100,
            description="Folder for the shards, such as cats or project/cats; empty: the name of"
            " the node",
        ),
    ] = "",
    pictures: Annotated[
        int, Field(ge=1, le=1_000_000, description="Number of pictures in each shard")
    ] = 1000,
    format: Annotated[  # noqa: A002 - the word that people look for
        Literal["png", "jpeg", "webp"],
        Field(description="File format of the pictures; png is lossless"),
    ] = "jpeg",
    quality: Annotated[Quality, Advanced] = 92,
    background: Annotated[Background, Advanced] = WHITE,
    seed: Annotated[Seed, Advanced] = 0,
    ctx: Context,
) -> Files:
    """Save a dataset as shards, tar files in the form of WebDataset, in random order.

    A picture is `000001.jpg`, with its class and its name in `000001.json` as `label` and
    `file_name`. Programs that read shards from their beginning see all classes soon, since the
    order is random. `shards.json` lists the shards with their sizes and MD5 digests, as the index
    of wids does, the reader of WebDataset. `stream_dataset` and `load_dataset` read the folder.

    The files may have 1 GiB in all, since they are in memory until they are written. Save a larger
    dataset in several folders, from parts by `split_dataset`.

    JPEG has no transparency: the background is put behind transparent parts.

    Raises: NodeError if the files are larger.
    """
    from hashlib import md5

    import torch

    from ..contract.quantities import counted, size_text
    from ..pictures.encoding import ENDINGS, encode_still

    if format == "jpeg" and has_alpha(dataset):
        ctx.warn(flattened_line("dataset", "JPEG files", background))
        dataset = flat(dataset, background)
    order = torch.randperm(len(dataset), generator=ctx.rng(seed)).tolist()
    files: dict[str, bytes] = {}
    listed: list[dict[str, str | int]] = []
    done = size = 0

    def members(rows: Sequence[int]) -> Iterator[tuple[str, bytes]]:
        nonlocal done
        for row in rows:
            facts = {
                "label": dataset.classes[int(dataset.labels[row])],
                "file_name": dataset.names[row],
            }
            yield (
                f"{done:06}{ENDINGS[format]}",
                encode_still(dataset.images[row].numpy(), format, quality),
            )
            yield f"{done:06}.json", json.dumps(facts, ensure_ascii=False).encode()
            done += 1
            ctx.progress(done, len(order))

    for number, start in enumerate(range(0, len(order), pictures)):
        rows = order[start : start + pictures]
        data = _tar(members(rows))
        size += len(data)
        if size > MOST_BYTES:
            raise NodeError(
                f"the first {done} of {len(order)} pictures need {size_text(size)}, and the files"
                f" may have {size_text(MOST_BYTES)}",
                "choose webp or jpeg, or save parts of the dataset, split by split_dataset",
            )
        base = f"shards-{number:06}.tar"
        files[file_name(name, f"/{base}")] = data
        digest = md5(data, usedforsecurity=False).hexdigest()
        listed.append({"url": base, "nsamples": len(rows), "filesize": len(data), "md5sum": digest})
    index = {"__kind__": "wids-shard-index-v1", "wids_version": 1, "shardlist": listed}
    files[file_name(name, "/shards.json")] = json.dumps(index, indent=1).encode()
    ctx.log(f"{counted(len(order), 'picture')} in {counted(len(listed), 'shard')}")
    return Files(files)


def _tar(members: Iterator[tuple[str, bytes]]) -> bytes:
    """Returns a tar file of these files, which is the same at any time and for any user."""
    import tarfile
    from io import BytesIO

    data = BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o644
            archive.addfile(info, BytesIO(content))
    return data.getvalue()
