"""Inverts pictures: searches the latents with which a GAN draws them.

Paper: Abdal et al. 2019, "Image2StyleGAN" (a style for each level); Karras et al. 2020, "Analyzing
and Improving the Image Quality of StyleGAN", appendix D (noise maps).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..training.loop import Progress
from ..training.numerics import Numerics
from .codes import Points, points_of
from .config import GanConfig
from .projected_networks import Attention

AT_ONCE = 1 << 17  # pixels of the pictures that are searched at once; at least one picture
CODE_RATE, NOISE_RATE = 0.15, 0.5  # of Adam
BETAS = 0.9, 0.95
WARM_UP = 10  # steps in which the rate rises
FALL = 0.5  # last part of the steps, in which the rate falls
TRIAL = 10  # steps from each start, after which only the best is continued
LONGER = 3  # times the steps that a further round has
FURTHER = 0.5  # share of the schedule of errors that a further round leaves out: it has a layout
ROUNDS = 4  # further rounds at most
NEAR = 30.0  # dB below which a picture needs a second round
HIDDEN = 9.5  # dB by which contrast exceeds errors, see `masked`; below, it needs one too
ENOUGH = 25.5  # dB at which a picture needs no round after the second
GAIN = 0.2  # dB that a round must gain so that another one follows
COARSE = 4  # pixels along an edge of a cell, in the coarse part of the error
CELLS = 3  # sizes of the cells in which contrast is compared: 2, 4 and 8 px along an edge
CONTRAST = 2.0  # largest weight of each
LEAST = 1e-4  # variance added in each cell, so that the gradients of flat ones stay small
SEEN = 1e-3  # mean square at which errors are seen in a flat cell
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
              are nearest after a few steps. Longer rounds follow for pictures that are not near
              enough: a rate that is high again leads out of a layout that cannot come nearer.
    """
    trial = min(TRIAL, steps) if len(starts) > 1 else 0
    done, most = 0, trial * len(starts) + steps * (1 + LONGER * ROUNDS)

    def report(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, max(1, len(pictures) * most))

    search = Search(quick(network), config, pictures, numerics, report)
    begin = search.best_of([search.run(p, trial) for p in starts]) if trial else starts[0]
    found = search.run(begin, steps)
    reached = search.measured(found, psnr)
    far = (reached < NEAR) | (search.measured(found, masked) < HIDDEN)
    for _ in range(ROUNDS if steps else 0):
        rows = far.nonzero()[:, 0]
        report(LONGER * steps * (len(far) - len(rows)))
        if not len(rows):
            continue
        some, old = search.of(rows), found.rows(rows)
        new = some.best_of([old, some.run(old, LONGER * steps, FURTHER)])
        found, before = found.with_rows(rows, new), reached[rows]
        reached = reached.index_copy(0, rows, some.measured(new, psnr))
        goes_on = (reached[rows] < ENOUGH) & (reached[rows] - before >= GAIN)
        far = far.index_copy(0, rows, goes_on)
    return found


def quick(network: nn.Module) -> nn.Module:
    """Returns a copy with the same weights, whose attention needs less time for gradients."""
    weights = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    copied = copy.deepcopy(network, weights)  # what is in `weights` is not copied
    for module in copied.modules():
        if isinstance(module, Attention):
            module.quick = True
    return copied


