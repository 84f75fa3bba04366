"""Painterly styles: rothko, pointillist, flowfield, voronoi."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .painting import Array, Canvas, Draw, Indices, from_hex, jitter, palettes, pick, waves

ROTHKO = (
    "7a1712 e8731e f2a71b c22a1c",
    "33140f 7c1d17 4a1410 15100f",
    "15294f 2f5f9c 0f1a33 5f8fb0",
    "d98a1f f4c430 f7e2a0 e2611c",
    "46234f 8d3b5e c9686a 2b1638",
    "1f3b2d 4f7a4a 12251f b6a23f",
    "c5475a f2b6a0 f6e1c5 d9772f",
    "2a1c1a b5482a 20406b 6d2b22",
    "b8b2a0 3c3a38 8a8577 1d1c1c",
    "0f3d46 d1603d 1d6a72 efc07b",
)


def rothko(draw: Draw, canvas: Canvas) -> None:
    """Two or three soft-edged fields of colour on a glowing background."""
    palette = jitter(draw, pick(draw, palettes(*ROTHKO)), 0.05)[draw.orders(1, 4)[0]]
    cloud = waves(draw, canvas, 10, 2.5, 3.5)
    brush = waves(draw, canvas, 24, 9, 26)
    canvas.fill(palette[3])
    margin, gap = draw.number(0.05, 0.1), draw.number(0.012, 0.03)
    cuts = [draw.number(0.3, 0.68)]
    if draw.chance(0.55):
        cuts = [draw.number(0.22, 0.4), draw.number(0.55, 0.78)]
    cuts = [cut * canvas.height for cut in cuts]
    edges = [margin * 0.8, *cuts, canvas.height - margin * 0.8]
    centre = canvas.width / 2
    for colour, top, bottom in zip(palette, edges, edges[1:], strict=False):
        middle, half = (top + bottom) / 2, (bottom - top) / 2 - gap
        across = np.abs(canvas.x - np.float32(centre)) - np.float32(
            centre - margin * draw.number(0.8, 1.5)
        )
        down = np.abs(canvas.y - np.float32(middle)) - np.float32(half)
        distance = np.maximum(across, down) + cloud * np.float32(0.008)
        distance += brush * np.float32(0.004)
        veil = np.float32(0.9) + brush * np.float32(0.05) + cloud * np.float32(0.05)
        fade = np.exp(np.minimum(distance * np.float32(110), np.float32(60)))
        canvas.paint(colour, veil / (1 + fade))
    canvas.planes *= brush * np.float32(0.022) + cloud * np.float32(0.05) + np.float32(1)


# Colours of the sky at the horizon and above, of far and near land, the sun and the water.
SEASONS = (
    "f7c873 3f86c9 5f7fae 4f8f3e fff1b1 2f6fae",
    "ff9e4f 5a3f99 4d3a6b 1f2348 ffe27a c2557a",
    "f9c58d 8a6fb0 6d5a8c 3d3f66 ffe9a8 7a6a9f",
    "fbe0a4 7cc0e6 86b35f d9a52f fff7c0 4fa3c4",
    "f2a07b d1495b 73405f 2f2a4a ffd98a 9a4b5f",
    "dfe9ec 87a7bb 8fa0a6 6b7d74 ffffff 6f93a4",
    "cfe8c9 58a4b0 3f7d6b 2f5d3a fdf3c7 3b8ea5",
    "1f2f5c 0e1736 24365e 131d33 f6e7b0 1b3a6b",
    "ffd6c9 f08fa5 b56b93 6a8f6b fff0da d98ba5",
)


def _landscape(draw: Draw, canvas: Canvas) -> Callable[[Array, Array], Array]:
    """Returns a landscape as a function from points x, y (N,) to colours (3, N)."""
    seasons = jitter(draw, pick(draw, palettes(*SEASONS)), 0.05)
    low, high, far, near, sun, water = seasons[:, :, None]
    tall, wide = canvas.height, canvas.width
    horizon, shore = tall * draw.number(0.42, 0.66), tall * draw.number(0.72, 0.95)
    sun_x, sun_y = wide * draw.number(0.15, 0.85), tall * draw.number(0.1, 0.4)
    radius = draw.number(0.06, 0.13)
    hill, swell = draw.uniform(1, 5, 3), draw.uniform(0, 2 * math.pi, 2)
    height = draw.number(0.02, 0.12)

    def colours(x: Array, y: Array) -> Array:
        scene = low + (high - low) * np.maximum((horizon - y) / np.float32(horizon), 0)
        glow = np.exp(-((x - sun_x) ** 2 + (y - sun_y) ** 2) / np.float32(2.5 * radius**2))
        scene += (sun - scene) * np.minimum(glow * np.float32(1.8), 1)
        ridge = horizon - height * (1 + np.sin(hill[0] * 3 * x + swell[0]) * np.sin(hill[1] * x))
        scene = np.where(y > ridge, far, scene)
        path = np.exp(-(((x - sun_x) / (0.6 * np.maximum(y, 0.1))) ** 2) * 12)
        lake = water + (sun - water) * (path * (0.35 + 0.35 * np.sin(y * 90)))
        scene = np.where(y > horizon, lake, scene)
        bank = shore + 0.06 * np.sin(hill[2] * x * 1.5 + swell[1])
        painted: Array = np.where(y > bank, near, scene)
        return painted

    return colours


def pointillist(draw: Draw, canvas: Canvas) -> None:
    """A landscape of dots: turned grids of ever smaller dots on a pale background."""
    scene = _landscape(draw, canvas)
    canvas.fill(from_hex("f3ead6")[0])
    for cells in (14, 17, 20, 24):
        turn = draw.number(0, math.pi / 2)
        cos, sin = np.float32(math.cos(turn) * cells), np.float32(math.sin(turn) * cells)
        u = canvas.x * cos + canvas.y * sin
        offset = sin * np.float32(canvas.width)  # so that v is not negative
        v = canvas.y * cos - canvas.x * sin + offset
        column, row = u.astype(np.intp), v.astype(np.intp)
        span = math.ceil(cells * math.hypot(canvas.width, canvas.height)) + 1
        dots = span * span
        middle = draw.uniform(0.38, 0.62, 2, dots)
        at_u = np.tile(np.arange(span, dtype=np.float32), span) + middle[0]
        at_v = np.repeat(np.arange(span, dtype=np.float32), span) + middle[1] - offset
        colour = scene((at_u * cos - at_v * sin) / cells**2, (at_v * cos + at_u * sin) / cells**2)
        colour += draw.uniform(-0.14, 0.14, 3, dots)
        radius = draw.uniform(0.36, 0.5, dots) - np.abs(middle - np.float32(0.5)).max(axis=0) * 0.5

        dot = row * span + column
        u -= column
        u -= middle[0].take(dot)
        v -= row
        v -= middle[1].take(dot)
        distance = np.sqrt(u * u + v * v) - radius.take(dot)
        canvas.paint(colour.take(dot, axis=1), canvas.coverage(distance * np.float32(1 / cells)))


# Colours of the background and of the ribbons.
RIVERS = (
    "101820 f2aa4c e8573f 2a9d8f f4ecd8 6a4c93",
    "f4ecd8 1d3557 457b9d e63946 f4a261 a8dadc",
    "1b1035 ff7b54 ffb26b ffd56f 939b62 e05297",
    "f7f3e9 264653 2a9d8f e9c46a f4a261 e76f51",
    "0d1b2a 415a77 778da9 e0e1dd 5bc0be f6bd60",
    "2b1d16 d9a066 8f563b e8d8b0 5f7a61 c8553d",
    "efe6dd 231942 5e548e 9f86c0 be95c4 e0b1cb",
    "0b2b26 8eb69b daf1de f3a953 235347 f06449",
)


def flowfield(draw: Draw, canvas: Canvas) -> None:
    """Ribbons along the streamlines of a flow, cut into rounded strokes.

    The flow is an analytic function f(z). Its imaginary part is constant along a streamline, and
    its real part is the position along it. Both change at the rate |f'(z)|, so the proportions of
    the strokes are the same everywhere.
    """
    along, across, rate = _flow(draw, canvas)
    lanes, cuts = 64, 8
    count = np.float32(draw.number(9, 17))
    along, across, rate = along * count, across * count, rate * count

    lane = np.floor(across)
    row = lane.astype(np.intp) & (lanes - 1)
    length = draw.uniform(2.5, 11, lanes).take(row)
    place = along / length + draw.uniform(0, 1, lanes).take(row)
    cut = np.floor(place)
    thick = draw.uniform(0.36, 0.5, lanes).take(row)
    end = np.maximum((np.float32(0.5) - np.abs(place - cut - np.float32(0.5))) * length, 0)
    beyond = np.maximum(thick + np.float32(0.05) - end, 0)
    middle = across - lane - np.float32(0.5)
    distance = (np.sqrt(beyond * beyond + middle * middle) - thick) / rate

    palette = jitter(draw, pick(draw, palettes(*RIVERS)), 0.03)
    colours = palette[1:][draw.choice(5, lanes * cuts)] + draw.uniform(-0.07, 0.07, lanes * cuts, 1)
    stroke = row * cuts + (cut.astype(np.intp) & (cuts - 1))
    canvas.fill(palette[0])
    canvas.paint(np.ascontiguousarray(colours.T).take(stroke, axis=1), canvas.coverage(distance))


def _flow(draw: Draw, canvas: Canvas) -> tuple[Array, Array, Array]:
    """Returns Re f, Im f and |f'| (H, W) of f(z) = a z + sum of c exp(k z), with |f'| about 1."""
    terms = 4
    powers = draw.uniform(1.5, 4.5, terms) * np.exp(1j * draw.uniform(0, 2 * math.pi, terms))
    powers /= max(canvas.width, canvas.height)  # |f'| varies as much as in a square
    sizes = draw.uniform(0.1, 0.34, terms) * np.exp(1j * draw.uniform(0, 2 * math.pi, terms))
    drift = np.complex64(np.exp(1j * draw.number(0, 2 * math.pi)))
    x, y = canvas.x - np.float32(canvas.width / 2), canvas.y - np.float32(canvas.height / 2)
    flow = drift * (x + np.complex64(1j) * y)
    slope = np.full_like(flow, drift)
    for power, size in zip(powers.astype(np.complex64), sizes.astype(np.complex64), strict=True):
        term = size * np.exp(np.complex64(1j) * power * y) * np.exp(power * x)
        slope += term
        term /= power
        flow += term
    return flow.real, flow.imag, np.maximum(np.abs(slope), np.float32(0.02))


GLASS = (
    "7b1e2b c8352f e08a1e f2c230 1f3f8f 2d7fb8 17806a",
    "12305f 1f5fa8 3fa0d0 8fd0d8 d9b23a 5b3a8c 2b8a7a",
    "8a1538 d6336c f08c4a f7d774 6a2c91 2f4b9c 3a9c8f",
    "0f4c3a 2f8f4e 8cc152 e8d44d e07b39 1c6e8c 0e2f56",
    "e8b23a d9772b b8402a 7a1f2e f3dfa0 3f6f8f 284b63",
)


def voronoi(draw: Draw, canvas: Canvas) -> None:
    """Stained glass: panes between lead of constant width, lit from one point."""
    cells = draw.integer(4, 6)
    across, down = (math.ceil(cells * side) + 2 for side in (canvas.width, canvas.height))
    count = across * down  # of a grid of sites that reaches one cell beyond the picture
    column, row = (np.arange(-1, span - 1, dtype=np.float32) for span in (across, down))
    site_x = (draw.uniform(0.08, 0.92, count) + np.tile(column, down)) / np.float32(cells)
    site_y = (draw.uniform(0.08, 0.92, count) + np.repeat(row, across)) / np.float32(cells)
    pane, edge = _nearest(canvas, cells, across, site_x, site_y)

    palette = jitter(draw, pick(draw, palettes(*GLASS)), 0.04)
    light_x, light_y = canvas.width * draw.number(0.2, 0.8), canvas.height * draw.number(0.2, 0.8)
    far = np.hypot(site_x - light_x, site_y - light_y) * draw.number(3, 7) + draw.number(0, 7)
    near = (far + draw.uniform(-1, 1, count)).astype(np.intp) % len(palette)
    hue = np.where(draw.uniform(0, 1, count) < 0.3, draw.choice(7, count), near)
    colours = palette[hue] * draw.uniform(0.75, 1.15, count, 1)
    glow = np.float32(1.12) - np.hypot(canvas.x - light_x, canvas.y - light_y) * np.float32(0.45)
    glow = glow + np.minimum(edge * np.float32(cells), np.float32(0.4)) * np.float32(0.35)
    glow = glow + waves(draw, canvas, 12, 6, 16) * np.float32(0.035)
    canvas.fill(np.ascontiguousarray(colours.T).take(pane, axis=1) * glow)
    lead = np.float32(draw.number(0.01, 0.018))
    canvas.paint(from_hex("0e0d10")[0], canvas.coverage(edge - lead))


def _nearest(
    canvas: Canvas, cells: int, span: int, site_x: Array, site_y: Array
) -> tuple[Indices, Array]:
    """Returns each pixel's nearest site, and its distance to the border with the second nearest.

    span: number of sites in a row of the grid.
    """
    home = ((canvas.y * cells).astype(np.intp) + 1) * span + (canvas.x * cells).astype(np.intp) + 1
    first, second = np.full((2, *home.shape), 9, np.float32)
    mine, other = home.copy(), home.copy()
    for step in (d * span + e for d in (-1, 0, 1) for e in (-1, 0, 1)):
        site = home + step
        dx, dy = canvas.x - site_x.take(site), canvas.y - site_y.take(site)
        square = dx * dx + dy * dy
        nearer = square < first
        np.copyto(other, site, where=square < second)
        np.copyto(other, mine, where=nearer)
        np.copyto(mine, site, where=nearer)
        np.minimum(second, np.maximum(first, square), out=second)
        np.minimum(first, square, out=first)
    apart = np.hypot(site_x.take(mine) - site_x.take(other), site_y.take(mine) - site_y.take(other))
    return mine, (second - first) / (2 * apart + np.float32(1e-6))
