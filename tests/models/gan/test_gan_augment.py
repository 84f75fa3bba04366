"""What the critic sees: changes of pictures, and how often they are made."""

from __future__ import annotations

import pytest
import torch
from gans import assert_same, pictures, quick, train  # noqa: F401 - fixtures
from shelf import Shelf

from artgraph.models.gan import augment as diffaugment
from artgraph.models.gan.augment import (
    STRONGEST,
    Cutout,
    Recolour,
    Strength,
    Translate,
    diff_augment,
    draw_changes,
)
from artgraph.models.training.rng import rng


def augmented(images, strength, seed):
    changes = draw_changes(len(images), images.shape[2:], rng(seed))
    return diff_augment(images, torch.tensor(strength), changes)


def always(images, seed):
    return augmented(images, 1.0, seed)


def by(kind):
    """Returns a function that changes images by a kind of change."""
    return lambda images, seed: kind.draw(len(images), images.shape[2:], rng(seed)).apply(images)


@pytest.mark.parametrize("change", [always, by(Recolour), by(Translate), by(Cutout)])
@pytest.mark.parametrize("size", [32, 64])
def test_augmentations_keep_the_shape_and_let_gradients_through(change, size):
    images = torch.rand(6, 3, size, size, generator=rng(0)).mul(2).sub(1)
    images.requires_grad_(True)
    changed = change(images, 1)
    assert changed.shape == images.shape
    assert torch.equal(changed, change(images, 1))
    assert not torch.equal(changed, images)
    changed.sum().backward()
    assert images.grad.isfinite().all()
    assert images.grad.any()


def test_recolour_keeps_grey_pictures_grey_and_cutout_cuts_a_quarter_at_most():
    grey = torch.rand(5, 1, 8, 8, generator=rng(0)).expand(-1, 3, -1, -1)
    recoloured = by(Recolour)(grey, 1)
    torch.testing.assert_close(recoloured, recoloured[:, :1].expand(-1, 3, -1, -1))
    share = (by(Cutout)(torch.ones(200, 3, 16, 16), 2) == 0).float().mean((1, 2, 3))
    assert share.max() == pytest.approx(0.25)
    assert share.min() > 0


def test_the_strength_is_how_often_a_picture_is_changed():
    images = torch.rand(400, 3, 8, 8, generator=rng(0))
    for strength, untouched in ((0.0, 1.0), (0.5, 0.5**3), (1.0, 0.0)):
        changed = augmented(images, strength, 1)
        share = (changed == images).flatten(1).all(1).float().mean()
        assert share == pytest.approx(untouched, abs=0.06)


def test_the_strength_follows_the_critics_certainty():
    strength = Strength(0.0, adaptive=True)
    for _ in range(3):
        strength.adapt(torch.tensor(0.9), 800)
    assert float(strength.value) == pytest.approx(0.3)
    strength.adapt(torch.tensor(0.2), 800)
    assert float(strength.value) == pytest.approx(0.2)
    strength.adapt(torch.tensor(1.0), 10**6)
    assert float(strength.value) == pytest.approx(STRONGEST)
    fixed = Strength(1.0, adaptive=False)
    fixed.adapt(torch.tensor(0.0), 10**6)
    assert float(fixed.value) == 1


@pytest.mark.parametrize("method", ["projected", "r3", "classic"])
def test_a_small_set_turns_augmentation_up_by_itself(method, monkeypatch):
    monkeypatch.setattr(diffaugment, "SPEED", 20)
    monkeypatch.setattr(diffaugment, "TARGET", -1.0)  # reached by the least certain of critics
    images, labels = pictures(12, 2)
    whole = train(images, labels, 2, 4, method=method)
    assert 0 < whole.curves["augment"][-1] <= STRONGEST
    shelf = Shelf()
    train(images, labels, 2, 2, shelf, method=method)
    assert_same(train(images, labels, 2, 4, shelf, method=method).state, whole.state)
    assert "augment" not in train(images, labels, 2, 1, method=method, augment="off").curves
