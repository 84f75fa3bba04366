"""The training of a VAE: its steps, for all methods, quantisers and kinds of sharpening."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..blocks import blank, initialise, to_bytes, to_signed
from ..training import team
from ..training.average import Average
from ..training.inputs import Number, selected, selection
from ..training.loop import State, Stateful, TrainingRun
from ..training.rng import rng
from ..training.sampler import micro_batches
from ..training.steps import Steps
from ..training.windows import sampler_of
from .config import Method, Quantiser, VaeConfig
from .make import make_vae
from .networks import ClassicVae, ResidualVae, VaeNetwork
from .sharpen import Sharpen, Sharpener, sharpened_error

RATE = {"residual": 3e-3, "classic": 1e-3}  # learning rates
BETA = {"residual": 5e-4, "classic": 1.0}  # default weights of the divergence
EDGES, ABSOLUTE = 0.5, 0.2  # weights of these terms in the reconstruction error
WARM_UP = 20  # steps of linear warm-up
STEADY = 1000  # steps after which the rate falls with the inverse square root of the step
AGE = 4000  # steps that a VAE to continue from is assumed to have been trained for
DECAY = 0.998  # decay of the averaged weights
# Steps that the average counts for a VAE to continue from: few, so that it soon changes.
AVERAGED = 100
START_PIXELS = 1 << 21  # training pixels used to fit the principal components
PREVIEWS = 8  # pictures in a preview, beside their reconstructions


@dataclass(frozen=True)
class VaeSettings:
    """How to train a VAE.

    seed:          seed of all random numbers.
    method, quantiser, channels:
                   of a new VAE; ignored if the training continues from another one. `channels`
                   is the number of channels of a latent, None for the default.
    sharpen:       loss that sharpens the pictures, added to the pixel error.
    batch:         pictures per step.
    beta:          weight of the divergence from N(0, I) (Higgins et al. 2017), without effect on
                   quantised latents; None for the method's default.
    keep_latents:  whether only the decoder is trained, so that latents stay valid.
    """

    seed: int
    method: Method = "residual"
    quantiser: Quantiser = "kl"
    sharpen: Sharpen = "none"
    batch: int = 32
    channels: int | None = None
    beta: float | None = None
    keep_latents: bool = False


class _Inputs(NamedTuple):
    pictures: list[Any]  # of each part of the step, see `selection`
    noise: list[Tensor | None]  # None if the latents are quantised
    rate: Number
    weight: Number  # of the network in the average
    sharpening: Number  # length of the sharpener's gradient


class VaeTrainee:
    """A VAE in training: network, optimiser, averaged weights and sharpener."""

    def __init__(
        self,
        config: VaeConfig,
        images: Tensor,
        settings: VaeSettings,
        run: TrainingRun,
        start: State | None,
        sharpener: Sharpener | None,
        draws: Tensor | None = None,
    ) -> None:
        """`images`: uint8 (N, H, W, C); `start`: the weights to start with, None for new ones."""
        numerics = run.numerics
        self._config, self._numerics, self._seed = config, numerics, settings.seed
        self.steps = Steps(run)
        self._beta = BETA[config.method] if settings.beta is None else settings.beta
        self._images = numerics.preload(images)
        self._sharpener = sharpener
        network, copy = (blank(lambda: make_vae(config)) for _ in range(2))
        if start is not None:
            network.load_state_dict(start)
        else:
            initialise(network, rng(settings.seed, 0, 0))
            if isinstance(network, ResidualVae):
                chosen = evenly_spaced(len(images), START_PIXELS // math.prod(config.shape))
                network.fit_linear(to_signed(images[chosen]))
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
        rows = torch.arange(len(images)) if draws is None else draws
        self._sampler = sampler_of(images, rows, settings.batch, settings.seed)
        self._batch = settings.batch
        slices = micro_batches(settings.batch, math.prod(config.shape))
        self._parts = team.parts(slices, together=sharpener is not None)

    def stateful(self) -> Mapping[str, Stateful]:
        more = {} if self._sharpener is None else self._sharpener.stateful()
        own: dict[str, Stateful] = {
            "network": self._network,
            "optimiser": self._optimiser,
            "average": self.average,
        }
        return {**own, **more}

    def step(self, step: int) -> Mapping[str, Tensor]:
        return self.steps.do(self, step)

    def compute(self, inputs: _Inputs) -> Mapping[str, Tensor]:
        """Do a step with inputs on the device. Returns the metrics."""
        beta, count = self._beta, self._batch
        shares: list[dict[str, Tensor]] = []
        self._optimiser.zero_grad()
        for sent, noise in zip(inputs.pictures, inputs.noise, strict=True):
            pictures = to_signed(selected(self._images, sent))
            share = len(pictures) / count
            with self._numerics.autocast():
                error, divergence, drawn = self._errors(pictures, noise)
            loss, metrics = error, dict[str, Tensor]()
            if self._sharpener is not None:
                loss, metrics = sharpened_error(
                    error, drawn, pictures, self._sharpener, inputs.sharpening, share
                )
            ((loss + beta * divergence) * share).backward()
            losses = {"loss": error + beta * divergence, "error": error, "divergence": divergence}
            shares.append({k: v.detach() * share for k, v in (losses | metrics).items()})
        for group in self._optimiser.param_groups:
            group["lr"] = inputs.rate
        team.sum_gradients(self._network)
        self._optimiser.step()
        if self._sharpener is not None:
            self._sharpener.learn()
        self.average.update(self._network, inputs.weight)
        return team.summed_metrics(
            {name: torch.stack([s[name] for s in shares]).sum() for name in shares[0]}
        )

    def inputs(self, step: int) -> _Inputs:
        """Returns what step number `step` needs, on the processor."""
        chosen = self._sampler.indices(step)
        noise: list[Tensor | None] = [None] * len(self._parts)
        if not self._config.levels:
            shape, random = self._config.latent_shape, rng(self._seed, 1, step)
            drawn = torch.randn(len(chosen), *shape, generator=random)
            noise = [drawn[part.batch] for part in self._parts]
        return _Inputs(
            [selection(self._images, chosen[part.batch]) for part in self._parts],
            noise,
            self._rate * self._pace(step),
            self.average.weight((AVERAGED if self._age else 0) + step),
            0.0 if self._sharpener is None else self._sharpener.weight(step),
        )

    def _pace(self, step: int) -> float:
        """Returns the factor of the learning rate at a step."""
        return min(1.0, (step + 1) / WARM_UP, math.sqrt(STEADY / (self._age + step + 1)))

    def _errors(self, pictures: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the reconstruction error, the divergence from N(0, I) and the drawn pictures."""
        network = self._network
        mean, log_variance = network.posterior(pictures)
        latents, divergence = mean, torch.zeros((), device=mean.device)
        if noise is not None:
            assert log_variance is not None, "only quantised latents need no noise"
            latents = mean + (log_variance / 2).exp() * noise
            divergence = (mean.square() + log_variance.exp() - 1 - log_variance).mean() / 2
        if isinstance(network, ClassicVae):
            # The ELBO's sums, divided by the latent's length, so that beta is 1 for any length.
            logits = network.logits(latents)
            total = F.binary_cross_entropy_with_logits(logits, (pictures + 1) / 2, reduction="sum")
            return total / latents.numel(), divergence, logits
        drawn = network.picture(latents)
        return reconstruction_error(drawn, pictures), divergence, drawn

    @torch.no_grad()
    def preview(self) -> Tensor:
        """Returns pictures from the whole set, each followed by its reconstruction."""
        chosen = evenly_spaced(len(self._images), PREVIEWS)
        pictures = to_signed(self._numerics.take(self._images, chosen))
        network = self.average.network
        assert isinstance(network, VaeNetwork)
        with self._numerics.autocast():
            reconstructed = network.picture(network.posterior(pictures)[0])
        return to_bytes(torch.stack([pictures, reconstructed], 1).flatten(0, 1)).cpu()


def reconstruction_error(drawn: Tensor, real: Tensor) -> Tensor:
    """Returns the reconstruction error of drawn pictures (N, C, H, W), a weighted sum.

    It consists of the squared error of pixels, that of the differences of adjacent pixels, which
    measures edges, and the absolute error, which measures faint patterns on flat areas.
    """
    error = drawn - real
    across, down = error[..., 1:] - error[..., :-1], error[..., 1:, :] - error[..., :-1, :]
    edges = across.square().mean() + down.square().mean()
    return error.square().mean() + EDGES * edges + ABSOLUTE * error.abs().mean()


def evenly_spaced(count: int, most: int) -> Tensor:
    """Returns up to `most` (at least 8) of the numbers below `count`, evenly spaced."""
    return torch.linspace(0, count - 1, min(count, max(8, most)), dtype=torch.float64).long()
