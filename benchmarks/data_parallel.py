"""The loss curves of trainings in several processes, beside those of one process and three seeds.

    python benchmarks/data_parallel.py [--only gan vae cnn] [--steps 40] [--devices 2] [--out DIR]

It trains a small GAN (r3), VAE and CNN on painted pictures of 32 px: in one process with the seeds
0, 1 and 2, and in several processes with seed 0. All use the CPU. For each metric, the table shows
the means over all steps of the three seeds and of the several processes, and three differences:

- in the first ten steps, between the processes and one process with the same seed;
- over all steps, the largest one between two of the three seeds (the spread);
- over all steps, between the processes and one process with the same seed.

A difference of two curves is the root of the mean square of the differences of their rows (means
over ten steps), divided by the mean of the absolute values of the seeds' curves. It fails if the
last one is larger than the spread.

Finished trainings are stored in the folder, so that it continues if it was interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import torch

from artgraph.contract.context import Context
from artgraph.models.classifier.trainee import ClassifierSettings, train_classifier
from artgraph.models.gan.api import GanSettings, train_gan
from artgraph.models.training.loop import TrainingRun
from artgraph.models.training.numerics import Numerics
from artgraph.models.vae.api import VaeSettings, train_vae
from artgraph.nodes.gan import shipped_judge
from artgraph.pictures.styles import STYLES, render_all

SIZE, COUNT, STEPS, BATCH = 32, 128, 40, 16
SEEDS = (0, 1, 2)
Curves = dict[str, list[float]]


def pictures() -> tuple[torch.Tensor, torch.Tensor, tuple[str, ...]]:
    """Returns painted pictures, their labels and the names of the classes."""
    images = torch.empty(COUNT, SIZE, SIZE, 3, dtype=torch.uint8)
    for _ in render_all(tuple(STYLES), 1, images.numpy()):
        pass
    return images, torch.arange(COUNT) % len(STYLES), tuple(STYLES)


def gan(run: TrainingRun, seed: int, steps: int) -> Any:
    """Train a small GAN."""
    settings = GanSettings(seed=seed, method="r3", batch=BATCH, channels=(16, 16, 8))
    return train_gan(*pictures(), settings, run, steps=steps, judge=shipped_judge("cpu"))


def vae(run: TrainingRun, seed: int, steps: int) -> Any:
    """Train a VAE."""
    return train_vae(pictures()[0], VaeSettings(seed=seed, batch=BATCH), run, steps=steps)


def cnn(run: TrainingRun, seed: int, steps: int) -> Any:
    """Train a classifier."""
    return train_classifier(
        *pictures(), ClassifierSettings(seed=seed, batch=BATCH), run, steps=steps
    )


TRAININGS: dict[str, Callable[[TrainingRun, int, int], Any]] = {"gan": gan, "vae": vae, "cnn": cnn}


def curves(folder: Path, name: str, seed: int, steps: int, devices: int) -> Curves:
    """Returns the curves of a training, from the folder if they are there."""
    file = folder / f"{name}_{seed}_{steps}_{devices}.json"
    if file.exists():
        return json.loads(file.read_text())  # type: ignore[no-any-return]
    context = replace(Context.quiet(), numerics=Numerics("cpu", "float32", 1))
    start = time.perf_counter()
    run = replace(context.training_run, devices=devices)
    found = dict(TRAININGS[name](run, seed, steps).curves)
    seconds = time.perf_counter() - start
    print(f"{name}: {devices} process(es), seed {seed}: {seconds:.0f} s", flush=True)
    file.write_text(json.dumps(found))
    return found


def difference(a: list[float], b: list[float]) -> float:
    """Returns the root of the mean square of the differences."""
    return (sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) / len(a)) ** 0.5


def main() -> int:
    """Print the table; the exit code is 0 if all metrics pass."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=[*TRAININGS], default=[*TRAININGS])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--devices", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out/data_parallel"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    head = f"{options.devices} processes"
    table = [
        f"| training | metric | seeds {', '.join(map(str, SEEDS))} | {head} | first steps"
        f" | spread | {head} | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    passed = True
    for name in options.only:
        alone = [curves(options.out, name, seed, options.steps, 1) for seed in SEEDS]
        together = curves(options.out, name, SEEDS[0], options.steps, options.devices)
        for metric in [key for key in alone[0] if key != "step"]:
            rows = [one[metric] for one in alone]
            scale = sum(sum(map(abs, row)) / len(row) for row in rows) / len(rows) or 1.0
            spread = max(difference(a, b) for a, b in combinations(rows, 2)) / scale
            found = difference(rows[0], together[metric]) / scale
            first = abs(rows[0][0] - together[metric][0]) / scale
            good = found <= spread
            passed = passed and good
            means = ", ".join(f"{sum(row) / len(row):.4f}" for row in rows)
            mean = sum(together[metric]) / len(together[metric])
            table.append(
                f"| {name} | {metric} | {means} | {mean:.4f} | {first:.1e} | {spread:.1e}"
                f" | {found:.1e} | {'pass' if good else 'FAIL'} |"
            )
    print("\n".join(table))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
