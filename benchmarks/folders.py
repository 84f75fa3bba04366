"""Measures folders of many small pictures: `python benchmarks/folders.py [COUNT ...]`.

For each COUNT (20,000 and 100,000 by default), a folder of so many PNG files of 8 px in ten classes
is written, with a fixed seed. Then each step runs in a process of its own: the first plan, which
reads all files; the second plan, which compares their stamps; and loading the folder as a dataset.
Printed are the wall clock time with Python's start, and the peak memory. The last lines show how
both grow: cost is linear if the ratio of times is about the ratio of counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES, EDGE = 10, 8
GRAPH = """
artgraph: 1
nodes:
  art: {node: load_dataset, with: {folder: pictures, size: 8}}
"""
STEPS = {
    "first plan": ("plan", "g.yaml"),
    "second plan": ("plan", "g.yaml"),
    "load": ("run", "g.yaml", "--quiet"),
}
# Runs the command line, then prints the peak memory of the process in MB.
CHILD = """
import resource, runpy, sys
try:
    runpy.run_module("artgraph", run_name="__main__", alter_sys=True)
finally:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak // (2**20 if sys.platform == "darwin" else 2**10), file=sys.stderr)
"""


def write_pictures(folder: Path, count: int) -> None:
    """Write small PNG files."""
    draw = np.random.default_rng(0)
    for number in range(count):
        kind = folder / f"class{number % CLASSES}"
        kind.mkdir(parents=True, exist_ok=True)
        buffer = BytesIO()
        pixels = draw.integers(0, 256, (EDGE, EDGE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, "PNG")
        (kind / f"frame{number}.png").write_bytes(buffer.getvalue())


def step(place: Path, words: tuple[str, ...]) -> tuple[float, int]:
    """Run artgraph. Returns the time in seconds and the peak memory in MB."""
    environment = os.environ | {"ARTGRAPH_CACHE": str(place / "cache")}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *words],
        cwd=place,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    return time.perf_counter() - start, int(done.stderr.split()[-1])


def main() -> None:
    """Measure each count, and print times, memory and ratios."""
    counts = [int(word) for word in sys.argv[1:]] or [20_000, 100_000]
    measured: list[dict[str, tuple[float, int]]] = []
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            write_pictures(place / "pictures", count)
            (place / "g.yaml").write_text(GRAPH)
            time.sleep(3)  # newer files may still be changing, so their digests are not stored
            measured.append({title: step(place, words) for title, words in STEPS.items()})
        for title, (seconds, megabytes) in measured[-1].items():
            print(f"{count:8} files  {title:12} {seconds:7.2f} s {megabytes:6} MB", flush=True)
    first, last = measured[0], measured[-1]
    for title in STEPS if len(counts) > 1 else ():
        seconds, megabytes = (last[title][i] / first[title][i] for i in (0, 1))
        print(
            f"{counts[-1] / counts[0]:.1f} times the files: {title} takes {seconds:.1f} times the"
            f" time and {megabytes:.1f} times the memory"
        )


if __name__ == "__main__":
    main()
