"""Style transfer without a network: a picture takes on the patches of another.

A picture's small patches, seen along a random direction, are a heap of numbers; sorted, they
can be compared with another picture's. Gradient descent on the pixels makes the two heaps
alike for every direction, from coarse scales to fine ones. What descent leaves is right on the
whole but noisy in each patch, so at the end of each scale patches vote (see patch_voting).

Paper: Elnekave and Weiss 2022, "Generating natural images with direct patch distributions
matching" (GPDM); the distance is that of Rabin et al. 2011, squared.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .blocks import to_bytes
from .patch_voting import vote
from .training.loop import Progress
from .training.numerics import Numerics
from .training.rng import rng

COARSEST = 16  # pixels of the shorter side at the first scale
SCALE = math.sqrt(2)  # from one scale to the next, at most
SIDE = 7  # pixels of a patch
DIRECTIONS = 32  # in each step
RATE = 0.05  # of Adam, on pixels in -1..1; falls to a twentieth within each scale
VOTES = 3  # at each scale, after its descent
GUIDE = 10.0  # weight of light and dark in a vote, for `keep` 1
KEEP = 4.0  # weight of light and dark, for `keep` 1, beside the patches' distance
BLUR = 5  # pixels; what is coarser than this may be kept from the content


def transfer(
    content: Tensor,
    style: Tensor,
    *,
    steps: int = 60,
    keep: float = 0.5,
    seed: int,
    numerics: Numerics,
    progress: Progress,
) -> Tensor:
    """Paint each content picture (N, 3, H, W) in the style of its partner (N, 3, h, w).

    Pictures are float in -1..1, of at least 16 px a side; the sizes may differ.
    steps:  of Adam in all, shared out evenly among the scales.
    keep:   how firmly light and dark stay where the content has them: 0 not, 1 very.
    progress: counts the votes as well, so its total is a little more than `steps`.

    Returns float32 (N, 3, H, W) in -1..1 on the CPU; works in inference mode too. Pictures in
    a batch do not influence each other.
    """
    _check(content, style)
    with torch.inference_mode(False), torch.enable_grad():
        content, style = (x.clone().float().to(numerics.device) for x in (content, style))
        factors = _factors(min(content.shape[2:]))
        picture, done, total = None, 0, steps + VOTES * len(factors)
        for k, factor in enumerate(factors):
            small, example = _resized(content, factor), _resized(style, factor)
            if picture is None:
                picture = recoloured_by_brightness(small, example)
            else:
                size = [*small.shape[2:]]
                picture = F.interpolate(picture, size, mode="bicubic", align_corners=False)
            here = steps * (k + 1) // len(factors) - steps * k // len(factors)
            # Coarse scales keep the content's composition, the finest is all the style's.
            kept = keep * (1 - k / max(1, len(factors) - 1))
            match = _Match(picture, example, _light_and_dark(small, example), kept)
            for step in range(here):
                match.step(0.5 + 0.5 * math.cos(math.pi * step / here), rng(seed, k, step))
                done += 1
                progress(done, total, match.preview)
            for _ in range(VOTES):
                match.vote()
                done += 1
                progress(done, total, match.preview)
            picture = match.picture.detach()
        assert picture is not None
        return picture.clamp(-1, 1).cpu()


class _Match:
    """The optimisation at one scale."""

    def __init__(self, picture: Tensor, style: Tensor, wanted: Tensor, keep: float) -> None:
        self.picture = picture.detach().clone().requires_grad_()
        self._style, self._wanted, self._keep = style, wanted, keep
        self._optimiser = torch.optim.Adam([self.picture], RATE, betas=(0.9, 0.99))

    def step(self, pace: float, random: torch.Generator) -> None:
        """One step with random directions; `pace` falls from 1 to 0 within the scale."""
        loss = (
            self._keep
            * KEEP
            * (blurred_brightness(self.picture) - self._wanted).square().mean((1, 2, 3))
        )
        directions = _directions(random).to(self.picture.device)
        loss = loss + patch_distance(self.picture, self._style, directions)
        self._optimiser.zero_grad()
        torch.autograd.backward(loss.sum())
        for group in self._optimiser.param_groups:
            group["lr"] = RATE * (0.05 + 0.95 * pace)
        self._optimiser.step()

    def vote(self) -> None:
        """Snap the picture to real patches of the style."""
        weight = (self._keep * GUIDE) ** 0.5
        guides = weight * self._wanted, weight * blurred_brightness(self._style)
        repainted = map(vote, self.picture.detach(), self._style, *guides)
        self.picture = torch.stack([*repainted])

    @torch.no_grad()
    def preview(self) -> Tensor:
        return to_bytes(self.picture).cpu()


def patch_distance(pictures: Tensor, style: Tensor, directions: Tensor) -> Tensor:
    """Squared sliced Wasserstein distance (N,) between the patches of pictures and of styles.

    directions: (K, 3, side, side). Where the styles have more or fewer patches, their
    quantiles are interpolated.
    """
    ours = _seen_along(pictures, directions).sort(-1).values
    with torch.no_grad():
        theirs = _seen_along(style, directions).sort(-1).values
        if theirs.shape[-1] != ours.shape[-1]:
            theirs = F.interpolate(theirs, ours.shape[-1], mode="linear", align_corners=True)
    return (ours - theirs).square().mean((1, 2))


def _seen_along(pictures: Tensor, directions: Tensor) -> Tensor:
    """(N, K, patches): each patch times each direction, around every pixel by reflection.

    Without the reflection border pixels lie in few patches, and keep the noise of the search.
    """
    padded = F.pad(pictures, [directions.shape[-1] // 2] * 4, mode="reflect")
    return F.conv2d(padded, directions).flatten(2)


def _directions(random: torch.Generator) -> Tensor:
    """Random unit directions (DIRECTIONS, 3, SIDE, SIDE) of patch space."""
    directions = torch.randn(DIRECTIONS, 3, SIDE, SIDE, generator=random)
    return F.normalize(directions.flatten(1)).view_as(directions)


def brightness(pictures: Tensor) -> Tensor:
    """Luma (N, 1, H, W) of pictures in -1..1 (ITU-R BT.601)."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=pictures.device)
    return (pictures * weights[:, None, None]).sum(1, keepdim=True)


