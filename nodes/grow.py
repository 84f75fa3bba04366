"""A GAN for larger pictures."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..contract.context import Context
from ..contract.errors import NodeError, advised
from ..contract.spec import node
from ..contract.values.models import Gan
from ..contract.widgets import Seed


@node(
    title="Grow GAN",
    category="compose",
    words="larger, double size, resolution, progressive growing, upscale, higher resolution,"
    " 放大模型, 提高分辨率, 渐进增长",
)
def grow(
    gan: Gan,
    *,
    times: Annotated[int, Field(ge=1, le=4, description="How often the size is doubled")] = 1,
    seed: Seed = 0,
    ctx: Context,
) -> Gan:
    """Double the size of the pictures that a GAN draws, so that it can be trained further on them.

    New levels are added. At first they add nothing, and the GAN draws its pictures as before, only
    enlarged (bilinear, before the colours are limited to their range). Wire the result to `start`
    of `train_gan`, with pictures of the new size: the new levels then learn details. (`train_gan`
    also grows a smaller `start` by itself; this node makes it visible, and lets one bend or blend
    the larger GAN.) Latents stay valid. Saved latents are refused, because they belong to the file
    of the smaller GAN.

    Only GANs of the method projected can grow, up to 512 px.

    Raises: NodeError for another method, and if the pictures would be larger than 512 px.
    Paper: Karras et al. 2018, "Progressive growing of GANs for improved quality, stability, and
    variation".
    """
    from ..models.configs import size_text
    from ..models.gan.api import GanConfig
    from ..models.gan.growing import grown

    config = GanConfig.from_dict(gan.config)
    if config.method != "projected":
        raise NodeError(
            f"a GAN of the method {config.method} has a fixed size",
            "grow a GAN of the method projected, or train one on larger pictures",
        )
    with advised("lower `times`"):
        config, state = grown(config, gan.state, times, seed)
    ctx.log(
        f"the GAN now draws {size_text(*config.shape)}; its new levels have learned nothing yet"
    )
    return Gan(config.to_dict(), state, gan.origin)
