"""How well a VAE reconstructs pictures, class by class."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..alpha import flattened
from ..training.loop import Progress
from ..training.numerics import Numerics
from .api import decode, encode
from .fsq import codes
from .metrics import absolute_error, gradient_energy, psnr, ssim
from .networks import ResidualVae, VaeNetwork

PART = 64  # pictures encoded at a time
GREY = (128, 128, 128)  # colour behind pictures with alpha when they are compared


def reconstruction_table(
    network: VaeNetwork,
    images: Tensor,
    labels: Tensor,
    classes: tuple[str, ...],
    numerics: Numerics,
    progress: Progress,
) -> dict[str, list[Any]]:
    """Returns the columns style, pictures, psnr, error, ssim and sharpness.

    There is a row for each class and one for all pictures. Pictures with alpha are compared in
    front of grey. With quantised latents, the column
    `codes` contains the share of the codes that occur.
    """
    measured, used = [], []
    levels = network.levels if isinstance(network, ResidualVae) else ()
    for part in images.split(PART):
        latents = encode(network, part, numerics)
        drawn, original = map(_over_grey, (decode(network, latents, numerics), part.float() / 255))
        values = [metric(drawn, original) for metric in (psnr, absolute_error, ssim)]
        values += [gradient_energy(drawn), gradient_energy(original)]
        measured.append(torch.stack(values, 1))
        if levels:
            raw = latents * network.latent_std.cpu() + network.latent_mean.cpu()
            used.append(codes(raw, levels))
        progress(min(len(images), len(measured) * PART), len(images))
    table, numbers = torch.cat(measured).double(), torch.cat(used) if used else None
    chosen = [
        ("all (class)" if name == "all" else name, labels == index)
        for index, name in enumerate(classes)
    ]
    chosen.append(("all", torch.ones(len(images), dtype=torch.bool)))
    rows = []
    for name, mask in chosen:
        if not mask.any():
            continue
        *means, drawn_energy, energy = table[mask].mean(0).tolist()
        row = [name, int(mask.sum()), *means, drawn_energy / energy if energy else None]
        if numbers is not None:
            row.append(share_of_codes(numbers[mask], levels))
        rows.append(row)
    names = ["style", "pictures", "psnr", "error", "ssim", "sharpness"]
    names += ["codes"] if levels else []
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def _over_grey(pictures: Tensor) -> Tensor:
    """Returns pictures (N, H, W, C) in 0..1 in front of grey, if they have an alpha channel."""
    return pictures if pictures.shape[3] == 3 else flattened(pictures, GREY)


def share_of_codes(numbers: Tensor, levels: tuple[int, ...]) -> float:
    """Returns the share of all codes that occur in `numbers` (N, groups, h, w).

    The result is the mean over the groups.
    """
    total = math.prod(levels)
    shares = [len(group.unique()) / total for group in numbers.unbind(1)]
    return sum(shares) / len(shares)
