"""Variations of pictures by VAEs, with and without a prior."""

import pytest
import torch
from bending import run

from artgraph.contract.errors import NodeError
from artgraph.models.training.rng import rng
from artgraph.models.vae.flow import integrate
from artgraph.nodes.model_files import SHIPPED, read_model


@pytest.fixture(scope="module")
def vae():
    return read_model(SHIPPED / "vae_64.safetensors").vae


@pytest.fixture(scope="module")
def pictures():
    art = run("procedural_art", {}, count=2, size=64, seed=5)["dataset"]
    return art.images.float() / 255


def without_prior(vae):
    config = {key: value for key, value in vae.config.items() if key != "prior"}
    return type(vae)(config, {k: v for k, v in vae.state.items() if not k.startswith("prior.")})


@pytest.mark.parametrize("prior", [True, False])
def test_strength_0_is_the_reconstruction_and_more_is_farther_from_it(vae, pictures, prior):
    model = vae if prior else without_prior(vae)
    latent = run("vae_encode", {"vae": model, "image": pictures})["vae_latent"]
    plain = run("vae_decode", {"vae": model, "latent": latent})["image"]
    inputs = {"vae": model, "image": pictures}
    same = run("variation", inputs, strength=0.0, count=2)
    assert torch.equal(same["image"], plain.repeat_interleave(2, 0))
    assert torch.equal(same["latent"].z, latent.z.repeat_interleave(2, 0))
    far = []
    for strength in (0.1, 0.4, 1.0):
        varied = run("variation", inputs, strength=strength, count=2)["image"]
        far.append(float((varied - plain.repeat_interleave(2, 0)).square().mean()))
        assert not torch.equal(varied[0], varied[1])
    assert 0 < far[0] < far[1] < far[2]


def test_a_larger_count_adds_variations(vae, pictures):
    few = run("variation", {"vae": vae, "image": pictures[:1]}, count=2)["latent"].z
    more = run("variation", {"vae": vae, "image": pictures}, count=3)["latent"].z
    assert torch.allclose(more[:2], few, atol=1e-4)
    other = run("variation", {"vae": vae, "image": pictures[:1]}, count=2, seed=9)["latent"].z
    assert not torch.allclose(other, few, atol=1e-2)


def test_too_many_are_refused(vae, pictures):
    with pytest.raises(NodeError, match="too many"):
        run("variation", {"vae": vae, "image": pictures.repeat(3, 1, 1, 1)}, count=1024)


def test_a_flow_is_followed_from_any_time():
    noise, data = torch.randn(2, 5, 2, 4, 4, generator=rng(3))
    for since in (0.3, 0.9):
        start = torch.lerp(noise, data, since)
        found = integrate(lambda points, t: data - noise, start, 4, since)
        assert torch.allclose(found, data, atol=1e-5)
