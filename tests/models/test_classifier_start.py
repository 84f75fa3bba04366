"""Going on from a trained classifier: other classes, other pictures, a larger size."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
from classifying import NAMES, network_of, patterns, trained
from shelf import PLAIN

from artgraph.contract.context import Context
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.models import Classifier
from artgraph.models.classifier.networks import predict


def accuracy(done, images, truth):
    return float((predict(network_of(done), images, PLAIN).argmax(1) == truth).float().mean())


@pytest.fixture(scope="module")
def base():
    """Knows rows and columns, at 24 px."""
    images, labels = patterns(64, 24, seed=1)
    two = labels < 2
    return trained(images[two], labels[two], NAMES[:2], steps=30)


def test_other_classes_are_learned_in_fewer_steps(base):
    names = ("checks", "columns", "rows")  # in another order, and one more
    images, labels = patterns(12, 24, seed=5)
    start = (base.config, base.state)
    on = trained(images, 2 - labels, names, start=start, steps=6)
    afresh = trained(images, 2 - labels, names, steps=6)
    unseen, labels = patterns(60, 24, seed=6)
    assert on.config.classes == names
    assert accuracy(on, unseen, 2 - labels) > max(0.9, accuracy(afresh, unseen, 2 - labels))


def test_a_larger_size_keeps_the_stages(base):
    images, labels = patterns(12, 100, seed=5)
    on = trained(images, labels, start=(base.config, base.state), steps=1, batch=4)
    assert on.config.size == 100
    assert on.config.depth == base.config.depth
    assert on.state.keys() == base.state.keys()
    assert predict(network_of(on), images, PLAIN).shape == (12, 3)


def test_known_classes_are_matched_by_name_and_others_begin_as_nothing(base):
    images, labels = patterns(12, 24, seed=5)
    start = (base.config, base.state)
    none = trained(images, 2 - labels, ("new", "columns", "rows"), start=start, steps=0)
    old, mine = base.state, none.state
    assert torch.equal(mine["dense.weight"][1:], old["dense.weight"].flip(0))
    assert not mine["dense.weight"][0].any()
    rest = [name for name in old if name.endswith(("weight", "bias")) and "dense" not in name]
    assert all(torch.equal(mine[name], old[name]) for name in rest)


def test_a_classic_network_goes_on_at_another_size():
    images, labels = patterns(12, 24, seed=5)
    base = trained(images, labels, method="classic", steps=2)
    images, labels = patterns(12, 32, seed=5)
    on = trained(images, labels, start=(base.config, base.state), steps=0)
    assert on.config.method == "classic"
    assert torch.equal(on.state["conv2.weight"], base.state["conv2.weight"])
    assert on.state["dense1.weight"].shape != base.state["dense1.weight"].shape
    assert predict(network_of(on), images, PLAIN).shape == (12, 3)


def test_weights_that_are_missing_are_named(base):
    images, labels = patterns(12, 24, seed=5)
    with pytest.raises(ValueError, match=r"has no stem.weight"):
        trained(images, labels, start=(base.config, {}), steps=1)


def test_the_node_reports_on_pictures_held_out_and_starts_from_a_classifier(base):
    images, labels = patterns(60, 24, seed=5)
    dataset = Dataset(images, labels, NAMES, tuple(map(str, range(60))))
    spec = load_nodes()["train_classifier"]
    given = {"dataset": dataset, "start": Classifier(asdict(base.config), base.state)}
    widgets, wrong = spec.check({"steps": 12, "batch": 16, "held_out": 0.2})
    assert not wrong
    done = spec(given, widgets, Context.quiet())
    rows = dict(zip(*done["report"].columns.values(), strict=True))
    assert list(rows)[3:] == list(NAMES)
    assert 0.5 < rows["accuracy"] <= 1
    counts = [done["confusion"].columns[name] for name in NAMES]
    assert [sum(row) for row in zip(*counts, strict=True)] == [4, 4, 4]
    assert done["classifier"].config["temperature"] != 1
    tested = load_nodes()["evaluate_classifier"]
    others = tested(
        {k: done[k] for k in ("classifier",)} | {"dataset": dataset}, {}, Context.quiet()
    )
    assert others["table"].columns["metric"] == done["report"].columns["metric"]


def test_nothing_held_out_gives_no_report():
    images, labels = patterns(12, 24, seed=5)
    dataset = Dataset(images, labels, NAMES, tuple(map(str, range(12))))
    spec = load_nodes()["train_classifier"]
    widgets, _ = spec.check({"steps": 1, "batch": 4})
    done = spec({"dataset": dataset}, widgets, Context.quiet())  # four of a class: a tenth is none
    assert (done["report"], done["confusion"]) == (None, None)
    assert done["classifier"].config["temperature"] == 1
