"""The prior over a VAE's latents: it learns what there is, resumes, and draws by number."""

from __future__ import annotations

import json

import pytest
import torch
from shelf import PLAIN, Shelf
from vaes import Unchanged, discs, learned

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.values.models import Vae
from artgraph.models.blocks import blank, initialise
from artgraph.models.training.rng import rng
from artgraph.models.vae.api import VaeConfig, make_vae
from artgraph.models.vae.flow import integrate, interpolate, sample_times
from artgraph.models.vae.prior import (
    encode_all,
    make_prior,
    sample_prior,
)
from artgraph.models.vae.prior_network import PriorConfig
from artgraph.nodes import prior as nodes
from artgraph.nodes.data import Dataset
from artgraph.nodes.vae import train_vae

pytestmark = pytest.mark.usefixtures("one_thread")


def network_of(config, state, channels):
    network = blank(lambda: make_prior(channels, config))
    network.load_state_dict(state)
    return network


def test_a_straight_flow_is_followed_exactly():
    random = rng(3)
    noise, data = torch.randn(2, 5, 2, 4, 4, generator=random)
    assert torch.allclose(integrate(lambda points, t: data - noise, noise, 4), data, atol=1e-5)
    assert torch.equal(interpolate(noise, data, torch.zeros(5)), noise)
    assert torch.equal(interpolate(noise, data, torch.ones(5)), data)
    drawn = sample_times(1000, random)
    assert 0 < drawn.min() < 0.05
    assert 0.95 < drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 0.01


@pytest.mark.parametrize("shape", [(2, 4, 4), (6, 1, 1)])
def test_learns_what_each_class_looks_like(shape):
    """Two classes: +1 with little spread, and -1; the middle, where N(0, 1) lies, is empty."""
    random = rng(0)
    labels = torch.arange(256) % 2
    centres = (1 - 2 * labels.float()).view(-1, 1, 1, 1)
    latents = centres + 0.1 * torch.randn(256, *shape, generator=random)
    config, state, curves, _ = learned(latents, labels, ("plus", "minus"), steps=250)
    prior = network_of(config, state, shape[0])
    noise = torch.randn(40, *shape, generator=random)
    classes = torch.eye(2)[torch.arange(40) % 2]
    drawn = sample_prior(Unchanged(), prior, noise, classes, guidance=1.5, numerics=PLAIN)
    means = drawn.mean((1, 2, 3))
    assert (means * centres[:40].flatten() > 0.7).all()
    assert drawn.std((1, 2, 3)).mean() < 0.4
    assert curves["loss"][-1] < 0.5 * curves["loss"][0]


def test_resumes_bit_for_bit():
    random = rng(5)
    latents, labels = torch.randn(20, 3, 4, 4, generator=random), torch.arange(20) % 3
    before, shelf = latents.clone(), Shelf()
    learned(latents, labels, ("a", "b", "c"), shelf=shelf)
    _, resumed, curves, _ = learned(latents, labels, ("a", "b", "c"), steps=7, shelf=shelf)
    _, straight, expected, _ = learned(latents, labels, ("a", "b", "c"), steps=7)
    assert curves == expected
    assert all(torch.equal(resumed[key], straight[key]) for key in straight)
    assert torch.equal(latents, before)


@pytest.mark.parametrize("side", [1, 4, 5, 8, 17, 33, 64])
def test_latents_of_any_size(side):
    latents, labels = torch.randn(2, 4, side, side, generator=rng(1)), torch.zeros(2).long()
    config, state, *_ = learned(latents, labels, ("a",), steps=1, batch=2)
    prior = network_of(config, state, 4)
    weights = torch.ones(2, 1)
    drawn = sample_prior(
        Unchanged(), prior, latents, weights, evaluations=2, guidance=2.0, numerics=PLAIN
    )
    assert drawn.shape == latents.shape
    assert drawn.isfinite().all()


@pytest.mark.gpu
def test_a_gpu_draws_many_latents_at_a_time(cuda):
    prior = blank(lambda: make_prior(2, PriorConfig(("a",), 32, 1)))
    initialise(prior, rng(1))
    sizes = []
    prior.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    noise, classes = torch.randn(20, 2, 4, 4, generator=rng(2)), torch.ones(20, 1)
    drawn = sample_prior(Unchanged(), prior, noise, classes, evaluations=2, numerics=cuda)
    assert drawn.shape == noise.shape
    assert sizes == [256, 256]
    again = sample_prior(Unchanged(), prior, noise[:3], classes[:3], evaluations=2, numerics=cuda)
    assert torch.equal(again, drawn[:3])


def test_goes_on_from_a_prior_with_other_classes():
    latents, labels = torch.randn(8, 2, 4, 4, generator=rng(1)), torch.arange(8) % 2
    old = learned(latents, labels, ("a", "b"))[:2]
    config, state, *_ = learned(latents, labels, ("b", "c"), steps=0, start=old)
    assert config.classes == ("b", "c")
    assert torch.equal(state["classes"][0], old[1]["classes"][1])
    assert torch.equal(state["classes"][1], old[1]["classes"].mean(0))
    assert torch.equal(state["enter.weight"], old[1]["enter.weight"])
    large = torch.zeros(2, 2, 20, 20)
    with pytest.raises(ValueError, match="larger or smaller"):
        learned(large, torch.zeros(2).long(), ("a",), start=old)


