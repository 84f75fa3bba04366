"""Datasets: pictures of one size with labels, and their form in the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

from .pictures import CHANNELS, PictureBatch, parts
from .socket import Blob, Buffers, Json, Rows, Socket, require
from .streamed import StreamedNames, StreamedPictures

if TYPE_CHECKING:
    from torch import Tensor

DATASET_FORM = "uint8 (N, H, W, 3 or 4) with labels, class names and file names"
MOST_STARS = 5
UNRATED = -1  # the stars of a picture that is not rated


@dataclass(frozen=True)
class Dataset:
    """Pictures of one size with labels.

    images:   uint8 (N, H, W, 3 or 4); the colours do not depend on the alpha. It is a
              `PictureBatch` if it was made from many files, or for a node that reads it in parts,
              and `StreamedPictures` for a node that accepts pictures in shards.
    labels:   int64 (N,), each an index into `classes`.
    classes:  the names of the classes.
    names:    N texts that say where each picture comes from, such as its path.
    groups:   int64 (N,), or None if nothing is known. Pictures with the same number have the same
              source, such as the pieces of one scan, so no split separates them.
    stars:    int64 (N,), how often trainings use each picture: 0 to 5, or `UNRATED`; None if no
              picture is rated.
    keep:     bool (N,), the pictures that no preparation leaves out; None if there are none.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    names: tuple[str, ...]
    groups: Tensor | None = None
    stars: Tensor | None = None
    keep: Tensor | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def height(self) -> int:
        """Height of the pictures in pixels."""
        return int(self.images.shape[1])

    @property
    def width(self) -> int:
        """Width of the pictures in pixels."""
        return int(self.images.shape[2])

    def subset(self, rows: Tensor) -> Dataset:
        """Returns the pictures with these row numbers, int64 (M,), and with all classes."""
        names = tuple(self.names[row] for row in rows.tolist())
        groups, stars, keep = (
            None if values is None else values[rows]
            for values in (self.groups, self.stars, self.keep)
        )
        images, labels = self.images[rows], self.labels[rows]
        return Dataset(images, labels, self.classes, names, groups, stars, keep)

    @property
    def is_streamed(self) -> bool:
        """Whether the pictures are in shards, and read when they are used."""
        return isinstance(self.images, StreamedPictures)

    @staticmethod
    def streamed(classes: Iterable[str], pictures: StreamedPictures) -> Dataset:
        """Returns a dataset whose pictures are in shards."""
        names = cast("tuple[str, ...]", StreamedNames(pictures))
        return Dataset(cast("Tensor", pictures), pictures.labels, tuple(classes), names)

    @staticmethod
    def encode(value: Dataset) -> tuple[Json, Buffers]:
        import torch

        require(
            isinstance(value, Dataset), f"a dataset must be a Dataset, not {type(value).__name__}"
        )
        shape, count = tuple(value.images.shape), len(value.names)
        require(
            (isinstance(value.images, PictureBatch) or value.images.dtype == torch.uint8)
            and len(shape) == 4
            and shape[0] == count > 0
            and shape[1] > 0 < shape[2]
            and shape[3] in CHANNELS,
            f"a dataset needs images, uint8 (N, H, W, 3 or 4), with a name for each, not {shape}",
        )
        labels = value.labels
        require(
            labels.dtype == torch.int64
            and labels.shape == (count,)
            and int(labels.min()) >= 0
            and int(labels.max()) < len(value.classes),
            "a dataset needs labels, int64 (N,), each an index into its classes",
        )
        if isinstance(value.images, StreamedPictures):
            return value.images.encode(value.classes)
        meta: dict[str, Any] = {"classes": list(value.classes), "names": list(value.names)}
        buffers: dict[str, Tensor | bytes | Rows] = {"images": value.images, "labels": labels}
        if isinstance(value.images, PictureBatch):
            buffers["images"] = Rows(shape, parts(value.images))
        if value.groups is not None:
            require(
                value.groups.dtype == torch.int64 and value.groups.shape == (count,),
                "the groups of a dataset must be int64 (N,), a number for each picture",
            )
            meta["grouped"], buffers["groups"] = True, value.groups
        if value.stars is not None:
            require(
                value.stars.dtype == torch.int64
                and value.stars.shape == (count,)
                and int(value.stars.min()) >= UNRATED
                and int(value.stars.max()) <= MOST_STARS,
                f"the stars of a dataset must be int64 (N,), {UNRATED} to {MOST_STARS}",
            )
            meta["rated"], buffers["stars"] = True, value.stars
        if value.keep is not None:
            require(
                value.keep.dtype == torch.bool and value.keep.shape == (count,),
                "`keep` of a dataset must be bool (N,)",
            )
            meta["kept"], buffers["keep"] = True, value.keep
        return meta, buffers

    @staticmethod
    def decode(meta: Json, blob: Blob | None) -> Dataset:
        assert blob is not None
        if "stream" in meta:
            return Dataset.streamed(meta["classes"], StreamedPictures.decode(meta, blob))
        return Dataset._decode(meta, blob, blob.tensor("images"))

    @staticmethod
    def decode_in_parts(meta: Json, blob: Blob | None) -> Dataset:
        """Returns the dataset with a `PictureBatch` as its images."""
        assert blob is not None
        if "stream" in meta:
            return Dataset.decode(meta, blob)
        read, (count, *size) = blob.rows, blob.shape("images")
        batch = PictureBatch(size, range(count), lambda rows: read("images", rows))
        return Dataset._decode(meta, blob, cast("Tensor", batch))

    @staticmethod
    def _decode(meta: Json, blob: Blob, images: Tensor) -> Dataset:
        return Dataset(
            images,
            blob.tensor("labels"),
            tuple(meta["classes"]),
            tuple(meta["names"]),
            blob.tensor("groups") if meta.get("grouped") else None,
            blob.tensor("stars") if meta.get("rated") else None,
            blob.tensor("keep") if meta.get("kept") else None,
        )


# The same socket, for nodes that read the pictures in parts.
DatasetInParts = Annotated[
    Dataset,
    Socket("dataset", DATASET_FORM, Dataset.encode, Dataset.decode_in_parts),
]
