"""The training of a restyler's decoder.

Paper: Huang and Belongie 2017, "Arbitrary style transfer in real-time with adaptive instance
normalization" (content and style loss); Elnekave and Weiss 2022, "Generating natural images with
direct patch distributions matching" (patches); Park and Lee 2019, "Arbitrary style transfer with
style-attentional networks" (a picture in its own style stays as it is).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import blank, initialise, to_bytes, to_signed
from ..sliced_wasserstein import patch_distance, random_directions
from ..training.average import Average
from ..training.inputs import Number, selected, selection
from ..training.loop import State, Stateful, TrainingResult, TrainingRun, train
from ..training.rng import rng
from ..training.sampler import Sampler, micro_batches
from ..training.steps import Steps
from .adain import (
    Decoder,
    Encoder,
    Moments,
    Restyler,
    RestylerConfig,
    adapted,
    channels_of,
    moments,
    padded,
)

RATE = 2e-3  # learning rate
WARM_UP, STEADY = 20, 1000  # steps of warm-up; steps after which the rate falls
DECAY = 0.998  # of the averaged weights
CONTENT, STYLE, PATCHES, SAME = 0.4, 2.0, 10.0, 0.5  # weights of the losses
SAME_SHARE = 4  # one of so many pictures of a step is its own style
MEASURED = 256  # pictures from which the usual moments of the maps are measured
PREVIEWS = 4  # rows of a preview
STYLES = 1  # first counter of the styles' random stream


@dataclass(frozen=True)
class RestylerSettings:
    """How to train a restyler. `texture` is the weight of the patches' distance."""

    seed: int
    batch: int = 8
    texture: float = 1.0


class _Inputs(NamedTuple):
    contents: list[Any]  # of each part of the step, see `selection`
    styles: list[Any]
    flips: list[Tensor]
    directions: Tensor
    rate: Number
    weight: Number  # of the decoder in the average


