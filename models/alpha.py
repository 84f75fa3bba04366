"""Transparency: straight and premultiplied colours of pictures with an alpha channel.

Everywhere else, the colours of RGBA pictures are straight: they do not depend on the opacity.
Networks see colours in -1..1 that are multiplied by the opacity 0..1. This is the picture in front
of mid-grey, which is 0. So what is transparent has no colour that a network could learn, and the
first three channels are a picture for networks that do not know alpha. Functions for networks
return RGB pictures (three channels) unchanged.
"""

from __future__ import annotations

import torch
from torch import Tensor

CLEAR = 0.5 / 255  # opacities below it are stored as 0
_NEAR = 0.01  # how close to clear or opaque a drawn pixel becomes so: tanh hardly reaches its ends


def premultiplied(signed: Tensor) -> Tensor:
    """Returns straight pictures (N, C, H, W) in -1..1 as networks see them."""
    if signed.shape[1] == 3:
        return signed
    colours, alpha = signed[:, :3], signed[:, 3:]
    return torch.cat([colours * opacity(alpha), alpha], 1)


def straight(signed: Tensor) -> Tensor:
    """Returns pictures (N, C, H, W) of networks in -1..1 with straight colours.

    Colours that are too strong for their opacity are clipped. What is transparent becomes black.
    """
    if signed.shape[1] == 3:
        return signed
    colours, alpha = signed[:, :3], signed[:, 3:]
    share = opacity(alpha)
    divided = (colours / share.clamp_min(CLEAR)).clamp(-1, 1)
    return torch.cat([torch.where(share < CLEAR, -1.0, divided), 2 * share - 1], 1)


def drawn(signed: Tensor) -> Tensor:
    """Returns pictures (N, C, H, W) that a network drew, with straight colours; see `straight`.

    What is nearly clear becomes clear, and what is nearly opaque becomes opaque.
    """
    pictures = straight(signed)
    if signed.shape[1] == 3:
        return pictures
    alpha = (pictures[:, 3:] / (1 - 2 * _NEAR)).clamp(-1, 1)
    colours = torch.where(opacity(alpha) < CLEAR, -1.0, pictures[:, :3])
    return torch.cat([colours, alpha], 1)


def over_grey(signed: Tensor) -> Tensor:
    """Returns pictures (N, C, H, W) of networks in front of mid-grey: (N, 3, H, W)."""
    return signed[:, :3]


def opacity(alpha: Tensor) -> Tensor:
    """Returns an alpha channel in -1..1 as opacity in 0..1."""
    return ((alpha + 1) / 2).clamp(0, 1)


def flattened(pictures: Tensor, background: tuple[int, int, int]) -> Tensor:
    """Returns straight pictures (N, H, W, 4) in front of a colour, of levels 0..255: (N, H, W, 3).

    Pictures are float in 0..1, or uint8.
    """
    ground = torch.tensor(background, dtype=torch.float32, device=pictures.device)
    if pictures.dtype == torch.uint8:
        flat = pictures.new_empty((*pictures.shape[:-1], 3))
        for part, target in zip(pictures.split(64), flat.split(64), strict=True):
            target.copy_(_mixed(part.float() / 255, ground).add_(0.5))
        return flat
    return _mixed(pictures, ground) / 255


def _mixed(pictures: Tensor, ground: Tensor) -> Tensor:
    return torch.lerp(ground, pictures[..., :3] * 255, pictures[..., 3:])


def opaque(pictures: Tensor) -> Tensor:
    """Returns pictures (N, H, W, 3), float or uint8, with an alpha channel: (N, H, W, 4)."""
    full = 255 if pictures.dtype == torch.uint8 else 1
    return torch.cat([pictures, pictures.new_full((*pictures.shape[:-1], 1), full)], -1)


def with_shares(pictures: Tensor) -> Tensor:
    """Returns pictures (N, H, W, C) in 0..1 with colours multiplied by their opacity."""
    if pictures.shape[3] == 3:
        return pictures
    return torch.cat([pictures[..., :3] * pictures[..., 3:], pictures[..., 3:]], 3)


def without_shares(pictures: Tensor) -> Tensor:
    """Returns pictures (N, H, W, C) of `with_shares`, resized, with straight colours in 0..1.

    They may exceed the range. Both are then too large by the same factor, so the colour is right.
    """
    if pictures.shape[3] == 3:
        return pictures.clamp(0, 1)
    alpha = pictures[..., 3:]
    colours = (pictures[..., :3] / alpha.clamp_min(CLEAR)).clamp(0, 1)
    return torch.cat([torch.where(alpha < CLEAR, 0.0, colours), alpha.clamp(0, 1)], 3)


def more_inputs(weight: Tensor, count: int) -> Tensor:
    """Returns weights (out, in, ...) for so many inputs; they do not use the new ones."""
    return torch.cat(
        [weight, weight.new_zeros(len(weight), count - weight.shape[1], *weight.shape[2:])], 1
    )


def more_outputs(weights: Tensor, count: int, value: float = 0.0) -> Tensor:
    """Returns weights or biases (out, ...) for so many outputs; those of new ones are `value`."""
    return torch.cat([weights, weights.new_full((count - len(weights), *weights.shape[1:]), value)])
