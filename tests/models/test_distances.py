"""Distances between sets of pictures, on answers that are known."""

from __future__ import annotations

import math

import pytest
import torch

from artgraph.models import distances
from artgraph.models.blocks import blank, initialise
from artgraph.models.classifier.networks import ClassifierConfig, make_classifier
from artgraph.models.distances import (
    compare,
    coverage,
    diversity,
    features,
    frechet_distance,
    halves,
    nearest,
    novelty,
    real_floor,
    recall,
    spread,
)
from artgraph.models.gan.projected_features import FeatureNet
from artgraph.models.training.numerics import Numerics
from artgraph.models.training.rng import rng


def normal(count, width, *counters):
    return torch.randn(count, width, generator=rng(5, *counters)).double()


def exactly(vectors, mean, covariance):
    """The vectors, moved so that they have just this mean and covariance."""
    centred = vectors - vectors.mean(0)
    white = torch.linalg.solve_triangular(
        torch.linalg.cholesky(torch.cov(centred.T)), centred.T, upper=False
    )
    return (torch.linalg.cholesky(covariance) @ white).T + mean


def test_frechet_distance_of_two_gaussians_is_the_closed_form():
    # For covariances that commute: |m1 - m2|^2 + the sum of (s1 - s2)^2 over the axes.
    turn = torch.linalg.qr(normal(3, 3, 0))[0]
    first = turn @ torch.diag(torch.tensor([1.0, 4.0, 9.0]).double()) @ turn.T
    second = turn @ torch.diag(torch.tensor([4.0, 4.0, 0.25]).double()) @ turn.T
    mean = torch.tensor([1.0, -2.0, 0.5]).double()
    a, b = exactly(normal(50, 3, 1), mean, first), exactly(normal(40, 3, 2), 0 * mean, second)
    expected = 1 + 4 + 0.25 + (1 - 2) ** 2 + 0 + (3 - 0.5) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_where_covariances_do_not_commute():
    # tr (C1 C2)^(1/2) in two dimensions is (tr C1 C2 + 2 (det C1 C2)^(1/2))^(1/2).
    first = torch.tensor([[2.0, 1.0], [1.0, 3.0]]).double()
    second = torch.tensor([[1.0, -0.5], [-0.5, 4.0]]).double()
    product = first @ second
    shared = math.sqrt(product.trace() + 2 * math.sqrt(torch.linalg.det(product)))
    expected = float(first.trace() + second.trace()) - 2 * shared
    zero = torch.zeros(2).double()
    a, b = exactly(normal(30, 2, 3), zero, first), exactly(normal(30, 2, 4), zero, second)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_with_fewer_vectors_than_dimensions():
    few = normal(5, 20, 5)
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(few, few + 1) == pytest.approx(20, rel=1e-6)
    assert frechet_distance(few[:, :1], few[:, :1] + 3) == pytest.approx(9, rel=1e-6)


def test_pictures_of_the_same_kind_are_at_the_floor():
    labels = torch.arange(400) % 4
    real, drawn = normal(400, 8, 6), normal(400, 8, 7)
    found = compare(real, drawn, labels)
    assert 0.6 < found.multiple < 1.6
    assert found.floor == real_floor(real, labels)
    assert found.recall > 0.9
    assert found.coverage > 0.9
    assert len(found.diversity) == 4
    assert sum(found.diversity) / 4 == pytest.approx(1, abs=0.1)
    assert compare(real, drawn, labels) == found


def test_a_collapsed_set_is_told_from_a_varied_one():
    labels = torch.arange(200) % 2
    real = normal(200, 8, 8)
    same = real[:2].repeat(100, 1)  # one good picture for each class
    found = compare(real, same, labels)
    assert found.multiple > 20
    assert found.recall <= 0.02
    assert found.coverage < 0.3
    assert found.diversity == (0, 0)


def test_a_missing_class_is_seen():
    labels = torch.arange(300) % 3
    real = normal(300, 8, 9) + 10 * labels[:, None]
    drawn = normal(300, 8, 10) + 10 * labels.clamp(max=1)[:, None]
    assert recall(real, drawn) == pytest.approx(2 / 3, abs=0.05)
    assert coverage(real, drawn) == pytest.approx(2 / 3, abs=0.05)


