"""Probabilities that can be believed: held-out pictures, temperature, the report."""

from __future__ import annotations

import math

import pytest
import torch

from artgraph.models.classifier.calibration import (
    calibration_error,
    fit_temperature,
    held_out_mask,
    metrics_and_confusion,
    negative_log_likelihood,
)
from artgraph.models.training.rng import rng


def drawn(count: int, classes: int, too_sure: float):
    """Logits that are `too_sure` times what the labels were drawn by."""
    random = rng(4)
    logits = 2 * torch.randn(count, classes, generator=random)
    labels = torch.multinomial(logits.softmax(1), 1, generator=random)[:, 0]
    return logits * too_sure, labels


@pytest.mark.parametrize("too_sure", [0.3, 1.0, 5.0])
def test_the_temperature_undoes_what_was_done_to_the_logits(too_sure):
    logits, labels = drawn(4000, 6, too_sure)
    temperature = fit_temperature(logits, labels)
    assert temperature == pytest.approx(too_sure, rel=0.1)
    fitted = (logits / temperature).softmax(1)
    assert calibration_error(fitted, labels) < 0.03
    if too_sure != 1:
        assert calibration_error(logits.softmax(1), labels) > 0.1
        assert negative_log_likelihood(fitted, labels) < negative_log_likelihood(
            logits.softmax(1), labels
        )


def test_a_few_pictures_all_recognised_are_no_certainty():
    sure = {}
    for count in (1, 4, 100):
        logits = torch.tensor([[3.0, 0.0, -1.0]]).expand(count, 3)
        labels = torch.zeros(count, dtype=torch.long)
        sure[count] = float((logits / fit_temperature(logits, labels)).softmax(1)[0, 0])
        assert sure[count] == pytest.approx((count + 1) / (count + 2), abs=0.01)
    assert sure[1] < sure[4] < sure[100] < 1


def test_nothing_to_fit_on_leaves_the_logits_alone():
    assert fit_temperature(torch.empty(0, 5), torch.empty(0, dtype=torch.long)) == 1.0
    logits = torch.zeros(3, 2)
    assert math.isfinite(fit_temperature(logits, torch.tensor([0, 1, 0])))


def test_pictures_are_held_out_mask_from_each_class():
    labels = torch.tensor([0] * 40 + [1] * 20 + [2] * 3)
    alone = torch.arange(len(labels))
    held = held_out_mask(labels, alone, 0.1, seed=7)
    assert labels[held].bincount(minlength=3).tolist() == [4, 2, 0]
    assert torch.equal(held, held_out_mask(labels, alone, 0.1, seed=7))
    assert not torch.equal(held, held_out_mask(labels, alone, 0.1, seed=8))
    assert not held_out_mask(labels, alone, 0.0, seed=7).any()
    assert labels[~held_out_mask(labels, alone, 0.5, seed=7)].bincount().min() > 0


def test_calibration_error_is_confidence_less_accuracy():
    probabilities = torch.tensor([[0.8, 0.2]] * 10)
    labels = torch.tensor([0] * 8 + [1] * 2)
    assert calibration_error(probabilities, labels) == pytest.approx(0, abs=1e-6)
    assert calibration_error(probabilities, 1 - labels) == pytest.approx(0.6)
    assert calibration_error(torch.eye(2), torch.tensor([0, 1])) == 0


def test_the_report_counts_and_measures():
    probabilities = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.6, 0.4, 0.0]])
    table, confusion = metrics_and_confusion(
        probabilities, torch.tensor([0, 1, 1]), ("a", "b", "true class")
    )
    rows = dict(zip(table["metric"], table["value"], strict=True))
    assert rows["accuracy"] == pytest.approx(2 / 3)
    assert rows["negative log-likelihood"] == pytest.approx(-math.log(0.9 * 0.8 * 0.4) / 3)
    assert (rows["a"], rows["b"]) == (1.0, 0.5)
    assert "true class" not in rows  # no picture is of it
    assert confusion["true class"] == ["a", "b", "true class"]
    assert (confusion["a"], confusion["b"]) == ([1, 1, 0], [0, 1, 0])
    assert all(len(column) == 3 for column in confusion.values())
