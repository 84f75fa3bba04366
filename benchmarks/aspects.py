"""Measures whether models learn pictures that are not square as well and as fast as square ones.

    python benchmarks/aspects.py [--models NAME ...] [--steps 400] [--size 32] [--first-seed 0] ...

Each model is trained on procedural art of each aspect with three seeds. There is a line for each
aspect, with the model's quality for each seed and the time of a step per pixel, divided by that of
square pictures. The last word says whether the mean of the qualities is within the range of the
square seeds, or better. Qualities are

    projected, r3, classic   distance at the end (see `train_gan`): 1 is as good as real pictures
    vae, vae_classic         PSNR in dB of 512 other pictures, over all errors
    cnn, cnn_classic         share of 1,024 other pictures recognised among eight styles

The aspects of a seed do single steps in turn, so that a busy computer slows all down alike. A part
of each step does not depend on the pixels (the optimiser), so measure the time with `--size 64` or
larger. `--first-seed` also decides which pictures are painted.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from artgraph.contract.context import Context, NoCheckpoint
from artgraph.contract.values.dataset import Dataset
from artgraph.models.classifier.networks import make_classifier, predict
from artgraph.models.classifier.trainee import ClassifierSettings, train_classifier
from artgraph.models.gan import projected_features
from artgraph.models.gan.api import GanSettings, generate, make_generator, train_gan
from artgraph.models.gan.config import GanConfig
from artgraph.models.training.loop import Preview, TrainingResult, TrainingRun
from artgraph.models.training.numerics import Numerics
from artgraph.models.training.rng import rng
from artgraph.models.vae.api import VaeSettings, decode, encode, make_vae, train_vae
from artgraph.nodes.art import procedural_art
from artgraph.nodes.gan import shipped_judge
from artgraph.pictures.sheet import contact_sheet, lay_out

ASPECTS = ("1:1", "3:2", "1:3")
STYLES = "mondrian, truchet, hokusai, voronoi"  # for all models but the classifiers
SHOWN = 24  # pictures on a sheet
PLAIN = Numerics("cpu", Numerics.of("cpu").precision, 1)


class Turns:
    """Lets threads do a step each, one after the other."""

    def __init__(self, count: int) -> None:
        self._left = threading.Barrier(count)
        self._waiting: deque[threading.Semaphore] = deque()

    @contextmanager
    def member(self) -> Iterator[Callable[[], None]]:
        """Runs the calling thread in turn. Returns a function that lets the others go first."""
        mine = threading.Semaphore(0)
        self._waiting.append(mine)
        if self._left.wait() == 0:  # all are waiting
            self._waiting.popleft().release()
        mine.acquire()

        def others_first() -> None:
            self._waiting.append(mine)
            self._waiting.popleft().release()
            mine.acquire()

        try:
            yield others_first
        finally:
            if self._waiting:
                self._waiting.popleft().release()


class Clock:
    """The progress of a training, which notes when each step ends, in seconds of its thread."""

    def __init__(self, others_first: Callable[[], None]) -> None:
        self._times: list[float] = []
        self._others_first = others_first

    def __call__(self, done: float, total: float, preview: Preview | None = None) -> None:
        self._times.append(time.thread_time())
        self._others_first()

    def step(self) -> float:
        """Returns the median time of a step, without the first half of the training."""
        return statistics.median(np.diff(self._times[len(self._times) // 2 :]))


@cache
def painted(aspect: str, size: int, count: int, styles: str, seed: int) -> Dataset:
    """Returns procedural art."""
    ctx = Context.quiet()
    return procedural_art(count=count, size=size, styles=styles, seed=seed, aspect=aspect, ctx=ctx)


def gan(method: str, aspect: str, seed: int, run: TrainingRun, words: argparse.Namespace) -> float:
    """Returns the distance of a GAN's pictures to the real ones, in floors."""
    dataset = painted(aspect, words.size, words.count, STYLES, words.first_seed)
    settings = GanSettings(seed=seed, method=method, batch=words.batch)
    data = dataset.images, dataset.labels, dataset.classes
    done = train_gan(*data, settings, run, judge=shipped_judge("cpu"), steps=words.steps)
    if words.sheets is not None:
        name = f"{method}-{dataset.width}x{dataset.height}-{seed}.png"
        save_sheet(done, words.sheets / name)
    return done.extra.progress["distance"][-1]


