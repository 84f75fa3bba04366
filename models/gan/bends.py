"""Bends: operations on the feature maps of a trained generator, between its levels.

A bend is plain data in the config of a GAN, so it is saved with the model, and nothing in it is
executed. Operations are written so that their gradients repeat to the bit on a GPU.

Paper: Broad et al. 2021, "Network Bending: Expressive Manipulation of Deep Generative Models".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ..configs import check_choice, check_whole

Operation = Literal[
    "rotate",
    "enlarge",
    "shift right",
    "shift down",
    "mirror",
    "dilate",
    "amplify",
    "add",
    "negate",
    "threshold",
    "blur",
    "ripple",
]
ONE_SIDED = ("mirror", "negate", "threshold", "ripple")  # operations whose strength is 0 to 1
MOST = 64  # largest number of bends of a GAN
PART = 1 << 24  # values of maps that are changed at a time; a picture has 1 << 22 at most


@dataclass(frozen=True)
class Bend:
    """An operation on some feature maps of a level.

    strength:  -1..1, or 0..1 for the operations in ONE_SIDED; at 0 the maps do not change.
    level:     index of the level, from the coarsest.
    channels:  indices of the maps, in ascending order.
    """

    operation: Operation
    strength: float
    level: int
    channels: tuple[int, ...]

    def check(self, widths: tuple[int, ...]) -> None:
        """Raise a ValueError unless it fits a generator whose levels have these widths."""
        check_choice("operation", self.operation, get_args(Operation))
        lowest = 0 if self.operation in ONE_SIDED else -1
        if type(self.strength) not in (int, float) or not lowest <= self.strength <= 1:
            raise ValueError(
                f"strength must be from {lowest} to 1 for {self.operation}, not"
                f" {self.strength!r:.80}"
            )
        check_whole("level", self.level, 0, len(widths) - 1)
        if not isinstance(self.channels, tuple) or not self.channels:
            raise ValueError(f"channels must be a list of whole numbers, not {self.channels!r:.80}")
        for channel in self.channels:
            check_whole("each of channels", channel, 0, widths[self.level] - 1)
        if any(a >= b for a, b in pairwise(self.channels)):
            raise ValueError("channels must be in ascending order, each once")

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON; `from_dict` reverses it."""
        return {
            "operation": self.operation,
            "strength": self.strength,
            "level": self.level,
            "channels": [*self.channels],
        }

    @classmethod
    def from_dict(cls, values: object) -> Bend:
        """Returns a bend from the values in a file. Raises: ValueError, with one line."""
        names = ("operation", "strength", "level", "channels")
        if not isinstance(values, Mapping) or {*values} != {*names}:
            raise ValueError(f"a bend must have the settings {', '.join(names)}")
        channels = values["channels"]
        if isinstance(channels, list):
            channels = tuple(channels)
        return cls(values["operation"], values["strength"], values["level"], channels)


class Bends(nn.Module):
    """Applies the bends of a level to its feature maps; without weights.

    Every generator calls it after each level, so a forward hook on it sees all feature maps.
    """

    def __init__(self, bends: tuple[Bend, ...]) -> None:
        super().__init__()
        self._bends = bends

    def forward(self, x: Tensor, level: int) -> Tensor:
        """Returns feature maps (N, C, H, W); the same tensor if the level has no bends."""
        for bend in self._bends:
            if bend.level == level:
                x = _on_channels(x, bend)
        return x


