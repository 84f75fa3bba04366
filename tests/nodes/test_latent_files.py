"""Latents of several levels, their noise, and latents as files."""

import json
from functools import cache

import pytest
import torch
from bending import gan, image, run
from gans import quick as quick
from safetensors.torch import save

from artgraph.contract.errors import InputError, NodeError
from artgraph.contract.values.kinds import GanLatent, VaeLatent
from artgraph.contract.values.models import Gan
from artgraph.nodes.latent_files import load_latents
from artgraph.nodes.model_files import SHIPPED, read_model, shipped_gans


def latents(model, seed=1, count=3, **widgets):
    return run("sample_latent", {"gan": model}, seed=seed, count=count, **widgets)["latent"]


def generated(model, latent):
    return run("generate", {"gan": model, "latent": latent})["image"]


def mixed(model, **given):
    return run("mix_styles", {"gan": model, **given})["gan_latent"]


@pytest.mark.parametrize("kind", ["square", "wide", "alpha", "grown"])
def test_mixed_styles_have_the_layout_of_one_and_the_surface_of_another(kind):
    model = gan("projected", kind)
    first, second = latents(model), latents(model, 2)
    both = mixed(model, coarse=first, fine=second)
    picture = generated(model, both)
    assert not torch.equal(picture, generated(model, first))
    assert not torch.equal(picture, generated(model, second))
    assert torch.equal(generated(model, mixed(model, coarse=first)), generated(model, first))
    again = mixed(model, coarse=both, middle=both, fine=first)
    assert torch.equal(generated(model, again), generated(model, first))
    one = mixed(model, coarse=first, middle=latents(model, 2, 1), fine=second)
    assert one.z.shape == both.z.shape


def test_every_level_has_the_latent_of_its_group():
    model = shipped_gans()["gan_64"]
    three = [latents(model, seed) for seed in (1, 2, 3)]
    both = mixed(model, **dict(zip(("coarse", "middle", "fine"), three, strict=True)))
    assert torch.equal(both.z, torch.cat([latent.z for latent in three], 1))
    assert torch.equal(both.classes, torch.cat([latent.classes for latent in three], 1))
    walk = run("latent_walk", {"latent": both}, frames=2)["latent"]
    assert generated(model, walk).shape == (5, 64, 64, 3)


def test_the_noise_of_a_level_comes_from_its_latent():
    model = shipped_gans()["gan_64"]
    first, plain = latents(model), generated(model, latents(model))
    for part, seen in ((slice(64, 576), False), (slice(576, None), True)):  # of levels 1 and 2
        z = first.z.clone()
        z[:, part] *= -1
        second = GanLatent(z, first.classes)
        picture = generated(model, mixed(model, coarse=first, middle=second, fine=first))
        assert torch.equal(picture, generated(model, second) if seen else plain)
        assert not torch.equal(generated(model, second), plain)


@pytest.mark.parametrize("method", ["r3", "classic"])
def test_other_methods_have_no_styles_and_no_noise(method):
    model = gan(method)
    latent = latents(model)
    with pytest.raises(NodeError, match=rf"method {method} has one style for all levels.* - use"):
        mixed(model, coarse=latent)
    with pytest.raises(NodeError, match=rf"GAN \(method {method}\) has no noise maps - use"):
        run("vary_noise", {"gan": model, "latent": latent})
    doubled = GanLatent(latent.z.repeat(1, 3), latent.classes.repeat(1, 3))
    with pytest.raises(NodeError, match="the latents are from another GAN"):
        generated(model, doubled)


def test_batches_of_different_lengths_are_not_mixed():
    model = gan("projected")
    with pytest.raises(NodeError, match=r"different lengths .*: 3 coarse, 3 middle, 2 fine - wire"):
        mixed(model, coarse=latents(model), fine=latents(model, 2, 2))


def test_noise_changes_with_strength_and_seed_and_the_style_stays():
    model = gan("projected")
    latent, style = latents(model), model.config["latent"]

    def varied(given=latent, **widgets):
        return run("vary_noise", {"gan": model, "latent": given}, **widgets)["gan_latent"]

    assert torch.equal(varied().z, latent.z)
    assert torch.equal(varied(strength=0.5).z[:, style:], latent.z[:, style:] / 2)
    new = varied(change=1.0, seed=5)
    assert torch.equal(new.z[:, :style], latent.z[:, :style])
    assert (new.z[:, style:] - latent.z[:, style:]).abs().mean() > 0.5
    assert 0.95 < varied(change=0.4, seed=5).z[:, style:].std() < 1.05
    assert torch.equal(new.z, varied(change=1.0, seed=5).z)
    assert not torch.equal(new.z, varied(change=1.0, seed=6).z)
    by_level = mixed(model, coarse=latent)
    assert torch.equal(varied(by_level, strength=0.0).z, varied(strength=0.0).z.repeat(1, 2))


