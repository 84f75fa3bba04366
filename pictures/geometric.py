"""Geometric styles: mondrian, kandinsky, truchet, bauhaus."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .painting import Array, Canvas, Draw, from_hex, jitter, palettes, pick, product, waves

INK = from_hex("15130f")[0]


def mondrian(draw: Draw, canvas: Canvas) -> None:
    """Off-white and primary rectangles between black lines that stop at each other."""
    line = draw.number(0.014, 0.034)
    cells = [(0.0, 0.0, canvas.width, canvas.height)]
    for _ in range(draw.integer(4, 9)):
        cells.sort(key=lambda c: (c[2] - c[0]) * (c[3] - c[1]))
        x0, y0, x1, y1 = cells.pop() if draw.chance(0.8) else cells.pop(len(cells) // 2)
        width, half = x1 - x0, line * draw.number(0.35, 0.65)
        if width * draw.number(0.6, 1.6) > y1 - y0:
            cut = x0 + width * draw.number(0.2, 0.8)
            cells += [(x0, y0, cut - half, y1), (cut + half, y0, x1, y1)]
        else:
            cut = y0 + (y1 - y0) * draw.number(0.2, 0.8)
            cells += [(x0, y0, x1, cut - half), (x0, cut + half, x1, y1)]

    (paper, paint) = palettes("f6f3ea f1eee2 f6f3ea e3e2dc", "d42a1f 1f4ea1 f3cc1d 1a1a1c")
    colours = paper[draw.choice(len(paper), len(cells))]
    painted = draw.orders(1, len(cells))[0][: draw.integer(2, 4)]
    hues = np.resize(draw.orders(1, len(paint))[0], len(painted))
    colours[painted] = paint[hues]
    colours = jitter(draw, colours, 0.02)

    edges = np.array(cells, np.float32).T[:, :, None]
    across = canvas.coverage(np.maximum(edges[0] - canvas.x, canvas.x - edges[2]))
    down = canvas.coverage(np.maximum(edges[1] - canvas.y.T, canvas.y.T - edges[3]))
    # The cells don't overlap, so all are painted by one sum over them, a matrix product.
    rows = (colours - INK).T[:, :, None] * down
    canvas.fill(product(rows.transpose(0, 2, 1), across) + INK[:, None, None])


KANDINSKY = (
    "e4572e f3a712 a8c686 669bbc 29335c f7e7ce 8e3b46 2e8b8b f06c9b 141c3a",
    "d7263d f46036 2e294e 1b998b c5d86d f4e8c1 5b2a86 ffb400 3c91e6 0c1821",
    "c8553d f28f3b ffd5c2 588b8b 2d3047 93b7be e0ca3c a799b7 7a3e9d f5f0e1",
    "ef476f ffd166 06a77d 118ab2 073b4c f8f4e3 d35400 7d5ba6 a2d6f9 2b2d42",
)


def kandinsky(draw: Draw, canvas: Canvas) -> None:
    """A grid of squares with concentric watercolour rings, slightly irregular."""
    columns, rows = (
        max(1, round(draw.integer(2, 4) * side)) for side in (canvas.width, canvas.height)
    )
    cells, rings = rows * columns, 4
    palette = pick(draw, palettes(*KANDINSKY))
    colours = jitter(draw, palette[draw.orders(cells, len(palette))[:, : rings + 1]], 0.04)
    radii = np.cumsum(draw.uniform(0.6, 1.6, cells, rings), axis=1)
    radii *= draw.uniform(0.38, 0.5, cells, 1) / radii[:, -1:]
    offset = draw.uniform(-0.04, 0.04, cells, 2)

    per_x, per_y = columns / canvas.width, rows / canvas.height
    cell_x, cell_y = canvas.x * np.float32(per_x), canvas.y * np.float32(per_y)
    column, row = cell_x.astype(np.intp), cell_y.astype(np.intp)
    cell = row * columns + column
    dx = cell_x - column - np.float32(0.5) + offset[:, 0].take(cell)
    dy = cell_y - row - np.float32(0.5) + offset[:, 1].take(cell)
    distance = np.sqrt(dx * dx + dy * dy)
    distance += waves(draw, canvas, 12, 5, 5) * np.float32(0.012)

    layers = np.ascontiguousarray(colours.transpose(1, 2, 0))
    canvas.fill(layers[rings].take(cell, axis=1))
    scale = np.float32(1 / max(per_x, per_y))
    for ring in reversed(range(rings)):
        inside = canvas.coverage((distance - radii[:, ring].take(cell)) * scale, 1.2)
        canvas.paint(layers[ring].take(cell, axis=1), inside)
    wash = waves(draw, canvas, 16, 14, 14)
    canvas.planes *= wash * np.float32(0.03) + np.float32(1)


TRUCHET = (
    "f4efe6 e07a5f 3d405b",
    "1d3557 f1faee e63946",
    "fefae0 606c38 283618",
    "2b2d42 8d99ae edf2f4",
    "f7ede2 84a59d f28482",
    "0b132b 1c2541 5bc0be",
    "fff3b0 e09f3e 540b0e",
    "efe9f4 5f0f40 fb8b24",
    "e8f1f2 13293d 1b98e0",
    "2f3e46 cad2c5 52796f",
    "fde2e4 cddafd 6d597a",
    "111111 f5cb5c e8eddf",
)


def truchet(draw: Draw, canvas: Canvas) -> None:
    """Smith's arc tiles, turned at random. Their bands divide the plane into two colours."""
    tiles = draw.integer(3, 7)
    first, second, band = jitter(draw, pick(draw, palettes(*TRUCHET))[draw.orders(1, 3)[0]], 0.04)
    down, across = (math.ceil(tiles * side) for side in (canvas.height, canvas.width))
    turned = draw.choice(2, down, across).astype(bool)
    u, v = canvas.x * tiles, canvas.y * tiles
    column, row = u.astype(np.intp), v.astype(np.intp)
    u, v = u - column, v - row
    turn = turned[row, column]
    u = np.where(turn, 1 - u, u)
    # The arcs are centred on two opposite corners of the tile: (0, 0) and (1, 1) after turning it.
    near, far = np.sqrt(u * u + v * v), np.sqrt((1 - u) ** 2 + (1 - v) ** 2)
    arc = np.minimum(near, far) - np.float32(0.5)
    inside = canvas.coverage(arc * np.float32(1 / tiles))
    # The colours of the corners alternate like a chessboard, so that adjacent tiles match.
    odd = (row + column + turn) % 2 == 1
    canvas.fill(first)
    canvas.paint(second, np.where(odd, inside, 1 - inside))
    width = draw.number(0.07, 0.2)
    canvas.paint(band, canvas.coverage((np.abs(arc) - np.float32(width)) * np.float32(1 / tiles)))
    if draw.chance(0.4):
        core = np.abs(arc) - np.float32(width * draw.number(0.2, 0.45))
        canvas.paint(first, canvas.coverage(core * np.float32(1 / tiles)))


