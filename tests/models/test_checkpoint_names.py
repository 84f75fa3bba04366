"""The names in a checkpoint: states of before resume only if these stay as they are."""

from __future__ import annotations

import pytest
import torch
from classifying import patterns
from classifying import trained as classifier
from gans import METHODS, pictures, quick, train  # noqa: F401 - fixtures
from shelf import Shelf
from vaes import discs, learned
from vaes import trained as vae

CURVES = {"curves.names", "curves.rows", "curves.step", "curves.sum"}
GAN = {"live", "average", "critic", "strength", "watch", "generator_adam", "critic_adam"}
OTHERS = {"network", "optimiser", "average"}


def names(shelf):
    """The curves' names whole, of the others what is before the first dot."""
    (state,) = shelf.states.values()
    assert state.keys() >= CURVES
    return state, {name.split(".")[0] for name in state.keys() - CURVES}


@pytest.mark.parametrize("method", METHODS)
def test_of_a_gan(method):
    shelf = Shelf()
    train(*pictures(12, 2), 2, 1, shelf, method=method)
    state, found = names(shelf)
    assert found == GAN | ({"features"} if method == "projected" else set())
    assert {"strength.value", "watch.evaluations", "critic_adam.0.exp_avg"} <= state.keys()
    live = [name for name in state if name.startswith("live.")]
    assert live
    assert all("average.network." + name.removeprefix("live.") in state for name in live)


@pytest.mark.parametrize("sharpen", ["none", "adversarial"])
def test_of_a_vae(sharpen):
    shelf = Shelf()
    vae(discs(8, 32, seed=0), steps=1, shelf=shelf, sharpen=sharpen)
    state, found = names(shelf)
    assert found == OTHERS | ({"critic", "critic_adam"} if sharpen == "adversarial" else set())
    assert {"network.latent_mean", "optimiser.0.step"} <= state.keys()


def test_of_a_prior_and_a_classifier():
    prior, cnn = Shelf(), Shelf()
    learned(torch.zeros(4, 2, 4, 4), torch.arange(4) % 2, ("a", "b"), steps=1, shelf=prior)
    classifier(*patterns(6, 16, seed=0), steps=1, shelf=cnn)
    for shelf, name in ((prior, "enter.weight"), (cnn, "stem.weight")):
        state, found = names(shelf)
        assert found == OTHERS
        assert {f"network.{name}", f"average.network.{name}"} <= state.keys()
