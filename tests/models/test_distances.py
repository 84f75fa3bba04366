"""Distances between sets of pictures, on answers that are known."""

from __future__ import annotations

import math

import pytest
import torch

from artgraph.models import distances
from artgraph.models.blocks import blank, initialise
from artgraph.models.classifier.networks import ClassifierConfig, make_classifier
from artgraph.models.distances import (
    Space,
    compare,
    coverage,
    diversity,
    features,
    frechet_distance,
    halves,
    kernel_distance,
    kernel_floor,
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


def kernel_distances(count, classes, *counters, shift=0.0, drawn=200):
    """The kernel distance of two sets of one mixture, its halves, and the floor."""
    centres = 3 * normal(classes, 8, 90)
    labels = torch.arange(count) % classes
    others = labels.repeat(-(-drawn // count))
    real = normal(count, 8, 91, *counters) + centres[labels]
    found = normal(len(others), 8, 92, *counters) + centres[others] + shift
    return *kernel_distance(real, labels, found, others), kernel_floor(real, labels, len(others))


def test_the_kernel_distance_of_two_sets_on_a_line():
    real, drawn = [0.0, 1.0, 2.0, 6.0], [0.0, 4.0]
    centre, size = 2.25, math.sqrt(sum((x - 2.25) ** 2 for x in real) / 4)

    def k(x, y):
        return ((x - centre) * (y - centre) / size**2 + 1) ** 3

    among_real = sum(k(x, y) for x in real for y in real if x != y) / 12
    across = sum(k(x, y) for x in real for y in drawn) / 8
    unit = sum(k(x, x) for x in real) / 4 - among_real
    vectors = [torch.tensor(rows).double()[:, None] for rows in (real, drawn)]
    labels = [torch.zeros(len(rows)).long() for rows in vectors]
    found, _ = kernel_distance(vectors[0], labels[0], vectors[1], labels[1])
    assert found == pytest.approx((among_real + k(*drawn) - 2 * across) / unit)


def test_the_kernel_distance_in_several_spaces_is_the_mean_of_theirs():
    labels, others = torch.arange(40) % 3, torch.arange(90) % 3
    real, drawn = normal(40, 9, 94) + 1, 2 * normal(90, 9, 95)
    spaces = [Space(4), Space(5, centred=False)]
    both = kernel_distance(real, labels, drawn, others, spaces)
    apart = [
        kernel_distance(real[:, rows], labels, drawn[:, rows], others, [space])
        for rows, space in zip((slice(4), slice(4, 9)), spaces, strict=True)
    ]
    assert both[0] == pytest.approx((apart[0][0] + apart[1][0]) / 2)
    assert both[1] == pytest.approx(
        [(a + b) / 2 for a, b in zip(*(d[1] for d in apart), strict=True)]
    )
    assert apart[1][0] != kernel_distance(real[:, 4:], labels, drawn[:, 4:], others)[0]
    moved = [torch.cat([10 * v[:, :4] + 3, v[:, 4:]], 1) for v in (real, drawn)]
    assert kernel_distance(moved[0], labels, moved[1], others, spaces)[0] == pytest.approx(both[0])


@pytest.mark.parametrize(("count", "classes"), [(30, 1), (40, 5), (400, 5)])
def test_the_kernel_distance_of_one_kind_is_zero_for_any_number_of_pictures(count, classes):
    """It would be negative for few pictures if classes were not weighted, or 1 / N if biased."""
    found = [kernel_distances(count, classes, number) for number in range(20)]
    mean = sum(distance for distance, _, _ in found) / 20
    spread = math.sqrt(sum((d - mean) ** 2 for d, _, _ in found) / 19)
    assert abs(mean) < 3 * spread / math.sqrt(20)
    assert sum(distance > floor for distance, _, floor in found) <= 5
    assert all(
        kernel_distances(count, classes, 1, shift=1.0)[0] > 4 * floor for _, _, floor in found[:1]
    )


@pytest.mark.parametrize("count", [10, 30])
def test_few_other_pictures_seldom_exceed_the_floor(count):
    """Features of pretrained networks are skewed: few pictures are far from their own mean."""
    labels, others = torch.zeros(count).long(), torch.zeros(100).long()
    above = 0
    for number in range(20):
        real, found = (normal(n, 40, 93, n, number).exp() for n in (count, 100))
        distance, _ = kernel_distance(real, labels, found, others)
        above += distance > kernel_floor(real, labels, len(others))
    assert above <= 3


def test_the_halves_estimate_the_error_of_the_distance():
    found = [kernel_distances(30, 1, number, shift=0.5) for number in range(30)]
    mean = sum(distance for distance, _, _ in found) / 30
    error = math.sqrt(sum((distance - mean) ** 2 for distance, _, _ in found) / 29)
    guessed = [math.sqrt(sum((h - d) ** 2 for h in halved) / len(halved)) for d, halved, _ in found]
    assert sum(guessed) / 30 == pytest.approx(error, rel=0.5)


def test_classes_with_a_few_pictures_are_compared_together():
    real, drawn = normal(12, 3, 20), normal(12, 3, 21)
    few = torch.tensor([0] * 9 + [1, 2, 2])
    one = torch.zeros(12).long()
    assert kernel_distance(real, few, drawn, few) == kernel_distance(real, one, drawn, one)
    assert math.isnan(kernel_distance(real[:3], one[:3], drawn, one)[0])
    assert math.isnan(kernel_distance(real[:1].repeat(9, 1), one[:9], drawn, one)[0])


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
