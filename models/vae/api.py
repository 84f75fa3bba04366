"""Variational autoencoders: training them, encoding pictures and decoding latents.

There is a residual convolutional VAE and the classic dense one. Reconstructions and mixtures of
latents look good after a minute of training. Latents from N(0, I) do not: the residual VAE's latent
is a map, and its positions depend on each other. prior.py learns to generate such maps.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from ..alpha import drawn, premultiplied
from ..blocks import to_signed
from ..configs import Size, sides_of, size_of, size_text
from ..training.diverged import UnsuitableError
from ..training.in_parts import in_parts
from ..training.loop import Progress, State, TrainingResult, TrainingRun, train
from ..training.numerics import Numerics
from ..training.parallel import on_devices
from .config import FACTOR, Method, VaeConfig
from .fsq import LEVELS
from .make import make_vae
from .networks import ClassicVae, VaeNetwork, with_alpha
from .sharpen import make_sharpener
from .trainee import VaeSettings, VaeTrainee, evenly_spaced

__all__ = ["Method", "VaeConfig", "VaeSettings", "decode", "encode", "make_vae", "train_vae"]

CHANNELS = {"residual": 16, "classic": 32}  # channels of a latent by default
QUANTISED_CHANNELS = 32  # default if quantised; as many bits as 16 channels that are not
MEASURED = 1024  # pictures used to measure the latents' mean and variance


@on_devices
def train_vae(
    images: Tensor,
    settings: VaeSettings,
    run: TrainingRun,
    *,
    steps: int,
    start: tuple[VaeConfig, State] | None = None,
    features: nn.Module | None = None,
    draws: Tensor | None = None,
) -> TrainingResult[VaeConfig, None]:
    """Train a VAE on uint8 images (N, H, W, C). C is 3, or 4 with straight alpha.

    It must be 4 if `start` has alpha.

    start: a VAE to continue from, with its method, quantiser and channels. Its prior is dropped,
        unless `keep_latents` is set: then only the decoder is trained, and latents stay valid.
    features: a network that returns feature maps, needed to sharpen by features.
    draws: rows of the pictures, each as often as an epoch contains it; None for each once.

    Returns the averaged weights. The curves contain loss, error and divergence.
    Raises: ValueError if the pictures' size or the combination of settings is not possible.
    """
    size = size_of(*images.shape[1:3])
    alpha = images.shape[3] == 4
    config, weights = _new_config(settings, size, alpha), None
    if start is not None:
        _check_start(start[0])
        config = _continued_config(start[0], size, settings.keep_latents, alpha)
        weights = {k: v for k, v in start[1].items() if not k.startswith("prior.")}
        if config.alpha and not start[0].alpha:
            weights = with_alpha(weights)
            run.log(
                "`start` knows no transparency: all its weights are used, and its pictures begin"
                " opaque"
            )
    elif settings.keep_latents:
        raise UnsuitableError(
            "`keep_latents` is not possible without a VAE to start from",
            "wire `start`, or switch `keep_latents` off",
        )
    if config.method == "classic" and settings.sharpen != "none":
        raise UnsuitableError(
            "`sharpen` is not available for the classic VAE",
            "set sharpen: none, or method: residual",
        )
    sharpener = make_sharpener(
        settings.sharpen, features, config.planes, settings.seed, run.numerics
    )
    trainee = VaeTrainee(config, images, settings, run, weights, sharpener, draws)
    curves = train(trainee, steps=steps, run=run)
    trainee.steps.close()
    network = trainee.average.network
    assert isinstance(network, VaeNetwork)
    state = {}
    if settings.keep_latents and start is not None:
        state = {key: value for key, value in start[1].items() if key.startswith("prior.")}
    else:
        _measure_latents(network, images, run.numerics)
    state |= {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
    return TrainingResult(config, state, curves, None)


def _check_start(start: VaeConfig) -> None:
    if start.is_foreign:
        raise UnsuitableError(
            "`start` is a VAE of another program, whose training can't be continued here",
            "use it as it is (train_prior learns to draw with it), or leave `start` unwired",
        )


def _new_config(settings: VaeSettings, size: Size, alpha: bool) -> VaeConfig:
    levels = LEVELS if settings.quantiser == "fsq" else ()
    default = QUANTISED_CHANNELS if levels else CHANNELS[settings.method]
    channels = settings.channels or default
    return VaeConfig(settings.method, size, channels, levels=levels, alpha=alpha)


def _continued_config(start: VaeConfig, size: Size, keep_latents: bool, alpha: bool) -> VaeConfig:
    """Returns the config of a VAE that continues from `start` with pictures of this size."""
    needed, found = size_text(*start.shape), size_text(*sides_of(size))
    if start.method == "classic" and start.size != size:
        raise UnsuitableError(
            f"the classic VAE to start from needs pictures of {needed}, not {found}",
            f"load pictures of {needed}, or leave `start` unwired",
        )
    if keep_latents and start.prior is not None and start.size != size:
        raise UnsuitableError(
            f"the prior of the VAE is for pictures of {needed}, not {found}, so `keep_latents` is"
            " not possible",
            f"load pictures of {needed}, or switch `keep_latents` off",
        )
    if alpha and not start.alpha and (start.method == "classic" or keep_latents):
        what = "a classic VAE" if start.method == "classic" else "a VAE with `keep_latents`"
        raise UnsuitableError(
            f"{what} can't learn transparency from a VAE without alpha",
            "load the pictures with alpha: flatten, or leave `start` unwired",
        )
    prior = start.prior if keep_latents else None
    return replace(start, size=size, prior=prior, alpha=alpha or start.alpha)


def encode(
    network: VaeNetwork,
    images: Tensor,
    numerics: Numerics,
    batch: int = 64,
    progress: Progress | None = None,
) -> Tensor:
    """Returns the mean latents, float32 (N, C, h, w), of images (N, H, W, C).

    The images are uint8, or float in 0..1. Over the training pictures, each channel of the latents
    has about mean 0 and variance 1. The network is moved to the device.
    """
    height, width = images.shape[1:3]
    if not isinstance(network, ClassicVae) and (height % FACTOR or width % FACTOR):
        raise ValueError(f"pictures must have sides of multiples of 8 px, not {width} x {height}")
    numerics.place(network).eval()

    def encoded(part: Tensor) -> Tensor:
        part = part.to(numerics.device)
        if part.is_floating_point():
            signed = premultiplied(part.permute(0, 3, 1, 2) * 2 - 1)
        else:
            signed = to_signed(part)
        with torch.no_grad(), numerics.autocast():
            mean, _ = network.posterior(signed)
        return ((mean - network.latent_mean) / network.latent_std).cpu()

    batch = _at_once(network, height * width, batch)
    return in_parts(encoded, images, batch=batch, progress=progress, network=network)


def decode(
    network: VaeNetwork,
    latents: Tensor,
    numerics: Numerics,
    batch: int = 64,
    progress: Progress | None = None,
) -> Tensor:
    """Returns the images, float32 (N, H, W, C) in 0..1, of latents like those of `encode`."""
    numerics.place(network).eval()

    def decoded(part: Tensor) -> Tensor:
        raw = part.to(numerics.device) * network.latent_std + network.latent_mean
        with torch.no_grad(), numerics.autocast():
            pictures = network.picture(raw)
        return drawn(pictures).add(1).div(2).clamp(0, 1).permute(0, 2, 3, 1).contiguous().cpu()

    pixels = latents.shape[2] * latents.shape[3] * FACTOR**2
    batch = _at_once(network, pixels, batch)
    return in_parts(decoded, latents, batch=batch, progress=progress, network=network)


def _at_once(network: VaeNetwork, pixels: int, batch: int) -> int:
    """Returns the number of pictures with so many pixels that are processed at a time."""
    most = network.pixels_at_once
    return batch if most is None else max(1, min(batch, most // pixels))


def _measure_latents(network: VaeNetwork, images: Tensor, numerics: Numerics) -> None:
    """Set the buffers by which latents are normalised to mean 0 and variance 1."""
    initial = torch.zeros_like(network.latent_mean), torch.ones_like(network.latent_std)
    network.latent_mean.copy_(initial[0])
    network.latent_std.copy_(initial[1])
    chosen = evenly_spaced(len(images), MEASURED)
    latents = encode(network, images[chosen], numerics)
    std, mean = torch.std_mean(latents, (0, 2, 3), correction=0)
    network.latent_mean.copy_(mean[:, None, None])
    network.latent_std.copy_(std[:, None, None].clamp(min=1e-3))
