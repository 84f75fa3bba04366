"""Choosing pictures by number, and breeding latents of GANs of all methods and of VAEs."""

import numpy as np
import pytest
import torch
from bending import gan, run
from gans import METHODS
from gans import quick as quick

from artgraph.contract.errors import NodeError
from artgraph.contract.values.kinds import GanLatent, VaeLatent
from artgraph.models.gan.api import GanConfig
from artgraph.nodes.model_files import SHIPPED, read_model, shipped_gans


def shipped_vae():
    return read_model(SHIPPED / "vae_64.safetensors").vae


def sampled(model, count=8, seed=1):
    drawn = run("sample_latent", {"gan": model}, seed=seed, count=count)
    return drawn["latent"], drawn["image"]


def chosen(image, latent=None, **widgets):
    given = {"image": image} | ({} if latent is None else {"latent": latent})
    return run("choose", given, **widgets)


def bred(model, latent, **widgets):
    return run("breed", {"model": model, "latent": latent}, **widgets)


def test_the_chosen_pictures_come_with_their_latents():
    latent, image = sampled(gan("projected"))
    found = chosen(image, latent, cells="7, 2-3")
    assert torch.equal(found["image"], image[[1, 2, 6]])
    assert torch.equal(found["latent"].z, latent.z[[1, 2, 6]])
    assert torch.equal(found["latent"].classes, latent.classes[[1, 2, 6]])
    pictures = chosen(image, cells="all")
    assert torch.equal(pictures["image"], image)
    assert pictures["latent"] is None
    vae_latent = VaeLatent(torch.randn(8, 2, 1, 1))
    assert torch.equal(chosen(image, vae_latent, cells="8")["latent"].z, vae_latent.z[7:])


def test_before_the_first_choice_the_first_pictures_go_on_with_a_message():
    latent, image = sampled(gan("projected"))
    said = []
    found = run("choose", {"image": image, "latent": latent}, warn=said)
    assert torch.equal(found["image"], image[:4])
    assert torch.equal(found["latent"].z, latent.z[:4])
    assert said == [
        "no picture is chosen yet, so the first 4 are used - click on pictures, or set `cells`"
    ]
    assert len(chosen(image[:2])["image"]) == 2


def test_the_sheet_shows_numbers_and_frames_the_chosen():
    _, image = sampled(gan("projected"), 6)
    plain = chosen(image, columns=3)["sheet"]
    framed = chosen(image, columns=3, cells="2")["sheet"]
    assert plain.shape == framed.shape
    rows, columns = np.nonzero((plain != framed).any(-1)[0].numpy())
    height, width = plain.shape[1:3]
    assert rows.max() < height * 0.55
    assert width * 0.3 < columns.min()
    assert columns.max() < width * 0.7
    clear = torch.cat([image, torch.zeros(*image.shape[:3], 1)], 3)
    assert chosen(clear, cells="1")["image"].shape[3] == 4
    assert chosen(clear)["sheet"].shape[3] == 3


def test_latents_of_other_pictures_and_numbers_of_none_are_one_line():
    latent, image = sampled(gan("projected"))
    with pytest.raises(NodeError, match=r"`image` has 5 pictures, but `latent` has 8 .* - wire"):
        chosen(image[:5], latent)
    with pytest.raises(NodeError, match="`cells` names picture 9, but there are only 8 pictures"):
        chosen(image, latent, cells="1, 9")


@pytest.mark.parametrize("method", METHODS)
def test_one_parent_without_mutation_is_bred_to_the_bit(method):
    model = gan(method)
    latent, image = sampled(model)
    parent = chosen(image, latent, cells="3")["latent"]
    for keep in (True, False):
        family = bred(model, parent, count=8, strength=0.0, keep_parents=keep)
        assert torch.equal(family["latent"].z, latent.z[2:3].expand(8 + keep, -1))
        assert torch.equal(family["latent"].classes, latent.classes[2:3].expand(8 + keep, -1))
        pictures = run("generate", {"gan": model, "latent": family["latent"]})["image"]
        assert torch.equal(family["image"], pictures)
        assert torch.allclose(pictures, image[2:3].expand_as(pictures), atol=1e-4)


