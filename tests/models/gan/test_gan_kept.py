"""Steps of a training that are kept, so that an earlier GAN can be returned without training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from gans import METHODS, assert_same, pictures, quick, train  # noqa: F401 - fixtures
from shelf import Shelf

from artgraph.models.gan import kept
from artgraph.models.gan.evaluation import Reference
from artgraph.models.gan.kept import kept_steps, nearest_step


@pytest.fixture(autouse=True)
def each_step(monkeypatch):
    """Evaluates and keeps each second step."""
    monkeypatch.setattr(kept, "FINE", 2)


def rounded(state, networks=("generator", "critic")):
    return {k: v.half().float() for k, v in state.items() if k.split(".")[0] in networks}


def stopped(after):
    """Returns a progress that stops the training after so many steps, which have previews."""
    steps = []

    def progress(done, total, preview=None):
        steps.extend([done] if preview is not None else [])
        if len(steps) == after:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("method", METHODS)
def test_an_earlier_step_costs_no_training_and_is_the_gan_of_that_step(method, monkeypatch):
    shelf, steps = Shelf(), []
    train(*pictures(12, 2), 2, 5, shelf, method=method)
    assert shelf.kept() == [2, 4]

    def count(done, total, preview=None):
        steps.append(done)

    earlier = train(*pictures(12, 2), 2, 5, shelf, method=method, at_step=2, progress=count)
    assert steps == []
    own = Shelf()
    train(*pictures(12, 2), 2, 2, own, method=method)
    assert_same(rounded(earlier.state), rounded(own.weights[2]))
    assert all(w.dtype == torch.float32 for w in earlier.state.values() if w.is_floating_point())
    assert earlier.extra.progress["step"] == [2, 4]
    assert earlier.extra.progress["kept"] == ["yes", "yes"]
    again = train(*pictures(12, 2), 2, 1, method=method, start=earlier[:2])
    assert again.state.keys() == earlier.state.keys(), "another training can start from it"


def test_weights_that_were_deleted_are_trained_again_with_the_same_bits():
    shelf, lines = Shelf(), []
    train(*pictures(12, 2), 2, 5, shelf)
    before = train(*pictures(12, 2), 2, 5, shelf, at_step=4)
    shelf.weights.clear()
    after = train(*pictures(12, 2), 2, 5, shelf, at_step=4, log=lines.append)
    assert_same(before.state, after.state)
    assert any("step 4 are no longer stored" in line for line in lines)


def test_a_longer_or_an_interrupted_training_keeps_the_same_bits():
    whole, parts = Shelf(), Shelf()
    train(*pictures(12, 2), 2, 7, whole)
    train(*pictures(12, 2), 2, 3, parts)
    with pytest.raises(KeyboardInterrupt):
        train(*pictures(12, 2), 2, 7, parts, progress=stopped(2))
    train(*pictures(12, 2), 2, 7, parts)
    assert whole.kept() == parts.kept() == [2, 4, 6]
    for step in whole.kept():
        assert_same(whole.weights[step], parts.weights[step])


def test_the_nearest_step_is_returned_and_named():
    shelf, warnings = Shelf(), []
    near = train(*pictures(12, 2), 2, 5, shelf, at_step=5, warn=warnings.append)
    assert_same(near.state, train(*pictures(12, 2), 2, 5, shelf, at_step=4).state)
    assert [w[:60] for w in warnings if "kept" in w] == [
        "step 5 is not kept, so this is the GAN at step 4 - the colum"
    ]
    with pytest.raises(ValueError, match="keeps no step, since it has fewer than 2"):
        train(*pictures(12, 2), 2, 1, at_step=1)
    assert nearest_step([2, 4, 8], 3) == 2
    assert nearest_step([2, 4, 8], 99) == 8


@pytest.mark.parametrize("best", [2, 6])
def test_the_best_of_the_kept_steps_and_the_last_is_returned(monkeypatch, best):
    """The last one has settled: step 5 and one step with smaller changes."""
    distances = {step: 0.1 + abs(step - best) for step in (2, 4, 6)}
    measured = Reference.compare

    def compare(self, step, generated):
        return replace(measured(self, step, generated), distance=distances[step], usual=0.0)

    monkeypatch.setattr(Reference, "compare", compare)
    shelf, lines = Shelf(), []
    last = train(*pictures(12, 2), 2, 5, shelf)
    chosen = train(*pictures(12, 2), 2, 5, shelf, at_step=-1, log=lines.append)
    assert chosen.extra.best == best
    assert chosen.extra.progress["step"] == [2, 4, 6]
    if best == 6:
        assert_same(chosen.state, last.state)
    else:
        assert_same(chosen.state, train(*pictures(12, 2), 2, 5, shelf, at_step=2).state)
        assert "the pictures of step 2 are the best, so this is the GAN at that step" in lines


def test_steps_over_the_budget_are_thinned_out_evenly(monkeypatch):
    monkeypatch.setattr(kept, "FINE", 100)
    assert kept_steps(99, 1) == []
    assert kept_steps(2000, 1) == [*range(100, 1001, 100), 1500, 2000]
    monkeypatch.setattr(kept, "BUDGET", 50)
    assert kept_steps(500, 10) == [100, 200, 300, 400, 500]
    assert kept_steps(600, 10) == [200, 400, 600]
    assert kept_steps(2000, 10) == [400, 800, 2000]
    assert kept_steps(2000, 1000) == [800], "at least one"
    for steps in range(100, 9000, 100):
        assert len(kept_steps(steps, 10)) <= 5
        longer = [step for step in kept_steps(steps + 100, 10) if step <= steps]
        assert {*longer} <= {*kept_steps(steps, 10)}


def test_a_longer_training_deletes_what_exceeds_the_budget(monkeypatch):
    monkeypatch.setattr(kept, "FINE", 1)
    size = sum(w.numel() * w.element_size() for w in first_kept().values())
    monkeypatch.setattr(kept, "BUDGET", 3 * size)
    shelf = Shelf()
    train(*pictures(12, 2), 2, 3, shelf)
    assert shelf.kept() == [1, 2, 3]
    train(*pictures(12, 2), 2, 5, shelf)
    assert shelf.kept() == [2, 4]
    shelf.states.clear()
    train(*pictures(12, 2), 2, 3, shelf)
    assert shelf.kept() == [2, 4], "as the longer training decided"


def first_kept():
    shelf = Shelf()
    train(*pictures(12, 2), 2, 1, shelf)
    return shelf.weights[1]


def test_a_weight_that_is_too_large_for_float16_is_kept_as_it_is():
    layer = torch.nn.Linear(1, 1)
    with torch.no_grad():
        layer.weight.fill_(1e6)
    weights = kept.halved({"net": layer})
    assert weights["net.weight"].item() == 1e6
    assert weights["net.bias"].dtype == torch.float16