def test_recall_and_coverage_on_a_line():
    real = torch.tensor([[0.0], [1.0], [2.0], [10.0]]).double()
    drawn = torch.tensor([[0.1], [0.2], [2.6]]).double()
    # With one neighbour, the radii of the drawn are 0.1, 0.1 and 2.4, of the real 1, 1, 1 and 8.
    assert recall(real, drawn, neighbours=1) == 3 / 4
    assert coverage(real, drawn, neighbours=1) == 1
    assert coverage(real, drawn[:2], neighbours=1) == 2 / 4


def test_copies_are_not_new():
    training, fresh = normal(100, 6, 11), normal(100, 6, 12)
    assert novelty(training[:30], training) == 0
    assert novelty(training[:30] + 0.01, training) < 0.05
    assert novelty(fresh, training) == pytest.approx(1, abs=0.1)
    assert novelty(fresh[:50], training, fresh[50:]) == pytest.approx(1, abs=0.15)
    assert math.isnan(novelty(fresh, training[:1].repeat(9, 1)))


def test_spread_and_nearest():
    square = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]]).double()
    assert spread(square) == pytest.approx(4)
    assert nearest(square).tolist() == [3, 3, 4]
    assert nearest(square, square + 1).tolist() == pytest.approx([math.sqrt(2)] * 3)
    assert math.isnan(spread(square[:1]))
    two = diversity(square, torch.tensor([0, 0, 2]), 2 * square, torch.tensor([0, 0, 2]))
    assert two[0] == pytest.approx(2)
    assert math.isnan(two[1])
    assert math.isnan(two[2])


def test_parts_change_nothing(monkeypatch):
    real, drawn = normal(33, 4, 13), normal(33, 4, 14)
    whole = compare(real, drawn, torch.arange(33) % 3)
    monkeypatch.setattr(distances, "ROWS", 7)
    parts = compare(real, drawn, torch.arange(33) % 3)
    assert parts.frechet == whole.frechet
    assert (parts.recall, parts.coverage) == (whole.recall, whole.coverage)
    assert parts.diversity == pytest.approx(whole.diversity)


def test_halves_share_the_classes():
    labels = torch.tensor([0, 1, 1, 0, 0, 1, 0, 1, 2, 2])
    first, second = halves(labels)
    assert sorted([*first.tolist(), *second.tolist()]) == list(range(10))
    assert labels[first].tolist() == [0, 0, 1, 1, 2]
    assert labels[second].tolist() == [0, 0, 1, 1, 2]


def test_what_cannot_be_compared_is_told():
    with pytest.raises(ValueError, match="as many drawn ones, not 7"):
        compare(normal(8, 2, 0), normal(7, 2, 0), torch.zeros(8).long())
    with pytest.raises(ValueError, match="at least 4"):
        compare(normal(3, 2, 0), normal(3, 2, 0), torch.zeros(3).long())


@pytest.mark.parametrize("kind", ["classifier", "features"])
def test_features_of_our_networks(kind):
    config = ClassifierConfig("residual", 32, ("a", "b"), width=8)
    network = (
        blank(lambda: make_classifier(config))
        if kind == "classifier"
        else blank(lambda: FeatureNet(2, (4, 8, 16, 16)))
    )
    initialise(network, rng(0))
    network.eval()
    images = torch.randint(0, 256, (5, 32, 32, 3), dtype=torch.uint8, generator=rng(1))
    found = features(network, images, Numerics("cpu", "float32", 1), batch=2)
    assert found.dtype == torch.float64
    assert found.shape == (5, 32 if kind == "classifier" else 40)
    with torch.no_grad():
        answer = network.dense if kind == "classifier" else network.answer
        logits = network if kind == "classifier" else network.logits
        pictures = images.permute(0, 3, 1, 2) / 127.5 - 1
        torch.testing.assert_close(answer(found.float()), logits(pictures))
