"""The table of the GPU path: launches, waits, copies and bytes of a step of each training.

    python tests/support/gpu_table.py [--root CHECKOUT] [--size 64] [--batch 32] [NAME ...]

It counts on the stand-in for a GPU. NAME is the beginning of a training's name; with --lines, the
lines that wait or copy are listed as well. With --graphs, steps are counted that are replayed as a
CUDA graph, which is one launch.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from stand_in_cuda import StandIn

COLUMNS = ("launches", "waits", "copies", "bytes sent")


def main() -> None:
    """Print the table of a checkout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[2])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("--graphs", action="store_true")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "artgraph"  # the name of the package, whatever the checkout's is
        root.symlink_to(words.root.absolute())
        sys.path.insert(0, folder)
        print_table(words, root)


def print_table(words: argparse.Namespace, root: Path) -> None:
    """Print a row for each training of the package in `root`."""
    with StandIn(root) as gpu:
        import torch
        from gpu_trainings import FIRST, LAST, TRAININGS, train, watched

        from artgraph.models.training.numerics import Numerics

        numerics = Numerics.of("cuda")
        if words.graphs:  # the replays begin after 6 steps
            numerics, span = replace(numerics, graphs=True), {"first": 6, "last": 9}
        else:
            span = {"first": FIRST, "last": LAST}
        numerics.apply()
        torch.set_num_threads(1)
        print(f"{words.size} px, batch {words.batch:<20}", *(f"{c:>12}" for c in COLUMNS))
        for name in (n for n in TRAININGS if n.startswith(tuple(words.names) or "")):
            with watched(gpu, strict=False, **span) as watch:
                try:
                    train(name, numerics, size=words.size, batch=words.batch, steps=span["last"])
                except RuntimeError as error:
                    print(f"{name:32} {str(error).splitlines()[0]}", flush=True)
                    continue
            steps, tally = len(watch.tallies), sum(watch.tallies, Counter[str]())
            print(f"{name:32}", *(f"{tally[c] / steps:12,.0f}" for c in COLUMNS), flush=True)
            if words.lines:
                found = ((n, k) for k, n in tally.items() if k.startswith(("wait:", "copy:")))
                print(
                    *(f"{n / steps:12,.1f} {k}" for n, k in sorted(found, reverse=True)), sep="\n"
                )


if __name__ == "__main__":
    main()
