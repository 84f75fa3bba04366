"""Which class to draw: the widget `style` of the nodes that sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError
from ..contract.wording import suggestion

if TYPE_CHECKING:
    from torch import Tensor

Style = Annotated[
    str,
    Field(
        description="A class's name; `each` takes them in turn, `mixed` blends two for each"
        " picture",
        max_length=200,
    ),
]


def class_weights(
    names: tuple[str, ...], style: str, ctx: Context, seed: int, index: int
) -> Tensor:
    """The weights (C,) of picture number `index`; they sum to 1.

    Raises: NodeError for a class that the model does not know.
    """
    import torch

    weights = torch.zeros(len(names))
    if style == "mixed" and len(names) > 1:
        random = ctx.rng(seed, index, 1)
        first, second = torch.randperm(len(names), generator=random)[:2].tolist()
        share = 0.3 + 0.4 * torch.rand((), generator=random)
        weights[first], weights[second] = share, 1 - share
    elif style in ("each", "mixed"):
        weights[index % len(names)] = 1
    elif style in names:
        weights[names.index(style)] = 1
    else:
        raise NodeError(
            f"the model knows no class {style!r}", suggestion(style, ["each", "mixed", *names])
        )
    return weights
