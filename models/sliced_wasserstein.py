"""Style transfer without a network: a picture gets the patches of another.

The small patches of a picture are projected onto a random direction. The sorted projections are
compared with those of the style. Gradient descent on the pixels makes both distributions alike for
every direction, from coarse scales to fine ones. The result is right as a whole but noisy in each
patch, so each scale ends with votes (see patch_voting).

Paper: Elnekave and Weiss 2022, "Generating natural images with direct patch distributions
matching" (GPDM); the distance is that of Rabin et al. 2011, squared.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import to_bytes
from .patch_voting import Check, vote
from .repeatable import reflected
from .seen import Seen
from .training.in_parts import before_layers, in_parts
from .training.loop import Preview, Progress
from .training.numerics import Numerics
from .training.rng import rng

COARSEST = 16  # shorter side in pixels at the first scale
SCALE = math.sqrt(2)  # largest factor from one scale to the next
SIDE = 7  # side of a patch in pixels
DIRECTIONS = 32  # random directions in each step
SORTED = 1 << 19  # numbers that are sorted between two checks whether the user wants to stop
RATE = 0.05  # learning rate for pixels in -1..1; falls to a twentieth within each scale
BETAS, EPSILON = (0.9, 0.99), 1e-8  # of Adam
VOTES = 3  # votes at the end of each scale
GUIDE = 10.0  # weight of the brightness in a vote, for `keep` 1
SEEN = 0.5  # weight of the features in the loss, for `keep` 1
KEEP = 4.0  # weight of the brightness in the loss, for `keep` 1; the patches' distance has 1
BLUR = 5  # width in pixels of the blur of the brightness that `keep` preserves


def transfer(
    content: Tensor,
    style: Tensor,
    *,
    steps: int = 60,
    keep: float = 0.5,
    seed: int,
    numerics: Numerics,
    progress: Progress,
    features: nn.Module | None = None,
) -> Tensor:
    """Paint each content picture (N, 3, H, W) in the style of its partner (N, 3, h, w).

    Pictures are float in -1..1, with sides of at least 16 px. The sizes may differ.
    steps:     optimisation steps in total, divided evenly among the scales.
    keep:      how closely the result follows the brightness of the content: 0 not at all, 1 most.
    progress:  counts the votes as well, so its total is a little more than `steps`.
    features:  a network that returns feature maps; the result follows those of the content too,
               as closely as `keep` says. None: only its brightness.

    Returns float32 (N, 3, H, W) in -1..1 on the CPU. The pictures of a batch do not influence each
    other; if memory runs out, they are painted in smaller parts. The function also works in
    inference mode.
    """
    _check(content, style)
    count, total = len(content), steps + VOTES * len(_factors(min(content.shape[2:])))
    painted = 0

    def paint_part(content: Tensor, style: Tensor) -> Tensor:
        nonlocal painted

        def report(done: int, preview: Preview) -> None:
            progress((painted * total + done * len(content)) / count, total, preview)

        result = _transferred(content, style, steps, keep, seed, numerics, report, features)
        painted += len(content)
        return result

    return in_parts(paint_part, content, style, batch=count)


def _transferred(
    content: Tensor,
    style: Tensor,
    steps: int,
    keep: float,
    seed: int,
    numerics: Numerics,
    report: Callable[[int, Preview], None],
    features: nn.Module | None,
) -> Tensor:
    """Returns what `transfer` does, for pictures that fit into memory together."""
    with torch.inference_mode(False), torch.enable_grad():
        content, style = (x.clone().float().to(numerics.device) for x in (content, style))
        factors = _factors(min(content.shape[2:]))
        picture, done, match = None, 0, None

        def preview() -> Tensor:
            return to_bytes(content if match is None else match.picture.detach()).cpu()

        def check() -> None:
            report(done, preview)

        with before_layers(features, check):
            for k, factor in enumerate(factors):
                check()
                small, example = _resized(content, factor), _resized(style, factor)
                if picture is None:
                    picture = recoloured_by_brightness(small, example)
                else:
                    size = [*small.shape[2:]]
                    picture = F.interpolate(picture, size, mode="bicubic", align_corners=False)
                check()
                here = steps * (k + 1) // len(factors) - steps * k // len(factors)
                # The coarse scales follow the content's brightness most, the finest not at all.
                weight = keep * (1 - k / max(1, len(factors) - 1))
                target = _target_brightness(small, example)
                match = _Match(picture, example, target, weight, check)
                if features is not None:
                    match.follow(Seen(features, small, numerics), keep)
                for step in range(here):
                    match.step(0.5 + 0.5 * math.cos(math.pi * step / here), rng(seed, k, step))
                    done += 1
                    check()
                for _ in range(VOTES):
                    match.vote()
                    done += 1
                    check()
                picture = match.picture.detach()
        assert picture is not None
        return picture.clamp(-1, 1).cpu()


class _Match:
    """The optimisation at one scale."""

    def __init__(
        self, picture: Tensor, style: Tensor, brightness: Tensor, keep: float, check: Check
    ) -> None:
        """`check` is called within steps and votes; it raises to stop them."""
        self._check = check
        self.picture = picture.detach().clone().requires_grad_()
        self._style, self._brightness, self._keep = style, brightness, keep
        self._mean, self._square = (torch.zeros_like(self.picture) for _ in range(2))
        self._steps = 0
        self._seen: Seen | None = None

    def follow(self, seen: Seen, keep: float) -> None:
        """Stay near what a network sees in the content, as closely as `keep` says."""
        self._seen, self._share = seen, keep * SEEN

    def step(self, pace: float, random: torch.Generator) -> None:
        """Run one step with random directions; `pace` falls from 1 to 0 within the scale."""
        loss = (
            self._keep
            * KEEP
            * (blurred_brightness(self.picture) - self._brightness).square().mean((1, 2, 3))
        )
        directions = random_directions(random).to(self.picture.device)
        loss = loss + patch_distance(self.picture, self._style, directions, self._check)
        if self._seen is not None:
            loss = loss + self._share * self._seen.distance(self.picture)
        self._move(torch.autograd.grad(loss.sum(), self.picture)[0], RATE * (0.05 + 0.95 * pace))

    @torch.no_grad()
    def _move(self, gradient: Tensor, rate: float) -> None:
        """Change the picture by a step of Adam (Kingma and Ba 2015), to the bit as torch's.

        `torch.optim` imports torch's compiler, a second in which nobody can stop the work.
        """
        self._steps += 1
        self._mean.lerp_(gradient, 1 - BETAS[0])
        self._square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        corrections = [1 - beta**self._steps for beta in BETAS]
        spread = (self._square.sqrt() / corrections[1] ** 0.5).add_(EPSILON)
        self.picture.addcdiv_(self._mean, spread, value=-rate / corrections[0])

    def vote(self) -> None:
        """Replace the patches of the picture by patches of the style."""
        weight = (self._keep * GUIDE) ** 0.5
        guides = weight * self._brightness, weight * blurred_brightness(self._style)
        rows = zip(self.picture.detach(), self._style, *guides, strict=True)
        self.picture = torch.stack([vote(*row, self._check) for row in rows])


def patch_distance(
    pictures: Tensor, style: Tensor, directions: Tensor, check: Check | None = None
) -> Tensor:
    """Returns the squared sliced Wasserstein distances (N,) of the pictures' and styles' patches.

    directions: (K, 3, side, side).
    check:      called between parts of the work; raises to stop it.
    If the styles have more or fewer patches than the pictures, their quantiles are interpolated.
    """
    ours = _sorted(_project(pictures, directions), check)
    with torch.no_grad():
        theirs = _sorted(_project(style, directions), check)
        if theirs.shape[-1] != ours.shape[-1]:
            theirs = F.interpolate(theirs, ours.shape[-1], mode="linear", align_corners=True)
    return (ours - theirs).square().mean((1, 2))


def _sorted(values: Tensor, check: Check | None) -> Tensor:
    """Returns values (N, K, L), sorted along L: all at once, or in parts of about SORTED values."""
    rows = max(1, SORTED // (len(values) * values.shape[2]))
    if check is None or rows >= values.shape[1]:
        return values.sort(-1).values
    parts = []
    for part in values.split(rows, 1):
        check()
        parts.append(part.sort(-1).values)
    return torch.cat(parts, 1)


def _project(pictures: Tensor, directions: Tensor) -> Tensor:
    """Returns the projection of each patch onto each direction, (N, K, patches).

    There is a patch around every pixel, as the borders are padded by reflection. Without padding,
    pixels at the border would be in few patches only and stay noisy.
    """
    padded = reflected(pictures, directions.shape[-1] // 2)
    return F.conv2d(padded, directions).flatten(2)


def random_directions(random: torch.Generator) -> Tensor:
    """Returns random unit directions (DIRECTIONS, 3, SIDE, SIDE) in the space of patches."""
    directions = torch.randn(DIRECTIONS, 3, SIDE, SIDE, generator=random)
    return F.normalize(directions.flatten(1)).view_as(directions)


def brightness(pictures: Tensor) -> Tensor:
    """Returns the luma (N, 1, H, W) of pictures in -1..1 (ITU-R BT.601)."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=pictures.device)
    return (pictures * weights[:, None, None]).sum(1, keepdim=True)


