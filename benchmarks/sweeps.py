"""Measures sweeps of many small combinations: milliseconds for each, and the peak of the memory.

    python benchmarks/sweeps.py [--counts 200,1000,5000] [--pictures] [--json FILE]

Each sweep is a process of its own with an empty cache, started as a user does. The graph has three
`math` nodes, one of which all combinations share; with `--pictures` it also paints and saves a
picture of 16 px, so that the sheets are measured, too. "again" is the same command once more, which
reuses all results. Times contain the start of Python. Those of the processor ("cpu") depend less on
other work on the machine and on its disk than those of the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

NUMBERS = """
artgraph: 1
knobs: {a: 0, b: 0}
nodes:
  shared: {node: math, with: {a: 3, b: 4}}
  one: {node: math, from: {a: knobs.a, b: shared}}
  two: {node: math, from: {a: one, b: knobs.b}, with: {op: multiply}}
"""
PICTURES = """
  seed: {node: math, from: {a: knobs.a, b: knobs.b}, with: {op: multiply}}
  art: {node: procedural_art, from: {seed: seed}, with: {count: 1, size: 16}}
  some: {node: dataset_images, from: {dataset: art}}
  picture: {node: save_image, from: {image: some.image}}
"""


def main() -> None:
    """Measure sweeps of each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", default="200,1000,5000", help="combinations, by commas")
    parser.add_argument("--pictures", action="store_true", help="also save a picture each")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    arguments = parser.parse_args()
    rows = []
    for count in map(int, arguments.counts.split(",")):
        rows.append(measured(count, arguments.pictures))
        print(" ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


def measured(count: int, pictures: bool) -> dict[str, Any]:
    """Returns the figures of one size: ms for each combination, MB of memory, bytes of files."""
    with tempfile.TemporaryDirectory(prefix="artgraph-sweeps-") as name:
        folder = Path(name)
        (folder / "g.yaml").write_text(NUMBERS + (PICTURES if pictures else ""))
        first, cpu, memory = _sweep(folder, count)
        again, again_cpu, _ = _sweep(folder, count)
        sweep = folder / "out/g/sweep"
        return {
            "combinations": count,
            "seconds": round(first, 1),
            "ms_each": round(first / count * 1e3, 2),
            "cpu_ms_each": round(cpu / count * 1e3, 2),
            "again_ms_each": round(again / count * 1e3, 2),
            "again_cpu_ms_each": round(again_cpu / count * 1e3, 2),
            "peak_mb": round(memory),
            "table_kb": round((sweep / "table.csv").stat().st_size / 1e3),
            "sheets_kb": round(sum(page.stat().st_size for page in sweep.glob("*.png")) / 1e3),
        }


def _sweep(folder: Path, count: int) -> tuple[float, float, float]:
    """Run a sweep of so many combinations.

    Returns its seconds, those of the processor, and the peak of its memory in MB.

    The values of the first setting are 50, or a tenth of the combinations if these are fewer.
    """
    across = min(50, count // 10)
    settings = [f"knobs.a=1..{across}", f"knobs.b=1..{count // across}"]
    words = ["sweep", "g.yaml", *(word for text in settings for word in ("--set", text)), "--quiet"]
    environment = os.environ | {"ARTGRAPH_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "artgraph", *words], cwd=folder, env=environment
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the sweep of {count} combinations failed")
    memory = used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, memory


if __name__ == "__main__":
    main()
