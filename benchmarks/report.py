"""Measures `artgraph data FOLDER`: `python benchmarks/report.py [--photographs N] [--small N ...]`.

Photographs (2,000 by default) are JPEG files of 4000 x 3000 px and quality 92, about 4 MB each.
They are not real ones: each consists of bands of painted pictures, which have structure of all
sizes and noise, as photographs have. All files are different, and so are their pictures. Small
files (10,000 and 100,000 by default) are PNG files of 8 px in ten classes.

For each folder, the report runs twice in processes of their own, with an empty cache and then with
the results of the first time. Printed are the wall clock time with Python's start, the processor
time, and the largest memory: the process's own (`RssAnon`; only on Linux), and in all, which
includes parts of files that the system holds in memory and can drop. The files were just written,
so those that fit into memory are read from there, and not from the disk.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from folders import write_pictures as write_small
from PIL import Image

WIDTH, HEIGHT, PAINTED = 4000, 3000, 16
BANDS = 4  # in a photograph, each of another painted picture
GRAINS = (8, 40, 200, 1000)  # how many patches across a picture has, from coarse to fine


class Measured(NamedTuple):
    """What a process needed: seconds by the clock and of processors, and MB of memory.

    own: the memory that is not a part of files, 0 if the system does not report it.
    """

    wall: float
    processor: float
    own: float
    memory: float

    def __str__(self) -> str:
        times = f"{self.wall:7.2f} s {self.processor:7.2f} s CPU"
        return f"{times} {self.own:6.0f} MB of its own {self.memory:6.0f} MB in all"


def painted(seed: tuple[int, int]) -> Image.Image:
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


def rows_of_jpeg(picture: Image.Image) -> tuple[bytes, list[bytes]]:
    """Returns the header of a JPEG file, and its rows of blocks, which do not need each other."""
    file = BytesIO()
    picture.save(file, "JPEG", quality=92, restart_marker_rows=1)
    data = file.getvalue()
    scan = data.index(b"\xff\xda")
    start = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4], "big")
    return data[:start], re.split(rb"\xff[\xd0-\xd7]", data[start:-2])


def write_photographs(folder: Path, count: int, seed: int) -> None:
    """Write large JPEG files in two classes, without encoding each of them."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        bases = list(pool.map(lambda n: rows_of_jpeg(painted((seed, n))), range(PAINTED)))
    header, rows = bases[0][0], len(bases[0][1])
    for number in range(count):
        draw = np.random.default_rng((seed, PAINTED + number))
        cuts = [0, *sorted(draw.choice(np.arange(1, rows), BANDS - 1, replace=False)), rows]
        parts = []
        for base, top, end in zip(draw.choice(PAINTED, BANDS), cuts, cuts[1:], strict=False):
            first = int(draw.integers(rows))
            parts += [bases[base][1][(first + row) % rows] for row in range(end - top)]
        path = folder / ("cats", "dogs")[number % 2] / f"photo{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(header + parts[0])
            for row, part in enumerate(parts[1:]):
                file.write(bytes([0xFF, 0xD0 + row % 8]) + part)
            file.write(b"\xff\xd9")


def own_memory(process: int) -> int:
    """Returns the anonymous memory of a process in kB, 0 if it is unknown."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"RssAnon:\s*(\d+)", status)
    return int(found[1]) if found else 0


def report(place: Path) -> Measured:
    """Run `artgraph data` in a process of its own."""
    environment = os.environ | {"ARTGRAPH_CACHE": str(place / "cache")}
    start = time.perf_counter()
    words = [sys.executable, "-m", "artgraph", "data", str(place / "pictures"), "--json"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL) as process:
        own, ended = 0, 0
        while not ended:
            own = max(own, own_memory(process.pid))
            time.sleep(0.01)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"artgraph data failed with {process.returncode}")
    megabytes = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    seconds = time.perf_counter() - start
    return Measured(seconds, usage.ru_utime + usage.ru_stime, own / 2**10, megabytes)


def measure(count: int, kind: str, write: Callable[[Path, int], None]) -> Measured:
    """Write a folder, report it twice, and print both. Returns the first."""
    place = Path(tempfile.mkdtemp(prefix="artgraph-report-"))
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            # This process stays small, because Linux counts its memory for those that it starts.
            pool.submit(write, place / "pictures", count).result()
        time.sleep(3)  # newer files may still be changing, so their digests are not stored
        first = report(place)
        print(f"{count:8} {kind:12} first  {first}", flush=True)
        print(f"{count:8} {kind:12} second {report(place)}", flush=True)
    finally:
        shutil.rmtree(place)
    return first


def main() -> None:
    """Measure all folders, and print how the cost of small files grows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--photographs", type=int, default=2000)
    parser.add_argument("--small", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--seed", type=int, default=1, help="of the photographs")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    if options.photographs:
        write = partial(write_photographs, seed=options.seed)
        measure(options.photographs, "photographs", write)
    results = [measure(count, "small files", write_small) for count in options.small]
    if len(results) > 1:
        times = options.small[-1] / options.small[0]
        first, last = results[0], results[-1]
        print(
            f"{times:.1f} times the small files: {last.processor / first.processor:.1f} times the"
            f" CPU time, and {last.own - first.own:.0f} MB more memory of the process's own"
        )


if __name__ == "__main__":
    main()
