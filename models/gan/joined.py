"""One picture from several latents: their feature maps are joined after each level.

A picture is drawn for each latent, and all of them are drawn at the same time. After each level,
the feature maps are added up by weights, and all pictures go on with the sum. So they agree in
what they draw, and there is no seam between them. Every generator calls its bends after each level,
so a hook on these works for all of them, and no network is changed.

Papers: Suzuki et al. 2018, "Spatially controllable image synthesis with internal representation
collaging" (masks); Bar-Tal et al. 2023, "MultiDiffusion" (overlapping windows that are averaged
at each stage, here for GANs).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..alpha import drawn
from ..training.numerics import Numerics
from .config import GanConfig

MOST_VALUES = 1 << 27  # values of the largest feature maps of all windows together: 512 MiB

Exchange = Callable[[Tensor, int], Tensor]


def weights_of(masks: list[Tensor], shape: tuple[int, int], softness: float) -> list[Tensor]:
    """Returns a map of weights (H, W) of the base, and of what each mask (h, w) shows above it.

    shape:     height and width of a picture.
    softness:  width of the masks' borders, as a share of the picture's shorter side.
    """
    shown = [torch.ones(shape)]
    for mask in masks:
        part = mask if bool((mask == mask[0, 0]).all()) else _softened(mask, shape, softness)
        part = part[0, 0].expand(shape) if part is mask else part
        shown = [weight * (1 - part) for weight in shown] + [part]
    return shown


def _softened(mask: Tensor, shape: tuple[int, int], softness: float) -> Tensor:
    """Returns a mask in the size of a picture, blurred three times by a box of the softness."""
    planes = F.interpolate(mask[None, None], shape, mode="bilinear", antialias=True)
    reach = round(softness * min(shape) / 4)
    for _ in range(3 if reach else 0):
        padded = F.pad(planes, [reach] * 4, mode="replicate")
        planes = F.avg_pool2d(padded, 2 * reach + 1, 1)
    return planes[0, 0].clamp(0, 1)


def draw_masked(
    network: nn.Module,
    latents: list[tuple[Tensor, Tensor]],
    weights: list[Tensor],
    levels: list[int],
    config: GanConfig,
    numerics: Numerics,
) -> Tensor:
    """Returns one picture (1, H, W, C) in 0..1 in which each latent has the places of its weights.

    latents:  latents (1, D) and class weights (1, C), the base first.
    weights:  a map (h, w) for each latent, whose sum is 1 everywhere.
    levels:   levels at which the maps are joined by these weights. If the GAN has a style at each
              level, the base decides the others. Otherwise the pictures are drawn apart up to the
              middle one of `levels`, and joined there.
    """
    maps = torch.stack(weights)[:, None].to(numerics.device)
    only_base = torch.zeros(len(latents), 1, 1, 1, device=numerics.device)
    only_base[0] = 1
    has_styles = config.method == "projected"
    joint = levels[len(levels) // 2]

    def joined(x: Tensor, level: int) -> Tensor:
        if not has_styles and level < joint:
            return x
        used = maps if level in levels or not has_styles else None
        return _weighted(x, maps_at(used, x) if used is not None else only_base)

    def maps_at(maps: Tensor, x: Tensor) -> Tensor:
        return F.interpolate(maps, x.shape[2:], mode="bilinear", antialias=True)

    pictures = _drawn_together(network, latents, joined, numerics)
    last = len(config.channels) - 1
    final = maps_at(maps, pictures) if last in levels and has_styles else only_base
    return _finished(_weighted(pictures, final)[:1])


def _weighted(x: Tensor, weights: Tensor) -> Tensor:
    """Returns the weighted sum of maps (N, C, H, W), once for each of them."""
    total = (x.float() * weights).sum(0, keepdim=True).to(x.dtype)
    return total.expand(len(x), -1, -1, -1).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Grid:
    """Windows on a canvas, which overlap by half.

    Positions are in cells: pixels of the coarsest feature maps. A window begins every `step` cells.
    If the canvas repeats in a direction, its end continues at its beginning.
    """

    rows: int
    columns: int
    step: tuple[int, int]
    repeats: tuple[bool, bool]
    size: tuple[int, int]  # pixels of a window
    cell: int  # pixels of a cell in a picture

    @classmethod
    def of(cls, config: GanConfig, rows: int, columns: int, repeats: tuple[bool, bool]) -> Grid:
        """Returns the grid for the windows of a GAN.

        Raises: ValueError if there are too few windows for a direction that repeats, or too many.
        """
        first = config.resolutions[0]
        cell = config.edge // first
        step = tuple(max(1, side // 2) for side in config.map_shape(first))
        for count, repeated, name in zip(
            (rows, columns), repeats, ("rows", "columns"), strict=True
        ):
            if repeated and count < 2:
                raise ValueError(f"a picture that repeats needs 2 {name} or more, not {count}")
        largest = max(
            width * math.prod(config.map_shape(edge))
            for width, edge in zip(config.channels, config.resolutions, strict=True)
        )
        if rows * columns * largest > MOST_VALUES:
            raise ValueError(
                f"{rows * columns} windows of this GAN need too much memory; it can draw"
                f" {MOST_VALUES // largest}"
            )
        return cls(rows, columns, (step[0], step[1]), repeats, config.shape, cell)

    def canvas(self, scale: int, window: tuple[int, int]) -> tuple[int, int]:
        """Returns the size of the canvas if a cell has `scale` pixels, for windows of this size."""
        height, width = (
            count * step * scale if repeated else (count - 1) * step * scale + side
            for count, step, repeated, side in zip(
                (self.rows, self.columns), self.step, self.repeats, window, strict=True
            )
        )
        return height, width

    def joined(self, x: Tensor) -> Tensor:
        """Returns the canvas (1, C, H, W) of maps or pictures of all windows (N, C, h, w)."""
        scale, window = self._scale(x), (x.shape[2], x.shape[3])
        canvas = self.canvas(scale, window)
        weight = self._weights(window).to(x.device)
        total = torch.zeros(1, x.shape[1], *canvas, device=x.device)
        share = torch.zeros(1, 1, *canvas, device=x.device)
        for index in range(len(x)):
            rows, columns = self._places(index, scale, window, canvas)
            for down, up in rows:
                for right, left in columns:
                    part = weight[:, :, up, left]
                    total[:, :, down, right] += x[index : index + 1, :, up, left].float() * part
                    share[:, :, down, right] += part
        return total / share

    def windows(self, canvas: Tensor, x: Tensor) -> Tensor:
        """Returns the windows of a canvas, in the form of x (N, C, h, w)."""
        scale, window = self._scale(x), (x.shape[2], x.shape[3])
        cut = torch.empty_like(x, memory_format=torch.channels_last)
        for index in range(len(x)):
            rows, columns = self._places(index, scale, window, (canvas.shape[2], canvas.shape[3]))
            for down, up in rows:
                for right, left in columns:
                    cut[index, :, up, left] = canvas[0, :, down, right].to(x.dtype)
        return cut

    def _scale(self, x: Tensor) -> int:
        """Returns the pixels of a cell in these maps."""
        return max(1, round(self.cell * x.shape[2] / self.size[0]))

    def _weights(self, window: tuple[int, int]) -> Tensor:
        """Returns the weights of the pixels of a window: (1, 1, h, w), smallest at its borders.

        In a direction with a single window, all weights are equal.
        """
        sides = []
        for count, repeated, side in zip(
            (self.rows, self.columns), self.repeats, window, strict=True
        ):
            place = (torch.arange(side) + 0.5) / side
            rise = torch.minimum(place, 1 - place) * 2
            sides.append(
                rise * rise * (3 - 2 * rise) if count > 1 or repeated else torch.ones(side)
            )
        return (sides[0][:, None] * sides[1])[None, None]

    def _places(
        self, index: int, scale: int, window: tuple[int, int], canvas: tuple[int, int]
    ) -> list[list[tuple[slice, slice]]]:
        """Returns, for rows and columns, the parts of the canvas and of the window that match."""
        found = []
        for number, step, side, length in zip(
            divmod(index, self.columns), self.step, window, canvas, strict=True
        ):
            begin = number * step * scale
            parts, done = [], 0
            while done < side:
                place = (begin + done) % length
                count = min(side - done, length - place)
                parts.append((slice(place, place + count), slice(done, done + count)))
                done += count
            found.append(parts)
        return found


def draw_windows(
    network: nn.Module, latents: tuple[Tensor, Tensor], grid: Grid, numerics: Numerics
) -> Tensor:
    """Returns a picture (1, H, W, C) in 0..1 with a window for each latent, in reading order."""

    def exchanged(x: Tensor, level: int) -> Tensor:
        return grid.windows(grid.joined(x), x)

    pairs = [(z[None], weights[None]) for z, weights in zip(*latents, strict=True)]
    return _finished(grid.joined(_drawn_together(network, pairs, exchanged, numerics)))


def _drawn_together(
    network: nn.Module,
    latents: list[tuple[Tensor, Tensor]],
    exchange: Exchange,
    numerics: Numerics,
) -> Tensor:
    """Returns pictures (N, C, H, W) whose maps are replaced by `exchange` after each level."""
    z, classes = (torch.cat(found).to(numerics.device) for found in zip(*latents, strict=True))

    def hook(module: nn.Module, inputs: tuple[Any, ...], maps: Tensor) -> Tensor:
        return exchange(maps, inputs[1])

    bends = network.bends
    assert isinstance(bends, nn.Module)
    handle = bends.register_forward_hook(hook)
    try:
        with torch.no_grad(), numerics.autocast():
            pictures: Tensor = network(z, classes)
    finally:
        handle.remove()
    return pictures.float()


def _finished(pictures: Tensor) -> Tensor:
    """Returns pictures of a generator as (N, H, W, C) in 0..1, on the processor."""
    return drawn(pictures.clamp(-1, 1)).add(1).div(2).permute(0, 2, 3, 1).cpu().contiguous()
