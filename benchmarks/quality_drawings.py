"""Drawings for benchmarks/quality.py: clip art, and emoji that are rendered from SVG.

The clip art is Debian's openclipart-png (public domain), the emoji are OpenMoji (CC BY-SA 4.0).
Both are fetched when they are needed (quality_packages.py); this repository contains neither.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from quality_packages import clip_art, in_front_of_white, openmoji
from quality_parts import Row
from quality_real import HELD_OUT, TRAINED, Steps, rows
from quality_runs import Bench

KINDS = ("animals", "buildings", "food", "office", "people", "plants", "tools", "transportation")
GROUPS = ("animals-nature", "food-drink", "objects", "symbols", "travel-places")
RENDERED = 128  # edge in pixels to which SVG is rendered; the models see 64
MOST_PIXELS = 4_000_000  # larger clip art is left out: reading it takes longer than the training
STEPS = Steps(300, 200, 100)


def drawings(bench: Bench, seed: int) -> Iterator[Row]:
    """Clip art of eight kinds and OpenMoji of five, 64 px; 60 pictures of each are learned.

    As the part `real`, with fewer steps: 32 others of each kind are unseen.
    """
    sources = {
        "clip art": clip_art(bench.packages, KINDS, MOST_PIXELS),
        "OpenMoji": openmoji(bench.packages, GROUPS, RENDERED, bench.out / "openmoji_rendered"),
    }
    for title, files in sources.items():
        name = f"{title.replace(' ', '_').lower()}_{seed}"
        write(files, bench.out / name, seed)
        yield from rows(bench, seed, name, STEPS, f"{title}: ")


def write(files: Mapping[str, Sequence[Path]], folder: Path, seed: int) -> None:
    """Write random pictures of each kind into train/ and test/, without a file twice."""
    shutil.rmtree(folder, ignore_errors=True)
    for number, (kind, given) in enumerate(files.items()):
        if len(given) < TRAINED + HELD_OUT:
            raise SystemExit(f"there are only {len(given)} pictures of {kind}")
        random = np.random.Generator(np.random.Philox(key=(seed, number)))
        chosen = random.permutation(len(given))[: TRAINED + HELD_OUT]
        for place, index in enumerate(chosen):
            target = folder / ("train" if place < TRAINED else "test") / kind
            target.mkdir(parents=True, exist_ok=True)
            in_front_of_white(given[index]).save(target / f"{place:03}.png")
