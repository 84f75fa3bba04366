"""Trainings that replay their steps as CUDA graphs: the same bits, or a warning.

`pytest --stand-in-gpu` runs these tests without a GPU: there a capture is recorded, and a replay
runs it again (tests/support/stand_in_graphs.py).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

import pytest
import torch
from gpu_trainings import TRAININGS, train, watched
from torch import nn

from artgraph.models.gan import classic
from artgraph.models.training.graphs import MOST_FITS, WARM_UP
from artgraph.models.training.loop import TrainingRun
from artgraph.models.training.numerics import Numerics
from artgraph.models.training.steps import Steps
from artgraph.runner.store.store import Store

pytestmark = pytest.mark.gpu

# The optimisers get their state in the first step, then a graph has warm-up steps, and two are
# compared; those after them are replays alone.
TRUSTED = 1 + WARM_UP + 2
STEPS = TRUSTED + 3


@pytest.fixture
def graphs(cuda):
    return replace(cuda, graphs=True)


def assert_same(first, second):
    assert first.keys() == second.keys()
    for output, value in first.items():
        if hasattr(value, "state"):
            assert all(torch.equal(second[output].state[k], v) for k, v in value.state.items())
        else:
            assert second[output] == value, output


@pytest.mark.parametrize("name", TRAININGS)
def test_replays_yield_the_bits_of_ordinary_steps(name, gpu, cuda, graphs):
    warnings = []
    ordinary = train(name, cuda, steps=STEPS)
    with watched(gpu, strict=True, first=TRUSTED, last=STEPS) as watch:
        replayed = train(name, graphs, steps=STEPS, warn=warnings.append)
    assert not warnings
    assert_same(ordinary, replayed)
    for tally in watch.tallies:
        assert (tally["replays"], tally["copies"]) == (1, 1)
        assert tally["launches"] <= 5, "a replay, and the metrics"
    assert gpu is None or len(watch.tallies) == STEPS - TRUSTED


@pytest.mark.parametrize(
    "name", ["GAN, classic", "VAE, adversarial", "prior", "classifier, residual"]
)
def test_a_training_with_graphs_resumes_bit_for_bit(name, cuda, graphs, tmp_path):
    store, warnings = Store(tmp_path), []
    for steps in (STEPS, 2 * STEPS):
        checkpoint = store.checkpoint("f" * 32, steps)
        resumed = train(name, graphs, steps=steps, checkpoint=checkpoint, warn=warnings.append)
    assert not warnings
    assert_same(train(name, cuda, steps=2 * STEPS), resumed)


def test_a_graph_is_freed_at_the_end(gpu, graphs):
    if gpu is None:
        pytest.skip("only the stand-in knows which graphs there are")
    before, replays = {*gpu.graphs.alive}, gpu.tally["replays"]
    train("classifier, classic", graphs, steps=STEPS)
    assert gpu.tally["replays"] > replays
    assert gpu.graphs.alive <= before


class Toy:
    """A small training. `fault` is what goes wrong in its steps, if anything."""

    def __init__(self, numerics, fault="nothing"):
        self.warnings, self.fault, self.done, self.computed = [], fault, 0, 0
        run = TrainingRun(numerics, None, lambda *_: None, warn=self.warnings.append)
        self.device, self.steps = numerics.device, Steps(run)
        torch.manual_seed(1)
        net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        self.net = net.to(self.device)
        self.adam = torch.optim.Adam(self.net.parameters(), fused=True)
        self.extra = torch.ones(4, device=self.device)

    def stateful(self):
        return {"net": self.net, "adam": self.adam}

    def inputs(self, step):
        self.done = step
        random = torch.Generator().manual_seed(step)
        rows = 6 if self.fault == "another shape" and step >= STEPS else 5
        if self.fault == "an input outside the place":
            self.extra = torch.rand(4, generator=random).pin_memory().to(self.device)
        number = step if self.fault == "a whole number" else 0
        if self.fault == "a buffer that moved" and step == STEPS:
            self.net[1].running_mean = self.net[1].running_mean.clone()
        return torch.rand(rows, 4, generator=random), 0.01 / (step + 1), number

    def compute(self, inputs):
        x, rate, _ = inputs
        self.computed += 1
        if self.fault == "too little memory for both" and self.computed == TRUSTED - 1:
            self.net[0].weight.data.zero_()
            raise torch.OutOfMemoryError("CUDA out of memory")
        if self.fault == "a number":
            x = x * (self.done + 1.0)
        if self.fault == "a draw":
            x = x + torch.rand(4, device=self.device)
        if self.fault == "a draw of the processor":
            x = x + torch.rand(4).pin_memory().to(self.device, non_blocking=True)
        if self.fault == "a wait" and x.sum().item() < 0:
            return {}
        if self.fault == "a copy of memory that is not pinned":
            x = x + torch.ones(4).to(self.device, non_blocking=True)
        loss = self.net(x * self.extra).square().mean()
        self.net[0].requires_grad_(False)
        if self.fault == "an error" and torch.cuda.is_current_stream_capturing():
            raise ValueError("the capture fails here\nand explains it")
        self.net[0].requires_grad_(True)
        self.adam.zero_grad()
        loss.backward()
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.step()
        return {"loss": loss.detach()}

    def run(self, steps=2 * STEPS):
        """Returns the losses, and the weights."""
        torch.manual_seed(2)
        losses = [self.steps.do(self, step)["loss"].item() for step in range(steps)]
        self.steps.close()
        return losses, [value.cpu() for value in self.net.state_dict().values()]


def assert_same_toys(first, second):
    assert first[0] == second[0]
    assert all(torch.equal(a, b) for a, b in zip(first[1], second[1], strict=True))


@pytest.mark.parametrize("change", ["nothing", "another shape", "a buffer that moved"])
def test_another_step_is_captured_if_a_graph_does_not_fit(change, gpu, cuda, graphs):
    toy, before = Toy(graphs, change), 0 if gpu is None else gpu.tally["replays"]
    assert_same_toys(Toy(cuda, change).run(), toy.run())
    assert not toy.warnings
    if gpu is not None:
        ordinary = 1 + WARM_UP + (0 if change == "nothing" else WARM_UP)
        assert gpu.tally["replays"] - before == 2 * STEPS - ordinary


FAULTS = {
    "a number": "a replayed step differs from an ordinary one in net.0.weight",
    "an input outside the place": "a replayed step differs from an ordinary one in net.0.weight",
    "a draw of the processor": "",  # another reason, if the driver refuses the pinned memory
    "a wait": "operation not permitted when stream is capturing",
    "a copy of memory that is not pinned": "captur",
    "an error": "(ValueError: the capture fails here)",
    "too little memory for both": "(OutOfMemoryError: CUDA out of memory)",
    "a whole number": "the inputs or the places of the state changed too often",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_graph_cannot_repeat_causes_a_warning(fault, cuda, graphs):
    toy = Toy(graphs, fault)
    result = toy.run(max(2 * STEPS, MOST_FITS + 2))
    (warning,) = toy.warnings
    assert warning.startswith("the training continued without CUDA graphs (")
    assert warning.endswith(" - remove +graphs from the device")
    assert FAULTS[fault] in warning
    assert "\n" not in warning
    graphs.release()  # torch's allocator knows that there is no capture
    if fault == "too little memory for both":
        fault = "nothing"
    if fault != "a draw of the processor":  # the capture has drawn once more
        assert_same_toys(Toy(cuda, fault).run(max(2 * STEPS, MOST_FITS + 2)), result)


class Beside(Toy):
    """A training during whose capture another node ends, in another thread."""

    released = None

    def compute(self, inputs):
        if torch.cuda.is_current_stream_capturing():
            self.released = ThreadPoolExecutor(1).submit(Numerics("cuda:0").release)
            wait([self.released], 0.2)
        return super().compute(inputs)


def test_another_node_returns_memory_only_after_a_capture(graphs):
    toy = Beside(graphs)
    toy.run()
    toy.released.result(60)
    assert not toy.warnings


def test_random_numbers_drawn_in_a_step_cause_a_warning(graphs):
    toy = Toy(graphs, "a draw")
    toy.run()
    (warning,) = toy.warnings
    assert "a replayed step differs from an ordinary one" in warning


def test_a_gan_goes_on_as_if_there_had_been_no_capture(monkeypatch, cuda, graphs):
    """The capture fails while the critic is frozen."""
    ordinary = train("GAN, classic", cuda, steps=STEPS)
    loss = classic.adversarial_loss

    def failing(*words):
        if torch.cuda.is_current_stream_capturing():
            raise RuntimeError("out of luck")
        return loss(*words)

    monkeypatch.setattr(classic, "adversarial_loss", failing)
    warnings = []
    result = train("GAN, classic", graphs, steps=STEPS, warn=warnings.append)
    assert len(warnings) == 1
    assert "out of luck" in warnings[0]
    assert_same(ordinary, result)
