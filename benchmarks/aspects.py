"""Measures whether models learn pictures that are not square as well and as fast as square ones.

    python benchmarks/aspects.py [--steps 400] [--seeds 3] [--size 32] [--sheets FOLDER]

For each aspect and seed, a GAN of each method and a VAE are trained on procedural art. The columns
are the GAN's distance at the end (see `train_gan`: 0 is as good as real pictures), the VAE's
reconstruction error, and the time of a step per pixel, divided by that of square pictures. The
trainings of one seed take turns, so that a busy computer slows all aspects down alike. An aspect
should be within the range of the square seeds, and its time within 10 % of theirs. A part of each
step does not depend on the pixels (the optimiser), so measure the time with `--size 64` or larger.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from artgraph.contract.context import Context, NoCheckpoint
from artgraph.contract.values.kinds import Dataset
from artgraph.models.gan import projected_features
from artgraph.models.gan.api import GanSettings, generate, make_generator, train_gan
from artgraph.models.training.loop import Preview, TrainingResult, TrainingRun
from artgraph.models.training.numerics import Numerics
from artgraph.models.training.rng import rng
from artgraph.models.vae.api import VaeSettings, train_vae
from artgraph.nodes.art import procedural_art
from artgraph.nodes.gan import shipped_judge
from artgraph.pictures.sheet import contact_sheet, lay_out

ASPECTS = ("1:1", "3:2", "1:3")
METHODS = ("projected", "r3", "classic")
STYLES = "mondrian, truchet, hokusai, voronoi"
SHOWN = 24  # pictures on a sheet


class Clock:
    """The progress of a training, which notes when each step ends, in seconds of the processor."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, done: float, total: float, preview: Preview | None = None) -> None:
        self.times.append(time.process_time())

    def step(self) -> float:
        """Returns the median time of a step, without the first half of the training."""
        return statistics.median(np.diff(self.times[len(self.times) // 2 :]))


def train(kind: str, dataset: Dataset, seed: int, words: argparse.Namespace) -> tuple[float, float]:
    """Returns the quality of a model (less is better), and the time per step and pixel."""
    clock = Clock()
    run = TrainingRun(Numerics("cpu", "float32", 1), NoCheckpoint(), clock)
    if kind == "vae":
        settings = VaeSettings(seed=seed, batch=words.batch)
        done = train_vae(dataset.images, settings, run, steps=words.steps)
        quality = done.curves["error"][-1]
    else:
        settings = GanSettings(seed=seed, method=kind, batch=words.batch)
        data = dataset.images, dataset.labels, dataset.classes
        judge = shipped_judge("cpu")
        done = train_gan(*data, settings, run, judge=judge, steps=words.steps)
        quality = done.extra.progress["distance"][-1]
        if words.sheets is not None:
            name = f"{kind}-{dataset.width}x{dataset.height}-{seed}.png"
            save_sheet(done, words.sheets / name)
    return quality, clock.step() / (dataset.height * dataset.width)


def save_sheet(done: TrainingResult, path: Path) -> None:
    """Save pictures that a GAN draws."""
    config = done.config
    network = make_generator(config)
    prefix = "generator."
    network.load_state_dict(
        {k.removeprefix(prefix): v for k, v in done.state.items() if k.startswith(prefix)}
    )
    z = torch.randn(SHOWN, config.latent_dim, generator=rng(9))
    weights = torch.eye(len(config.classes))[torch.arange(SHOWN) % len(config.classes)]
    pixels = generate(network, z, weights, Numerics()).mul(255).byte().numpy()
    layout = lay_out(SHOWN, *config.shape, columns=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(contact_sheet(pixels, layout)).save(path)


def main() -> None:
    """Train all models for all aspects and seeds, and print a line for each aspect."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--count", type=int, default=1024)
    parser.add_argument("--methods", nargs="*", default=[*METHODS, "vae"])
    parser.add_argument("--sheets", type=Path)
    words = parser.parse_args()
    torch.set_num_threads(1)
    projected_features.STEPS = min(projected_features.STEPS, words.steps)
    datasets = {
        aspect: procedural_art(
            count=words.count,
            size=words.size,
            styles=STYLES,
            seed=1,
            aspect=aspect,
            ctx=Context.quiet(),
        )
        for aspect in ASPECTS
    }
    for kind in words.methods:
        results = {aspect: [] for aspect in ASPECTS}
        for seed in range(words.seeds):
            for aspect, dataset in datasets.items():
                results[aspect].append(train(kind, dataset, seed, words))
        square = statistics.median(pace for _, pace in results["1:1"])
        for aspect, dataset in datasets.items():
            qualities = " ".join(f"{quality:8.3f}" for quality, _ in results[aspect])
            pace = statistics.median(pace for _, pace in results[aspect]) / square
            shape = f"{dataset.width} x {dataset.height}"
            print(f"{kind:10} {aspect:5} {shape:9} {qualities}   time {pace:5.2f}", flush=True)


if __name__ == "__main__":
    main()