class Search:
    """Adam on the styles of all levels and the noise maps of latents, or on z.

    Latents and pictures are on the processor, and computed in parts on the device.
    """

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

    def of(self, rows: Tensor) -> Search:
        """Returns the search for some of the pictures."""
        pictures = self._pictures[rows]
        return Search(self._network, self._config, pictures, self._numerics, self._report)

    def run(self, start: Points, steps: int, since: float = 0.0) -> Points:
        """Returns the latents after some steps from `start`.

        since: the share of the schedule of `errors` that is left out.
        """
        device = self._numerics.device
        return joined(
            [
                self._run(start.rows(rows).to(device), pictures, steps, since).to("cpu")
                for rows, pictures in self._parts()
            ]
        )

    def _parts(self) -> Iterator[tuple[slice, Tensor]]:
        """Yields the rows of each part, and its pictures on the device."""
        part = max(1, AT_ONCE // math.prod(self._pictures.shape[2:]))
        for begin in range(0, len(self._pictures), part):
            rows = slice(begin, begin + part)
            yield rows, self._pictures[rows].to(self._numerics.device)

    def _run(self, start: Points, pictures: Tensor, steps: int, since: float) -> Points:
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
        given = contrasts(pictures)
        for step in range(steps):
            with self._numerics.autocast():
                drawn = Points(torch.cat([code, noise], 1), start.classes, shift).draw(
                    self._network
                )
                done = since + (1 - since) * step / steps
                loss = errors(drawn, pictures, given, done).sum()
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

    def best_of(self, candidates: Sequence[Points]) -> Points:
        """Returns for each picture the candidate whose picture is nearest."""

        def measure(drawn: Tensor, pictures: Tensor) -> Tensor:
            return errors(drawn, pictures, contrasts(pictures))

        apart = torch.stack([self.measured(points, measure) for points in candidates])
        best = apart.argmin(0)
        return joined([candidates[k].rows(slice(i, i + 1)) for i, k in enumerate(best.tolist())])

    @torch.no_grad()
    def measured(self, points: Points, measure: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Returns what `measure` returns for the pictures of latents and the given ones, (N,)."""
        found = []
        for rows, pictures in self._parts():
            with self._numerics.autocast():
                drawn = points.rows(rows).to(self._numerics.device).draw(self._network)
                found.append(measure(drawn, pictures).cpu())
        return torch.cat(found)


def errors(drawn: Tensor, pictures: Tensor, given: Sequence[Tensor], done: float = 0.5) -> Tensor:
    """Returns how far drawn pictures are from the given ones, (N,).

    Three errors are added. That of coarse cells leads to the layout, and falls to 0. That of the
    contrast in small cells rises from 0, as the errors of pixels accept blurred texture, grain in
    flat parts, and grey dots in place of coloured ones; compare the contrast term of SSIM (Wang et
    al. 2004, eq. 9).

    given: the `contrasts` of `pictures`.
    done:  the share of the schedule that is done, in 0..1.
    """
    drawn = drawn.float()  # the contrast of bfloat16 has few correct digits
    apart = drawn - pictures
    coarse = F.avg_pool2d(apart, COARSE).square().flatten(1).mean(1)
    found = apart.square().flatten(1).mean(1) + (1 - done) * coarse
    for mine, its in zip(contrasts(drawn), given, strict=True):
        found = found + done * CONTRAST * (mine - its).square().flatten(1).mean(1)
    return found


def contrasts(pictures: Tensor) -> list[Tensor]:
    """Returns the standard deviation in each cell and channel of pictures, for each size.

    Red, green and blue become brightness and two differences of colours (Ohta et al. 1980, as an
    orthonormal basis), because the contrast of brightness would hide that of colours.
    """
    if pictures.shape[1] >= 3:  # by sums, since autocast would round a matrix product to bfloat16
        red, green, blue, *alpha = pictures.unbind(1)
        brightness, first = (red + green + blue) / 3**0.5, (red - blue) / 2**0.5
        second = (2 * green - red - blue) / 6**0.5
        pictures = torch.stack([brightness, first, second, *alpha], 1)
    means, squares, found = pictures, pictures.square(), []
    for _ in range(CELLS):
        means, squares = F.avg_pool2d(means, 2), F.avg_pool2d(squares, 2)
        found.append(((squares - means.square()).clamp_min(0) + LEAST).sqrt())
    return found


def psnr(drawn: Tensor, pictures: Tensor) -> Tensor:
    """Returns the signal-to-noise ratios of drawn pictures in dB, (N,)."""
    apart = drawn.clamp(-1, 1) - pictures
    return -10 * (apart.square().flatten(1).mean(1) / 4).clamp_min(1e-10).log10()


def masked(drawn: Tensor, pictures: Tensor) -> Tensor:
    """Returns by how many dB the contrast of the largest cells exceeds the errors in them, (N,).

    Errors are seen in flat parts, and hidden in those with much contrast (contrast masking).
    """
    apart = F.avg_pool2d((drawn.float() - pictures).square(), 2**CELLS).mean(1)
    shares = apart / (contrasts(pictures)[-1].square().mean(1) + SEEN)
    return -10 * shares.flatten(1).mean(1).clamp_min(1e-10).log10()


def pace(step: int, steps: int) -> float:
    """Returns the factor of the rate: it rises in WARM_UP steps, and falls in the last ones."""
    left = (steps - step) / max(1, FALL * steps)
    fall = 0.5 - 0.5 * math.cos(math.pi * min(1.0, left))
    return min(1.0, (step + 1) / WARM_UP, max(fall, 0.02))


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
