"""The store against safetensors' own functions: `python benchmarks/store.py [MiB]`.

Writing ends with the data on the disk (fsync) on both sides; ours digests them too. Each reading
is by a newly opened store, as in a new process: what comes from the disk or was written to is
digested and compared; what is in memory, checked before and not written to since is not. Medians,
turn by turn, since both share the disk with whatever else is going on.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from artgraph.runner.store.store import Store

TURNS = 7


def timed(call: Callable[[], object]) -> float:
    """Seconds on the wall clock."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def theirs(tensor: torch.Tensor, path: Path) -> None:
    """What safetensors does, and the disk's part."""
    save_file({"x": tensor}, path)
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def forget(path: Path) -> None:
    """Have the system drop a file from memory, so that reading it means the disk."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def turn(number: int, size: int, place: Path) -> dict[str, float]:
    """Seconds of each, once."""
    tensor = torch.rand(size << 18, generator=torch.Generator().manual_seed(number))
    plain, store = place / "plain.safetensors", Store(place / "cache")
    written: list[tuple[str, int]] = []
    took = {
        "write": timed(lambda: written.append(store.blobs.write(None, {"x": tensor}))),
        "safetensors write": timed(lambda: theirs(tensor, plain)),
    }
    digest, blob = written[0][0], store.blobs.path(written[0][0])

    def read(where: str) -> None:
        opened = Store(place / "cache")
        took[f"read {where}"] = timed(lambda: opened.blobs.open(digest).tensor("x").sum())
        took[f"safetensors read {where}"] = timed(lambda: load_file(plain)["x"].sum())
        opened.close()

    forget(plain)
    forget(blob)
    read("from disk")
    read("from memory")
    blob.touch()  # which any writing does
    read("from memory, touched")
    store.blobs.remove(digest)
    store.close()
    plain.unlink()
    return took


def main() -> None:
    """Measure and print MiB a second, and ours as a part of theirs."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 256
    with tempfile.TemporaryDirectory(dir=".") as folder:
        turns = [turn(number, size, Path(folder)) for number in range(TURNS)]
    medians = {name: statistics.median(took[name] for took in turns) for name in turns[0]}
    print(f"{size} MiB, {os.cpu_count()} cores, median of {TURNS}; reading sums the values up")
    for name, seconds in medians.items():
        peer = f"safetensors {name.removeprefix('safetensors ')}"
        ratio = medians[peer] / seconds
        print(f"  {name:30}{size / seconds:8.0f} MiB/s   {ratio:.2f} of safetensors")


if __name__ == "__main__":
    main()
