"""The procedural styles by name, and rendering many pictures.

Picture i of a style depends only on (seed, style, i), height and width, so a smaller set is the
start of a larger one.
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

# The eight styles of the base models. They are painted if no styles are chosen.
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
# Styles that are new to the base models, to train them further.
EXTRA: dict[str, Callable[[Draw, Canvas], None]] = {"hokusai": hokusai}
# The random numbers of a style depend on its position here: add new styles at the end.
ALL = STYLES | EXTRA
_STREAMS = {name: stream for stream, name in enumerate(ALL)}


def render(style: str, index: int, height: int, width: int, seed: int) -> Pixels:
    """Returns picture `index` of a style, uint8 (H, W, 3)."""
    canvas = Canvas(height, width)
    ALL[style](Draw(seed, _STREAMS[style], index), canvas)
    return canvas.pixels()


def render_all(styles: Sequence[str], seed: int, out: Pixels, block: int = 64) -> Iterator[int]:
    """Fill `out` (N, H, W, 3) with pictures of the styles in turn; yields how many are done."""
    starts = range(0, len(out), block)
    height, width = out.shape[1:3]

    def fill(start: int) -> None:
        for place in range(start, min(start + block, len(out))):
            index, turn = divmod(place, len(styles))
            out[place] = render(styles[turn], index, height, width, seed)

    # Small pictures consist of many short steps, and threads would only slow them down.
    threads = min(8, os.cpu_count() or 1) if height * width > 128**2 else 1
    with ThreadPoolExecutor(threads) as pool:
        try:
            for start, _ in zip(starts, pool.map(fill, starts), strict=True):
                yield min(start + block, len(out))
        finally:
            pool.shutdown(cancel_futures=True)
