"""Kernel distances between sets of feature vectors, on answers that are known."""

from __future__ import annotations

import math

import pytest
import torch

from artgraph.models.kernel_distances import Space, kernel_distance, kernel_floor
from artgraph.models.training.rng import rng


def normal(count, width, *counters):
    return torch.randn(count, width, generator=rng(5, *counters)).double()


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