@pytest.fixture(scope="module")
def art():
    images = discs(24, 32, seed=4)
    labels = torch.arange(24) % 2
    return Dataset(images, labels, ("round", "rounder"), tuple(f"{i}.png" for i in range(24)))


@pytest.fixture(scope="module")
def plain(art):
    return train_vae(art, steps=2, batch=8, ctx=Context.quiet()).vae


@pytest.fixture(scope="module")
def both(art, plain):
    return nodes.train_prior(plain, art, steps=2, batch=8, ctx=Context.quiet()).vae


def test_a_sample_depends_on_seed_and_number_alone(both):
    few = nodes.vae_sample(both, count=3, seed=7, ctx=Context.quiet())
    many = nodes.vae_sample(both, count=11, seed=7, ctx=Context.quiet())
    other = nodes.vae_sample(both, count=3, seed=8, ctx=Context.quiet())
    assert torch.equal(few.latent.z, many.latent.z[:3])
    assert torch.equal(few.image, many.image[:3])
    assert not torch.equal(few.latent.z, other.latent.z)
    assert few.image.shape == (3, 32, 32, 3)


def test_styles_of_samples(both):
    def drawn(style):
        return nodes.vae_sample(both, count=2, style=style, ctx=Context.quiet()).latent.z

    each, first, mixed = drawn("each"), drawn("round"), drawn("mixed")
    assert torch.equal(each[0], first[0])
    assert not torch.equal(each[1], first[1])
    assert not torch.equal(mixed, each)
    with pytest.raises(NodeError, match="did you mean 'round'"):
        drawn("rond")


def test_one_file_holds_both(art, plain, both):
    assert both.classes == art.classes
    assert plain.classes == ()
    assert json.loads(json.dumps(both.config))["prior"]["classes"] == list(art.classes)
    assert all(torch.equal(both.state[key], value) for key, value in plain.state.items())
    again = nodes.train_prior(both, art, start=both, steps=0, ctx=Context.quiet()).vae
    assert torch.equal(again.state["prior.classes"], both.state["prior.classes"])


def test_a_start_matches_classes_in_another_form_of_accents(both):
    composed, decomposed = "m\u00fcll", "mu\u0308ll"
    prior = {**both.config["prior"], "classes": ("round", decomposed)}
    old = nodes.Vae({**both.config, "prior": prior}, both.state)
    assert nodes._prior_of(old, both, ("round", composed))[0].classes == ("round", composed)


def test_mirrored_pictures_are_learned_too(art, plain):
    network = plain.network()
    both_ways = encode_all(network, art.images, True, PLAIN, silent_progress)
    one_way = encode_all(network, art.images, False, PLAIN, silent_progress)
    mirrored = encode_all(network, art.images.flip(2), False, PLAIN, silent_progress)
    assert torch.equal(both_ways, torch.cat([one_way, mirrored]))


def silent_progress(done, total, preview=None):
    assert done <= total


def test_what_cannot_be(art, plain, both):
    with pytest.raises(NodeError, match="no prior to draw"):
        nodes.vae_sample(plain, ctx=Context.quiet())
    with pytest.raises(NodeError, match="without a prior"):
        nodes.train_prior(plain, art, plain, steps=1, ctx=Context.quiet())
    large = Dataset(torch.zeros(2, 64, 64, 3).byte(), torch.zeros(2).long(), ("a",), ("x", "y"))
    with pytest.raises(NodeError, match="64 px"):
        nodes.train_prior(plain, large, steps=1, ctx=Context.quiet())
    broken = Vae(both.config, {k: v for k, v in both.state.items() if k != "prior.enter.weight"})
    with pytest.raises(RuntimeError, match=r"enter\.weight"):
        broken.check()


@pytest.mark.parametrize(
    "change",
    [
        {"width": 10**6},
        {"width": 33},
        {"depth": 10**9},
        {"depth": "6"},
        {"patch": 0},
        {"classes": []},
        {"classes": ["a", "a"]},
        {"classes": "abc"},
        {"classes": [1]},
        {"extra": 1},
    ],
)
def test_hostile_settings_are_refused_in_one_line(change):
    good = {"classes": ["a", "b"], "width": 64, "depth": 2, "patch": 1}
    vae = {"method": "residual", "size": 64, "channels": 8}
    assert VaeConfig.from_dict(vae | {"prior": good}).prior == PriorConfig(("a", "b"), 64, 2)
    for prior in (good | change, 5, ["a"]):
        with pytest.raises(ValueError, match=r"^[^\n]{1,300}$"):
            VaeConfig.from_dict(vae | {"prior": prior})


def test_a_vae_with_config_of_old_has_no_prior():
    config = VaeConfig.from_dict({"method": "residual", "size": 32, "channels": 4, "width": 16})
    assert config.prior is None
    assert make_vae(config) is not None
