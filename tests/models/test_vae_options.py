"""The VAE's options: quantised latents, sharpening, going on from another, and the report."""

from __future__ import annotations

import math

import pytest
import torch
from shelf import PLAIN, Shelf
from vaes import discs, trained

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.kinds import VaeLatent
from artgraph.models.blocks import blank
from artgraph.models.classifier.networks import Features, ResidualNet
from artgraph.models.training.rng import rng
from artgraph.models.vae.api import VaeConfig, decode, encode, make_vae
from artgraph.models.vae.fsq import codes, nearest, quantise
from artgraph.models.vae.metrics import absolute_error, gradient_energy, psnr, ssim
from artgraph.models.vae.report import share_of_codes
from artgraph.nodes import vae as nodes

pytestmark = pytest.mark.usefixtures("one_thread")
LEVELS = (8, 5, 4, 3)


def features():
    """Maps of a network that knows nothing yet."""
    from artgraph.models.blocks import initialise

    net = blank(lambda: ResidualNet(32, 8, 2))
    initialise(net, rng(4))
    return Features(net).eval().requires_grad_(False)


def network_of(config, state):
    network = blank(lambda: make_vae(config))
    network.load_state_dict({k: v for k, v in state.items() if not k.startswith("prior.")})
    return network


def test_quantised_values_are_the_levels_and_all_are_reached():
    z = torch.linspace(-6, 6, 997).view(1, 1, 1, -1).expand(1, 8, 1, -1)
    values = quantise(z, LEVELS)
    assert [len(row.unique()) for row in values[0, :, 0]] == [8, 5, 4, 3] * 2
    assert values.abs().max() <= 1
    assert (values.diff(dim=3) >= 0).all()
    assert torch.equal(nearest(values, LEVELS), values)
    assert torch.equal(nearest(values + 0.05, LEVELS), values)


def test_codes_number_each_combination_once():
    eight, five = torch.arange(-4, 4) / 4, torch.arange(-2, 3) / 2
    four, three = torch.arange(-2, 2) / 2, torch.arange(-1.0, 2)
    every = torch.cartesian_prod(eight, five, four, three)
    numbers = codes(every.T[None, :, None], LEVELS)
    assert numbers.shape == (1, 1, 1, 480)
    assert sorted(numbers.flatten().tolist()) == list(range(480))
    assert share_of_codes(numbers, LEVELS) == 1
    assert share_of_codes(numbers[..., :120], LEVELS) == 0.25


def test_gradients_pass_the_rounding():
    z = torch.zeros(1, 4, 1, 1, requires_grad=True)
    quantise(z, LEVELS).sum().backward()
    assert (z.grad > 0.1).all()


def test_a_quantised_vae_gives_codes_and_reconstructs():
    images, unseen = discs(128, 32, seed=0), discs(16, 32, seed=9)
    config, state, curves, _ = trained(images, quantiser="fsq", steps=60)
    network = network_of(config, state)
    latents = encode(network, unseen, PLAIN)
    assert torch.allclose(network.requantised(latents), latents, atol=1e-6)
    assert not torch.allclose(network.requantised(latents + 0.3), latents + 0.3, atol=0.05)
    assert all(len(latents[:, channel].unique()) <= 8 for channel in range(32))
    assert curves["divergence"][-1] == 0
    truth = unseen.float() / 255
    error = (decode(network, latents, PLAIN) - truth).square().mean()
    baseline = (truth - images.float().mean(0) / 255).square().mean()
    assert error < 0.35 * baseline


@pytest.mark.parametrize(
    "settings",
    [{"quantiser": "fsq"}, {"sharpen": "adversarial"}, {"sharpen": "features"}],
    ids=lambda settings: "-".join(settings.values()),
)
def test_resumes_bit_for_bit(settings, monkeypatch):
    monkeypatch.setattr("artgraph.models.vae.sharpen.PATIENCE", 1)
    settings = {**settings, "features": features()}
    images, shelf = discs(20, 32, seed=2), Shelf()
    trained(images, steps=3, shelf=shelf, **settings)
    _, resumed, curves, _ = trained(images, steps=6, shelf=shelf, **settings)
    _, straight, expected, _ = trained(images, steps=6, **settings)
    assert curves == expected
    assert all(torch.equal(resumed[key], straight[key]) for key in straight)
    if "sharpen" in settings:
        plain = trained(images, steps=6)[1]
        assert not torch.equal(plain["finish.0.weight"], straight["finish.0.weight"])


