"""The shared loop: samplers, curves, resuming."""

from __future__ import annotations

import pytest
import torch
from shelf import Shelf, training_run
from torch import Tensor, nn

from artgraph.contract.context import Context
from artgraph.models.blocks import blank, initialise
from artgraph.models.training.average import Average
from artgraph.models.training.curves import Curves
from artgraph.models.training.loop import train
from artgraph.models.training.numerics import Numerics
from artgraph.models.training.rng import rng
from artgraph.models.training.sampler import Sampler


class Toy:
    """A convolution in channels-last order that learns to blur."""

    def __init__(self, seed: int) -> None:
        def make() -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 3, 3))

        self.seed = seed
        self.network, copy = blank(make), blank(make)
        initialise(self.network, rng(seed, 0, 0))
        self.network.to(memory_format=torch.channels_last)
        self.average = Average(self.network, copy.to(memory_format=torch.channels_last), 0.99)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), 1e-2, fused=True)
        self.sampler = Sampler(torch.arange(10), 4, seed)
        self.pictures = torch.randn(10, 3, 8, 8, generator=rng(seed, 0, 1))

    def stateful(self):
        return {"network": self.network, "optimiser": self.optimiser, "average": self.average}

    def step(self, step: int):
        chosen = self.pictures[self.sampler.indices(step)]
        noise = 0.1 * torch.randn(chosen.shape, generator=rng(self.seed, 1, step))
        blurred = nn.functional.avg_pool2d(chosen, 5, 1)
        loss = (self.network(chosen + noise) - blurred).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.average.update(self.network, self.average.weight(step))
        return {"loss": loss, "noise": noise.abs().mean()}

    def preview(self) -> Tensor:
        return torch.zeros(1, 8, 8, 3, dtype=torch.uint8)


def weights(toy: Toy) -> list[Tensor]:
    return [*toy.network.state_dict().values(), *toy.average.state_dict().values()]


@pytest.mark.parametrize("stops", [(1,), (7,), (10,), (20, 23), (26, 27)])
def test_resuming_repeats_an_undisturbed_run_bit_for_bit(stops):
    straight, shelf = Toy(3), Shelf()
    expected = train(straight, steps=27, run=training_run())
    for steps in (*stops, 27):
        resumed = Toy(3)
        curves = train(resumed, steps=steps, run=training_run(shelf))
    assert curves == expected
    assert all(map(torch.equal, weights(resumed), weights(straight)))


def test_a_shorter_run_after_a_longer_one_starts_from_what_it_may_use():
    shelf = Shelf()
    train(Toy(0), steps=5, run=training_run(shelf))
    train(Toy(0), steps=9, run=training_run(shelf))
    again, straight = Toy(0), Toy(0)
    train(again, steps=7, run=training_run(shelf))
    train(straight, steps=7, run=training_run())
    assert all(map(torch.equal, weights(again), weights(straight)))


def test_training_to_steps_already_done_gives_the_same_curves():
    shelf = Shelf()
    first = train(Toy(0), steps=13, run=training_run(shelf))
    assert train(Toy(0), steps=13, run=training_run(shelf)) == first
    assert first["step"] == [10, 13]


def test_an_interrupt_in_progress_saves_a_checkpoint():
    def stop_at_6(done, total, preview=None):
        assert total == 20
        if done == 6:
            raise KeyboardInterrupt

    shelf, interrupted, straight = Shelf(), Toy(1), Toy(1)
    with pytest.raises(KeyboardInterrupt):
        train(interrupted, steps=20, run=training_run(shelf, progress=stop_at_6))
    assert list(shelf.states) == [6]
    resumed = Toy(1)
    curves = train(resumed, steps=20, run=training_run(shelf))
    assert curves == train(straight, steps=20, run=training_run())
    assert all(map(torch.equal, weights(resumed), weights(straight)))


def test_training_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    train(Toy(2), steps=3, run=training_run())
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("count", "batch"), [(10, 5), (10, 4), (7, 3), (5, 5), (3, 8), (1, 4)])
def test_every_epoch_shows_each_picture_once(count, batch):
    sampler = Sampler(torch.arange(count), batch, seed=5)
    steps = [sampler.indices(step) for step in range(count * 3)]
    assert all(len(indices) == batch for indices in steps)
    epochs = torch.cat(steps).view(-1, count)
    assert all(epoch.sort().values.tolist() == list(range(count)) for epoch in epochs)
    if count > 3:
        assert len(epochs.unique(dim=0)) > 1


def test_a_sampler_can_be_asked_for_any_step():
    walked, jumped = (Sampler(torch.arange(7), 3, seed=1) for _ in range(2))
    steps = [walked.indices(step) for step in range(12)]
    for step in (11, 0, 5, 4):
        assert torch.equal(jumped.indices(step), steps[step])
    one, other = (Sampler(torch.arange(100), 50, seed=seed).indices(0) for seed in (2, 3))
    assert not torch.equal(one, other)


def test_curves_average_the_steps_since_the_row_before():
    curves = Curves()
    assert curves.rows() == {"step": []}
    for step in range(1, 14):
        curves.add(step, {"loss": torch.tensor(float(step)), "two": torch.tensor(2.0)})
    assert curves.rows() == {"step": [10, 13], "loss": [5.5, 12], "two": [2, 2]}
    copy = Curves()
    copy.load(curves.state())
    assert copy.rows() == curves.rows()
    for each in (curves, copy):
        each.add(14, {"loss": torch.tensor(0.5), "two": torch.tensor(4.0)})
    assert copy.rows() == curves.rows()


def test_the_average_follows_weights_and_buffers():
    source, blank_copy = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    average = Average(source, blank_copy, decay=0.9)
    source(torch.ones(4, 2, 3, 3))
    with torch.no_grad():
        source.weight += 1
    average.update(source, average.weight(1000))
    assert torch.allclose(average.network.weight, torch.full((2,), 1.1))
    assert torch.allclose(average.network.running_mean, 0.1 * source.running_mean)
    assert average.network.num_batches_tracked == 1
    assert not average.network.weight.requires_grad


def test_generators_depend_on_seed_and_counters_alone():
    def draw(*numbers: int) -> float:
        return torch.rand(1, dtype=torch.float64, generator=rng(*numbers)).item()

    keys = [(s, *k) for s in (0, 1, 2, -1, 2**63) for k in ((), (0,), (1,), (0, 1), (1, 0), (0, 0))]
    assert len({draw(*key) for key in keys}) == len(keys)
    assert draw(3, 4) == draw(3, 4)
    many = torch.tensor([draw(7, k) for k in range(4000)], dtype=torch.float64)
    assert abs(many.mean() - 0.5) < 0.03
    neighbours = torch.corrcoef(torch.stack([many[1:], many[:-1]]))[0, 1]
    assert abs(neighbours) < 0.05


def test_a_context_lends_a_training_what_it_has():
    calls, lines = [], []
    context = Context(
        numerics=Numerics("cpu", "float32", 2),
        progress=lambda done, total, preview: calls.append((done, total)),
        checkpoint=Shelf(),
        log=lines.append,
    )
    run = context.part(0.5, 1).training_run
    train(Toy(0), steps=4, run=run)
    assert calls == [(0.625, 1), (0.75, 1), (0.875, 1), (1, 1)]
    assert [*context.checkpoint.states] == [4]
    run.log("a line")
    assert (run.numerics, lines) == (context.numerics, ["a line"])