def blurred_brightness(pictures: Tensor) -> Tensor:
    """Returns the luma (N, 1, H, W) of pictures, blurred over BLUR pixels."""
    padded = reflected(brightness(pictures), BLUR // 2)
    return F.avg_pool2d(padded, BLUR, 1)


def _target_brightness(content: Tensor, style: Tensor) -> Tensor:
    """Returns the content's blurred brightness, mapped to the range of the style's.

    With another range, no patches of the style could match the brightness.
    """
    ranks = _ranks(blurred_brightness(content))
    return _look_up(blurred_brightness(style).flatten(1).sort(1).values[:, None], ranks)


def recoloured_by_brightness(content: Tensor, style: Tensor) -> Tensor:
    """Returns the content as a gradient map: pixels get the style's colour of the same luma rank.

    Pixels that are equal stay equal.
    """
    order = brightness(style).flatten(1).argsort(1)
    colours = style.flatten(2).gather(2, order[:, None].expand(-1, 3, -1))
    reach = max(1, colours.shape[2] // 16)
    padded = F.pad(colours, [reach, reach], mode="replicate")
    return _look_up(F.avg_pool1d(padded, 2 * reach + 1, 1), _ranks(brightness(content)))


def _ranks(values: Tensor) -> Tensor:
    """Returns the mean rank in 0..1 of each value (N, 1, H, W) in its picture.

    Equal values have the same rank.
    """
    flat = values.flatten(1)
    ordered = flat.sort(1).values
    ranks = torch.searchsorted(ordered, flat) + torch.searchsorted(ordered, flat, right=True) - 1
    return (ranks / (2 * flat.shape[1] - 2)).view(values.shape)


def _look_up(table: Tensor, ranks: Tensor) -> Tensor:
    """Returns the values (N, C, H, W) at ranks (N, 1, H, W) of tables (N, C, L)."""
    places = (ranks * (table.shape[2] - 1)).round().long().flatten(2)
    values = table.gather(2, places.expand(-1, table.shape[1], -1))
    return values.view(len(table), table.shape[1], *ranks.shape[2:])


def _factors(side: int) -> list[float]:
    """Returns the scales' sizes as factors from COARSEST / side up to 1, in geometric steps."""
    count = 1 + math.ceil(math.log(side / COARSEST, SCALE) - 1e-9)
    return [(side / COARSEST) ** (k / max(1, count - 1) - 1) for k in range(count)]


def _resized(pictures: Tensor, factor: float) -> Tensor:
    size = [max(COARSEST // 2, round(side * factor)) for side in pictures.shape[2:]]
    return F.interpolate(pictures, size, mode="bilinear", antialias=True, align_corners=False)


def _check(content: Tensor, style: Tensor) -> None:
    if len(content) != len(style):
        raise ValueError(f"{len(content)} content pictures need as many styles, not {len(style)}")
    if content.shape[1] != 3 or style.shape[1] != 3:
        raise ValueError("content and style must have three channels")
    if min(*content.shape[2:], *style.shape[2:]) < COARSEST:
        raise ValueError(f"the sides of content and style must be at least {COARSEST} px")
