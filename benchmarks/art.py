"""Measures procedural pictures per second: `python benchmarks/art.py [SIZE...]`."""

from __future__ import annotations

import os
import sys
import time

import numpy as np

from artgraph.pictures.styles import ALL, STYLES, render_all


def rate(styles: list[str], size: int, seconds: float = 2.0) -> float:
    """Returns pictures per second, from rendering more and more until it takes long enough."""
    count = 16
    while True:
        out = np.empty((count, size, size, 3), np.uint8)
        start = time.perf_counter()
        for _ in render_all(styles, 0, out):
            pass
        duration = time.perf_counter() - start
        if duration > seconds:
            return count / duration
        count *= 2


if __name__ == "__main__":
    print(f"{os.cpu_count()} cores, NumPy {np.__version__}")
    for size in map(int, sys.argv[1:] or ["64", "256"]):
        print(f"{size} px: the eight styles {rate(list(STYLES), size):.0f} pictures/s")
        for style in ALL:
            print(f"  {style:12} {rate([style], size, 0.5):.0f}")
