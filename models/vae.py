"""Pictures to a small latent and back: a residual convolutional VAE, and the classic dense one.

Reconstructions and mixtures of latents look good after a minute; samples from N(0, I) do not,
for the residual VAE's latent is a map whose parts hang together: prior.py learns to draw them.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from .blocks import to_signed
from .fsq import LEVELS
from .numerics import Numerics
from .parts import in_parts
from .training import Checkpoint, Report, State, train
from .vae_networks import FACTOR, Method, Quantiser, ResidualVae, Vae, VaeConfig, make_vae
from .vae_sharpen import Sharpen, make_sharpener
from .vae_training import VaeRecipe, VaeTrainee, spread

__all__ = ["Method", "Vae", "VaeConfig", "decode", "encode", "make_vae", "train_vae"]

CHANNELS = {"residual": 16, "classic": 32}
QUANTISED_CHANNELS = 32  # as many bits as 16 channels that are not quantised
BETA = {"residual": 5e-4, "classic": 1.0}
MEASURED = 1024  # pictures that tell the latents' mean and variance


def train_vae(
    images: Tensor,
    *,
    method: Method = "residual",
    quantiser: Quantiser = "kl",
    sharpen: Sharpen = "none",
    steps: int,
    seed: int,
    batch: int = 32,
    channels: int | None = None,
    beta: float | None = None,
    start: tuple[VaeConfig, State] | None = None,
    keep_latents: bool = False,
    features: nn.Module | None = None,
    numerics: Numerics,
    checkpoint: Checkpoint,
    report: Report,
) -> tuple[VaeConfig, State, dict[str, list[float]]]:
    """Train on uint8 images (N, S, S, 3).

    channels: of a latent; None: the method's and the quantiser's own.
    beta: weight of the divergence from N(0, I) (Higgins et al. 2017); None: the method's own.
    start: a VAE to go on from, whose method, quantiser and channels stay; not its prior, unless
        keep_latents is set: then the decoder alone learns, and latents mean what they did.
    features: a network that gives feature maps, for sharpening by them.

    Returns the config, the averaged weights and the curves (step, loss, error, divergence).
    Raises: ValueError where the pictures' size, or these settings together, will not do.
    """
    if images.shape[1] != images.shape[2]:
        raise ValueError(f"pictures must be square, not {images.shape[2]} x {images.shape[1]} px")
    weights = None
    if start is None:
        if keep_latents:
            raise ValueError("there are no latents to keep without a VAE to start from")
        levels = LEVELS if quantiser == "fsq" else ()
        usual = QUANTISED_CHANNELS if levels else CHANNELS[method]
        config = VaeConfig(method, images.shape[1], channels or usual, levels=levels)
    else:
        config = _started_config(start[0], images.shape[1], keep_latents)
        weights = {k: v for k, v in start[1].items() if not k.startswith("prior.")}
    if config.method == "classic" and sharpen != "none":
        raise ValueError("the classic VAE is not sharpened")
    beta = BETA[config.method] if beta is None else beta
    recipe = VaeRecipe(batch, beta, seed, numerics, keep_latents)
    sharpener = make_sharpener(sharpen, features, seed, numerics)
    trainee = VaeTrainee(config, images, recipe, weights, sharpener)
    curves = train(trainee, steps=steps, checkpoint=checkpoint, report=report)
    network = trainee.average.network
    assert isinstance(network, Vae)
    state = {}
    if keep_latents and start is not None:
        state = {key: value for key, value in start[1].items() if key.startswith("prior.")}
    else:
        _measure_latents(network, images, numerics)
    state |= {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
    return config, state, curves


def _started_config(start: VaeConfig, size: int, keep_latents: bool) -> VaeConfig:
    """The config of a VAE that goes on from `start` with pictures of `size` px."""
    if start.method == "classic" and start.size != size:
        raise ValueError(
            f"the classic VAE to start from draws {start.size} px, the pictures are {size} px"
        )
    if keep_latents and start.prior is not None and start.size != size:
        raise ValueError(f"the prior to keep draws {start.size} px, the pictures are {size} px")
    return replace(start, size=size, prior=start.prior if keep_latents else None)


def encode(network: Vae, images: Tensor, numerics: Numerics, batch: int = 64) -> Tensor:
    """Mean latents, float32 (N, C, h, w), of images (N, H, W, 3), uint8 or float in 0..1.

    About mean 0 and variance 1 in each channel over the training pictures. Puts the network
    on the device.
    """
    if isinstance(network, ResidualVae) and (images.shape[1] % FACTOR or images.shape[2] % FACTOR):
        height, width = images.shape[1:3]
        raise ValueError(f"a VAE takes sides that are multiples of 8 px, not {width} x {height}")
    numerics.place(network).eval()

    def encoded(part: Tensor) -> Tensor:
        part = part.to(numerics.device)
        signed = part.permute(0, 3, 1, 2) * 2 - 1 if part.is_floating_point() else to_signed(part)
        with torch.no_grad(), numerics.autocast():
            mean, _ = network.posterior(signed)
        return ((mean - network.latent_mean) / network.latent_std).cpu()

    return in_parts(encoded, images, batch=batch)


def decode(network: Vae, latents: Tensor, numerics: Numerics, batch: int = 64) -> Tensor:
    """Images, float32 (N, H, W, 3) in 0..1, of latents as `encode` gives them."""
    numerics.place(network).eval()

    def decoded(part: Tensor) -> Tensor:
        raw = part.to(numerics.device) * network.latent_std + network.latent_mean
        with torch.no_grad(), numerics.autocast():
            pictures = network.picture(raw)
        return pictures.add(1).div(2).clamp(0, 1).permute(0, 2, 3, 1).contiguous().cpu()

    return in_parts(decoded, latents, batch=batch)


def _measure_latents(network: Vae, images: Tensor, numerics: Numerics) -> None:
    """Set the buffers that give the latents mean 0 and variance 1."""
    initial = torch.zeros_like(network.latent_mean), torch.ones_like(network.latent_std)
    network.latent_mean.copy_(initial[0])
    network.latent_std.copy_(initial[1])
    chosen = spread(len(images), MEASURED)
    latents = encode(network, images[chosen], numerics)
    std, mean = torch.std_mean(latents, (0, 2, 3), correction=0)
    network.latent_mean.copy_(mean[:, None, None])
    network.latent_std.copy_(std[:, None, None].clamp(min=1e-3))