def vae(method: str, aspect: str, seed: int, run: TrainingRun, words: argparse.Namespace) -> float:
    """Returns the PSNR of a VAE's reconstructions of other pictures, in dB."""
    dataset = painted(aspect, words.size, words.count, STYLES, words.first_seed)
    settings = VaeSettings(seed=seed, method=method, batch=words.batch)
    done = train_vae(dataset.images, settings, run, steps=words.steps)
    network = make_vae(done.config)
    network.load_state_dict(done.state)
    others = painted(aspect, words.size, 512, STYLES, words.first_seed + 1000).images
    again = decode(network, encode(network, others, run.numerics), run.numerics)
    return float(-10 * (again - others / 255).square().mean().log10())


def cnn(method: str, aspect: str, seed: int, run: TrainingRun, words: argparse.Namespace) -> float:
    """Returns the share of other pictures whose style a classifier recognises."""
    dataset = painted(aspect, words.size, words.examples, "", words.first_seed)
    settings = ClassifierSettings(seed=seed, method=method, batch=words.batch, held_out=0.0)
    data = dataset.images, dataset.labels, dataset.classes
    done = train_classifier(*data, settings, run, steps=words.steps)
    network = make_classifier(done.config)
    network.load_state_dict(done.state)
    others = painted(aspect, words.size, 1024, "", words.first_seed + 1000)
    right = predict(network, others.images, run.numerics).argmax(1) == others.labels
    return float(right.float().mean())


MODELS = {
    "projected": partial(gan, "projected"),
    "r3": partial(gan, "r3"),
    "classic": partial(gan, "classic"),
    "vae": partial(vae, "residual"),
    "vae_classic": partial(vae, "classic"),
    "cnn": partial(cnn, "residual"),
    "cnn_classic": partial(cnn, "classic"),
}
LESS_IS_BETTER = {"projected", "r3", "classic"}


def train(name: str, seed: int, words: argparse.Namespace) -> list[tuple[float, float]]:
    """Returns for each aspect the quality of a model, and the time per step and pixel."""
    turns = Turns(len(ASPECTS))

    def one(aspect: str) -> tuple[float, float]:
        torch.set_num_threads(1)  # a setting of each thread
        with turns.member() as others_first:
            clock = Clock(others_first)
            quality = MODELS[name](aspect, seed, TrainingRun(PLAIN, NoCheckpoint(), clock), words)
        dataset = painted(aspect, words.size, 1, STYLES, 1)
        return quality, clock.step() / (dataset.height * dataset.width)

    with ThreadPoolExecutor(len(ASPECTS)) as threads:
        return [*threads.map(one, ASPECTS)]


def verdict(found: Sequence[float], square: Sequence[float], less_is_better: bool) -> str:
    """Returns whether the mean quality is within the range of the square seeds, or better.

    Empty for less than three seeds.
    """
    if len(square) < 3:
        return ""
    mean = statistics.mean(found)
    if min(square) <= mean <= max(square):
        return "within"
    return "better" if (mean < min(square)) == less_is_better else "WORSE"


def save_sheet(done: TrainingResult[GanConfig, object], path: Path) -> None:
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
    parser.add_argument("--models", nargs="+", choices=[*MODELS], default=[*MODELS])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--count", type=int, default=1024, help="pictures for GANs and VAEs")
    parser.add_argument("--examples", type=int, default=128, help="pictures for classifiers")
    parser.add_argument("--features", type=int, help="steps of the projected GAN's features")
    parser.add_argument("--sheets", type=Path, help="folder for sheets of the GANs' pictures")
    words = parser.parse_args()
    projected_features.STEPS = words.features or min(projected_features.STEPS, words.steps)
    for name in words.models:
        start = time.process_time()
        seeds = range(words.first_seed, words.first_seed + words.seeds)
        runs = [train(name, seed, words) for seed in seeds]  # of each seed, and in it each aspect
        (square, pace), *_ = columns = [
            ([q for q, _ in column], statistics.median(p for _, p in column))
            for column in zip(*runs, strict=True)
        ]
        for aspect, (found, time_of_step) in zip(ASPECTS, columns, strict=True):
            dataset = painted(aspect, words.size, 1, STYLES, 1)
            shape = f"{dataset.width} x {dataset.height}"
            text = " / ".join(f"{quality:.3f}" for quality in found)
            result = verdict(found, square, name in LESS_IS_BETTER)
            ratio = time_of_step / pace
            print(f"{name:11} {shape:9} {text:26} time {ratio:.2f}  {result}", flush=True)
        print(f"{name:11} {time.process_time() - start:.0f} seconds of CPU", flush=True)


if __name__ == "__main__":
    main()