class RestylerTrainee:
    """A restyler in training: decoder, optimiser and averaged weights."""

    def __init__(
        self,
        network: Restyler,
        contents: Tensor,
        styles: Tensor,
        settings: RestylerSettings,
        run: TrainingRun,
        start: State | None,
        draws: Tensor | None,
    ) -> None:
        """`contents`, `styles`: uint8 (N, H, W, 3)."""
        numerics = run.numerics
        self._network, self._settings, self._numerics = network, settings, numerics
        self._contents, self._styles = numerics.preload(contents), numerics.preload(styles)
        self.steps = Steps(run)
        if start is None:
            initialise(network.decoder, rng(settings.seed, 0, 0))
        else:
            network.decoder.load_state_dict(start)
        numerics.place(network)
        if start is None:
            network.decoder.set_usual(self._usual())
        width = network.decoder.enter.conv.out_channels
        copy = blank(lambda: Decoder(network.decoder.channels, width))
        self.average = Average(network.decoder, numerics.place(copy), DECAY)
        numerics.compile(network.decoder)
        self._optimiser = torch.optim.Adam(
            network.decoder.parameters(), RATE, betas=(0.9, 0.99), fused=True
        )
        rows = torch.arange(len(contents)) if draws is None else draws
        self._sampler = Sampler(rows, settings.batch, settings.seed)

    @torch.no_grad()
    def _usual(self) -> Moments:
        """Returns the mean of the moments of some pictures and styles, (1, C, 1, 1)."""
        found = []
        for images in (self._contents, self._styles):
            rows = _spread(len(images), min(len(images), MEASURED))
            for part in torch.split(rows, self._settings.batch):
                pictures = to_signed(self._numerics.take(images, part))
                with self._numerics.autocast():
                    found.append(self._network.moments(pictures))
        joined = [
            [torch.cat(level) for level in zip(*kind, strict=True)]
            for kind in zip(*found, strict=True)
        ]
        return Moments(*([m.mean(0, keepdim=True) for m in kind] for kind in joined))

    def stateful(self) -> Mapping[str, Stateful]:
        return {
            "decoder": self._network.decoder,
            "optimiser": self._optimiser,
            "average": self.average,
        }

    def step(self, step: int) -> Mapping[str, Tensor]:
        return self.steps.do(self, step)

    def inputs(self, step: int) -> _Inputs:
        """Returns what step number `step` needs, on the processor."""
        random = rng(self._settings.seed, STYLES, step)
        chosen = self._sampler.indices(step)
        styles = torch.randint(len(self._styles), (len(chosen),), generator=random)
        flips = torch.rand(2, len(chosen), generator=random) < 0.5
        pixels = max(math.prod(x.shape[1:3]) for x in (self._contents, self._styles))
        parts = micro_batches(len(chosen), 4 * pixels)
        return _Inputs(
            [selection(self._contents, chosen[part]) for part in parts],
            [selection(self._styles, styles[part]) for part in parts],
            [flips[:, part] for part in parts],
            random_directions(random),
            RATE * min(1.0, (step + 1) / WARM_UP, math.sqrt(STEADY / (step + 1))),
            self.average.weight(step),
        )

    def compute(self, inputs: _Inputs) -> Mapping[str, Tensor]:
        """Do a step with inputs on the device. Returns the metrics."""
        count, shares = self._settings.batch, list[dict[str, Tensor]]()
        self._optimiser.zero_grad()
        parts = zip(inputs.contents, inputs.styles, inputs.flips, strict=True)
        for contents, styles, flips in parts:
            content = _flipped(to_signed(selected(self._contents, contents)), flips[0])
            style = _flipped(to_signed(selected(self._styles, styles)), flips[1])
            share = len(content) / count
            losses = self._losses(content, style, inputs.directions)
            loss = torch.stack([*losses.values()]).sum()
            (loss * share).backward()
            shares.append({k: v.detach() * share for k, v in {"loss": loss, **losses}.items()})
        for group in self._optimiser.param_groups:
            group["lr"] = inputs.rate
        self._optimiser.step()
        self.average.update(self._network.decoder, inputs.weight)
        return {name: torch.stack([s[name] for s in shares]).sum() for name in shares[0]}

    def _losses(self, content: Tensor, style: Tensor, directions: Tensor) -> dict[str, Tensor]:
        """Returns the weighted losses of a part of a step."""
        encoder, decoder = self._network.encoder, self._network.decoder
        same = max(1, len(content) // SAME_SHARE)
        with self._numerics.autocast():
            with torch.no_grad():
                ours = decoder.normalised(encoder(padded(content)))
                example = decoder.normalised(encoder(padded(style)))
                theirs, own = moments(example), moments(ours)
            target = adapted(ours, own, theirs)
            drawn = decoder(target)
            found = decoder.normalised(encoder(drawn.clamp(-1, 1)))
            again = decoder([m[:same] for m in ours])
        found, target = [m.float() for m in found], [m.float() for m in target]
        kept = [F.mse_loss(a, b) for a, b in zip(found[2:], target[2:], strict=True)]
        pairs = zip((*moments(found),), theirs, strict=True)
        alike = [F.mse_loss(a, b) for one, two in pairs for a, b in zip(one, two, strict=True)]
        patches = [
            patch_distance(small(drawn.float()), small(padded(style)), directions).mean()
            for small in (_whole, _halved)
        ]
        whole = padded(content)[:same]
        return {
            "content": CONTENT * torch.stack(kept).mean(),
            "style": STYLE * torch.stack(alike).mean(),
            "patches": PATCHES * self._settings.texture * torch.stack(patches).mean(),
            "same": SAME * F.l1_loss(again.float(), whole),
        }

    @torch.no_grad()
    def preview(self) -> Tensor:
        """Returns contents, each followed by a style and by the content in this style."""
        first, second = (_spread(len(x), PREVIEWS) for x in (self._contents, self._styles))
        content = to_signed(self._numerics.take(self._contents, first))
        style = to_signed(self._numerics.take(self._styles, second.flip(0)))
        encoder, decoder = self._network.encoder, self.average.network
        assert isinstance(decoder, Decoder)
        with self._numerics.autocast():
            maps, example = encoder(padded(content)), encoder(padded(style))
            drawn = decoder(decoder.normalised(adapted(maps, moments(maps), moments(example))))
        height, width = content.shape[2:]
        if style.shape != content.shape:
            style = F.interpolate(style, (height, width), mode="bilinear", antialias=True)
        drawn = drawn[:, :, :height, :width].float()
        return to_bytes(torch.stack([content, style, drawn], 1).flatten(0, 1)).cpu()


def train_restyler(
    features: nn.Module,
    config: RestylerConfig,
    contents: Tensor,
    styles: Tensor,
    settings: RestylerSettings,
    run: TrainingRun,
    *,
    steps: int,
    start: State | None = None,
    draws: Tensor | None = None,
) -> TrainingResult[RestylerConfig, None]:
    """Train a decoder on uint8 pictures (N, H, W, 3) and styles (M, h, w, 3).

    start: the weights of a decoder to continue from.
    draws: rows of the pictures, each as often as an epoch contains it; None for each once.

    Returns the averaged weights of the decoder.
    """
    channels = channels_of(Encoder(features))
    decoder = blank(lambda: Decoder(channels, config.width))
    network = Restyler(features, decoder)
    trainee = RestylerTrainee(network, contents, styles, settings, run, start, draws)
    curves = train(trainee, steps=steps, run=run)
    trainee.steps.close()
    state = trainee.average.network.state_dict()
    return TrainingResult(
        config, {key: value.cpu().contiguous() for key, value in state.items()}, curves, None
    )


def _spread(count: int, rows: int) -> Tensor:
    """Returns row numbers below `count`, evenly spaced."""
    return torch.linspace(0, count - 1, rows, dtype=torch.float64).long()


def _flipped(pictures: Tensor, flips: Tensor) -> Tensor:
    """Returns pictures, some of which are mirrored."""
    return torch.where(flips[:, None, None, None], pictures.flip(3), pictures)


def _whole(pictures: Tensor) -> Tensor:
    return pictures


def _halved(pictures: Tensor) -> Tensor:
    return F.avg_pool2d(pictures, 2)
