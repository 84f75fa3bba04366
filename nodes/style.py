"""Style transfer: repainting one picture with the textures of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError, advised
from ..contract.spec import node
from ..contract.values.kinds import Image, Mask
from ..contract.values.models import Classifier
from ..contract.widgets import Choices, Neutral, Seed

if TYPE_CHECKING:
    from torch import Tensor

MOST_PIXELS = 1 << 22  # of a picture that is repainted


@node(
    title="Style transfer",
    category="repaint",
    version=2,
    device=True,
    words="paint like, repaint, neural style, neural style transfer, texture, filter, colour,"
    " palette, keep colours, 风格迁移, 重绘, 滤镜, 颜色, 色彩, 纹理, 保留颜色",
)
def style_transfer(
    content: Image,
    style: Image,
    mask: Annotated[
        Mask | None, Field(description="What is repainted: 1 is, and 0 stays as in the content")
    ] = None,
    classifier: Annotated[
        Classifier | None,
        Field(description="Its features keep what the content shows, as far as `strength` is low"),
    ] = None,
    *,
    strength: Annotated[
        float, Field(ge=0, le=1, description="0 keeps light and dark of the content, 1 does not")
    ] = 0.5,
    colours: Annotated[
        Literal["style", "content"],
        Field(description="Whose colours the result has"),
        Choices(
            {
                "style": "those of the style",
                "content": "those of the content; only brightness is repainted",
            }
        ),
        Neutral("style"),
    ] = "style",
    steps: Annotated[int, Field(ge=1, le=5000, description="Optimisation steps")] = 60,
    seed: Seed = 0,
    ctx: Context,
) -> Image:
    """Repaint pictures with the patches of others, from coarse to fine, without any training.

    Picture i of `content` is repainted with picture i of `style`. If one of the batches has a
    single picture, it is paired with each picture of the other. The result has the size of
    `content`.

    Pictures of more than 256 x 256 pixels are painted in about this size first. Then they are
    enlarged scale by scale, with the details of the style in its own size: 1,024 px take two to
    three times as long as 256 px. This happens in tiles, which need little memory and leave no
    seams.

    The mask is resized to the content. Pixels with a mask of 0 have the bits of the content, and
    values between 0 and 1 blend both.

    With a classifier, the result also stays near the content in its features, so that faces and
    things remain. Use a `pretrained_classifier` for photographs.

    Raises: NodeError if the batches differ in length, if the pictures are too small, or for more
    than 4 million pixels.
    Paper: Elnekave and Weiss 2022, "Generating natural images with direct patch distributions
    matching"; Barnes et al. 2009, "PatchMatch" (large pictures); Gatys et al. 2016, "Preserving
    color in neural artistic style transfer" (colours of the content); Gatys et al. 2016, "Image
    style transfer using convolutional neural networks" (features).
    """
    import torch

    from ..models.repaint.transfer import repaint, with_colours_of
    from ..models.sliced_wasserstein import brightness

    batches = {"content": content, "style": style} | ({} if mask is None else {"mask": mask})
    count = _common_length(**batches)
    _check_pixels(content, style)
    shares = None if mask is None else _fitted(mask, *content.shape[1:3]).expand(count, -1, -1)
    ours, theirs = (
        batch.permute(0, 3, 1, 2).expand(count, -1, -1, -1) * 2 - 1 for batch in (content, style)
    )
    result = content.expand(count, -1, -1, -1).clone()
    rows = torch.arange(count) if shares is None else shares.flatten(1).any(1).nonzero()[:, 0]
    if len(rows) == 0:
        return result
    planes = ours[rows], theirs[rows]
    if colours == "content":
        planes = tuple(brightness(part).expand(-1, 3, -1, -1) for part in planes)  # type: ignore[assignment]
    with advised("wire larger pictures"):
        painted = repaint(
            *planes,
            steps=steps,
            keep=1 - strength,
            seed=seed,
            features=None if classifier is None else classifier.features(ctx.device),
            numerics=ctx.numerics,
            progress=ctx.progress,
        )
    if colours == "content":
        painted = with_colours_of(ours[rows], painted)
    painted = painted.add(1).div(2).clamp(0, 1).permute(0, 2, 3, 1).contiguous()
    if shares is None:
        return painted
    result[rows] = _blended(result[rows], painted, shares[rows][..., None])
    return result


def _common_length(**batches: Tensor) -> int:
    """Returns the length of batches, of which single pictures are used for all of the others."""
    lengths = {len(batch) for batch in batches.values()}
    if len(lengths - {1}) > 1:
        listed = " and ".join(f"{len(batch)} ({name})" for name, batch in batches.items())
        raise NodeError(
            f"batches of {listed} can't be paired",
            "wire batches of the same length, or a single picture",
        )
    return max(lengths)


def _check_pixels(*batches: Tensor) -> None:
    for batch in batches:
        height, width = batch.shape[1:3]
        if height * width > MOST_PIXELS:
            raise NodeError(
                f"a picture of {width} x {height} pixels is too large for style transfer",
                "resize it to at most 4 million pixels with resize_image",
            )


def _fitted(mask: Tensor, height: int, width: int) -> Tensor:
    """Returns masks (N, H, W) in another size, as `set_alpha` resizes them."""
    import torch.nn.functional as F

    if tuple(mask.shape[1:]) == (height, width):
        return mask
    planes = F.interpolate(mask[:, None], (height, width), mode="bilinear", antialias=True)
    return planes[:, 0].clamp(0, 1)


def _blended(content: Tensor, painted: Tensor, share: Tensor) -> Tensor:
    """Returns a blend; pixels with a share of 0 or 1 have the bits of the content or the paint."""
    import torch

    between = content + (painted - content) * share
    return torch.where(share == 1, painted, torch.where(share == 0, content, between))
