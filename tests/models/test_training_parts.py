"""Large batches in parts, and data on a GPU."""

from __future__ import annotations

import pytest
import torch
from classifying import NAMES, patterns, trained
from shelf import Shelf, training_run

from artgraph.models.classifier.networks import ClassifierConfig
from artgraph.models.classifier.trainee import ClassifierSettings, fresh_trainee
from artgraph.models.training import sampler
from artgraph.models.training.loop import train
from artgraph.models.training.numerics import Numerics
from artgraph.models.training.sampler import micro_batches


@pytest.mark.parametrize(
    ("batch", "size", "group"),
    [(64, 64, 1), (32, 512, 1), (9, 512, 1), (512, 512, 4), (4, 2048, 4)],
)
def test_parts_hold_the_batch_once_and_bound_its_pixels(batch, size, group):
    parts = micro_batches(batch, size**2, group)
    assert [i for part in parts for i in range(batch)[part]] == [*range(batch)]
    lengths = [part.stop - part.start for part in parts]
    assert all(n * size**2 <= sampler.PIXELS_AT_ONCE or n == group for n in lengths)
    assert all(n % group == 0 for n in lengths)
    assert max(lengths) - min(lengths) <= max(group, len(parts)), "no picture is left alone"


def test_usual_batches_are_one_part():
    assert micro_batches(64, 64**2) == [slice(0, 64)]
    assert len(micro_batches(32, 256**2)) == 1


def test_parts_train_as_the_whole_does(monkeypatch):
    images, labels = patterns(30, 24, seed=2)
    settings = {"method": "classic", "steps": 5, "augment": False}
    whole = trained(images, labels, **settings)
    monkeypatch.setattr(sampler, "PIXELS_AT_ONCE", 5 * 24**2)
    parts = trained(images, labels, **settings)
    assert parts.curves["accuracy"] == whole.curves["accuracy"]
    assert parts.curves["loss"] == pytest.approx(whole.curves["loss"], rel=1e-4)
    for name, value in whole.state.items():
        assert torch.allclose(parts.state[name], value, atol=1e-3), name


def test_parts_resume_bit_for_bit(monkeypatch):
    monkeypatch.setattr(sampler, "PIXELS_AT_ONCE", 5 * 24**2)
    images, labels = patterns(30, 24, seed=2)
    shelf = Shelf()
    trained(images, labels, steps=2, shelf=shelf)
    resumed = trained(images, labels, steps=4, shelf=shelf)
    straight = trained(images, labels, steps=4)
    assert resumed.curves == straight.curves
    assert all(torch.equal(resumed.state[name], value) for name, value in straight.state.items())


@pytest.mark.gpu
def test_the_processor_never_waits_for_a_gpu():
    images, labels = patterns(60, 64, seed=2)
    settings, run = ClassifierSettings(seed=1, batch=16), training_run(numerics=Numerics.of("cuda"))
    config = ClassifierConfig("residual", 64, NAMES)
    rows = torch.arange(60)
    trainee = fresh_trainee(config, images, labels, rows, settings, run)
    train(trainee, steps=11, run=run)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(11, 32):
            trainee.step(step)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
def test_data_on_a_gpu_gives_what_the_processor_has():
    images, _ = patterns(20, 24, seed=2)
    numerics = Numerics.of("cuda")
    kept, rows = numerics.preload(images), torch.tensor([3, 0, 19])
    assert kept.is_cuda
    assert torch.equal(numerics.take(kept, rows).cpu(), images[rows])
    assert torch.equal(numerics.take(images, rows).cpu(), images[rows])