@pytest.mark.parametrize("kind", ["square", "wide", "alpha", "grown"])
def test_a_child_has_levels_of_both_parents(kind):
    model = gan("projected", kind)
    latent, image = sampled(model)
    family = bred(model, latent, count=16, strength=0.0)
    levels = len(GanConfig.from_dict(model.config).channels)
    z = family["latent"].z.view(24, levels, -1)
    assert torch.equal(z[:8], latent.z[:, None].expand(-1, levels, -1))
    assert torch.allclose(family["image"][:8], image, atol=1e-4)  # drawn in another batch
    for number, child in enumerate(z[8:]):
        owners = [[row for row in range(8) if torch.equal(latent.z[row], level)] for level in child]
        assert all(len(found) == 1 for found in owners)
        parents = {found[0] for found in owners}
        assert len(parents) == 2
        assert number % 8 in parents
    again = bred(model, family["latent"], count=2)  # latents of levels are crossed again
    assert again["latent"].z.shape == (26, latent.z.shape[1] * levels)


@pytest.mark.parametrize("method", ["r3", "classic"])
def test_a_gan_without_levels_blends(method):
    model = gan(method)
    latent, _ = sampled(model, 2)
    family = bred(model, latent, count=4, strength=0.0)["latent"]
    assert family.z.shape == (6, latent.z.shape[1])
    distances = torch.cdist(family.z[2:], latent.z)
    assert (distances < torch.dist(*latent.z)).all()
    assert (distances > 0).all()
    assert torch.equal(
        family.z, bred(model, latent, count=4, strength=0.0, crossing="blend")["latent"].z
    )
    alone = bred(model, latent, count=4, strength=0.0, crossing="none")["latent"]
    assert torch.equal(alone.z, latent.z.repeat(3, 1))


def test_a_larger_count_adds_children_and_mutation_grows_with_its_strength():
    model = gan("projected")
    latent, _ = sampled(model, 3)
    few = bred(model, latent, count=2, seed=5)["latent"]
    many = bred(model, latent, count=6, seed=5)["latent"]
    assert torch.equal(many.z[:5], few.z)
    assert not torch.equal(bred(model, latent, count=2, seed=6)["latent"].z, few.z)
    changes = []
    for strength in (0.05, 0.2, 0.6, 1.0):
        child = bred(model, latent, count=3, crossing="none", strength=strength, seed=2)["latent"]
        changes.append(float(torch.dist(child.z[3:], child.z[:3])))
        sizes = child.z.square().mean(1).sqrt()
        assert torch.allclose(sizes[3:], sizes[:3], rtol=0.15)
    assert changes == sorted(changes)
    other = GanLatent(latent.z.flip(0), latent.classes)
    one, two = (
        bred(model, part, count=3, crossing="none", strength=1.0, keep_parents=False, seed=2)
        for part in (latent, other)
    )
    ratio = one["latent"].z / two["latent"].z  # nothing but its size is inherited
    config = GanConfig.from_dict(model.config)
    assert torch.allclose(ratio[:, : config.latent], ratio[:, :1], rtol=1e-3)


def test_latents_of_a_vae_are_bred_too():
    vae = shipped_vae()
    latent = VaeLatent(
        torch.randn(3, *vae.latent_shape, generator=torch.Generator().manual_seed(1))
    )
    family = bred(vae, latent, count=4, strength=0.3)
    assert torch.equal(family["latent"].z[:3], latent.z)
    assert family["image"].shape[0] == 7
    assert not torch.equal(family["latent"].z[3], latent.z[0])
    same = bred(vae, VaeLatent(latent.z[:1]), count=2, strength=0.0, keep_parents=False)
    assert torch.equal(same["latent"].z, latent.z[:1].expand(2, -1, -1, -1))


def test_latents_of_another_model_are_refused():
    latent, _ = sampled(gan("projected"))
    with pytest.raises(NodeError, match=r"the latents are from another GAN - wire latents"):
        bred(shipped_gans()["gan_64"], latent)
    with pytest.raises(NodeError, match=r"these latents are not of a VAE - wire the model"):
        bred(shipped_vae(), latent)
