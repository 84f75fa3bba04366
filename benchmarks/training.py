"""Measures the speed of trainings, beside plain PyTorch: `python benchmarks/training.py`.

Both sides train the same networks with the same losses on the same batches, in one process and
in alternating blocks of a few steps. "Plain" is a simple loop in PyTorch:

- float32 everywhere, weights and pictures in the usual contiguous order (NCHW);
- torch.optim.Adam or AdamW with their defaults, not fused;
- the pictures are indexed in the CPU's memory and copied to the device when needed;
- the averaged weights are updated one tensor after the other;
- memory is returned to the system as the C library does by default;
- `.item()` of every metric after every step.

Meanwhile torch's process-wide switches are its defaults: cuDNN rounds float32 to TF32, and
algorithms need not repeat to the bit.

"Ours" is the loop that the nodes run, `artgraph.models.training.loop.train`, without checkpoints.
With --graphs, each model is measured again, with its steps replayed as CUDA graphs. The first
rounds do not count: in them the networks compile, and a step is captured and compared. With
--alone, only our side is measured, and on a GPU the memory that it reserves at most.

The roofline is the speed of one large matrix product in our precision. The share of the roofline is
the number of floating-point operations of our step (torch.utils.flop_counter), divided by the
number possible at that speed in the time of the step.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from artgraph.contract.context import NoCheckpoint
from artgraph.models.blocks import blank, initialise
from artgraph.models.classifier.networks import (
    ClassifierConfig,
    Features,
    ResidualNet,
    make_classifier,
)
from artgraph.models.classifier.trainee import ClassifierSettings, fresh_trainee
from artgraph.models.gan.augment import Augmentation
from artgraph.models.gan.batches import TrainingSet
from artgraph.models.gan.classic import ClassicMethod
from artgraph.models.gan.config import GanConfig
from artgraph.models.gan.method import GanMethod, GanSettings, GanSetup
from artgraph.models.gan.projected import ProjectedMethod
from artgraph.models.gan.r3 import R3Method
from artgraph.models.gan.trainee import GanTrainee
from artgraph.models.training.loop import Trainee, TrainingRun, train
from artgraph.models.training.numerics import M_TRIM_THRESHOLD, Numerics, libc_function
from artgraph.models.training.rng import rng
from artgraph.models.vae.config import FACTOR, VaeConfig
from artgraph.models.vae.make import make_vae as make_vae_network
from artgraph.models.vae.prior import PriorConfig, PriorSettings, PriorTrainee
from artgraph.models.vae.trainee import VaeSettings, VaeTrainee
from artgraph.nodes.gan import shipped_judge
from artgraph.runner.run.device_option import numerics_for

CLASSES = tuple("abcdefgh")
PICTURES = 512  # pictures of the training set
PREPARED = 8  # steps until a graph is captured and trusted
HEADING = """\
                    ms of a step   pictures a second     times plain    GFLOP    of the
                   plain    ours     plain      ours   median    best  a pict.  roofline"""
ALONE_HEADING = """\
                    ms of  pictures  MiB of
                   a step  a second  a GPU"""
Maker = Callable[[Tensor, Tensor, int, Numerics], Any]


class PlainNumerics(Numerics):
    """float32, without any change of the layout of tensors."""

    def place(self, module: nn.Module) -> nn.Module:
        return module.to(self.device)

    def to_device(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device)

    def preload(self, data: Tensor) -> Tensor:
        return data


class Plain:
    """Wraps a trainee so that it trains like a simple loop in PyTorch."""

    def __init__(self, trainee: Trainee) -> None:
        self.trainee = trainee
        for item in trainee.stateful().values():
            if isinstance(item, torch.optim.Optimizer):
                for group in item.param_groups:
                    group["fused"] = group["foreach"] = None
                item.register_step_pre_hook(_rates_as_numbers)
            elif isinstance(item, nn.Module):
                for module in item.modules():
                    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                        module.register_forward_pre_hook(_contiguous)
        average = trainee.average  # type: ignore[attr-defined]
        average.update = lambda source, step: _update_average(average.network, source)

    def step(self, step: int) -> dict[str, float]:
        return {name: value.item() for name, value in self.trainee.step(step).items()}


def _rates_as_numbers(optimiser: torch.optim.Optimizer, *_: Any) -> None:
    """Make the rates what they are by default, since torch handles tensors one by one."""
    for group in optimiser.param_groups:
        group["lr"] = float(group["lr"])


def _contiguous(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(x.contiguous() for x in inputs)


@torch.no_grad()
def _update_average(average: nn.Module, source: nn.Module) -> None:
    for target, weights in zip(average.parameters(), source.parameters(), strict=True):
        target.mul_(0.998).add_(weights, alpha=0.002)


def make_cnn(images: Tensor, labels: Tensor, batch: int, numerics: Numerics) -> Trainee:
    """Returns a trainee of the residual classifier."""
    config = ClassifierConfig("residual", images.shape[1], CLASSES)
    settings, rows = ClassifierSettings(seed=1, batch=batch), torch.arange(len(images))
    return fresh_trainee(config, images, labels, rows, settings, silent_run(numerics))


def make_vae(images: Tensor, labels: Tensor, batch: int, numerics: Numerics) -> Trainee:
    """Returns a trainee of the residual VAE."""
    config = VaeConfig("residual", images.shape[1], 16)
    settings = VaeSettings(seed=1, batch=batch)
    return VaeTrainee(config, images, settings, silent_run(numerics), None, None)


def make_prior(images: Tensor, labels: Tensor, batch: int, numerics: Numerics) -> Trainee:
    """Returns a trainee of the prior, for latents of noise."""
    config = VaeConfig("residual", images.shape[1], 16)
    vae, edge = blank(lambda: make_vae_network(config)), images.shape[1] // FACTOR
    latents = torch.randn(len(images), config.channels, edge, edge, generator=rng(1)).half()
    settings, run = PriorSettings(seed=1, batch=batch), silent_run(numerics)
    return PriorTrainee(PriorConfig(CLASSES), latents, labels, vae, settings, run, None, None)


def gan_maker(make_method: Callable[[GanSetup], GanMethod[Any]], name: Any) -> Maker:
    """Returns a function that makes a trainee of a GAN with the method of this name."""

    def make(images: Tensor, labels: Tensor, batch: int, numerics: Numerics) -> Trainee:
        config = GanConfig.default(name, images.shape[1], CLASSES, None)
        settings = GanSettings(seed=1, batch=batch, augment="off")
        augmentation = Augmentation(settings.augment, len(images), settings.seed, numerics.device)
        method = make_method(GanSetup(config, settings, numerics, augmentation))
        data = TrainingSet.preloaded(images, labels, len(CLASSES), settings.mirror, numerics)
        return GanTrainee(method, data, silent_run(numerics), shipped_judge(numerics.device))

    return make


def make_projected(setup: GanSetup) -> ProjectedMethod:
    """Returns the projected method with the features of a classifier that has not been trained."""
    config = ClassifierConfig("residual", setup.config.edge, CLASSES)
    network = blank(lambda: make_classifier(config))
    initialise(network, rng(2))
    assert isinstance(network, ResidualNet)
    return ProjectedMethod(setup, Features(network))


def silent_run(numerics: Numerics) -> TrainingRun:
    """Returns a run without checkpoints; it reports only warnings."""
    return TrainingRun(numerics, NoCheckpoint(), lambda done, total, preview=None: None, warn=print)


MODELS: dict[str, tuple[Maker, int]] = {
    "cnn": (make_cnn, 64),
    "vae": (make_vae, 32),
    "gan": (gan_maker(make_projected, "projected"), 32),
    "gan-r3": (gan_maker(R3Method, "r3"), 32),
    "gan-classic": (gan_maker(ClassicMethod, "classic"), 32),
    "prior": (make_prior, 32),
}


class Stopwatch:
    """Measures wall time, or CPU time with one CPU thread: it depends less on other work."""

    def __init__(self, device: str) -> None:
        self._device = device
        alone = device == "cpu" and torch.get_num_threads() == 1
        self._clock = time.process_time if alone else time.perf_counter

    def now(self) -> float:
        if self._device.startswith("cuda"):
            torch.cuda.synchronize(self._device)
        return self._clock()


def seconds_per_step(
    ours: Trainee, plain: Plain | None, numerics: Numerics, rounds: int, block: int
) -> tuple[list[float], list[float]]:
    """Returns both sides' seconds per step, for the last `rounds` rounds of `block` steps."""
    first = -(-PREPARED // block)
    watch = Stopwatch(numerics.device)
    took: tuple[list[float], list[float]] = [], []
    start = watch.now()

    def progress(done: float, total: float, preview: object = None) -> None:
        nonlocal start
        if done % block:
            return
        end = watch.now()
        if plain is not None:
            with torchs_defaults():
                for step in range(int(done) - block, int(done)):
                    plain.step(step)
        last = watch.now()
        numerics.apply()
        took[0].append((end - start) / block)
        took[1].append((last - end) / block)
        start = watch.now()

    steps = block * (first + rounds)
    with numerics.current():  # as in a run
        train(ours, steps=steps, run=replace(silent_run(numerics), progress=progress))
    return took[0][first:], took[1][first:]


@contextmanager
def torchs_defaults() -> Iterator[None]:
    """Set what `Numerics` sets as torch and the C library have it by themselves."""
    if mallopt := libc_function("mallopt"):
        mallopt(M_TRIM_THRESHOLD, 64 << 20)  # what glibc sets itself with tensors of this size
    torch.backends.cudnn.allow_tf32 = True
    torch.use_deterministic_algorithms(False)
    with torch.autograd.set_multithreading_enabled(True):
        yield


def roofline(numerics: Numerics) -> float:
    """Returns floating-point operations per second of a large matrix product in our precision."""
    device = numerics.device
    n = 8192 if device.startswith("cuda") else 1024
    a = torch.randn(n, n, generator=rng(3)).to(device, getattr(torch, numerics.precision))
    watch, best = Stopwatch(device), 0.0
    for _ in range(8):
        start = watch.now()
        for _ in range(4):
            a @ a
        best = max(best, 4 * 2 * n**3 / (watch.now() - start))
    return best


def reserved(numerics: Numerics) -> str:
    """Returns the MiB of a GPU that torch reserved at most since this was last asked."""
    if not numerics.device.startswith("cuda"):
        return "-"
    most = torch.cuda.max_memory_reserved(numerics.device)
    torch.cuda.reset_peak_memory_stats(numerics.device)
    return f"{most >> 20}"


def operations(trainee: Trainee, step: int) -> float:
    """Returns the floating-point operations of a step's convolutions and matrix products.

    torch cannot count them for r3, which derives gradients again: NaN.
    """
    try:
        with FlopCounterMode(display=False) as counter:
            trainee.step(step)
    except RuntimeError:
        return math.nan
    return counter.get_total_flops()


def main() -> None:
    """Print a line for each model."""
    about, _, _ = (__doc__ or "").partition(":")
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--models", default="cnn,vae,gan")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, help="pictures per step (default: 64, 32 and 32)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--block", type=int, default=4, help="steps of each side in a round")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", help="float32 or bfloat16 (default: the faster one)")
    parser.add_argument("--compile", action="store_true", help="compile the networks of our side")
    parser.add_argument("--graphs", action="store_true", help="measure CUDA graphs as well")
    parser.add_argument("--alone", action="store_true", help="measure only our side")
    options = parser.parse_args()

    numerics = replace(numerics_for(options.device), compiled=options.compile)
    if options.precision:
        numerics = replace(numerics, precision=options.precision)
    numerics.apply()
    images = torch.randint(
        256, (PICTURES, options.size, options.size, 3), dtype=torch.uint8, generator=rng(0)
    )
    labels = torch.arange(PICTURES) % len(CLASSES)
    peak = roofline(numerics)
    print(f"{numerics.name()}, torch {torch.__version__}, {options.size} px")
    print(f"one {numerics.precision} matrix product: {peak / 1e12:.2f} TFLOP/s")
    print(ALONE_HEADING if options.alone else HEADING)
    for name, graphs in product(options.models.split(","), [False, True][: 1 + options.graphs]):
        make, batch = MODELS[name]
        batch = options.batch or batch
        numerics.release()  # the memory of the model before
        reserved(numerics)
        ours = make(images, labels, batch, replace(numerics, graphs=graphs))
        plain = None
        if not options.alone:
            plain = Plain(make(images, labels, batch, PlainNumerics(numerics.device)))
        took, plain_took = seconds_per_step(ours, plain, numerics, options.rounds, options.block)
        median, line = statistics.median(took), f"{name + ' graphs' * graphs:18}"
        if plain is None:
            print(f"{line}{1e3 * median:8.2f}  {batch / median:8.1f}  {reserved(numerics):>6}")
        else:
            plain_median = statistics.median(plain_took)
            work = operations(plain.trainee, 1)  # not of a graph, which hides its operations
            print(
                f"{line}{1e3 * plain_median:8.2f}{1e3 * median:8.2f}"
                f"  {batch / plain_median:8.1f}  {batch / median:8.1f}"
                f"  {plain_median / median:7.2f}  {min(plain_took) / min(took):6.2f}"
                f"  {work / batch / 1e9:7.2f}  {work / median / peak:8.0%}",
                flush=True,
            )
        ours.steps.close()


if __name__ == "__main__":
    main()
