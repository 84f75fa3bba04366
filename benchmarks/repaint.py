"""Measures style transfer: seconds on one core by size, and whether borders of tiles can be seen.

    python benchmarks/repaint.py [--sizes 256 512 1024] [--content PATH --style PATH]

For each size it prints the seconds, the longest time between two reports of the progress (how long
a cancelled run goes on), the peak memory so far, and the largest gradient over a border of tiles,
with the range of the gradients inside (mean and three standard deviations, rows and columns).
Without pictures it repaints procedural art, whose own edges are not at borders of tiles.
"""

from __future__ import annotations

import argparse
import resource
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from artgraph.contract.context import Context
from artgraph.contract.registry import load_nodes
from artgraph.models.blocks import to_bytes, to_signed
from artgraph.models.repaint.refining import TILE
from artgraph.models.repaint.transfer import repaint
from artgraph.models.training.numerics import Numerics


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--content", type=Path, help="a picture to repaint")
    parser.add_argument("--style", type=Path, help="a picture of the style")
    parser.add_argument("--out", type=Path, help="folder for the results")
    options = parser.parse_args()

    torch.set_num_threads(1)
    print(f"one thread, torch {torch.__version__}, tiles of {TILE} px")
    print("size     seconds  longest wait  peak memory  gradient over borders in range inside")
    for size in options.sizes:
        measure(size, options)


def measure(size: int, options: argparse.Namespace) -> None:
    """Repaint a picture of this size, and print what was measured."""
    content = picture(options.content, size, "bauhaus")
    style = picture(options.style, size, "hokusai")
    times = [time.perf_counter()]

    def progress(done: float, total: float, preview: object = None) -> None:
        times.append(time.perf_counter())

    result = repaint(
        content, style, steps=60, keep=0.5, seed=0, numerics=Numerics(), progress=progress
    )
    seconds = time.perf_counter() - times[0]
    wait = max(b - a for a, b in pairwise(times))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{size:4} px  {seconds:7.1f}  {wait:10.2f} s  {memory:8.0f} MB  {seams(result[0])}",
        flush=True,
    )
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        Image.fromarray(to_bytes(result)[0].numpy()).save(options.out / f"{size}.png")


def picture(path: Path | None, size: int, style: str) -> torch.Tensor:
    """Returns a picture (1, 3, size, size) in -1..1."""
    if path is None:
        art = load_nodes()["procedural_art"]
        widgets, _ = art.check({"count": 1, "size": size, "styles": style, "seed": 1})
        return to_signed(art({}, widgets, Context.quiet())["dataset"].images)
    with Image.open(path) as opened:
        fitted = ImageOps.fit(opened.convert("RGB"), (size, size))
    return to_signed(torch.from_numpy(np.array(fitted))[None])


def seams(result: torch.Tensor) -> str:
    """Returns the largest gradient over a border of tiles, and the range of those inside."""
    found = []
    for dim, name in ((1, "rows"), (2, "columns")):
        steps = result.diff(dim=dim).abs().mean([d for d in range(3) if d != dim])
        border = torch.arange(1, len(steps) + 1) % TILE == 0
        if not border.any():
            return "no borders"
        deviation, mean = torch.std_mean(steps[~border])
        low, high = max(0.0, mean - 3 * deviation), mean + 3 * deviation
        found.append(f"{name} {steps[border].max():.3f} in {low:.3f}..{high:.3f}")
    return ", ".join(found)


if __name__ == "__main__":
    main()
