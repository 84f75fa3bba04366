"""Making the network of a config."""

from __future__ import annotations

import torch

from ..pretrained.layers import Shapes
from .autoencoder_kl import AutoencoderKl
from .config import FACTOR, VaeConfig
from .networks import ClassicVae, ForeignVae, ResidualVae, VaeNetwork
from .tiny import TinyAutoencoder


def make_vae(config: VaeConfig, shapes: Shapes | None = None) -> VaeNetwork:
    """Returns the network of a config, without trained weights.

    shapes: those of the weights of a VAE of another program.
    Raises: ValueError if these do not belong together.
    """
    if config.is_foreign:
        assert shapes is not None
        return _foreign(config, shapes)
    if config.method == "classic":
        return ClassicVae(*config.shape, config.channels, config.planes)
    return ResidualVae(config.channels, config.width, config.levels, config.planes)


def _foreign(config: VaeConfig, shapes: Shapes) -> ForeignVae:
    """Returns the network of a VAE of another program; no memory is needed to check its layers."""
    with torch.device("meta"):
        network: ForeignVae
        if config.method == "autoencoder_kl":
            network = AutoencoderKl(config.channels, shapes, config.groups)
        else:
            network = TinyAutoencoder(config.channels, shapes)
        edge = 8 * FACTOR
        picture = torch.empty(1, 3, edge, edge)
        try:
            latents, _ = network.posterior(picture)
        except RuntimeError as error:
            raise ValueError(f"the layers do not fit together ({error!s:.80})") from error
        _, channels, height, width = latents.shape
        if channels != config.channels:
            raise ValueError(f"latents have {channels} channels instead of {config.channels}")
        if (height, width) != (edge // FACTOR, edge // FACTOR):
            raise ValueError(
                f"the latents are {edge // height} times smaller than the pictures, but artgraph"
                f" can only use those that are {FACTOR} times smaller"
            )
        try:
            drawn = network.picture(latents)
        except RuntimeError as error:
            raise ValueError(f"the layers do not fit together ({error!s:.80})") from error
    if drawn.shape != picture.shape:
        raise ValueError(f"pictures of {edge} px return with the shape {tuple(drawn.shape)}")
    return network
