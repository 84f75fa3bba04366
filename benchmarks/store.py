"""Compares the store with the functions of safetensors: `python benchmarks/store.py [MiB]`.

Both sides write until the data are on the disk (fsync); the store also computes a digest. Each
reading opens the store anew, as a new process does. The store verifies the digest of a blob that
is read from the disk or was changed. It does not verify a blob again that is in memory and was not
changed since. Times are medians of alternating turns, since other programs may use the disk too.
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
    """Returns the seconds of a call by the wall clock."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def save_and_sync(tensor: torch.Tensor, path: Path) -> None:
    """Write a tensor with safetensors, until it is on the disk."""
    save_file({"x": tensor}, path)
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def evict(path: Path) -> None:
    """Evict a file from the page cache, so that it is read from the disk."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def turn(number: int, size: int, place: Path) -> dict[str, float]:
    """Measure everything once. Returns seconds by name."""
    tensor = torch.rand(size << 18, generator=torch.Generator().manual_seed(number))
    plain, store = place / "plain.safetensors", Store(place / "cache")
    written: list[tuple[str, int]] = []
    took = {
        "write": timed(lambda: written.append(store.blobs.write(None, {"x": tensor}))),
        "safetensors write": timed(lambda: save_and_sync(tensor, plain)),
    }
    digest, blob = written[0][0], store.blobs.path(written[0][0])

    def read(where: str) -> None:
        opened = Store(place / "cache")
        took[f"read {where}"] = timed(lambda: opened.blobs.open(digest).tensor("x").sum())
        took[f"safetensors read {where}"] = timed(lambda: load_file(plain)["x"].sum())
        opened.close()

    evict(plain)
    evict(blob)
    read("from disk")
    read("from memory")
    blob.touch()  # changes the time, as writing does
    read("from memory, touched")
    store.blobs.remove(digest)
    store.close()
    plain.unlink()
    return took


def main() -> None:
    """Measure and print MiB per second, and the speed as a share of safetensors' speed."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 256
    with tempfile.TemporaryDirectory(dir=".") as folder:
        turns = [turn(number, size, Path(folder)) for number in range(TURNS)]
    medians = {name: statistics.median(took[name] for took in turns) for name in turns[0]}
    print(f"{size} MiB, {os.cpu_count()} cores, median of {TURNS}; reading includes a sum")
    for name, seconds in medians.items():
        peer = f"safetensors {name.removeprefix('safetensors ')}"
        ratio = medians[peer] / seconds
        print(f"  {name:30}{size / seconds:8.0f} MiB/s   {ratio:.2f} of safetensors")


if __name__ == "__main__":
    main()
