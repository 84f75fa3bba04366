"""Transparency: the alpha channel of pictures as a mask, and masks as alpha channels."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import Field

from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.alpha import flat, has_alpha
from ..contract.values.kinds import Image, Mask, Pictures
from ..contract.widgets import Advanced, Alpha, Background


class Parts(NamedTuple):
    """What `image_alpha` returns."""

    image: Image
    mask: Mask


@node(
    title="Split alpha",
    category="retouch",
    words="mask, transparency, transparent, cut out, png, 蒙版, 透明, 抠图",
)
def image_alpha(image: Annotated[Image, Alpha]) -> Parts:
    """Split pictures with alpha into their colours and a mask, in which 1 means clear.

    Without an alpha channel, the mask is 0 everywhere.
    """
    import torch

    if not has_alpha(image):
        return Parts(image, torch.zeros(image.shape[:3]))
    return Parts(image[..., :3].contiguous(), 1 - image[..., 3])


@node(
    title="Join alpha",
    category="retouch",
    words="mask, transparency, transparent, cut out, png, 蒙版, 透明, 抠图",
)
def set_alpha(
    image: Annotated[Image, Alpha],
    mask: Mask,
    *,
    invert: Annotated[bool, Field(description="Clear is what the mask leaves out")] = False,
    threshold: Annotated[
        float | None,
        Field(ge=0, le=1, description="Mask from which pixels are fully clear; empty: smooth"),
        Advanced,
    ] = None,
) -> Image:
    """Give pictures the alpha channel of a mask, in which 1 means clear.

    An alpha channel that the pictures have is replaced. The mask is resized to the pictures. A
    single mask is used for all pictures, and a single picture with all masks.

    Raises: NodeError if the batches differ in length.
    """
    import torch
    import torch.nn.functional as F

    if len({len(image), len(mask)} - {1}) > 1:
        raise NodeError(
            f"{len(image)} pictures and {len(mask)} masks can't be joined",
            "wire as many masks as pictures, or a single one",
        )
    if mask.shape[1:] != image.shape[1:3]:
        size = tuple(image.shape[1:3])
        planes = F.interpolate(mask[:, None], size, mode="bilinear", antialias=True)
        mask = planes[:, 0].clamp(0, 1)
    if invert:
        mask = 1 - mask
    if threshold is not None:
        mask = (mask >= threshold).float()
    count = max(len(image), len(mask))
    alpha = (1 - mask)[..., None].expand(count, -1, -1, -1)
    return torch.cat([image[..., :3].expand(count, -1, -1, -1), alpha], 3)


@node(
    title="Flatten alpha",
    category="retouch",
    words="background, background colour, transparency, remove alpha, fill, 背景, 背景颜色, 透明",
)
def flatten_alpha(
    image: Annotated[Pictures, Alpha], *, background: Background = "#ffffff"
) -> Image:
    """Put a colour behind the transparent parts of pictures."""
    return flat(image, background) if has_alpha(image) else image