def _on_channels(x: Tensor, bend: Bend) -> Tensor:
    """Returns the maps with the chosen ones replaced; others keep their bits.

    Operations need several times the memory of their maps, so those of many pictures are changed
    in parts. It uses slices, because lists of indices would be copied to the GPU in each step.
    """
    runs = _runs(bend.channels)
    chosen = torch.cat([x.narrow(1, first, width) for first, width in runs], 1)
    operate, count = _OPERATIONS[bend.operation], max(1, PART // chosen[0].numel())
    changed = torch.cat(
        [operate(part.float(), bend.strength).to(x.dtype) for part in chosen.split(count)]
    )
    parts, done, used = [], 0, 0
    for first, width in runs:
        parts += [x.narrow(1, done, first - done), changed.narrow(1, used, width)]
        done, used = first + width, used + width
    parts.append(x.narrow(1, done, x.shape[1] - done))
    return torch.cat(parts, 1).contiguous(memory_format=torch.channels_last)


def _runs(channels: tuple[int, ...]) -> list[tuple[int, int]]:
    """Returns first index and length of each run of neighbouring channels."""
    runs: list[tuple[int, int]] = []
    for channel in channels:
        if runs and sum(runs[-1]) == channel:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((channel, 1))
    return runs


# Operations of position: maps are continued by reflection


def _rotate(x: Tensor, strength: float) -> Tensor:
    angle = math.pi * strength
    return _resampled(x, math.cos(angle), math.sin(angle))


def _enlarge(x: Tensor, strength: float) -> Tensor:
    return _resampled(x, 4.0**-strength, 0.0)


def _shift_right(x: Tensor, strength: float) -> Tensor:
    return _resampled(x, 1.0, 0.0, right=strength * x.shape[3] / 2)


def _shift_down(x: Tensor, strength: float) -> Tensor:
    return _resampled(x, 1.0, 0.0, down=strength * x.shape[2] / 2)


def _mirror(x: Tensor, strength: float) -> Tensor:
    return torch.lerp(x, x.flip(3), strength)


def _resampled(
    x: Tensor, along: float, across: float, right: float = 0.0, down: float = 0.0
) -> Tensor:
    """Returns maps, rotated and scaled around their centre, then moved, by bilinear interpolation.

    One pixel to the right comes from `along` pixels to the right and `across` pixels up.
    """
    height, width = x.shape[2:]
    row = torch.arange(height, device=x.device).float()[:, None] - (height - 1) / 2 - down
    column = torch.arange(width, device=x.device).float()[None] - (width - 1) / 2 - right
    rows = _reflected(along * row + across * column + (height - 1) / 2, height)
    columns = _reflected(along * column - across * row + (width - 1) / 2, width)
    top, left = rows.floor(), columns.floor()
    flat = x.flatten(2)

    def picked(rows: Tensor, columns: Tensor) -> Tensor:
        places = rows.clamp(max=height - 1) * width + columns.clamp(max=width - 1)
        return flat.index_select(2, places.long().flatten()).view_as(x)

    upper = torch.lerp(picked(top, left), picked(top, left + 1), columns - left)
    lower = torch.lerp(picked(top + 1, left), picked(top + 1, left + 1), columns - left)
    return torch.lerp(upper, lower, rows - top)


def _reflected(position: Tensor, count: int) -> Tensor:
    """Returns positions in 0..count - 1, reflected at both ends."""
    last = max(1, count - 1)
    position = position.remainder(2 * last)
    return torch.minimum(position, 2 * last - position).clamp(0, count - 1)


# Morphological operations


def _dilate(x: Tensor, strength: float) -> Tensor:
    """Returns the largest value within a square around each place; the smallest below 0."""
    reach = abs(strength) * min(x.shape[2:]) / 4
    sign = 1 if strength > 0 else -1
    whole = int(reach)
    inner, outer = (_grown(sign * x, size) for size in (whole, whole + 1))
    return sign * torch.lerp(inner, outer, reach - whole)


def _grown(x: Tensor, reach: int) -> Tensor:
    """Returns the maximum over squares of 2 reach + 1 px; pixels of the border are repeated."""
    window = 2 * reach + 1
    for dim in (2, 3):
        first, last = x.narrow(dim, 0, 1), x.narrow(dim, x.shape[dim] - 1, 1)
        x = torch.cat([first] * reach + [x] + [last] * reach, dim)
        size = 1
        while size < window:
            step = min(size, window - size)
            count = x.shape[dim] - step
            x = torch.maximum(x.narrow(dim, 0, count), x.narrow(dim, step, count))
            size += step
    return x


# Pointwise operations


def _amplify(x: Tensor, strength: float) -> Tensor:
    return x * math.pow(4, strength)


def _add(x: Tensor, strength: float) -> Tensor:
    return x + 2 * strength * x.square().mean((2, 3), keepdim=True).add(1e-12).sqrt()


def _negate(x: Tensor, strength: float) -> Tensor:
    return torch.lerp(x, -x, strength)


def _threshold(x: Tensor, strength: float) -> Tensor:
    mean = x.mean((2, 3), keepdim=True)
    spread = (x - mean).square().mean((2, 3), keepdim=True).add(1e-12).sqrt()
    return torch.lerp(x, mean + (x - mean).sign() * spread, strength)


# Spectral operations: factors of the frequencies


def _blur(x: Tensor, strength: float) -> Tensor:
    """Returns blurred maps; sharpened ones below 0."""
    if strength < 0:
        return _filtered(x, lambda f: 1 - 4 * strength * (1 - (-2 * (math.pi * f) ** 2).exp()))
    sigma = strength * min(x.shape[2:]) / 8
    return _filtered(x, lambda f: (-2 * (math.pi * sigma * f) ** 2).exp())


def _ripple(x: Tensor, strength: float) -> Tensor:
    """Returns maps in which each point spreads into a ring."""
    radius = strength * min(x.shape[2:]) / 4
    return _filtered(x, lambda f: (2 * math.pi * radius * f).cos())


def _filtered(x: Tensor, gain: Callable[[Tensor], Tensor]) -> Tensor:
    """Returns maps whose frequencies, in cycles per pixel, are multiplied by their gain."""
    height, width = x.shape[2:]
    down = torch.fft.fftfreq(height, device=x.device)[:, None]
    right = torch.fft.rfftfreq(width, device=x.device)[None]
    spectrum = torch.fft.rfft2(x.contiguous())
    gains = gain((down.square() + right.square()).sqrt())
    filtered: Tensor = torch.fft.irfft2(spectrum * gains, s=(height, width))
    return filtered


_OPERATIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "rotate": _rotate,
    "enlarge": _enlarge,
    "shift right": _shift_right,
    "shift down": _shift_down,
    "mirror": _mirror,
    "dilate": _dilate,
    "amplify": _amplify,
    "add": _add,
    "negate": _negate,
    "threshold": _threshold,
    "blur": _blur,
    "ripple": _ripple,
}