def blurred_brightness(pictures: Tensor) -> Tensor:
    """Luma of what is coarser than BLUR pixels, (N, 1, H, W)."""
    padded = F.pad(brightness(pictures), [BLUR // 2] * 4, mode="reflect")
    return F.avg_pool2d(padded, BLUR, 1)


def _light_and_dark(content: Tensor, style: Tensor) -> Tensor:
    """The content's blurred brightness, with the style's range of it: what `keep` asks for.

    The ranges must agree, or light and dark would be kept at the price of foreign patches.
    """
    ranks = _ranks(blurred_brightness(content))
    return _at(blurred_brightness(style).flatten(1).sort(1).values[:, None], ranks)


def recoloured_by_brightness(content: Tensor, style: Tensor) -> Tensor:
    """A gradient map of the content: each pixel takes the style's colour of its rank in luma.

    Equal pixels stay equal.
    """
    order = brightness(style).flatten(1).argsort(1)
    colours = style.flatten(2).gather(2, order[:, None].expand(-1, 3, -1))
    reach = max(1, colours.shape[2] // 16)
    padded = F.pad(colours, [reach, reach], mode="replicate")
    return _at(F.avg_pool1d(padded, 2 * reach + 1, 1), _ranks(brightness(content)))


def _ranks(values: Tensor) -> Tensor:
    """Mean rank in 0..1 of each value (N, 1, H, W) in its picture; equal values rank equally."""
    flat = values.flatten(1)
    ordered = flat.sort(1).values
    ranks = torch.searchsorted(ordered, flat) + torch.searchsorted(ordered, flat, right=True) - 1
    return (ranks / (2 * flat.shape[1] - 2)).view(values.shape)


def _at(table: Tensor, ranks: Tensor) -> Tensor:
    """(N, C, H, W): what stands at these ranks (N, 1, H, W) in the tables (N, C, L)."""
    places = (ranks * (table.shape[2] - 1)).round().long().flatten(2)
    found = table.gather(2, places.expand(-1, table.shape[1], -1))
    return found.view(len(table), table.shape[1], *ranks.shape[2:])


def _factors(side: int) -> list[float]:
    """Of each scale's size, evenly spaced in the logarithm, from COARSEST / side up to 1."""
    count = 1 + math.ceil(math.log(side / COARSEST, SCALE) - 1e-9)
    return [(side / COARSEST) ** (k / max(1, count - 1) - 1) for k in range(count)]


def _resized(pictures: Tensor, factor: float) -> Tensor:
    size = [max(COARSEST // 2, round(side * factor)) for side in pictures.shape[2:]]
    return F.interpolate(pictures, size, mode="bilinear", antialias=True, align_corners=False)


def _check(content: Tensor, style: Tensor) -> None:
    if len(content) != len(style):
        raise ValueError(f"{len(content)} content pictures, but {len(style)} styles")
    if content.shape[1] != 3 or style.shape[1] != 3:
        raise ValueError("content and style must have three channels")
    if min(*content.shape[2:], *style.shape[2:]) < COARSEST:
        raise ValueError(f"content and style must be at least {COARSEST} px a side")
