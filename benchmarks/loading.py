"""Measures loading training batches from JPEG files: `python benchmarks/loading.py [COUNT [EDGE]]`.

artgraph reads the folder once, into an array that is memory-mapped from the store afterwards. A
plain Pillow loop and a torch DataLoader decode every picture in every epoch. All of them crop to
the central square and resize it to 64 px, in batches of 64. Times are medians of five turns by the
wall clock, while the files are in the system's page cache.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset

from artgraph.contract.context import Context
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.dataset import Dataset as OurDataset
from artgraph.contract.values.kinds import socket_of
from artgraph.runner.store.store import Store

SIZE, BATCH, TURNS = 64, 64, 5


def picture(path: Path) -> torch.Tensor:
    """Read a picture as most training scripts do: open, crop to a square, resize."""
    with Image.open(path) as opened:
        small = ImageOps.fit(opened.convert("RGB"), (SIZE, SIZE), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(small))


class Files(Dataset[torch.Tensor]):
    """The pictures of a folder, for a DataLoader."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.glob("*/*.jpg"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> torch.Tensor:
        return picture(self.paths[number])


def timed(call: Callable[[], object]) -> float:
    """Returns the median time of some turns in seconds."""
    times = []
    for _ in range(TURNS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def write_pictures(folder: Path, count: int, edge: int) -> None:
    """Write JPEG files with smooth content, in two classes."""
    draw = np.random.default_rng(0)
    for number in range(count):
        coarse = draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        kind = folder / ("even", "odd")[number % 2]
        kind.mkdir(parents=True, exist_ok=True)
        large = Image.fromarray(coarse).resize((edge, edge), Image.Resampling.BICUBIC)
        large.save(kind / f"{number:06}.jpg", quality=90)


def main() -> None:
    """Measure and print all rates."""
    count, edge = (int(word) for word in (*sys.argv[1:], *("600", "512")[len(sys.argv) - 1 :]))
    load = load_nodes()["load_dataset"].function
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pictures"
        write_pictures(folder, count, edge)
        files, workers = Files(folder), os.cpu_count() or 1
        store = Store(Path(place) / "cache")
        socket = socket_of(OurDataset)
        assert socket is not None
        ours = load(folder=folder, size=SIZE, ctx=Context.quiet())
        stored = store.put_value(socket, ours)
        order = torch.randperm(count)

        def loader() -> DataLoader[torch.Tensor]:
            return DataLoader(files, BATCH, shuffle=True, num_workers=workers)

        def epoch_of_ours() -> None:
            images = store.value(socket, stored).images
            for indices in order.split(BATCH):
                images[indices]

        epochs = {
            "artgraph, from the folder": lambda: load(
                folder=folder, size=SIZE, ctx=Context.quiet()
            ),
            "artgraph, from the store": epoch_of_ours,
            "Pillow loop": lambda: [picture(path) for path in files.paths],
            f"DataLoader, {workers} workers": lambda: list(loader()),
        }
        first_batches = {
            "artgraph, from the store": lambda: store.value(socket, stored).images[order[:BATCH]],
            "Pillow loop": lambda: [picture(path) for path in files.paths[:BATCH]],
            f"DataLoader, {workers} workers": lambda: next(iter(loader())),
        }
        print(f"{count} JPEG files of {edge} px to {SIZE} px, {os.cpu_count()} cores")
        for name, call in epochs.items():
            print(f"  {name:28}{count / timed(call):10.0f} pictures/s per epoch")
        for name, call in first_batches.items():
            print(f"  {name:28}{1000 * timed(call):10.1f} ms to the first batch")
        store.close()


if __name__ == "__main__":
    main()