@cache
def vae():
    return read_model(SHIPPED / "vae_64.safetensors").vae


def saved(model, latent, path):
    data = run("save_latents", {"model": model, "latent": latent}, name="x")["files"]
    path.write_bytes(data.files["x.safetensors"])
    return path


def test_latents_of_a_gan_come_back_from_a_file(tmp_path):
    model = gan("projected")
    for latent in (latents(model), mixed(model, coarse=latents(model), fine=latents(model, 2))):
        path = saved(model, latent, tmp_path / "some.safetensors")
        found = load_latents(gan=model, path=path)
        assert torch.equal(found.gan_latent.z, latent.z)
        assert torch.equal(found.gan_latent.classes, latent.classes)
        assert found.vae_latent is None


def test_latents_of_a_vae_come_back_from_a_file(tmp_path):
    latent = VaeLatent(torch.randn(2, *vae().latent_shape, generator=torch.manual_seed(1)))
    path = saved(vae(), latent, tmp_path / "some.safetensors")
    found = load_latents(vae=vae(), path=path)
    assert torch.equal(found.vae_latent.z, latent.z)
    assert found.gan_latent is None


def test_the_same_model_in_float16_or_bent_has_the_same_latents(tmp_path):
    model = gan("projected")
    path = saved(model, latents(model), tmp_path / "some.safetensors")
    half = tmp_path / "half.safetensors"
    files = run("save_model", {"model": model}, name="half", precision="float16")["files"]
    half.write_bytes(files.files["half.safetensors"])
    loaded = read_model(half).gan
    assert loaded.digest() != model.digest()
    bent = run("bend", {"gan": model}, strength=0.5)["gan"]
    for same in (loaded, bent):
        load_latents(gan=same, path=path)
    assert not torch.equal(image(bent), image(model))


def test_latents_of_another_model_are_refused(tmp_path):
    model, other = gan("projected"), gan("projected", seed=4)
    path = saved(model, latents(model), tmp_path / "some.safetensors")
    renamed = Gan({**model.config, "classes": ["b", "a"]}, model.state)
    for wrong in (other, renamed):
        with pytest.raises(InputError, match=r"some.safetensors contains latents of another GAN"):
            load_latents(gan=wrong, path=path)
    with pytest.raises(InputError, match=r"latents of another kind of model, not of a VAE - wire"):
        load_latents(vae=vae(), path=path)
    for both in (None, model):
        with pytest.raises(NodeError, match="wire either `gan` or `vae`"):
            load_latents(both, None if both is None else vae(), path=path)
    with pytest.raises(NodeError, match=r"not of a VAE - wire the model that draws"):
        run("save_latents", {"model": vae(), "latent": latents(model)})
    with pytest.raises(NodeError, match="the latents are from another GAN"):
        run("save_latents", {"model": gan("r3"), "latent": latents(model)})


def test_files_without_latents_are_refused(tmp_path):
    model = gan("projected")
    path = saved(model, latents(model), tmp_path / "some.safetensors")
    header = {"artgraph_latents": json.dumps({"kind": "gan", "model": model.latents_digest()})}
    z, classes = latents(model).z, latents(model).classes
    contents = {
        b"": "does not contain latents",
        b"\x89PNG\r\n\x1a\n1234567890": "does not contain latents",
        path.read_bytes()[:200]: "does not contain latents",
        save({"z": z}): "does not contain latents",
        save({"z": z}, {"artgraph_latents": "["}): "does not contain latents",
        save({"z": z}, {"artgraph_latents": "[]"}): "does not contain latents",
        save({"z": z}, header): "does not contain valid latents",
        save(
            {"z": z[:, :9].contiguous(), "classes": classes}, header
        ): "does not contain valid latents",
        save({"z": z[:2], "classes": classes}, header): "does not contain valid latents",
        save({"z": z / 0, "classes": classes}, header): "does not contain valid latents",
        save({"z": z.half(), "classes": classes}, header): "does not contain valid latents",
        save({"z": z[0], "classes": classes[0]}, header): "does not contain valid latents",
    }
    for data, message in contents.items():
        path.write_bytes(data)
        with pytest.raises(InputError, match=message):
            load_latents(gan=model, path=path)
