"""Helpers that all networks share: creating and initialising them, and converting pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .alpha import premultiplied, straight, with_shares, without_shares

Net = TypeVar("Net", bound=nn.Module)
LEAK = 0.2  # slope of the leaky ReLUs


def blank(make: Callable[[], Net]) -> Net:
    """Returns a network with uninitialised weights, without drawing random numbers."""
    with torch.device("meta"):
        net = make()
    # As net.to_empty(device="cpu"), which imports sympy when it is used for the first time.
    net._apply(lambda t: torch.empty(t.shape, dtype=t.dtype))  # type: ignore[no-untyped-call]
    return net


def initialise(net: nn.Module, random: torch.Generator) -> None:
    """Initialise every weight and buffer, with random numbers from `random` only.

    Convolutions and linear layers: He et al. 2015, eq. 14, for leaky ReLU; norms: identity;
    embeddings: N(0, 1). A module that needs other values has a method `initialise_(random)`,
    which is called after its children are initialised.
    """
    for module in net.children():
        initialise(module, random)
    if isinstance(module := net, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, LEAK, generator=random)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm):
        if module.weight is not None:
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, generator=random)
    special = getattr(net, "initialise_", None)
    if special is not None:
        special(random)


@torch.no_grad()
def measure_norms(net: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set the batch norms of `net` to the statistics of these batches; switch to evaluation mode.

    The statistics gathered in training belong to earlier weights, not to the averaged ones. After
    a few steps they are useless (Izmailov et al. 2018, section 3.2).
    """
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over the batches
    net.train()
    for batch in batches if norms else ():
        net(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    net.eval()


def to_signed(images: Tensor) -> Tensor:
    """Convert uint8 (N, H, W, C) to float32 (N, C, H, W) in -1..1, in channels-last order.

    C is 3 or 4. With an alpha channel, the colours are multiplied by the opacity (see alpha.py).
    """
    return premultiplied(images.permute(0, 3, 1, 2).float().div_(127.5).sub_(1))


def to_bytes(signed: Tensor) -> Tensor:
    """Convert float (N, C, H, W) of networks, clipped to -1..1, to uint8 (N, H, W, C)."""
    scaled = straight(signed.float().clamp(-1, 1)).add(1).mul(127.5).add(0.5)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def halvings(size: int, smallest: int) -> int:
    """Returns how often `size` must be halved to reach `smallest`.

    Raises: ValueError if `size` is not `smallest` times a power of two.
    """
    times = math.log2(size / smallest)
    if times != int(times) or times < 0:
        raise ValueError(f"a size of {size} px is not {smallest} px times a power of two")
    return int(times)


def fit_middle(images: Tensor, height: int, width: int) -> Tensor:
    """Crop float (N, H, W, C) in 0..1 to the middle part of this shape, and resize it."""
    rows, columns = images.shape[1:3]
    scale = min(rows / height, columns / width)
    inner_rows, inner_columns = (max(1, round(scale * side)) for side in (height, width))
    top, left = (rows - inner_rows) // 2, (columns - inner_columns) // 2
    middle = images[:, top : top + inner_rows, left : left + inner_columns]
    if (inner_rows, inner_columns) == (height, width):
        return middle
    planes = F.interpolate(
        with_shares(middle).permute(0, 3, 1, 2), (height, width), mode="bicubic", antialias=True
    )
    return without_shares(planes.permute(0, 2, 3, 1)).contiguous()
