"""Going on from a trained GAN: other classes, a larger size."""

from __future__ import annotations

import pytest
import torch
from gans import assert_same, pictures, quick, train  # noqa: F401 - fixtures
from shelf import Shelf
from torch.nn import functional as F

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.models import Gan
from artgraph.models.blocks import blank
from artgraph.models.gan.api import GanConfig, make_generator
from artgraph.models.training.rng import rng
from artgraph.nodes.gan import train_gan


def network(config, state):
    made = blank(lambda: make_generator(config))
    prefix = "generator."
    made.load_state_dict(
        {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    )
    return made.eval()


def test_a_start_keeps_what_it_knows_and_matches_classes():
    first = train(*pictures(12, 3), 3, 2)
    images, labels = pictures(12, 3)
    names = ("class 2", "new", "class 0")
    config, state, *_ = train(images, labels, names, 1, seed=4, start=first[:2])
    assert config.classes == ("class 2", "new", "class 0")
    assert config.channels == first[0].channels
    old, new = (s["generator.embedding.weight"] for s in (first[1], state))
    for row, expected in enumerate((old[2], old.mean(0), old[0])):
        torch.testing.assert_close(new[row], expected, atol=0.01, rtol=0)
    for name in ("features.convolutions.0.weight", "features.norms.0.running_mean"):
        assert torch.equal(first[1][name], state[name])


def test_a_gan_of_an_older_version_goes_on_as_it_was_made(monkeypatch):
    default = GanConfig.default
    values = default("projected", 32, ("a",), (16, 8)).to_dict()
    older = [key for key in ("normed", "fine", "features") if values.pop(key)]
    with monkeypatch.context() as then:
        kept = {key: v for key, v in values.items() if key not in ("classes", "channels")}
        then.setattr(
            GanConfig,
            "default",
            lambda *args: GanConfig.from_dict(kept | {"classes": args[2], "channels": args[3]}),
        )
        first = train(*pictures(12, 2), 2, 1)
    config, state, *_ = train(*pictures(12, 2), 2, 1, start=first[:2])
    now = default("projected", 32, config.classes, config.channels)
    assert config == first.config
    assert all(getattr(config, key) != getattr(now, key) for key in older)
    assert state["features.convolutions.0.weight"].shape == (32, 3, 4, 4)
    assert state["critic.heads.0.body.0.weight"].shape == (96, 12, 4, 4)  # goes down at once


@pytest.mark.parametrize("size", [64, 128])
def test_a_larger_size_begins_with_the_enlarged_picture(size):
    small = train(*pictures(12, 3), 3, 2)
    config = small.config.enlarged(size)
    assert (config.size, config.grown, config.base_edge) == (size, size // 64, 32)
    assert GanConfig.from_dict(config.to_dict()) == config
    large = train(*pictures(12, 3, size), 3, 1, start=small[:2], rate=1e-6)
    assert large.config == config
    z = torch.randn(4, config.latent_dim, generator=rng(1))
    with torch.no_grad():
        weights = torch.eye(3)[[0, 1, 2, 0]]
        expected = network(small.config, small.state)(z, weights).atanh()
        drawn = network(large.config, large.state)(z, weights)
    while expected.shape[2] < size:
        expected = F.interpolate(expected, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(drawn, expected.tanh(), atol=1e-3, rtol=0)


def test_a_grown_gan_trains_and_grows_again_and_goes_on_to_the_same_bits():
    first = train(*pictures(12, 2), 2, 1)
    second = train(*pictures(12, 2, 64), 2, 3, start=first[:2])
    shelf = Shelf()
    train(*pictures(12, 2, 64), 2, 1, shelf, start=first[:2])
    again = train(*pictures(12, 2, 64), 2, 3, shelf, start=first[:2])
    assert_same(again.state, second.state)
    assert second.state["generator.details.0.pixels.weight"].any()
    third = train(*pictures(12, 2, 128), 3, 1, start=second[:2])
    assert third.config.grown == 2
    assert third.state["critic.heads.4.embedding.weight"].shape[0] == 3
    assert all(torch.isfinite(value).all() for value in third.state.values())


def test_a_start_that_does_not_fit_is_reported():
    first = train(*pictures(8, 2, 64), 2, 1)
    with pytest.raises(ValueError, match="draws 64 px, but the pictures are only 32 px"):
        train(*pictures(8, 2), 2, 1, start=first[:2])
    plain = train(*pictures(8, 2), 2, 1, method="r3")
    with pytest.raises(ValueError, match="r3 can only draw 32 px, not 64 px"):
        train(*pictures(8, 2, 64), 2, 1, start=plain[:2])
    broken = {k: v for k, v in first.state.items() if "heads.1" not in k}
    with pytest.raises(ValueError, match=r"no weight critic\.heads\.1"):
        train(*pictures(8, 2, 64), 2, 1, start=(first.config, broken))


def test_pictures_smaller_than_those_of_the_start_are_loaded_larger():
    config = GanConfig.default("projected", 64, ("a",))
    images, labels = pictures(4, 1)
    dataset = Dataset(images, labels, ("a",), tuple("wxyz"))
    with pytest.raises(NodeError, match="only 32 px - load them with size: 64"):
        train_gan(dataset, start=Gan(config.to_dict(), {}), ctx=Context.quiet())


@pytest.mark.parametrize(
    "change", [{"grown": 1}, {"grown": -1}, {"grown": 9}, {"size": 64, "grown": 2}, {"grown": True}]
)
def test_a_grown_config_is_checked(change):
    good = GanConfig.default("projected", 32, ("a",)).to_dict()
    with pytest.raises(ValueError, match=r"\A[^\n]{10,300}\Z"):
        GanConfig.from_dict(good | change)