@pytest.mark.parametrize("sharpen", ["none", "adversarial"])
def test_a_batch_in_parts_trains_alike(sharpen, monkeypatch):
    """A step of 7 pictures, whole and as 3, 3 and 1: the same but for rounding."""
    images = discs(7, 32, seed=2)
    whole, curves = trained(images, steps=1, batch=7, sharpen=sharpen)[1:3]
    monkeypatch.setattr("artgraph.models.training.sampler.PIXELS_AT_ONCE", 3 * 32 * 32)
    parts, expected = trained(images, steps=1, batch=7, sharpen=sharpen)[1:3]
    assert curves["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    changed = whole["linear_decoder.weight"]
    assert torch.allclose(changed, parts["linear_decoder.weight"], atol=1e-4)
    assert not torch.equal(changed, trained(images, steps=0)[1]["linear_decoder.weight"])


def test_goes_on_in_another_size_and_loses_the_prior():
    config, state, *_ = trained(discs(8, 32, seed=1), steps=2, channels=8)
    state = {**state, "prior.x": torch.zeros(1)}
    larger, same, *_ = trained(discs(8, 64, seed=2), start=(config, state), steps=0)
    assert (larger.size, larger.channels, larger.prior) == (64, 8, None)
    assert "prior.x" not in same
    assert torch.equal(same["decoder.0.weight"], state["decoder.0.weight"])
    changed = trained(discs(8, 64, seed=2), start=(config, state), steps=1)[1]
    assert not torch.equal(changed["encoder.1.weight"], state["encoder.1.weight"])


def test_kept_latents_stay_with_their_prior():
    images = discs(8, 32, seed=1)
    config, state, *_ = trained(images, steps=2)
    state = {**state, "prior.x": torch.ones(1)}
    other, changed, *_ = trained(
        discs(8, 32, seed=5), start=(config, state), keep_latents=True, steps=3
    )
    assert other == config
    assert torch.equal(changed["prior.x"], state["prior.x"])
    assert not torch.equal(changed["decoder.0.weight"], state["decoder.0.weight"])
    before, after = (encode(network_of(config, s), images, PLAIN) for s in (state, changed))
    assert torch.equal(before, after)


def test_settings_that_do_not_go_together():
    images = discs(4, 32, seed=1)
    classic = trained(images, method="classic", steps=0)[:2]
    with pytest.raises(ValueError, match="without a VAE to start from"):
        trained(images, keep_latents=True)
    with pytest.raises(ValueError, match="multiple of 4"):
        trained(images, quantiser="fsq", channels=6)
    with pytest.raises(ValueError, match="no quantised latents"):
        trained(images, method="classic", quantiser="fsq")
    with pytest.raises(ValueError, match="classifier"):
        trained(images, sharpen="features")
    with pytest.raises(ValueError, match="not available for the classic VAE"):
        trained(images, method="classic", sharpen="adversarial")
    with pytest.raises(ValueError, match="pictures of 32 px, not 64 px"):
        trained(discs(4, 64, seed=1), start=classic)


@pytest.mark.parametrize(
    "levels", [[2, 8], [65, 8], ["8"], [True], [8, 8, 8, 8, 8, 8], 8, [8, 5, 5], {"a": 1}]
)
def test_hostile_levels_are_refused_in_one_line(levels):
    good = {"method": "residual", "size": 64, "channels": 8, "levels": [8, 5]}
    assert VaeConfig.from_dict(good).levels == (8, 5)
    with pytest.raises(ValueError, match=r"^[^\n]{1,300}$"):
        VaeConfig.from_dict(good | {"levels": levels})


def test_metrics_by_hand():
    black = torch.zeros(2, 16, 16, 3)
    grey = black + torch.tensor([0.1, 0.5]).view(2, 1, 1, 1)
    assert psnr(grey, black).tolist() == pytest.approx([20, -20 * math.log10(0.5)])
    assert psnr(black, black).tolist() == [100, 100]
    assert absolute_error(grey, black).tolist() == pytest.approx([0.1, 0.5])
    # Flat pictures have no spread, so that the means alone decide.
    by_mean = [1e-4 / (level**2 + 1e-4) for level in (0.1, 0.5)]
    assert ssim(grey, black).tolist() == pytest.approx(by_mean, rel=1e-3)
    noise = torch.rand(2, 16, 16, 3, generator=rng(1))
    assert ssim(noise, noise).tolist() == pytest.approx([1, 1])
    stripes = black.clone()
    stripes[:, :, ::2] = 1
    assert gradient_energy(stripes).tolist() == [1, 1]
    assert gradient_energy(grey).tolist() == [0, 0]


def test_the_report_is_of_what_the_nodes_give():
    images, labels = discs(6, 32, seed=3), torch.tensor([0, 0, 2, 2, 2, 0])
    art = Dataset(images, labels, ("a", "empty", "c"), tuple("uvwxyz"))
    ctx = Context.quiet()
    vae = nodes.train_vae(art, quantiser="fsq", steps=2, batch=4, ctx=ctx).vae
    table = nodes.evaluate_vae(vae, art, ctx=ctx).columns
    truth = images.float() / 255
    again = nodes.vae_decode(vae, nodes.vae_encode(vae, truth, ctx=ctx), ctx=ctx)
    errors = (again - truth).square().mean((1, 2, 3))
    found = [-10 * math.log10(error) for error in errors.tolist()]
    assert table["style"] == ["a", "c", "all"]
    assert table["pictures"] == [3, 3, 6]
    expected = [(found[0] + found[1] + found[5]) / 3, sum(found[2:5]) / 3, sum(found) / 6]
    assert table["psnr"] == pytest.approx(expected, abs=1e-3)
    assert table["error"][2] == pytest.approx((again - truth).abs().mean().item(), abs=1e-5)
    energy = gradient_energy(again)[:2].sum() + gradient_energy(again)[5]
    real = gradient_energy(truth)[:2].sum() + gradient_energy(truth)[5]
    assert table["sharpness"][0] == pytest.approx((energy / real).item(), abs=1e-4)
    assert all(0 < share <= 1 for share in table["codes"])
    large = Dataset(discs(2, 64, seed=1), labels[:2], art.classes, ("x", "y"))
    with pytest.raises(NodeError, match="64 px"):
        nodes.evaluate_vae(vae, large, ctx=ctx)
    other = VaeLatent(torch.zeros(2, 3, 4, 4))
    with pytest.raises(NodeError, match="these latents come from another VAE"):
        nodes.vae_decode(vae, other, ctx=ctx)
