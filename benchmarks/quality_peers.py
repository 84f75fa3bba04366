"""The plain models that benchmarks/quality.py compares with: a textbook DCGAN and VAE, as nodes.

They were written for this comparison, with PyTorch's defaults, float32 and no averaged weights.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from artgraph.contract.context import Context
from artgraph.contract.spec import node
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.kinds import Image
from artgraph.contract.widgets import Seed
from artgraph.models.blocks import to_signed
from artgraph.models.training.rng import rng

BATCH = 32  # pictures per step, as in our own trainings
NOISE = 100  # numbers of the DCGAN's latent
CODE = 128  # numbers of the VAE's latent

Steps = Annotated[int, Field(ge=1, description="Optimisation steps")]


@node(title="Plain DCGAN", category="bench", device=True)
def plain_dcgan(dataset: Dataset, *, steps: Steps, count: int, seed: Seed, ctx: Context) -> Image:
    """Train a DCGAN without classes and draw `count` pictures with it.

    Paper: Radford et al. 2016, with Adam of rate 0.0002 and beta1 0.5, weights from N(0, 0.02).
    """
    torch.manual_seed(seed)
    levels = dataset.height.bit_length() - 4  # doublings between 4 px and half the size
    widths = [64 << level for level in reversed(range(levels + 1))]
    draw = nn.Sequential(
        nn.ConvTranspose2d(NOISE, widths[0], 4, bias=False),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(),
        *_doubling(widths),
        nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1),
        nn.Tanh(),
    )
    judge = nn.Sequential(
        nn.Conv2d(3, widths[-1], 4, 2, 1),
        nn.LeakyReLU(0.2),
        *_halving(widths[::-1]),
        nn.Conv2d(widths[0], 1, 4),
        nn.Flatten(0),
    )
    for network in (draw, judge):
        network.apply(_small_weights)
    drawing, judging = (
        torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (draw, judge)
    )
    for step in range(steps):
        real = _batch(dataset, seed, step)
        fake = draw(torch.randn(BATCH, NOISE, 1, 1))
        loss = F.softplus(-judge(real)).mean() + F.softplus(judge(fake.detach())).mean()
        _step(judging, loss)
        _step(drawing, F.softplus(-judge(fake)).mean())
        ctx.progress(step + 1, steps)
    draw.eval()
    with torch.no_grad():
        parts = [draw(torch.randn(len(part), NOISE, 1, 1)) for part in torch.empty(count).split(64)]
    return _as_image(torch.cat(parts))


@node(title="Plain VAE", category="bench", device=True)
def plain_vae(dataset: Dataset, image: Image, *, steps: Steps, seed: Seed, ctx: Context) -> Image:
    """Train a convolutional VAE and reconstruct `image` with it.

    Paper: Kingma and Welling 2014, with summed squared error and divergence, Adam of rate 0.001.
    """
    torch.manual_seed(seed)
    side = dataset.height // 16
    encode = nn.Sequential(
        *_strided([3, 32, 64, 128, 256]), nn.Flatten(), nn.Linear(256 * side * side, 2 * CODE)
    )
    decode = nn.Sequential(
        nn.Linear(CODE, 256 * side * side),
        nn.Unflatten(1, (256, side, side)),
        *_doubling([256, 128, 64, 32]),
        nn.ConvTranspose2d(32, 3, 4, 2, 1),
        nn.Tanh(),
    )
    adam = torch.optim.Adam([*encode.parameters(), *decode.parameters()], 1e-3)
    for step in range(steps):
        real = _batch(dataset, seed, step)
        mean, log_variance = encode(real).chunk(2, 1)
        code = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        error = (decode(code) - real).square().sum() / BATCH
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum() / 2 / BATCH
        _step(adam, error + divergence)
        ctx.progress(step + 1, steps)
    encode.eval()
    decode.eval()
    with torch.no_grad():
        signed = image.permute(0, 3, 1, 2) * 2 - 1
        return _as_image(
            torch.cat([decode(encode(part).chunk(2, 1)[0]) for part in signed.split(64)])
        )


def _doubling(widths: list[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    return layers


def _halving(widths: list[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]
    return layers


def _strided(widths: list[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Conv2d(a, b, 4, 2, 1), nn.ReLU()]
    return layers


def _small_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1, 0.02)


def _batch(dataset: Dataset, seed: int, step: int) -> Tensor:
    rows = torch.randint(len(dataset), (BATCH,), generator=rng(seed, step))
    return to_signed(dataset.images[rows]).contiguous()


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def _as_image(signed: Tensor) -> Tensor:
    return signed.add(1).div(2).clamp(0, 1).permute(0, 2, 3, 1).contiguous()
