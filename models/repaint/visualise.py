"""Pictures of what channels and classes of a network respond to, made from noise.

A picture is the sum of waves, whose colours are independent of each other, so that gradient descent
changes coarse and fine parts alike. In each step the network sees it shifted, scaled and turned, so
that it becomes something that it recognises from everywhere and not a pattern for one place.

Paper: Olah, Mordvintsev and Schubert 2017, "Feature visualization" (Distill).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ..blocks import to_bytes
from ..repeatable import sampled
from ..training.loop import Progress
from ..training.numerics import Numerics
from ..training.rng import rng
from .responses import Response

RATE = 0.05  # learning rate
AT_ONCE = 1 << 18  # largest number of pixels that are computed at once
DEVIATION = 0.01  # of the waves at the beginning
SHIFT, SCALES, TURN = 8, (0.9, 1.1), 10.0  # pixels, factors and degrees of the transforms, at most
TRANSFORMS = 1 << 20  # first counter of the transforms' random stream
# The main colours of photographs, as columns: brightness, blue to yellow, green to magenta
COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))


def visualise(
    response: Response,
    size: int,
    steps: int,
    seed: int,
    numerics: Numerics,
    progress: Progress,
) -> Tensor:
    """Returns a picture for each channel or class of the response, (N, 3, size, size) in -1..1."""
    at_once = max(1, AT_ONCE // size**2)
    channels, found = response.channels, []
    for start in range(0, len(channels), at_once):
        part = channels[start : start + at_once]

        def report(done: float, total: float, shown: object, base: int = start) -> None:
            here = base + len(part) * done / total  # noqa: B023
            progress(here / len(channels), 1.0, shown)  # type: ignore[arg-type]

        few = Response(response.network, response.level, part)
        found.append(_visualised(few, size, steps, seed, numerics, report).cpu())
    return torch.cat(found)


def _visualised(
    response: Response,
    size: int,
    steps: int,
    seed: int,
    numerics: Numerics,
    report: object,
) -> Tensor:
    with torch.inference_mode(False), torch.enable_grad():
        waves = torch.stack(
            [
                torch.randn(2, 3, size, size // 2 + 1, generator=rng(seed, channel))
                for channel in response.channels
            ]
        )
        waves = (waves * DEVIATION).to(numerics.device).requires_grad_()
        optimiser = torch.optim.Adam([waves], RATE)
        rows = torch.arange(len(response.channels), device=numerics.device)
        for step in range(steps):
            seen = _transformed(_picture(waves, size), rng(seed, TRANSFORMS, step))
            # The responses of one picture to its own channel; the others are not used.
            values = response.values(seen, numerics)[rows, rows]
            optimiser.zero_grad()
            torch.autograd.backward(-values.mean((1, 2)).sum())
            optimiser.step()
            report(step + 1, steps, lambda: to_bytes(_picture(waves.detach(), size)).cpu())  # type: ignore[operator]
        return _picture(waves.detach(), size)


def _picture(waves: Tensor, size: int) -> Tensor:
    """Returns pictures (N, 3, size, size) in -1..1 of waves (N, 2, 3, size, size / 2 + 1)."""
    down, right = torch.fft.fftfreq(size), torch.fft.rfftfreq(size)
    frequency = (down[:, None].square() + right.square()).sqrt().clamp(min=1 / size)
    scale = (1 / frequency).to(waves.device)
    spectrum = torch.complex(waves[:, 0] * scale, waves[:, 1] * scale)
    planes = torch.fft.irfft2(spectrum, s=(size, size), norm="ortho") / 4
    matrix = torch.tensor(COLOURS, device=waves.device) / 0.26
    mixed = torch.einsum("ij,njhw->nihw", matrix, planes)
    return torch.tanh(mixed / 2)


def _transformed(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Returns the pictures (N, 3, H, W), shifted, scaled and turned at random, all alike."""
    side = pictures.shape[2]
    scale, turn, down, right = torch.rand(4, generator=random).tolist()
    factor = SCALES[0] + scale * (SCALES[1] - SCALES[0])
    angle = math.radians((2 * turn - 1) * TURN)
    shift = [2 * SHIFT * (2 * s - 1) / side for s in (right, down)]
    cos, sin = math.cos(angle) / factor, math.sin(angle) / factor
    theta = torch.tensor([[[cos, sin, shift[0]], [-sin, cos, shift[1]]]], device=pictures.device)
    grid = F.affine_grid(theta, [1, *pictures.shape[1:]], align_corners=False)
    return sampled(pictures, grid)
