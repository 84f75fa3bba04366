"""GANs whose batches of large pictures go through in parts."""

from __future__ import annotations

import pytest
import torch
from gans import METHODS, assert_same, pictures, quick, train  # noqa: F401 - fixtures
from shelf import Shelf

from artgraph.models.gan import projected_features as gan_features
from artgraph.models.gan.api import GanConfig
from artgraph.models.gan.augment import Augmentation
from artgraph.models.training import sampler


@pytest.fixture
def in_parts(monkeypatch):
    """A function that lets no more than `most` pictures of 32 px be seen at once."""
    return lambda most: monkeypatch.setattr(sampler, "PIXELS_AT_ONCE", most * 32**2)


@pytest.mark.parametrize("method", ["projected", "r3"])  # the classic's norms see the batch
def test_parts_learn_as_the_whole_does(method, in_parts, monkeypatch):
    monkeypatch.setattr(gan_features, "BATCH", 4)  # the same features for both
    images, labels = pictures(20, 2)
    whole = train(images, labels, 2, 2, method=method, batch=16)
    in_parts(4)
    parts = train(images, labels, 2, 2, method=method, batch=16)
    assert parts.curves.keys() == whole.curves.keys()
    for name, values in whole.curves.items():
        assert parts.curves[name] == pytest.approx(values, rel=1e-3, abs=1e-5), name
    for name, value in whole.state.items():
        torch.testing.assert_close(parts.state[name], value, rtol=0, atol=2e-4, msg=name)


@pytest.mark.parametrize("method", METHODS)
def test_parts_go_on_bit_for_bit(method, in_parts):
    in_parts(8)
    images, labels = pictures(20, 2)
    shelf = Shelf()
    train(images, labels, 2, 2, shelf, method=method, batch=16, augment="on")
    again = train(images, labels, 2, 4, shelf, method=method, batch=16, augment="on")
    straight = train(images, labels, 2, 4, method=method, batch=16, augment="on")
    assert_same(again.state, straight.state)
    assert again.curves == straight.curves


@pytest.mark.parametrize("method", METHODS)
def test_no_more_pictures_are_seen_at_once(method, in_parts, monkeypatch):
    in_parts(4)
    seen = []
    plain = Augmentation.__call__

    def watched(self, images, *counters):
        seen.append(len(images))
        return plain(self, images, *counters)

    monkeypatch.setattr(Augmentation, "__call__", watched)
    trained = train(*pictures(20, 2), 2, 1, method=method, batch=12)
    assert set(seen) == {4}
    assert trained.config == GanConfig.from_dict(trained.config.to_dict())
