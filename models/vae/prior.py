"""A learned prior over a VAE's latents. Unlike N(0, I), it yields latents of good pictures.

It is a class-conditional rectified flow on the normalised latents of the training pictures, as in
latent diffusion (Rombach et al. 2022), with the flow of Esser et al. 2024.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..alpha import premultiplied
from ..blocks import blank, initialise, to_bytes
from ..training.average import Average
from ..training.diverged import UnsuitableError
from ..training.in_parts import in_parts
from ..training.inputs import Number, selected, selection
from ..training.loop import (
    Preview,
    Progress,
    State,
    Stateful,
    TrainingResult,
    TrainingRun,
    train,
)
from ..training.numerics import Numerics
from ..training.rng import rng
from ..training.sampler import Sampler
from ..training.steps import Steps
from .api import decode, encode
from .flow import EVALUATIONS, integrate, interpolate, sample_times
from .networks import VaeNetwork
from .prior_network import MOST_PATCH, WIDEST, PriorConfig, PriorNet

RATE = 1e-3
WARM_UP = 50  # steps of linear warm-up
STEADY = 1000  # steps after which the rate falls with the inverse square root of the step
DECAY = 0.998  # decay of the averaged weights
UNKNOWN = 0.1  # share of the pictures trained on without their class (Ho and Salimans 2022)
CLIP = 1.0  # largest norm of the gradient
# Latents drawn at a time, always as many: a latent's bits depend on their number. On a GPU, a part
# of any size takes about the same time.
PART, GPU_PART = 8, 256
PREVIEW_EVALUATIONS = 16  # fewer than EVALUATIONS, so that previews do not slow down training
ENCODED = 256  # pictures encoded between two reports of progress
WEIGHTS, BATCHES, NOISE, PREVIEW = range(4)  # first counters of the random streams


def make_prior(channels: int, config: PriorConfig) -> PriorNet:
    """Returns the network of a config for latents of so many channels, without trained weights."""
    return PriorNet(channels, config)


@dataclass(frozen=True)
class PriorSettings:
    """How to train a prior.

    seed:          seed of all random numbers.
    batch:         latents per step.
    width, depth:  size of a new network, as in PriorConfig.
    """

    seed: int
    batch: int = 32
    width: int = 128
    depth: int = 6


def train_prior(
    latents: Tensor,
    labels: Tensor,
    classes: tuple[str, ...],
    settings: PriorSettings,
    run: TrainingRun,
    *,
    vae: VaeNetwork,
    steps: int,
    start: tuple[PriorConfig, State] | None = None,
    draws: Tensor | None = None,
) -> TrainingResult[PriorConfig, None]:
    """Train a prior on latents like those of `encode`.

    latents: (N, C, h, w), or (k N, C, h, w) with the same N pictures k times, as of `encode_all`.
    labels: int64 (N,), indices into `classes`.
    vae: the VAE of the latents, which decodes the previews.
    start: a prior to continue from; the rows of its class table are matched by name.
    draws: numbers of the N pictures, each as often as an epoch contains it; None for each once.

    Returns the averaged weights. The curves contain the loss.
    Raises: ValueError if `start` is a prior for latents of another size.
    """
    edge = math.sqrt(latents.shape[2] * latents.shape[3])  # of a square map with as many positions
    patch = min(MOST_PATCH, math.ceil(edge / WIDEST))
    config = PriorConfig(classes, settings.width, settings.depth, patch)
    if start is not None:
        if start[0].patch != patch:
            raise UnsuitableError(
                "the prior to start from is for larger or smaller latents",
                "wire a VAE of the same size to `start`, or leave `start` unwired",
            )
        config = replace(start[0], classes=classes)
    trainee = PriorTrainee(config, latents, labels, vae, settings, run, start, draws)
    curves = train(trainee, steps=steps, run=run)
    trainee.steps.close()
    state = {
        key: value.cpu().contiguous() for key, value in trainee.average.network.state_dict().items()
    }
    return TrainingResult(config, state, curves, None)


def encode_all(
    vae: VaeNetwork, images: Tensor, mirror: bool, numerics: Numerics, progress: Progress
) -> Tensor:
    """Returns the latents, float16 (N, C, h, w), of uint8 images (N, H, W, C).

    With `mirror`, returns 2 N latents: then those of the mirrored images.
    """
    parts, count = [], len(images) * (2 if mirror else 1)
    for flipped in (False, True)[: 2 if mirror else 1]:
        for part in images.split(ENCODED):
            parts.append(encode(vae, part.flip(2) if flipped else part, numerics).half())
            progress(min(count, len(parts) * ENCODED), count)
    return torch.cat(parts)


@torch.no_grad()
def sample_prior(
    vae: VaeNetwork,
    prior: nn.Module,
    noise: Tensor,
    classes: Tensor,
    *,
    guidance: float = 1.0,
    evaluations: int = EVALUATIONS,
    numerics: Numerics,
    progress: Progress | None = None,
    since: float = 0.0,
) -> Tensor:
    """Returns latents (N, C, h, w) for `decode`, generated from noise of that shape.

    classes: weights (N, K) of the classes, which sum to 1 for each latent.
    guidance: scale of classifier-free guidance (Ho and Salimans 2022); 1 is without guidance.
    evaluations: how often the network is evaluated for each latent.
    since: the time, 0 to 1, from which `noise` is followed: points between noise and latents.
    """
    numerics.place(prior).eval()
    count = len(noise)
    part = PART if numerics.device == "cpu" else GPU_PART
    padding = -count % part
    noise, classes = (torch.cat([t, t[:1].expand(padding, *t.shape[1:])]) for t in (noise, classes))

    def draw_part(points: Tensor, weights: Tensor) -> Tensor:
        return _drawn(prior, points, weights, guidance, evaluations, numerics, since).cpu()

    def report(done: float, total: float, preview: Preview | None = None) -> None:
        if progress is not None:
            progress(min(count, done), count)

    latents = in_parts(draw_part, noise, classes, batch=part, progress=report, network=prior)
    return vae.requantised(latents[:count])


def _drawn(
    prior: nn.Module,
    noise: Tensor,
    classes: Tensor,
    guidance: float,
    evaluations: int,
    numerics: Numerics,
    since: float,
) -> Tensor:
    noise, classes = noise.to(numerics.device), classes.to(numerics.device)
    if guidance != 1:
        classes = torch.cat([classes, torch.zeros_like(classes)])

    def velocity(points: Tensor, t: float) -> Tensor:
        times = torch.full((len(classes),), t, device=points.device)
        with numerics.autocast():
            if guidance == 1:
                return prior(points, times, classes).float()  # type: ignore[no-any-return]
            both = prior(points.repeat(2, 1, 1, 1), times, classes).float()
        conditional, unconditional = both.chunk(2)
        return torch.lerp(unconditional, conditional, guidance)

    return integrate(velocity, noise, evaluations, since)


class _Inputs(NamedTuple):
    latents: Any  # see `selection`
    noise: Tensor
    times: Tensor
    classes: Tensor
    rate: Number
    weight: Number  # of the network in the average


class PriorTrainee:
    """A prior in training: network, optimiser and averaged weights."""

    def __init__(
        self,
        config: PriorConfig,
        latents: Tensor,
        labels: Tensor,
        vae: VaeNetwork,
        settings: PriorSettings,
        run: TrainingRun,
        start: tuple[PriorConfig, State] | None,
        draws: Tensor | None,
    ) -> None:
        numerics = run.numerics
        self._config, self._labels, self._vae = config, labels, vae
        self.steps = Steps(run)
        self._latents = numerics.preload(latents)
        self._seed, self._numerics = settings.seed, numerics
        network, copy = (blank(lambda: make_prior(latents.shape[1], config)) for _ in range(2))
        if start is None:
            initialise(network, rng(settings.seed, WEIGHTS))
        else:
            _start_from(network, config, *start)
        self._network = numerics.compile(numerics.place(network))
        self.average = Average(network, numerics.place(copy), DECAY)
        self._optimiser = torch.optim.AdamW(
            network.parameters(), RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
        rows = torch.arange(len(latents))
        if draws is not None:  # of each of the versions of a picture
            rows = rows.view(-1, len(labels))[:, draws].flatten()
        self._sampler = Sampler(rows, settings.batch, settings.seed)
        self._age = 0 if start is None else STEADY

    def stateful(self) -> Mapping[str, Stateful]:
        return {"network": self._network, "optimiser": self._optimiser, "average": self.average}

    def step(self, step: int) -> Mapping[str, Tensor]:
        return self.steps.do(self, step)

    def compute(self, inputs: _Inputs) -> Mapping[str, Tensor]:
        """Do a step with inputs on the device. Returns the metrics."""
        data = selected(self._latents, inputs.latents).float()
        points = interpolate(inputs.noise, data, inputs.times)
        velocity = data - inputs.noise
        with self._numerics.autocast():
            predicted = self._network(points, inputs.times, inputs.classes)
        loss = (predicted - velocity).square().mean()
        self._optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), CLIP)
        for group in self._optimiser.param_groups:
            group["lr"] = inputs.rate
        self._optimiser.step()
        self.average.update(self._network, inputs.weight)
        return {"loss": loss.detach()}

    def inputs(self, step: int) -> _Inputs:
        """Returns what step number `step` needs, on the processor."""
        chosen, random = self._sampler.indices(step), rng(self._seed, NOISE, step)
        count = len(chosen)
        noise = torch.randn(count, *self._latents.shape[1:], generator=random)
        times = sample_times(count, random)
        known = torch.rand(count, 1, generator=random) >= UNKNOWN
        classes = self._one_hot(self._labels[chosen % len(self._labels)]) * known
        rate, weight = RATE * self._pace(step), self.average.weight(self._age + step)
        return _Inputs(selection(self._latents, chosen), noise, times, classes, rate, weight)

    def _pace(self, step: int) -> float:
        """Returns the factor of the learning rate at a step."""
        return min(1.0, (step + 1) / WARM_UP, math.sqrt(STEADY / (self._age + step + 1)))

    def _one_hot(self, labels: Tensor) -> Tensor:
        return F.one_hot(labels, len(self._config.classes)).float()

    def preview(self) -> Tensor:
        """Returns 8 pictures drawn with the averaged weights, of up to 8 classes in turn."""
        labels = torch.arange(8) % min(8, len(self._config.classes))
        random = rng(self._seed, PREVIEW)
        noise = torch.randn(8, *self._latents.shape[1:], generator=random)
        latents = sample_prior(
            self._vae,
            self.average.network,
            noise,
            self._one_hot(labels),
            evaluations=PREVIEW_EVALUATIONS,
            numerics=self._numerics,
        )
        pictures = decode(self._vae, latents, self._numerics)
        return to_bytes(premultiplied(pictures.permute(0, 3, 1, 2) * 2 - 1))


def _start_from(network: nn.Module, config: PriorConfig, old: PriorConfig, state: State) -> None:
    """Load the weights of another prior. A new class starts as the mean of the old classes."""
    rows = dict(zip(old.classes, state["classes"], strict=True))
    mean = state["classes"].mean(0)
    classes = torch.stack([rows.get(name, mean) for name in config.classes])
    network.load_state_dict({**state, "classes": classes})
