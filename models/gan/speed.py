"""Measures how fast a computer trains a GAN."""

from __future__ import annotations

import time

import torch

from ..training.loop import State, TrainingRun
from ..training.rng import rng
from .augment import Augmentation
from .batches import TrainingSet
from .config import GanConfig
from .evaluation import Judge
from .method import GanSettings, GanSetup
from .projected import ProjectedMethod
from .start import start_from
from .trainee import GanTrainee

WARM_UP, MEASURED = 2, 4  # steps that are not measured, and steps of which the fastest counts
PICTURES = 64


def seconds_per_step(config: GanConfig, state: State, judge: Judge, run: TrainingRun) -> float:
    """Returns the seconds of a training step from this projected GAN, on pictures of noise.

    On a processor, it is the time in which the threads of this process compute, so that other
    programs hardly matter with one thread. Several threads also wait for each other in it.
    """
    numerics, classes = run.numerics, len(config.classes)
    images = torch.randint(256, (PICTURES, *config.shape, 3), generator=rng(0)).byte()
    labels = torch.arange(PICTURES) % classes
    data = TrainingSet.preloaded(images, labels, classes, True, numerics)
    settings = GanSettings(seed=0)
    augmentation = Augmentation(settings.augment, PICTURES, 0, numerics.device)
    method = ProjectedMethod(GanSetup(config, settings, numerics, augmentation), None)
    trainee = GanTrainee(method, data, run, judge)
    start_from(trainee, config, state)
    seconds = []
    for step in range(WARM_UP + MEASURED):
        begin = _now(run)
        metrics = trainee.step(step)
        float(metrics["critic"])  # waits for a GPU
        seconds.append(_now(run) - begin)
        run.progress(step + 1, WARM_UP + MEASURED)
    trainee.steps.close()
    return min(seconds[WARM_UP:])


def _now(run: TrainingRun) -> float:
    if run.numerics.device == "cpu":
        return time.process_time() / run.numerics.threads
    return time.perf_counter()
