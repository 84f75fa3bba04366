"""Inverts pictures: searches the latents with which a GAN draws them.

Paper: Abdal et al. 2019, "Image2StyleGAN" (a style for each level); Karras et al. 2020, "Analyzing
and Improving the Image Quality of StyleGAN", appendix D (noise maps).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..training.loop import Progress
from ..training.numerics import Numerics
from .codes import Points, points_of
from .config import GanConfig

AT_ONCE = 1 << 16  # pixels of the pictures that are searched at once; at least one picture
CODE_RATE, NOISE_RATE = 0.15, 0.5  # of Adam
BETAS = 0.9, 0.95
WARM_UP = 10  # steps in which the rate rises
FALL = 0.5  # last part of the steps, in which the rate falls
TRIAL = 10  # steps from each start, after which only the best is continued
ROUNDS = 10  # how often the steps are done at most, with rates that rise and fall again
ENOUGH = 25.5  # dB at which a picture needs no further round
GAIN = 0.2  # dB that a round must gain so that another one follows
COARSE = 4  # pixels along an edge of a cell, in the coarse part of the error
CANDIDATES = 3  # nearest of the random pictures from which the search begins
NOISE = 3e-3  # first weight of the noise maps' mean square, so that they stay usual; it falls to 0


def invert(
    network: nn.Module,
    config: GanConfig,
    pictures: Tensor,
    starts: Sequence[Points],
    numerics: Numerics,
    *,
    steps: int,
    progress: Progress | None = None,
) -> Points:
    """Returns the latents that draw pictures best; with a shift if the method is projected.

    pictures: (N, C, H, W) in -1..1, as the network draws them, on the processor.
    starts:   latents (N) from which the search begins. `steps` are done from the one whose pictures
              are nearest after a few steps, and again for pictures that are not near enough: a
              rate that rises again often leads out of a layout that cannot come nearer.
    """
    part = max(1, AT_ONCE // math.prod(pictures.shape[2:]))
    trial = min(TRIAL, steps) if len(starts) > 1 else 0
    total, done = len(pictures) * (steps * ROUNDS + trial * len(starts)), 0
    found = []
    for begin in range(0, len(pictures), part):
        rows = slice(begin, begin + part)
        some = pictures[rows].to(numerics.device)

        def report(count: int) -> None:
            nonlocal done
            done += count
            if progress is not None:
                progress(done, max(1, total))

        points = [start.rows(rows).to(numerics.device) for start in starts]
        search = Search(network, config, some, numerics, report)
        if len(points) > 1:
            points = [nearest_of([search.run(p, trial) for p in points], search, numerics)]
        best = search.run(points[0], steps)
        still = search.psnr(best) < ENOUGH
        for _ in range(1, ROUNDS):
            best, still = search.again(best, still, steps)
        found.append(best.to("cpu"))
    return joined(found)


class Search:
    """Adam on the styles of all levels and the noise maps of latents, or on z."""

    def __init__(
        self,
        network: nn.Module,
        config: GanConfig,
        pictures: Tensor,
        numerics: Numerics,
        report: Callable[[int], None],
    ) -> None:
        self._network, self._config, self._pictures = network, config, pictures
        self._numerics, self._report = numerics, report

    def run(self, start: Points, steps: int) -> Points:
        """Returns the latents after some steps from `start`."""
        config, z = self._config, start.z
        code = z[:, : config.latent].clone()
        noise = z[:, config.latent :].clone()
        shift = None
        if config.style:
            width = len(config.channels) * config.style
            shift = z.new_zeros(len(z), width) if start.shift is None else start.shift.clone()
        moved = code if shift is None else shift
        free = [moved, noise] if noise.shape[1] else [moved]
        for tensor in free:
            tensor.requires_grad_()
        rates = [CODE_RATE, NOISE_RATE][: len(free)]
        adam = torch.optim.Adam(
            [{"params": [t], "lr": r} for t, r in zip(free, rates, strict=True)], betas=BETAS
        )
        for step in range(steps):
            with self._numerics.autocast():
                points = Points(torch.cat([code, noise], 1), start.classes, shift)
                error = self.errors(points, 1 - step / steps).sum()
            loss = error
            if noise.shape[1]:
                loss = loss + NOISE * (1 - step / steps) * noise.square().mean(1).sum()
            adam.zero_grad()
            loss.backward()
            for group, rate in zip(adam.param_groups, rates, strict=True):
                group["lr"] = rate * pace(step, steps)
            adam.step()
            self._report(len(z))
        for tensor in free:
            tensor.requires_grad_(False)
        return Points(torch.cat([code, noise], 1), start.classes, shift)

    def again(self, found: Points, still: Tensor, steps: int) -> tuple[Points, Tensor]:
        """Does a further round for the pictures that are marked in `still`, (N,).

        Returns the latents, the old ones if they were better, and the marks for a next round.
        """
        far = still.nonzero()[:, 0]
        self._report(steps * (len(still) - len(far)))
        if not len(far):
            return found, still
        pictures = self._pictures[far]
        search = Search(self._network, self._config, pictures, self._numerics, self._report)
        old = found.rows(far)
        new = nearest_of([old, search.run(old, steps)], search, self._numerics)
        before, after = search.psnr(old), search.psnr(new)
        parts = [
            None if a is None or b is None else a.index_copy(0, far, b)
            for a, b in zip(found, new, strict=True)
        ]
        goes_on = (after < ENOUGH) & (after - before >= GAIN)
        return Points(*parts), still.index_copy(0, far, goes_on)  # type: ignore[arg-type]

    @torch.no_grad()
    def psnr(self, points: Points) -> Tensor:
        """Returns the signal-to-noise ratios of the pictures of latents in dB, (N,)."""
        with self._numerics.autocast():
            apart = points.draw(self._network).clamp(-1, 1) - self._pictures
        return -10 * (apart.square().flatten(1).mean(1) / 4).clamp_min(1e-10).log10()

    def errors(self, points: Points, coarse: float = 1.0) -> Tensor:
        """Returns how far the pictures of latents are from the given ones, (N,).

        coarse: the weight of the error of cells, which leads to the layout.
        """
        apart = points.draw(self._network) - self._pictures
        cells = F.avg_pool2d(apart, COARSE)
        return apart.square().flatten(1).mean(1) + coarse * cells.square().flatten(1).mean(1)


def pace(step: int, steps: int) -> float:
    """Returns the factor of the rate: it rises in WARM_UP steps, and falls in the last ones."""
    left = (steps - step) / max(1, FALL * steps)
    fall = 0.5 - 0.5 * math.cos(math.pi * min(1.0, left))
    return min(1.0, (step + 1) / WARM_UP, max(fall, 0.02))


@torch.no_grad()
def nearest_of(candidates: Sequence[Points], search: Search, numerics: Numerics) -> Points:
    """Returns for each picture the candidate whose picture is nearest."""
    with numerics.autocast():
        errors = torch.stack([search.errors(points) for points in candidates])
    best = errors.argmin(0)
    return joined([candidates[k].rows(slice(i, i + 1)) for i, k in enumerate(best.tolist())])


def joined(points: Sequence[Points]) -> Points:
    """Returns several batches of latents as one; all have a shift, or none has."""
    z, classes = (
        torch.cat(parts) for parts in zip(*((p.z, p.classes) for p in points), strict=True)
    )
    shifts = [p.shift for p in points if p.shift is not None]
    return Points(z, classes, torch.cat(shifts) if shifts else None)


@torch.no_grad()
def encoded(
    encoder: nn.Module, network: nn.Module, config: GanConfig, pictures: Tensor, numerics: Numerics
) -> Points:
    """Returns the latents that an encoder finds in pictures (N, C, H, W), on the processor."""
    found = []
    for part in pictures.split(64):
        with numerics.autocast():
            codes, logits, noise = encoder(part.to(numerics.device))
            classes = F.one_hot(logits.argmax(1), len(config.classes)).float()
            found.append(points_of(network, config, codes, noise, classes).to("cpu"))
    return joined(found)
