"""The training of a GAN's encoder, on pictures that the GAN itself draws."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import blank, initialise, to_bytes
from ..training.average import Average
from ..training.loop import Stateful, TrainingResult, TrainingRun, train
from ..training.rng import rng
from .codes import Points, code_length, codes_of, points_of, random_points
from .config import GanConfig
from .encoder import EncoderConfig, GanEncoder

RATE = 1e-3  # learning rate
CLIP = 1.0  # largest norm of the gradients
WARM_UP = 50  # steps of linear warm-up
STEADY = 500  # steps after which the rate falls with the inverse square root of the step
DECAY = 0.995  # decay of the averaged weights
MEASURED = 4096  # latents from which the mean and spread of the codes are measured
LATENTS, CLASS, PIXELS = 0.1, 0.1, 5.0  # weights of the losses
COARSE = 4  # pixels along an edge of a cell, in the coarse part of the pixel loss
PREVIEWS = 8  # pictures in a preview, beside their redrawings


@dataclass(frozen=True)
class EncoderSettings:
    """How to train an encoder: the seed of all random numbers, and the pictures of a step."""

    seed: int
    batch: int = 32


def train_encoder(
    network: nn.Module,
    config: GanConfig,
    model: str,
    settings: EncoderSettings,
    run: TrainingRun,
    *,
    steps: int,
) -> TrainingResult[EncoderConfig, None]:
    """Train an encoder of a generator, frozen and on the run's device, until `steps` are done.

    `model` is the digest of the GAN, which the config of the encoder contains.
    """
    trainee = EncoderTrainee(network, config, model, settings, run)
    curves = train(trainee, steps=steps, run=run)
    state = trainee.average.network.state_dict()
    state = {key: value.cpu().contiguous() for key, value in state.items()}
    return TrainingResult(trainee.encoder.config, state, curves, None)


class EncoderTrainee:
    """An encoder in training: network, optimiser and averaged weights.

    It learns the latents of a picture, and to redraw it. Latents alone say nothing about which of
    their parts are visible, and pixels alone leave a picture at the nearest layout that it finds.
    Paper: Zhu et al. 2016, "Generative Visual Manipulation on the Natural Image Manifold", section
    3; Xia et al. 2022, "GAN Inversion: A Survey", section 3.2.
    """

    def __init__(
        self,
        generator: nn.Module,
        config: GanConfig,
        model: str,
        settings: EncoderSettings,
        run: TrainingRun,
    ) -> None:
        self._generator, self._config = generator, config
        self._numerics, self._seed, self._batch = run.numerics, settings.seed, settings.batch
        encoder = EncoderConfig.of(config, code_length(config), model)
        network, copy = (blank(lambda: GanEncoder(encoder)) for _ in range(2))
        initialise(network, rng(settings.seed, 0, 0))
        numerics = self._numerics
        self.encoder = network
        self._train = numerics.compile(numerics.place(network))
        points = random_points(config, MEASURED, settings.seed).to(numerics.device)
        with torch.no_grad():
            codes = codes_of(generator, config, points.z, points.classes)
            network.mean.copy_(codes.mean(0))
            network.std.copy_(codes.std(0).clamp_min(1e-3))
        self.average = Average(network, numerics.place(copy), DECAY)
        self._optimiser = torch.optim.AdamW(
            network.parameters(), RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )

    def stateful(self) -> Mapping[str, Stateful]:
        return {"network": self.encoder, "optimiser": self._optimiser, "average": self.average}

    def step(self, step: int) -> Mapping[str, Tensor]:
        config, numerics = self._config, self._numerics
        points = self._points(step)
        noise = points.z[:, config.latent :]
        with torch.no_grad(), numerics.autocast():
            pictures = points.draw(self._generator)
            codes = codes_of(self._generator, config, points.z, points.classes)
        with numerics.autocast():
            found, logits, maps = self._train(pictures)
            again = points_of(self._generator, config, found, maps, points.classes)
            error = again.draw(self._generator) - pictures
        apart = ((found - codes) / self.encoder.std).square().mean()
        if maps.shape[1]:
            apart = apart + (maps - noise).square().mean()
        pixels = error.square().mean() + F.avg_pool2d(error, COARSE).square().mean()
        named = F.cross_entropy(logits, points.classes.argmax(1))
        loss = PIXELS * pixels + LATENTS * apart + CLASS * named
        self._optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.encoder.parameters(), CLIP)
        for group in self._optimiser.param_groups:
            group["lr"] = _rate(step)
        self._optimiser.step()
        self.average.update(self.encoder, self.average.weight(step))
        with torch.no_grad():
            psnr = -10 * torch.log10(error.square().flatten(1).mean(1) / 4).mean()
        return {"loss": loss.detach(), "latents": apart.detach(), "psnr": psnr}

    def preview(self) -> Tensor:
        points = random_points(self._config, PREVIEWS, self._seed).to(self._numerics.device)
        with torch.no_grad(), self._numerics.autocast():
            pictures = points.draw(self._generator)
            codes, _, maps = self.average.network(pictures)
            again = points_of(self._generator, self._config, codes, maps, points.classes)
            return to_bytes(torch.cat([pictures, again.draw(self._generator)])).cpu()

    def _points(self, step: int) -> Points:
        """Returns random latents of a step, of the classes in turn."""
        first = step * self._batch
        labels = torch.arange(first, first + self._batch) % len(self._config.classes)
        random = rng(self._seed, 1, step)
        z = torch.randn(self._batch, self._config.latent_dim, generator=random)
        classes = F.one_hot(labels, len(self._config.classes)).float()
        return Points(z, classes, None).to(self._numerics.device)


def _rate(step: int) -> float:
    return RATE * min(1.0, (step + 1) / WARM_UP, math.sqrt(STEADY / (step + 1)))
