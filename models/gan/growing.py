"""A GAN that draws the same pictures in a larger size, to continue its training there.

Papers: Karras et al. 2018, "Progressive growing of GANs for improved quality, stability, and
variation"; Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN", section 4
(a level adds its details to the enlarged picture of the level before).
"""

from __future__ import annotations

from ..blocks import blank, initialise
from ..training.loop import State
from ..training.rng import rng
from .config import GanConfig
from .projected_networks import ProjectedGenerator


def grown(config: GanConfig, state: State, times: int, seed: int) -> tuple[GanConfig, State]:
    """Returns config and weights of a GAN whose pictures are 2 ** times as large.

    The new levels draw details that are zero at first. The critic gets its new heads when the
    training continues.

    Raises: ValueError if the method cannot draw larger pictures, or not as large ones.
    """
    height, width = (side << times for side in config.shape)
    larger = config.enlarged(height if isinstance(config.size, int) else (height, width))
    generator = blank(lambda: ProjectedGenerator(larger))
    initialise(generator, rng(seed))
    own = {f"generator.{name}": value for name, value in generator.state_dict().items()}
    return larger, {**own, **state}
