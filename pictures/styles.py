"""The procedural styles by name, and rendering many of their pictures.

Picture i of a style depends on (seed, style, i) and the size alone, so that a smaller set is the
beginning of a larger one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from .geometric import bauhaus, kandinsky, mondrian, truchet
from .painterly import flowfield, pointillist, rothko, voronoi
from .painting import Canvas, Draw
from .woodblock import hokusai

Pixels = NDArray[np.uint8]

# The eight that the base models have learnt, and what is painted unless others are asked for.
STYLES: dict[str, Callable[[Draw, Canvas], None]] = {
    "mondrian": mondrian,
    "kandinsky": kandinsky,
    "rothko": rothko,
    "pointillist": pointillist,
    "truchet": truchet,
    "flowfield": flowfield,
    "bauhaus": bauhaus,
    "voronoi": voronoi,
}
# Further ones, which no base model has seen: something new to go on with.
FURTHER: dict[str, Callable[[Draw, Canvas], None]] = {"hokusai": hokusai}
# A style's place in this list seeds its pictures: add new ones at the end.
ALL = STYLES | FURTHER
_STREAMS = {name: stream for stream, name in enumerate(ALL)}


def render(style: str, index: int, size: int, seed: int) -> Pixels:
    """Picture `index` of a style, uint8 (S, S, 3)."""
    canvas = Canvas(size)
    ALL[style](Draw(seed, _STREAMS[style], index), canvas)
    return canvas.pixels()


def render_all(
    styles: Sequence[str], size: int, seed: int, out: Pixels, block: int = 64
) -> Iterator[int]:
    """Fill `out` (N, S, S, 3), going round the styles; yields how many pictures are done."""
    starts = range(0, len(out), block)

    def fill(start: int) -> None:
        for place in range(start, min(start + block, len(out))):
            index, turn = divmod(place, len(styles))
            out[place] = render(styles[turn], index, size, seed)

    # Small pictures are many short steps, which threads only slow down.
    threads = min(8, os.cpu_count() or 1) if size > 128 else 1
    with ThreadPoolExecutor(threads) as pool:
        try:
            for start, _ in zip(starts, pool.map(fill, starts), strict=True):
                yield min(start + block, len(out))
        finally:
            pool.shutdown(cancel_futures=True)
