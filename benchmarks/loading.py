"""From a folder of JPEG files to training batches: `python benchmarks/loading.py [COUNT [EDGE]]`.

Ours reads the folder once, into one array that the store then maps; a plain Pillow loop and a
torch DataLoader decode every picture in every epoch. All take a centred square of 64 px. Batches
of 64; medians of five turns, wall clock, the files in the system's memory.
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
from artgraph.contract.values.kinds import Dataset as OurDataset
from artgraph.contract.values.kinds import socket_of
from artgraph.runner.store.store import Store

SIZE, BATCH, TURNS = 64, 64, 5


def picture(path: Path) -> torch.Tensor:
    """What most training scripts do: open, crop to a square, resize."""
    with Image.open(path) as opened:
        small = ImageOps.fit(opened.convert("RGB"), (SIZE, SIZE), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(small))


class Files(Dataset[torch.Tensor]):
    """The same for a DataLoader."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.glob("*/*.jpg"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> torch.Tensor:
        return picture(self.paths[number])


def timed(call: Callable[[], object]) -> float:
    """The median of some turns, in seconds."""
    times = []
    for _ in range(TURNS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def write_pictures(folder: Path, count: int, edge: int) -> None:
    """JPEG files with smooth content, in two classes."""
    draw = np.random.default_rng(0)
    for number in range(count):
        coarse = draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        kind = folder / ("even", "odd")[number % 2]
        kind.mkdir(parents=True, exist_ok=True)
        large = Image.fromarray(coarse).resize((edge, edge), Image.Resampling.BICUBIC)
        large.save(kind / f"{number:06}.jpg", quality=90)


def main() -> None:
    """Measure and print."""
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
        stored = store.keep(socket, ours)
        order = torch.randperm(count)

        def loader() -> DataLoader[torch.Tensor]:
            return DataLoader(files, BATCH, shuffle=True, num_workers=workers)

        def epoch_of_ours() -> None:
            images = store.value(socket, stored).images
            for indices in order.split(BATCH):
                images[indices]

        first = {
            "artgraph, from the folder": lambda: load(
                folder=folder, size=SIZE, ctx=Context.quiet()
            ),
            "artgraph, from the store": epoch_of_ours,
            "Pillow loop": lambda: [picture(path) for path in files.paths],
            f"DataLoader, {workers} workers": lambda: list(loader()),
        }
        latency = {
            "artgraph, from the store": lambda: store.value(socket, stored).images[order[:BATCH]],
            "Pillow loop": lambda: [picture(path) for path in files.paths[:BATCH]],
            f"DataLoader, {workers} workers": lambda: next(iter(loader())),
        }
        print(f"{count} JPEG files of {edge} px to {SIZE} px, {os.cpu_count()} cores")
        for name, call in first.items():
            print(f"  {name:28}{count / timed(call):10.0f} pictures/s an epoch")
        for name, call in latency.items():
            print(f"  {name:28}{1000 * timed(call):10.1f} ms to the first batch")
        store.close()


if __name__ == "__main__":
    main()
