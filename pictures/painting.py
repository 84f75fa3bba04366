"""Tools of the procedural styles: random numbers, a canvas, noise and palettes.

Lengths are in units of the edge of a square with the picture's area, so that a design does not
depend on the size in pixels. Colours are RGB in 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Indices = NDArray[np.intp]


class Draw:
    """Random numbers for one picture, from the counter-based generator Philox.

    They depend on (seed, stream, index) only. Only Philox's raw bits are used, since NumPy
    guarantees that they are the same in all its versions.
    """

    def __init__(self, seed: int, stream: int, index: int) -> None:
        key = (seed & (2**64 - 1), (stream << 48) + index)
        self._bits = np.random.Philox(key=key)

    def uniform(self, low: float, high: float, *shape: int) -> Array:
        """Returns float32 numbers of `shape` in low..high."""
        count = math.prod(shape)
        raw = self._bits.random_raw((count + 1) // 2).astype("<u8", copy=False).view("<u4")
        unit = (raw[:count].reshape(shape) >> np.uint32(8)).astype(np.float32)
        return unit * np.float32((high - low) * 2**-24) + np.float32(low)

    def number(self, low: float = 0.0, high: float = 1.0) -> float:
        """Returns a number in low..high."""
        return low + (high - low) * (int(self._bits.random_raw()) >> 11) * 2**-53

    def integer(self, low: int, high: int) -> int:
        """Returns an integer from low to high, both included."""
        return low + int(self._bits.random_raw()) % (high - low + 1)

    def chance(self, probability: float) -> bool:
        """Returns True with this probability."""
        return self.number() < probability

    def choice(self, count: int, *shape: int) -> Indices:
        """Returns indices below `count`, of `shape`."""
        return (self._bits.random_raw(math.prod(shape)).reshape(shape) % np.uint64(count)).astype(
            np.intp
        )

    def orders(self, rows: int, count: int) -> Indices:
        """Returns (rows, count): each row contains 0..count-1 in a random order."""
        return np.argsort(self._bits.random_raw(rows * count).reshape(rows, count), axis=1)


class Canvas:
    """Planes (3, H, W) to paint on, and the centres of its pixels: x (1, W), y (H, 1).

    edge:           pixels in a unit of length.
    width, height:  the ends of x and y; both are 1 for a square.
    """

    def __init__(self, rows: int, columns: int) -> None:
        self.edge = math.sqrt(rows * columns)
        self.width, self.height = columns / self.edge, rows / self.edge
        self.x, self.y = self._centres(columns)[None, :], self._centres(rows)[:, None]
        self.planes = np.empty((3, rows, columns), np.float32)

    def _centres(self, count: int) -> Array:
        centres: Array = np.arange(count, dtype=np.float32) + np.float32(0.5)
        centres /= np.float32(self.edge)
        return centres

    def fill(self, colour: Array) -> None:
        """Fill the canvas with a colour (3,) or with planes (3, H, W)."""
        self.planes[:] = colour.reshape(3, 1, 1) if colour.ndim == 1 else colour

    def coverage(self, distance: Array, softness: float = 1.0) -> Array:
        """Returns the share of each pixel that is inside a shape.

        distance: signed distance to the edge of the shape, negative inside.
        softness: width of the edge in pixels.
        """
        part = distance * np.float32(-self.edge / softness)
        part += np.float32(0.5)
        np.maximum(part, np.float32(0), out=part)
        np.minimum(part, np.float32(1), out=part)
        return part

    def paint(self, colour: Array, coverage: Array) -> None:
        """Blend a colour (3,) or planes (3, H, W) into the picture; `coverage` is the opacity."""
        over = colour.reshape(3, 1, 1) if colour.ndim == 1 else colour
        step = over - self.planes
        step *= coverage
        self.planes += step

    def window(self, x: float, y: float, reach: float) -> tuple[slice, slice]:
        """Returns the rows and columns of the pixels within `reach` of a point."""

        def span(centre: float, count: int) -> slice:
            first = math.floor((centre - reach) * self.edge)
            last = math.ceil((centre + reach) * self.edge)
            return slice(max(0, first), max(0, min(count, last)))

        return span(y, self.planes.shape[1]), span(x, self.planes.shape[2])

    def pixels(self) -> NDArray[np.uint8]:
        """Returns the picture as uint8 (H, W, 3)."""
        levels = np.clip(self.planes, 0, 1) * np.float32(255) + np.float32(0.5)
        return np.ascontiguousarray(levels.astype(np.uint8).transpose(1, 2, 0))


def waves(draw: Draw, canvas: Canvas, count: int, across: float, down: float) -> Array:
    """Returns smooth noise (H, W) of variance 1, the sum of `count` plane waves.

    across, down: highest frequencies in both directions, in cycles per unit of length.
    As sin(a + b) is sin a cos b + cos a sin b, the sum of the waves is one matrix product.
    """
    turn = np.float32(2 * math.pi)
    horizontal = draw.uniform(-across, across, count)[:, None] * turn * canvas.x
    vertical = draw.uniform(-down, down, count)[:, None] * turn * canvas.y.T
    vertical += draw.uniform(0, 2 * math.pi, count)[:, None]
    rows = np.concatenate([np.cos(vertical), np.sin(vertical)]).T
    columns = np.concatenate([np.sin(horizontal), np.cos(horizontal)])
    return product(rows, columns) * np.float32(math.sqrt(2 / count))


def product(rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[Any]:
    """Returns the matrix product (..., M, K) @ (K, N), computed in bands of rows.

    The bands are so small that the linear algebra library starts no threads. These would compete
    with the threads that render other pictures.
    """
    band = max(1, 200_000 // columns.size)
    parts = [rows[..., i : i + band, :] @ columns for i in range(0, rows.shape[-2], band)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-2)


def from_hex(text: str) -> Array:
    """Returns the colours (N, 3) of hexadecimal words like "d8201f 1d4f9f"."""
    return np.frombuffer(bytes.fromhex(text), np.uint8).reshape(-1, 3).astype(
        np.float32
    ) / np.float32(255)


@cache
def palettes(*texts: str) -> tuple[Array, ...]:
    """Returns the colours of each text; the result is cached."""
    return tuple(map(from_hex, texts))


def jitter(draw: Draw, colours: Array, amount: float) -> Array:
    """Returns the colours, changed at random by at most `amount` in every channel."""
    moved: Array = np.clip(colours + draw.uniform(-amount, amount, *colours.shape), 0, 1)
    return moved


def pick(draw: Draw, options: Sequence[Array]) -> Array:
    """Returns one of several palettes at random."""
    return options[draw.integer(0, len(options) - 1)]
