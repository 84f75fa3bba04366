"""Pictures to a small latent and back: a residual convolutional VAE, and the classic dense one.

Reconstructions and mixtures of latents look good after a minute; samples from N(0, I) do not,
for the residual VAE's latent is a map whose parts hang together: it needs a learned prior.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from .blocks import blank, initialise, to_bytes, to_signed
from .numerics import Numerics
from .parts import in_parts
from .training import Average, Checkpoint, Report, Sampler, State, Stateful, generator, train
from .vae_networks import FACTOR, ClassicVae, Method, ResidualVae, Vae, VaeConfig

__all__ = ["Method", "Vae", "VaeConfig", "decode", "encode", "make_vae", "train_vae"]

RATE = {"residual": 3e-3, "classic": 1e-3}
CHANNELS = {"residual": 16, "classic": 32}
BETA = {"residual": 5e-4, "classic": 1.0}
EDGES, ABSOLUTE = 0.5, 0.2  # weights in the reconstruction error
WARM_UP = 20  # steps of linear warm-up
DECAY = 0.998  # of the averaged weights
START_PIXELS = 1 << 21  # of training pictures, that tell the principal components
MEASURED = 1024  # pictures that tell the latents' mean and variance
PREVIEWS = 8


def make_vae(config: VaeConfig) -> Vae:
    """The network of a config, its weights yet to come."""
    if config.method == "classic":
        return ClassicVae(config.size, config.channels)
    return ResidualVae(config.channels, config.width)


def train_vae(
    images: Tensor,
    *,
    method: Method = "residual",
    steps: int,
    seed: int,
    batch: int = 32,
    channels: int | None = None,
    beta: float | None = None,
    numerics: Numerics,
    checkpoint: Checkpoint,
    report: Report,
) -> tuple[VaeConfig, State, dict[str, list[float]]]:
    """Train on uint8 images (N, S, S, 3).

    channels: of a latent; None: the method's own.
    beta: weight of the divergence from N(0, I) (Higgins et al. 2017); None: the method's own.

    Returns the config, the averaged weights and the curves (step, loss, error, divergence).
    Raises: ValueError where the pictures' size will not do.
    """
    if images.shape[1] != images.shape[2]:
        raise ValueError(f"pictures must be square, not {images.shape[2]} x {images.shape[1]} px")
    config = VaeConfig(method, images.shape[1], channels or CHANNELS[method])
    beta = BETA[method] if beta is None else beta
    trainee = _Training(config, images, batch, beta, seed, numerics)
    curves = train(trainee, steps=steps, checkpoint=checkpoint, report=report)
    network = trainee.average.network
    assert isinstance(network, Vae)
    _measure_latents(network, images, numerics)
    state = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
    return config, state, curves


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
    chosen = _spread(len(images), MEASURED)
    latents = encode(network, images[chosen], numerics)
    std, mean = torch.std_mean(latents, (0, 2, 3), correction=0)
    network.latent_mean.copy_(mean[:, None, None])
    network.latent_std.copy_(std[:, None, None].clamp(min=1e-3))


class _Training:
    """The trainee: network, optimiser and averaged weights."""

    def __init__(
        self,
        config: VaeConfig,
        images: Tensor,
        batch: int,
        beta: float,
        seed: int,
        numerics: Numerics,
    ) -> None:
        self._images, self._beta, self._seed, self._numerics = images, beta, seed, numerics
        size = config.size
        network, copy = (blank(lambda: make_vae(config)) for _ in range(2))
        initialise(network, generator(seed, 0, 0))
        if isinstance(network, ResidualVae):
            network.start_from(to_signed(images[_spread(len(images), START_PIXELS // size**2)]))
        numerics.place(network)
        self._network: Vae = network
        self.average = Average(network, numerics.place(copy), DECAY)
        self._rate = RATE[config.method]
        self._optimiser = torch.optim.AdamW(
            network.parameters(), self._rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
        self._sampler = Sampler(len(images), batch, seed)

    def parts(self) -> Mapping[str, Stateful]:
        return {
            "network": self._network,
            "optimiser": self._optimiser,
            "average": self.average,
        }

    def step(self, step: int) -> Mapping[str, Tensor]:
        chosen = self._sampler.indices(step)
        pictures = to_signed(self._images[chosen].to(self._numerics.device))
        with self._numerics.autocast():
            mean, log_variance = self._network.posterior(pictures)
            noise = torch.randn(mean.shape, generator=generator(self._seed, 1, step))
            latents = mean + (log_variance / 2).exp() * noise.to(mean.device)
            error = self._error(latents, pictures)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).mean() / 2
        loss = error + self._beta * divergence
        self._optimiser.zero_grad()
        loss.backward()
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate * min(1.0, (step + 1) / WARM_UP)
        self._optimiser.step()
        self.average.update(self._network, step)
        return {"loss": loss.detach(), "error": error.detach(), "divergence": divergence.detach()}

    def _error(self, latents: Tensor, pictures: Tensor) -> Tensor:
        network = self._network
        if isinstance(network, ClassicVae):
            # The ELBO's sums, over the latent's length so that beta is 1 for any size.
            logits = network.logits(latents)
            total = F.binary_cross_entropy_with_logits(logits, (pictures + 1) / 2, reduction="sum")
            return total / latents.numel()
        return reconstruction_error(network.picture(latents), pictures)

    @torch.no_grad()
    def preview(self) -> Tensor:
        """Pictures spread over the set, each followed by its reconstruction."""
        chosen = _spread(len(self._images), PREVIEWS)
        pictures = to_signed(self._images[chosen].to(self._numerics.device))
        network = self.average.network
        assert isinstance(network, Vae)
        with self._numerics.autocast():
            again = network.picture(network.posterior(pictures)[0])
        return to_bytes(torch.stack([pictures, again], 1).flatten(0, 1)).cpu()


def reconstruction_error(found: Tensor, wanted: Tensor) -> Tensor:
    """Square error of pixels (N, 3, H, W) and of their differences, and a little absolute error.

    The differences count edges, the absolute error faint patterns on what should be flat.
    """
    error = found - wanted
    across, down = error[..., 1:] - error[..., :-1], error[..., 1:, :] - error[..., :-1, :]
    edges = across.square().mean() + down.square().mean()
    return error.square().mean() + EDGES * edges + ABSOLUTE * error.abs().mean()


def _spread(count: int, most: int) -> Tensor:
    """Up to `most` (at least 8) of the numbers below `count`, evenly spread."""
    return torch.linspace(0, count - 1, min(count, max(8, most)), dtype=torch.float64).long()
