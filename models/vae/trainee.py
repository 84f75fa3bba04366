"""How a VAE trains: one step of it, whatever its method, quantiser and sharpening."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..blocks import blank, initialise, to_bytes, to_signed
from ..training.average import Average
from ..training.loop import State, Stateful
from ..training.numerics import Numerics
from ..training.rng import rng
from ..training.sampler import Sampler, micro_batches
from .config import Method, Quantiser, VaeConfig
from .networks import ClassicVae, ResidualVae, VaeNetwork, make_vae
from .sharpen import Sharpen, Sharpener, pulled

RATE = {"residual": 3e-3, "classic": 1e-3}
BETA = {"residual": 5e-4, "classic": 1.0}
EDGES, ABSOLUTE = 0.5, 0.2  # weights in the reconstruction error
WARM_UP = 20  # steps of linear warm-up
STEADY = 1000  # steps after which the rate falls with the inverse square root of the step
AGE = 4000  # steps that a VAE started from counts as having behind it
DECAY = 0.998  # of the averaged weights
AVERAGED = 100  # steps that the average of a VAE started from counts, so that it soon follows
START_PIXELS = 1 << 21  # training pixels used to fit the principal components
PREVIEWS = 8


@dataclass(frozen=True)
class VaeSettings:
    """How to train a VAE.

    seed:          decides all random numbers.
    method, quantiser, channels:
                   of a new VAE; ignored if the training goes on from another. channels: of a
                   latent; None for the method's and the quantiser's own.
    sharpen:       what sharpens the pictures beside the error of pixels.
    batch:         pictures in a step.
    beta:          weight of the divergence from N(0, I) (Higgins et al. 2017), without effect on
                   quantised latents; None for the method's own.
    keep_latents:  whether the encoder stays as it is, and the decoder alone learns.
    """

    seed: int
    method: Method = "residual"
    quantiser: Quantiser = "kl"
    sharpen: Sharpen = "none"
    batch: int = 32
    channels: int | None = None
    beta: float | None = None
    keep_latents: bool = False


class VaeTrainee:
    """Network, optimiser, averaged weights, and what sharpens."""

    def __init__(
        self,
        config: VaeConfig,
        images: Tensor,
        settings: VaeSettings,
        numerics: Numerics,
        start: State | None,
        sharpener: Sharpener | None,
    ) -> None:
        """`images`: uint8 (N, S, S, 3); `start`: the weights to begin with."""
        self._config, self._numerics, self._seed = config, numerics, settings.seed
        self._beta = BETA[config.method] if settings.beta is None else settings.beta
        self._images = numerics.preload(images)
        self._sharpener = sharpener
        network, copy = (blank(lambda: make_vae(config)) for _ in range(2))
        if start is not None:
            network.load_state_dict(start)
        else:
            initialise(network, rng(settings.seed, 0, 0))
            if isinstance(network, ResidualVae):
                chosen = spread(len(images), START_PIXELS // config.size**2)
                network.start_from(to_signed(images[chosen]))
        self._age = 0 if start is None else AGE
        self._network: VaeNetwork = numerics.compile(numerics.place(network))  # type: ignore[assignment]
        self.average = Average(network, numerics.place(copy), DECAY)
        if settings.keep_latents:
            for encoder in network.encoders():
                encoder.requires_grad_(False)
        self._rate = RATE[config.method]
        self._optimiser = torch.optim.AdamW(
            [p for p in network.parameters() if p.requires_grad],
            self._rate,
            betas=(0.9, 0.99),
            weight_decay=0.01,
            fused=True,
        )
        self._sampler = Sampler(len(images), settings.batch, settings.seed)

    def stateful(self) -> Mapping[str, Stateful]:
        more = {} if self._sharpener is None else self._sharpener.stateful()
        own: dict[str, Stateful] = {
            "network": self._network,
            "optimiser": self._optimiser,
            "average": self.average,
        }
        return {**own, **more}

    def step(self, step: int) -> Mapping[str, Tensor]:
        numerics, beta = self._numerics, self._beta
        chosen = self._sampler.indices(step)
        noise = torch.randn(
            len(chosen), *self._config.latent_shape, generator=rng(self._seed, 1, step)
        )
        noise = numerics.to_device(noise)
        shares: list[dict[str, Tensor]] = []
        self._optimiser.zero_grad()
        for part in micro_batches(len(chosen), self._config.size):
            pictures = to_signed(numerics.take(self._images, chosen[part]))
            share = len(pictures) / len(chosen)
            with numerics.autocast():
                error, divergence, drawn = self._errors(pictures, noise[part])
            loss, metrics = error, dict[str, Tensor]()
            if self._sharpener is not None:
                loss, metrics = pulled(error, drawn, pictures, self._sharpener, step, share)
            ((loss + beta * divergence) * share).backward()
            losses = {"loss": error + beta * divergence, "error": error, "divergence": divergence}
            shares.append({k: v.detach() * share for k, v in (losses | metrics).items()})
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate * self._pace(step)
        self._optimiser.step()
        if self._sharpener is not None:
            self._sharpener.learn()
        self.average.update(self._network, (AVERAGED if self._age else 0) + step)
        return {name: torch.stack([s[name] for s in shares]).sum() for name in shares[0]}

    def _pace(self, step: int) -> float:
        """Factor of the learning rate."""
        return min(1.0, (step + 1) / WARM_UP, math.sqrt(STEADY / (self._age + step + 1)))

    def _errors(self, pictures: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The reconstruction error, the divergence from N(0, 1), and the pictures drawn."""
        network = self._network
        mean, log_variance = network.posterior(pictures)
        latents, divergence = mean, torch.zeros((), device=mean.device)
        if log_variance is not None:
            latents = mean + (log_variance / 2).exp() * noise
            divergence = (mean.square() + log_variance.exp() - 1 - log_variance).mean() / 2
        if isinstance(network, ClassicVae):
            # The ELBO's sums, over the latent's length so that beta is 1 for any size.
            logits = network.logits(latents)
            total = F.binary_cross_entropy_with_logits(logits, (pictures + 1) / 2, reduction="sum")
            return total / latents.numel(), divergence, logits
        drawn = network.picture(latents)
        return reconstruction_error(drawn, pictures), divergence, drawn

    @torch.no_grad()
    def preview(self) -> Tensor:
        """Pictures spread over the set, each followed by its reconstruction."""
        chosen = spread(len(self._images), PREVIEWS)
        pictures = to_signed(self._numerics.take(self._images, chosen))
        network = self.average.network
        assert isinstance(network, VaeNetwork)
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


def spread(count: int, most: int) -> Tensor:
    """Up to `most` (at least 8) of the numbers below `count`, evenly spread."""
    return torch.linspace(0, count - 1, min(count, max(8, most)), dtype=torch.float64).long()
