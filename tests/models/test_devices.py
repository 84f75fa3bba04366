"""A training in several processes does the same steps as in one, and survives their loss."""

from __future__ import annotations

import pytest
import torch
from crews import TRAININGS, observed
from shelf import training_run
from dataclasses import replace

COUNT = 3  # parts of 16 or 8 pictures are not equal then


@pytest.fixture(scope="module")
def seen():
    """What was seen in the first step of each training: in one process, and in several."""
    names = [*TRAININGS]
    alone = observed(training_run(), names)
    return alone, observed(replace(training_run(), devices=COUNT), names)


@pytest.mark.parametrize("name", TRAININGS)
def test_a_step_sees_the_same_pictures_and_has_the_same_gradients(seen, name):
    alone, together = (each[name] for each in seen)
    assert together.same
    if "slices" not in name:
        assert len(together.pictures) == len(alone.pictures)
        if name != "classic VAE":
            assert alone.pictures
        for a, b in zip(alone.pictures, together.pictures, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert len(together.gradients) == len(alone.gradients) > 0
    for a, b in zip(alone.gradients, together.gradients, strict=True):
        assert (a - b).norm() < 1e-4 * a.norm()
    assert alone.curves.keys() == together.curves.keys()
    for metric, values in alone.curves.items():
        assert values == pytest.approx(together.curves[metric], rel=1e-4), metric
