"""What a review means for nodes that load pictures, and for those that train on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..contract.context import Context
from ..contract.errors import InputError, NodeError
from ..contract.quantities import counted
from ..contract.values.dataset import MOST_STARS, UNRATED, Dataset

if TYPE_CHECKING:
    from torch import Tensor

    from ..pictures.sources.reviewed import Reviewed
    from ..pictures.sources.source import Source

_UNUSED = 0  # the stars of pictures that are not used


def reviewed_pictures(folder: Path, source: Source, review: Path | None) -> Reviewed:
    """Returns the pictures of a source that a review leaves; all without a review.

    Raises: InputError if the review can't be used or drops all; OSError.
    """
    from ..pictures.review import ReviewError
    from ..pictures.sources.reviewed import Reviewed

    try:
        reviewed = Reviewed(folder, source, review)
    except ReviewError as error:
        raise InputError(error.what, error.advice) from error
    if reviewed.dropped and not reviewed.survey.pictures:
        raise InputError(
            f"no picture is left: the review drops all {reviewed.dropped} of {folder.name!r}",
            "change the review",
        )
    return reviewed


def decisions(reviewed: Reviewed, names: Sequence[str]) -> tuple[Tensor | None, Tensor | None]:
    """Returns `stars` and `keep` of a dataset of these pictures, as `Dataset` describes them."""
    import torch

    choices = [reviewed.choice(name) for name in names]
    stars = [UNRATED if choice.stars is None else choice.stars for choice in choices]
    keep = [choice.keep for choice in choices]
    return (
        torch.tensor(stars) if {*stars} != {UNRATED} else None,
        torch.tensor(keep) if any(keep) else None,
    )


def rated(dataset: Dataset, ctx: Context) -> tuple[Dataset, Tensor | None]:
    """Returns the dataset without pictures with 0 stars, and the rows that an epoch draws.

    The rows are None if no picture is rated. One line says how often which pictures are drawn.

    Raises: NodeError if no picture is left.
    """
    from ..models.training.sampler import draws_by_stars

    if dataset.stars is None:
        return dataset, None
    used = dataset.stars != _UNUSED
    ctx.log(_line(dataset.stars.tolist()))
    if not used.any():
        raise NodeError("all pictures have 0 stars, so none is trained on", "rate some higher")
    if not used.all():
        dataset = dataset.subset(used.nonzero()[:, 0])
    assert dataset.stars is not None
    return dataset, draws_by_stars(dataset.stars)


def _line(stars: list[int]) -> str:
    """Returns how often the pictures are drawn, for people."""
    from ..models.training.sampler import weight_of

    counts = Counter(stars)
    parts = []
    for number in (*range(MOST_STARS, 0, -1), UNRATED):
        if counts[number]:
            name = "not rated" if number == UNRATED else f"with {counted(number, 'star')}"
            parts.append(f"{counts[number]} {name} (weight {weight_of(number):g})")
    if counts[_UNUSED]:
        parts.append(f"{counts[_UNUSED]} with 0 stars (never)")
    return f"pictures are drawn by their stars: {', '.join(parts)}"
