"""Measures `artgraph data FOLDER`: `python benchmarks/report.py [--photographs N] [--small N ...]`.

Photographs (2,000 by default) are JPEG files of 4000 x 3000 px and quality 92, about 4 MB each.
They are not real ones: each mixes two of a few painted pictures that have structure of all sizes
and noise, as photographs have. All files are different, and so are their pictures. Small files
(10,000 and 100,000 by default) are PNG files of 8 px in ten classes.

For each folder, the report runs twice in processes of their own, with an empty cache and then with
the results of the first time. Printed are the wall clock time with Python's start, the processor
time, and the peak memory. The files were just written, so those that fit into memory are read from
there, and not from the disk.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from folders import write_pictures as write_small
from PIL import Image, ImageChops

WIDTH, HEIGHT, PAINTED = 4000, 3000, 12
GRAINS = (8, 40, 200, 1000)  # how many patches across a picture has, from coarse to fine


class Measured(NamedTuple):
    """What a process needed: seconds by the clock and of processors, and MB of memory."""

    wall: float
    processor: float
    memory: float

    def __str__(self) -> str:
        return f"{self.wall:7.2f} s {self.processor:7.2f} s CPU {self.memory:6.0f} MB"


def painted(seed: int) -> Image.Image:
    """Returns a picture with structure of all sizes, and the noise of a camera."""
    draw = np.random.default_rng(seed)
    pixels = np.full((HEIGHT, WIDTH, 3), 120, np.float32)
    for grain in GRAINS:
        patches = draw.normal(0, 90 / (1 + grain / 60) ** 0.6, (3, grain * 3 // 4, grain))
        for channel, values in enumerate(patches.astype(np.float32)):
            large = Image.fromarray(values).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
            pixels[..., channel] += np.asarray(large)
    pixels += draw.normal(0, 4, (HEIGHT, WIDTH, 1))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write_photographs(folder: Path, count: int) -> None:
    """Write large JPEG files in two classes."""
    bases = [painted(seed) for seed in range(PAINTED)]

    def write(number: int) -> None:
        draw = np.random.default_rng((1, number))
        first, second = (bases[at] for at in draw.choice(PAINTED, 2, replace=False))
        moved = [
            ImageChops.offset(base, int(draw.integers(WIDTH)), int(draw.integers(HEIGHT)))
            for base in (first, second)
        ]
        mixed = Image.blend(*moved, float(draw.uniform(0.3, 0.7)))
        path = folder / ("cats", "dogs")[number % 2] / f"photo{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        mixed.save(path, quality=92)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(write, range(count)))


def report(place: Path) -> Measured:
    """Run `artgraph data` in a process of its own."""
    environment = os.environ | {"ARTGRAPH_CACHE": str(place / "cache")}
    start = time.perf_counter()
    words = [sys.executable, "-m", "artgraph", "data", str(place / "pictures"), "--json"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"artgraph data failed with {process.returncode}")
    megabytes = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Measured(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, megabytes)


def measure(count: int, kind: str, write: Callable[[Path, int], None]) -> tuple[Measured, Measured]:
    """Write a folder, report it twice, and print both."""
    place = Path(tempfile.mkdtemp(prefix="artgraph-report-"))
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            # This process stays small, because Linux counts its memory for those that it starts.
            pool.submit(write, place / "pictures", count).result()
        time.sleep(3)  # newer files may still be changing, so their digests are not stored
        measured = report(place), report(place)
    finally:
        shutil.rmtree(place)
    for turn, result in zip(("first", "second"), measured, strict=True):
        print(f"{count:8} {kind:12} {turn:7}{result}", flush=True)
    return measured


def main() -> None:
    """Measure all folders, and print how the cost of small files grows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--photographs", type=int, default=2000)
    parser.add_argument("--small", type=int, nargs="*", default=[10_000, 100_000])
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    if options.photographs:
        measure(options.photographs, "photographs", write_photographs)
    results = [measure(count, "small files", write_small) for count in options.small]
    if len(results) > 1:
        times = options.small[-1] / options.small[0]
        first, last = results[0][0], results[-1][0]
        print(
            f"{times:.1f} times the small files: {last.processor / first.processor:.1f} times the"
            f" CPU time, and {last.memory - first.memory:.0f} MB more memory"
        )


if __name__ == "__main__":
    main()
