"""The VAEs: they reconstruct, resume, and refuse nonsense."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from shelf import PLAIN, Shelf
from vaes import discs, trained

from artgraph.models.blocks import blank, initialise
from artgraph.models.training.rng import rng
from artgraph.models.vae.api import VaeConfig, decode, encode, make_vae

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("method", ["residual", "classic"])
def test_reconstructs_far_better_than_the_mean_picture(method):
    images, unseen = discs(128, 32, seed=0), discs(32, 32, seed=9)
    config, state, curves, _ = trained(images, method=method, steps=80)
    network = blank(lambda: make_vae(config))
    network.load_state_dict(state)
    with torch.inference_mode():
        latents = encode(network, unseen, PLAIN, batch=20)
        again = decode(network, latents, PLAIN, batch=20)
    truth = unseen.float() / 255
    assert torch.allclose(latents, encode(network, truth, PLAIN), atol=1e-4)
    assert again.shape == truth.shape
    assert again.dtype == latents.dtype == torch.float32
    assert again.min() >= 0
    assert again.max() <= 1
    baseline = (truth - images.float().mean(0) / 255).square().mean()
    assert (again - truth).square().mean() < 0.35 * baseline
    assert curves["error"][-1] < curves["error"][0]


@pytest.mark.parametrize("method", ["residual", "classic"])
def test_latents_have_mean_zero_and_variance_one(method):
    images = discs(64, 32, seed=3)
    config, state, *_ = trained(images, method=method, steps=10)
    network = blank(lambda: make_vae(config))
    network.load_state_dict(state)
    latents = encode(network, images, PLAIN)
    assert latents.shape == (64, *((16, 4, 4) if method == "residual" else (32, 1, 1)))
    std, mean = torch.std_mean(latents, (0, 2, 3), correction=0)
    assert torch.allclose(mean, torch.zeros_like(mean), atol=1e-3)
    assert torch.allclose(std, torch.ones_like(std), atol=1e-3)


@pytest.mark.parametrize("method", ["residual", "classic"])
def test_resumes_bit_for_bit_and_leaves_its_surroundings_alone(method):
    images = discs(20, 32, seed=2)
    before, random = images.clone(), torch.get_rng_state()
    shelf = Shelf()
    trained(images, method=method, steps=3, shelf=shelf)
    _, resumed, curves, _ = trained(images, method=method, steps=8, shelf=shelf)
    _, straight, expected, _ = trained(images, method=method, steps=8)
    assert curves == expected
    assert all(torch.equal(resumed[key], straight[key]) for key in straight)
    assert all(value.is_contiguous() for value in straight.values())
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (40, 72), (512, 256)])
def test_the_residual_vae_takes_any_multiple_of_8(height, width):
    network = blank(lambda: make_vae(VaeConfig("residual", 64, 4, width=16)))
    initialise(network, rng(0))
    images = torch.rand(1, height, width, 3, generator=rng(1))
    latents = encode(network, images, PLAIN)
    assert latents.shape == (1, 4, height // 8, width // 8)
    assert decode(network, latents, PLAIN).shape == images.shape


def test_sizes_that_do_not_fit():
    residual = blank(lambda: make_vae(VaeConfig("residual", 64, 4, width=16)))
    classic = blank(lambda: make_vae(VaeConfig("classic", 32, 4)))
    with pytest.raises(ValueError, match="multiples of 8"):
        encode(residual, torch.zeros(1, 36, 32, 3), PLAIN)
    with pytest.raises(ValueError, match="32 x 32"):
        encode(classic, torch.zeros(1, 40, 40, 3), PLAIN)
    with pytest.raises(ValueError, match="too narrow"):
        trained(torch.zeros(4, 32, 136, 3, dtype=torch.uint8))
    with pytest.raises(ValueError, match="multiples of 8"):
        trained(torch.zeros(4, 32, 36, 3, dtype=torch.uint8))


def test_config_survives_json():
    config = VaeConfig("residual", 64, 8, width=32)
    assert VaeConfig.from_dict(json.loads(json.dumps(dataclasses.asdict(config)))) == config


@pytest.mark.parametrize(
    "change",
    [
        {"size": 8},
        {"size": 60},
        {"size": 10**9},
        {"size": "64"},
        {"size": True},
        {"width": 10**6},
        {"width": 33},
        {"channels": 10**6},
        {"channels": [8]},
        {"method": "huge"},
        {"method": {}},
        {"method": "classic", "size": 512},
        {"extra": 1},
    ],
)
def test_config_refuses_nonsense_in_one_line(change):
    good = {"method": "residual", "size": 64, "channels": 8, "width": 32}
    with pytest.raises(ValueError, match=r"^[^\n]{1,300}$"):
        VaeConfig.from_dict(good | change)
