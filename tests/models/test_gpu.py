"""Trainings on a GPU: they mix no devices, never wait within a step, and resume bit for bit.

`pytest --stand-in-gpu` runs these tests without a GPU. Only the stand-in counts copies.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from gpu_trainings import FIRST, LAST, TRAININGS, train, watched

from artgraph.models.blocks import blank
from artgraph.models.gan import projected_features
from artgraph.models.gan.batches import TrainingSet
from artgraph.models.gan.projected_features import FeatureNet, train_features
from artgraph.runner.store.store import Store

pytestmark = pytest.mark.gpu

# At most so many bytes are sent in a step of 8 pictures of 32 px. The pictures are on the GPU: sent
# in each step, they would add 24,576 bytes, or 98,304 as float32.
SENT = {
    "GAN, projected, pretrained": 101_000,  # and directions for its features
    "GAN, projected": 95_000,
    "GAN, r3": 22_000,
    "GAN, classic": 18_000,
    "VAE, fsq": 300,
    "VAE": 9_000,
    "prior": 9_000,
    "classifier": 5_000,
}


@pytest.mark.parametrize("name", TRAININGS)
def test_a_step_never_waits_sends_little_and_does_what_the_others_do(name, gpu, cuda, monkeypatch):
    """Only then can a CUDA graph replay a step: numbers and shapes must not change."""
    if gpu is not None:  # a real one does not record what a step does
        monkeypatch.setattr(gpu, "calls", [])
    with watched(gpu, strict=True) as watch:
        train(name, cuda)
    sent = next(most for kind, most in SENT.items() if name.startswith(kind))
    for tally in watch.tallies:
        assert tally["launches"] > 50
        assert tally["copies"] == 1
        assert tally["bytes sent"] <= sent
        assert not [line for line in tally if "unpinned" in line]
    assert len(watch.tallies) == (0 if gpu is None else LAST - FIRST)
    for other in watch.calls[1:]:
        first = watch.calls[0]
        for number, (a, b) in enumerate(zip(first, other, strict=True)):
            assert a == b, f"launch {number}"


@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_resumes_bit_for_bit(name, cuda, tmp_path):
    store, reports = Store(tmp_path), []

    def progress(done, total, preview=None):
        reports.append(done)
        if preview is not None and done == total:
            assert preview().device.type == "cpu"

    def checkpoint(steps):
        return store.checkpoint("f" * 32, steps)

    train(name, cuda, steps=3, checkpoint=checkpoint(3))
    reports.clear()
    resumed = train(name, cuda, checkpoint=checkpoint(LAST), progress=progress)
    after, _ = len(reports), reports.clear()
    straight = train(name, cuda, progress=progress)
    assert after < len(reports), "the training began again"
    assert resumed.keys() == straight.keys()
    for output, value in straight.items():
        if hasattr(value, "state"):
            assert all(torch.equal(resumed[output].state[k], v) for k, v in value.state.items())
            assert {v.device.type for v in value.state.values()} == {"cpu"}
        else:
            assert resumed[output] == value, output


@pytest.mark.parametrize("name", ["GAN, r3", "GAN, projected", "VAE, adversarial"])
def test_a_training_does_not_depend_on_what_threads_did_before(name, cuda):
    """A node runs in any thread. r3 derives gradients again, in the order of torch's counters."""

    def weights():
        with cuda.current():
            made = train(name, cuda)
        return {k: v for x in made.values() if hasattr(x, "state") for k, v in x.state.items()}

    first = weights()
    for _ in range(3):
        with ThreadPoolExecutor(1) as fresh:
            again = fresh.submit(weights).result()
        assert all(torch.equal(first[key], value) for key, value in again.items())


@pytest.mark.parametrize("classes", [1, 3])
def test_the_training_of_features_never_waits(classes, cuda, monkeypatch):
    monkeypatch.setattr(projected_features, "STEPS", 5)
    monkeypatch.setattr(projected_features, "BATCH", 8)
    images = torch.randint(0, 256, (20, 32, 32, 3), dtype=torch.uint8)
    data = TrainingSet.preloaded(images, torch.arange(20) % classes, classes, True, cuda)
    done = []

    def progress(share, total):
        torch.cuda.set_sync_debug_mode("error" if share < 1 else "default")
        done.append(share)

    net = cuda.place(blank(lambda: FeatureNet(classes, (8, 8, 16, 16))))
    train_features(net, data, 1, cuda, progress)
    assert len(done) == 5


@pytest.mark.parametrize("name", ["GAN, classic", "VAE, residual", "prior", "classifier, residual"])
def test_float64_is_not_needed(name, gpu, cuda, monkeypatch):
    """Apple's GPUs do not have it."""
    if gpu is None:
        pytest.skip("a real CUDA device has float64")
    monkeypatch.setattr(gpu, "doubles", False)
    train(name, cuda)
