"""A style after Japanese woodblock prints: hokusai."""

from __future__ import annotations

import math

import numpy as np

from .painting import Array, Canvas, Draw, jitter, palettes, pick, waves

# Colours of high sky, low sky, sun, mountain, snow, deep sea, shallow sea and foam.
PRINTS = (
    "1f4e79 f3dcb0 d43d2a 46617a f7f0df 14375e 4f8fb3 f4ecd8",
    "7c2f3e f6c58f e2452b 5b2f3f f8e8d0 1d2d50 5f7fa3 f6e7cf",
    "2c6e6a f2e6c0 dd5a35 3b5a50 f6f2e2 12454a 5aa79a f3eddb",
    "c9b98f f4ead0 c92f2a 7a3b2c f9f2e0 23406b 7fa2bd f7efdc",
    "26304f d98f6b f0533a 33334f f1e4da 18203f 5a6ea0 f0e3d2",
    "8fb4c4 f7efdb cf3a2c 3f6f8f fbf6ea 1b4f8a 76b0cf fbf4e4",
)


def hokusai(draw: Draw, canvas: Canvas) -> None:
    """A red sun and often a snowy mountain over a sea of overlapping waves (seigaiha)."""
    high, low, sun, rock, snow, deep, shallow, foam = jitter(
        draw, pick(draw, palettes(*PRINTS)), 0.025
    )
    wide, tall = canvas.width, canvas.height
    horizon = tall * draw.number(0.46, 0.66)
    # The sky becomes darker towards the top, as in prints (bokashi).
    dark = np.clip(1 - canvas.y / np.float32(horizon * draw.number(0.5, 1)), 0, 1)
    canvas.fill(low)
    canvas.paint(high, np.broadcast_to(dark, canvas.planes.shape[1:]))
    mountain = draw.chance(0.65)
    side = 1 if draw.chance(0.5) else -1
    radius = draw.number(0.1, 0.17)
    sun_x = wide * (0.5 + side * draw.number(0.12, 0.3))
    sun_y = draw.number(radius + 0.06, horizon - radius * 0.4)
    dx, dy = canvas.x - np.float32(sun_x), canvas.y - np.float32(sun_y)
    canvas.paint(sun, canvas.coverage(np.sqrt(dx * dx + dy * dy) - np.float32(radius)))
    if mountain:
        peak = wide * (0.5 - side * draw.number(0.05, 0.22))
        _mountain(draw, canvas, peak, horizon, rock, snow)
    _sea(draw, canvas, horizon, deep, shallow, foam)
    grain = waves(draw, canvas, 16, 3, 40)
    canvas.planes *= grain * np.float32(0.018) + np.float32(1)


def _mountain(
    draw: Draw, canvas: Canvas, peak: float, horizon: float, rock: Array, snow: Array
) -> None:
    """Paint a volcano with concave flanks, and snow that ends in teeth."""
    tall, wide = horizon * draw.number(0.55, 0.78), draw.number(0.42, 0.62)
    away = np.maximum(np.abs(canvas.x - np.float32(peak)) - np.float32(0.035), 0)
    flank = np.maximum(1 - away / np.float32(wide), 0)
    ridge = np.float32(horizon) - np.float32(tall) * flank ** np.float32(1.7)
    body = canvas.coverage((ridge - canvas.y) * np.float32(0.6))
    canvas.paint(rock, body)
    teeth = draw.integer(7, 11)
    place = canvas.x * teeth + np.float32(draw.number())
    tooth = 1 - np.abs(place % 1 - np.float32(0.5)) * 2
    uneven = draw.uniform(0.5, 1.0, math.ceil(teeth * canvas.width) + 2).take(place.astype(np.intp))
    end = horizon - tall * draw.number(0.62, 0.78) + np.float32(tall * 0.24) * tooth * uneven
    canvas.paint(snow, body * canvas.coverage((canvas.y - end) * np.float32(0.5)))


def _sea(
    draw: Draw, canvas: Canvas, horizon: float, deep: Array, shallow: Array, foam: Array
) -> None:
    """Paint rows of discs with rings of foam, each row shifted and in front of the one above."""
    count = draw.integer(3, 5)
    radius, shift = 0.5 / count, draw.number()
    line = draw.number(0.1, 0.15)
    depth = canvas.height - horizon
    for row in range(math.ceil(depth / (radius / 2)) + 1):
        top = horizon + row * radius / 2
        middle = top + radius
        rows = slice(math.floor(top * canvas.edge), math.ceil((middle + radius) * canvas.edge))
        place = canvas.x * count + np.float32(shift + row / 2)
        across = (place % 1 - np.float32(0.5)) * np.float32(2 * radius)
        down = canvas.y[rows] - np.float32(middle)
        distance = np.sqrt(across * across + down * down)
        darkness = np.float32(min(1.0, (middle - horizon) / depth))
        tint = jitter(draw, shallow + (deep - shallow) * darkness, 0.02)
        # Below its middle, a disc continues straight down, so that the sky is hidden.
        beyond = np.where(down > 0, np.abs(across), distance)
        planes = canvas.planes[:, rows]
        _over(planes, tint, canvas.coverage(beyond - np.float32(radius)))
        for ring in range(2):
            edge = np.float32(radius * (1 - line / 2 - ring / 2))
            band = np.abs(distance - edge) - np.float32(radius * line / 2)
            _over(planes, foam, canvas.coverage(band))


def _over(planes: Array, colour: Array, coverage: Array) -> None:
    planes += (colour[:, None, None] - planes) * coverage
