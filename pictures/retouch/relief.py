"""Reliefs: heights as a grey picture of 16 bits, and as a solid for 3D printers."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from .filters import gaussian
from .shares import Array, brightness

_HEADER = b"relief of artgraph, in millimetres"
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("extra", "<u2")])


def heights_of(picture: Array, invert: bool, smooth: float) -> Array:
    """Returns the height 0..1 of each pixel: its brightness; what is clear is 0."""
    light = brightness(picture[..., :3])
    if invert:
        light = 1 - light
    if picture.shape[2] == 4:
        light = light * picture[..., 3]
    return np.clip(gaussian(light, smooth), 0, 1)


def height_map(heights: Array) -> bytes:
    """Returns a PNG of 16 bits, with 0 for the height 0 and 65535 for 1."""
    levels = np.floor(heights.astype(np.float64) * 65535 + 0.5).astype(np.uint16)
    file = BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    return file.getvalue()


def reduced(heights: Array, most: int) -> Array:
    """Returns heights whose longer edge has at most so many points, and each edge two or more."""
    height, width = heights.shape
    scale = min(1.0, most / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size != (width, height):
        small = Image.fromarray(heights).resize(size, Image.Resampling.BOX)
        heights = np.clip(np.asarray(small), 0, 1)
    return np.repeat(np.repeat(heights, 1 + (size[1] == 1), 0), 1 + (size[0] == 1), 1)


def solid(heights: Array, width: float, depth: float, base: float) -> Array:
    """Returns the triangles (T, 3, 3) of a solid in millimetres, seen anticlockwise from outside.

    heights: (H, W) in 0..1, two or more each; the first row is at the back.
    width:   of the solid, along x; its length, along y, follows from the proportions.
    depth:   difference between the heights 0 and 1; base: what is below the height 0.

    Each edge belongs to two triangles, which pass it in opposite directions.
    """
    rows, columns = heights.shape
    length = width * (rows - 1) / (columns - 1)
    x = np.linspace(0, width, columns)
    y = np.linspace(length, 0, rows)
    grid = np.empty((rows, columns, 3), np.float32)
    grid[..., 0], grid[..., 1] = x, y[:, None]
    grid[..., 2] = base + heights.astype(np.float64) * depth
    a, b, c, d = grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]
    top = np.concatenate([_stacked(a, b, c), _stacked(a, c, d)])
    rim = np.concatenate(
        [grid[:, 0], grid[-1, 1:], grid[-2::-1, -1], grid[0, -2:0:-1]]
    )  # anticlockwise, seen from above
    after = np.roll(rim, -1, 0)
    flat = np.array([1, 1, 0], np.float32)
    low, low_after = rim * flat, after * flat
    walls = np.concatenate([_stacked(rim, low, low_after), _stacked(rim, low_after, after)])
    middle = np.broadcast_to(np.array([width / 2, length / 2, 0], np.float32), low.shape)
    return np.concatenate([top, walls, _stacked(middle, low_after, low)])


def _stacked(*corners: Array) -> Array:
    return np.stack([corner.reshape(-1, 3) for corner in corners], 1)


def stl(triangles: Array) -> bytes:
    """Returns triangles as a binary STL file."""
    rows = np.zeros(len(triangles), _TRIANGLE)
    rows["corners"] = triangles
    first, second, third = (triangles[:, i].astype(np.float64) for i in range(3))
    normal = np.cross(second - first, third - first)
    size = np.linalg.norm(normal, axis=1, keepdims=True)
    rows["normal"] = normal / np.where(size == 0, 1, size)
    return _HEADER.ljust(80, b" ") + len(rows).to_bytes(4, "little") + rows.tobytes()