BAUHAUS = (
    "f3ead7 d8352a f2b41b 1f4e9e 1b1b1b e86f2c",
    "ece3d0 b8322a e3a72f 27566b 22201e 8a9a5b",
    "f7f2e8 e0533d 2f8f83 f0b93a 23395b d98c5f",
    "e5dcc5 c23b22 1d1d1b 8fa3ad d9a441 5a6f3c",
    "26262b e0322b f2c14e 3f7cac f4ede0 8d8d92",
    "1c2b3a e9573f f4d35e 7fb7be f6efe0 d17a22",
)


def bauhaus(draw: Draw, canvas: Canvas) -> None:
    """A poster: discs, arcs, wedges and bars along one direction, some of them translucent."""
    palette = jitter(draw, pick(draw, palettes(*BAUHAUS)), 0.02)
    canvas.fill(palette[0])
    slant = draw.integer(0, 3) * math.pi / 4 + draw.number(-0.1, 0.1)
    kinds = draw.orders(1, len(SHAPES))[0]
    colours = draw.orders(1, len(palette) - 1)[0] + 1
    for step in range(draw.integer(4, 6)):
        size = draw.number(0.2, 0.34) * 0.86**step
        x, y = canvas.width * draw.number(0.2, 0.8), canvas.height * draw.number(0.2, 0.8)
        angle = slant + draw.integer(0, 3) * math.pi / 2
        window = canvas.window(x, y, 1.8 * size)
        dx, dy = canvas.x[:, window[1]] - np.float32(x), canvas.y[window[0]] - np.float32(y)
        cos, sin = np.float32(math.cos(angle) / size), np.float32(math.sin(angle) / size)
        distance = SHAPES[kinds[step]](dx * cos + dy * sin, dy * cos - dx * sin)
        opacity = np.float32(0.78 if draw.chance(0.35) else 1)
        coverage = canvas.coverage(distance * np.float32(size)) * opacity
        planes = canvas.planes[:, *window]
        planes += (palette[colours[step % len(colours)]][:, None, None] - planes) * coverage


def _disc(u: Array, v: Array) -> Array:
    return np.sqrt(u * u + v * v) - np.float32(1)


def _half(u: Array, v: Array) -> Array:
    return np.maximum(_disc(u, v), v)


def _quarter(u: Array, v: Array) -> Array:
    u, v = u + np.float32(0.6), v + np.float32(0.6)
    return np.maximum(np.sqrt(u * u + v * v) - np.float32(1.5), -np.minimum(u, v))


def _ring(u: Array, v: Array) -> Array:
    return np.abs(np.sqrt(u * u + v * v) - np.float32(0.8)) - np.float32(0.18)


def _rainbow(u: Array, v: Array) -> Array:
    rings = np.abs((np.sqrt(u * u + v * v) * 4) % 1 - np.float32(0.5)) / 4 - np.float32(0.07)
    return np.maximum(np.maximum(rings, v), np.sqrt(u * u + v * v) - np.float32(1.25))


def _bar(u: Array, v: Array) -> Array:
    return np.maximum(np.abs(u) - np.float32(1.7), np.abs(v) - np.float32(0.17))


def _stripes(u: Array, v: Array) -> Array:
    lines = np.abs(np.mod(v * np.float32(2.5), 1) - np.float32(0.5)) / np.float32(2.5)
    block = np.maximum(np.abs(u) - np.float32(1.1), np.abs(v) - np.float32(0.8))
    stripes: Array = np.maximum(block, lines - np.float32(0.08))
    return stripes


def _square(u: Array, v: Array) -> Array:
    return np.maximum(np.abs(u), np.abs(v)) - np.float32(0.78)


def _wedge(u: Array, v: Array) -> Array:
    return np.maximum(np.abs(u) * np.float32(0.89) + v * np.float32(0.45), -v) - np.float32(0.55)


SHAPES: tuple[Callable[[Array, Array], Array], ...] = (
    _disc,
    _half,
    _quarter,
    _ring,
    _rainbow,
    _bar,
    _stripes,
    _square,
    _wedge,
)
