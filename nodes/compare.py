"""Holding pictures against those that a model was trained on, to tell new ones from copies."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.kinds import Dataset, Image, Table
from ..contract.values.models import Classifier


class Neighbours(NamedTuple):
    """What `nearest_images` gives."""

    image: Image
    table: Table


@node(title="Nearest images", category="evaluate", device=True)
def nearest_images(
    image: Image,
    dataset: Dataset,
    classifier: Classifier | None = None,
    *,
    count: Annotated[
        int, Field(ge=1, le=16, description="Pictures of the data set to find for each")
    ] = 3,
    ctx: Context,
) -> Neighbours:
    """Find the pictures of a data set that are most like given ones, to see what is a copy.

    Gives each picture, cropped and resized to the data set's size, then its `count` nearest,
    where a mirror image counts as well. Colours at 32 px are compared, or, with a `classifier`,
    what its features see, wherever in the picture.

    `table` has a row for each picture that comes out: name, distance and newness, the last two
    empty for a picture that was given. Newness is the distance over the usual one from a picture of
    the data set to its nearest other: about 1 where a picture is as new as those are to each
    other, near 0 where it is a copy.

    Raises: NodeError for a data set with fewer pictures than `count`, or with a single one.
    """
    import torch

    from ..models.blocks import fit_square
    from ..models.neighbours import (
        Vectors,
        feature_vectors,
        nearest_rows,
        pixel_vectors,
        usual_distance,
    )

    if len(dataset) < max(2, count):
        raise NodeError(
            f"the data set has only {len(dataset)} pictures, at least {max(2, count)} are needed",
            "add some, or lower the count",
        )
    given = fit_square(image, dataset.size).mul(255).add(0.5).byte()
    vectors: Vectors = pixel_vectors
    if classifier is not None:
        vectors = feature_vectors(classifier.features(ctx.device), ctx.numerics)
    rows, distances = nearest_rows(given, dataset.images, count, vectors, ctx.progress)
    usual = usual_distance(dataset.images, vectors)
    batch = torch.cat([given[:, None], dataset.images[rows]], 1).flatten(0, 1)
    columns: dict[str, list[Any]] = {"name": [], "distance": [], "newness": []}
    for number in range(len(given)):
        far = distances[number].tolist()
        columns["name"] += [f"picture {number}", *(dataset.names[r] for r in rows[number].tolist())]
        columns["distance"] += [None, *far]
        columns["newness"] += [None, *(d / usual if usual else None for d in far)]
    return Neighbours(batch.float().div_(255), Table(columns))
