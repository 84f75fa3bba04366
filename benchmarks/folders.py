"""Measures folders of many small pictures: `python benchmarks/folders.py [COUNT ...]`.

`python benchmarks/folders.py packed [COUNT ...]` measures zip, tar, tar.gz and Parquet files.

For each COUNT (20,000 and 100,000 by default), a folder of so many PNG files of 8 px in ten classes
is written, with a fixed seed. Then each step runs in a process of its own: the first plan, which
reads all files; the second plan, which compares their stamps; and loading the folder as a dataset.
Printed are the wall clock time with Python's start, and the peak memory. The last lines show how
both grow: cost is linear if the ratio of times is about the ratio of counts.

Packed pictures (1,000 and 5,000 by default) are PNG files of 256 px with noise, about 200 kB each.
They are loaded at 8 px. The command fails if the peak memory of any format grows by more than
`MOST_GROWTH` from the first to the last count.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES, EDGE, PACKED_EDGE = 10, 8, 256
MOST_GROWTH = 100  # MB by which the peak memory may grow
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
PACKED = ("pictures.zip", "pictures.tar", "pictures.tar.gz", "pictures.parquet")
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


def pictures(count: int) -> Iterator[tuple[str, bytes]]:
    """Yields the names and contents of PNG files with noise."""
    draw = np.random.default_rng(0)
    for number in range(count):
        buffer = BytesIO()
        pixels = draw.integers(0, 256, (PACKED_EDGE, PACKED_EDGE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=0)
        yield f"class{number % CLASSES}/frame{number}.png", buffer.getvalue()


def write_packed(path: Path, count: int) -> None:
    """Write an archive or a Parquet file of pictures, one picture after the other."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in pictures(count):
                archive.writestr(name, data)
    elif path.suffix == ".parquet":
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

        image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        with ParquetWriter(path, pa.schema([("image", image)])) as writer:
            rows: list[dict[str, object]] = []
            for number, (name, data) in enumerate(pictures(count), 1):
                rows.append({"bytes": data, "path": name})
                if len(rows) == 100 or number == count:  # as in Hugging Face's files
                    writer.write_table(pa.table({"image": pa.array(rows, image)}))
                    rows.clear()
    else:
        with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
            for name, data in pictures(count):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, BytesIO(data))


def measure_packed(counts: list[int]) -> None:
    """Load packed pictures of each count. Fails if the memory grows with the count."""
    grown = []
    for name in PACKED:
        peaks = []
        for count in counts:
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder)
                write_packed(place / name, count)
                (place / "g.yaml").write_text(GRAPH.replace("folder: pictures", f"folder: {name}"))
                seconds, megabytes = step(place, STEPS["load"])
            peaks.append(megabytes)
            print(f"{count:8} in {name:16} {seconds:7.2f} s {megabytes:6} MB", flush=True)
        if peaks[-1] - peaks[0] > MOST_GROWTH:
            grown.append(f"{name}: {peaks[0]} MB grow to {peaks[-1]} MB")
    if grown:
        sys.exit("; ".join(grown))


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
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    if sys.argv[1:2] == ["packed"]:
        measure_packed([int(word) for word in sys.argv[2:]] or [1_000, 5_000])
        return
    counts = [int(word) for word in sys.argv[1:]] or [20_000, 100_000]
    measured: list[dict[str, tuple[float, int]]] = []
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
