"""Comparing pictures with those that a model was trained on, to distinguish new from copied."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.dataset import Dataset
from ..contract.values.kinds import Image, Table
from ..contract.values.models import Classifier


class Neighbours(NamedTuple):
    """What `nearest_images` returns."""

    image: Image
    table: Table


@node(
    title="Nearest images",
    category="judge",
    version=2,
    device=True,
    words="similar, similar pictures, duplicate, copies, memorised, plagiarism, search,"
    " 相似图片, 查重",
)
def nearest_images(
    image: Image,
    dataset: Dataset,
    classifier: Annotated[
        Classifier | None,
        Field(description="Its features compare the pictures, instead of their pixels"),
    ] = None,
    *,
    count: Annotated[int, Field(ge=1, le=16, description="Pictures to find for each picture")] = 3,
    ctx: Context,
) -> Neighbours:
    """Find the pictures of a dataset that are most similar to other pictures, to detect copies.

    The output contains each wired picture, cropped and resized to the size of the dataset, followed
    by its `count` nearest pictures of the dataset. A mirror image counts as similar. The colours at
    32 px are compared. If a `classifier` is wired, its features are compared instead, wherever they
    are in the picture.

    `table` has a row for each picture of the output, with the columns name, distance, newness and
    features, which says what was compared. Distance and newness are empty for a wired picture.
    Newness is the distance divided by the usual distance from a picture of the dataset to the one
    nearest to it. It is about 1 if a picture is as new as the pictures of the dataset are to each
    other, and near 0 if it is a copy.

    Raises: NodeError if the dataset has a single picture, or fewer than `count`.
    """
    import torch

    from ..models.blocks import fit_middle
    from ..models.neighbours import (
        EDGE,
        Vectors,
        feature_vectors,
        nearest_rows,
        pixel_vectors,
        usual_distance,
    )

    if len(dataset) < max(2, count):
        raise NodeError(
            f"the dataset has only {len(dataset)} pictures, at least {max(2, count)} are needed",
            "add some, or lower `count`",
        )
    pictures = fit_middle(image, dataset.height, dataset.width).mul(255).add(0.5).byte()
    vectors: Vectors = pixel_vectors
    compared = f"colours at {EDGE} px"
    if classifier is not None:
        compared = "the wired classifier"
        vectors = feature_vectors(classifier.features(ctx.device), ctx.numerics)
    rows, distances = nearest_rows(pictures, dataset.images, count, vectors, ctx.progress)
    usual = usual_distance(dataset.images, vectors)
    batch = torch.cat([pictures[:, None], dataset.images[rows]], 1).flatten(0, 1)
    columns: dict[str, list[Any]] = {"name": [], "distance": [], "newness": []}
    for number in range(len(pictures)):
        far = distances[number].tolist()
        columns["name"] += [f"picture {number}", *(dataset.names[r] for r in rows[number].tolist())]
        columns["distance"] += [None, *far]
        columns["newness"] += [None, *(d / usual if usual else None for d in far)]
    columns["features"] = [compared] * len(columns["name"])
    return Neighbours(batch.float().div_(255), Table(columns))
