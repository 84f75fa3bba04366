"""Models of pictures with alpha: what networks see, augmentation, training, and starts from RGB."""

from dataclasses import replace

import pytest
import torch
from gans import JUDGE

from artgraph.contract.context import Context
from artgraph.models.alpha import drawn, flattened, over_grey, premultiplied, straight
from artgraph.models.blocks import fit_middle, to_bytes, to_signed
from artgraph.models.gan.api import GanConfig, GanSettings, generate, make_generator, train_gan
from artgraph.models.gan.augment import Cutout, Recolour, Translate, diff_augment, draw_changes
from artgraph.models.training.numerics import Numerics
from artgraph.models.training.rng import rng
from artgraph.models.vae.api import VaeConfig, VaeSettings, decode, encode, make_vae, train_vae

RUN = Context.quiet().training_run
LABELS = torch.arange(16) % 2
ON = torch.tensor(1.0)


def sprites(count=16, edge=32):
    """Soft discs of random colours; what is clear is bright green."""
    random = rng(3)
    y, x = (torch.arange(edge) - edge / 2).view(-1, 1), torch.arange(edge) - edge / 2
    alpha = ((edge / 3 - torch.hypot(x, y)) / 4 + 0.5).clamp(0, 1)
    colours = torch.rand(count, 1, 1, 3, generator=random).expand(-1, edge, edge, -1)
    green = torch.tensor([0.0, 1, 0]).expand_as(colours)
    seen = alpha.view(1, edge, edge, 1).expand(count, -1, -1, -1)
    colours = torch.where(seen > 0, colours, green)
    return torch.cat([colours, seen], 3).mul(255).add(0.5).byte()


def on(pictures, ground):
    """Returns float pictures in 0..1 in front of a grey of 0..1."""
    return pictures[..., :3] * pictures[..., 3:] + ground * (1 - pictures[..., 3:])


def test_networks_see_no_colour_of_what_is_clear_and_bytes_return():
    images = sprites()
    signed = to_signed(images)
    clear = images[..., 3] == 0
    assert clear.any()
    assert float(signed.permute(0, 2, 3, 1)[clear][:, :3].abs().max()) == 0
    back = to_bytes(signed)
    assert torch.equal(back[..., 3], images[..., 3])
    assert torch.equal(back[~clear], images[~clear])
    grey = over_grey(signed).add(1).div(2).permute(0, 2, 3, 1)
    assert torch.allclose(grey, on(images.float() / 255, 0.5), atol=1e-5)


def test_rgb_is_the_same_object():
    signed = torch.randn(2, 3, 4, 4)
    assert premultiplied(signed) is signed
    assert straight(signed) is signed


def test_what_networks_draw_has_no_halo():
    """Colours stronger than their opacity, as networks draw them, are clipped and not amplified."""
    faint = torch.tensor([0.3, -0.3, 0.0, -0.9]).view(1, 4, 1, 1)
    assert straight(faint).flatten().tolist() == pytest.approx([1, -1, 0, -0.9])
    clear = torch.tensor([0.3, -0.3, 0.0, -1.0]).view(1, 4, 1, 1)
    assert straight(clear).flatten().tolist() == [-1, -1, -1, -1]
    assert bool(straight(torch.randn(4, 4, 8, 8) * 9).abs().max() <= 1)


def test_what_networks_draw_nearly_clear_is_clear():
    alpha = torch.tensor([-1.0, -0.985, -0.97, 0.0, 0.5, 0.985]).view(6, 1, 1, 1)
    pictures = drawn(premultiplied(torch.cat([torch.full((6, 3, 1, 1), 0.5), alpha], 1)))
    assert pictures[:, 3].flatten().tolist() == pytest.approx(
        [-1, -1, -0.97 / 0.98, 0, 0.5 / 0.98, 1]
    )
    colours = torch.tensor([-1, -1, 0.5, 0.5, 0.5, 0.5]).view(6, 1, 1, 1).expand(6, 3, 1, 1)
    assert torch.allclose(pictures[:, :3], colours)
    rgb = torch.randn(2, 3, 4, 4)
    assert drawn(rgb) is rgb


def test_pictures_are_fitted_without_colours_of_what_is_clear():
    images = sprites().float() / 255
    small = fit_middle(images, 12, 12)
    seen = small[..., 3] > 0.05
    for number in range(len(images)):
        colour = images[number, 16, 16, :3]
        assert float((small[number][seen[number]][:, :3] - colour).abs().max()) < 0.01


def test_flattening_uint8_rounds():
    images = sprites()
    exact = on(images.double() / 255, 1.0) * 255
    found = flattened(images, (255, 255, 255))
    assert float((found.double() - exact).abs().max()) <= 0.5001


def changed(images, *kinds):
    changes = [
        (chance, change)
        for chance, change in draw_changes(len(images), (32, 32), rng(5))
        if isinstance(change, kinds)
    ]
    return diff_augment(to_signed(images), ON, changes)


def test_recolouring_does_not_touch_alpha_and_acts_on_straight_colours():
    images = sprites()
    seen = images[..., 3] > 100
    after = changed(images, Recolour)
    assert torch.allclose(after[:, 3:], to_signed(images)[:, 3:], atol=1e-6)
    assert float(after.permute(0, 2, 3, 1)[images[..., 3] == 0][:, :3].abs().max()) == 0
    share = images[..., 3:].float() / 255
    colours = after[:, :3].permute(0, 2, 3, 1) / share
    for number in range(len(images)):  # one colour at first, and so it stays
        some = colours[number][seen[number]]
        assert float((some - some[0]).abs().max()) < 1e-4
    before = to_signed(images)[:, :3]
    assert float((after[:, :3] - before).abs().mean()) > 0.05


def test_opaque_pictures_are_recoloured_like_rgb():
    images = torch.randint(256, (8, 32, 32, 4), generator=rng(1), dtype=torch.uint8)
    images[..., 3] = 255
    wanted = changed(images[..., :3], Recolour)
    assert torch.allclose(changed(images, Recolour)[:, :3], wanted, atol=1e-4)


@pytest.mark.parametrize("kind", [Translate, Cutout])
def test_uncovered_pixels_are_transparent(kind):
    images = torch.full((8, 32, 32, 4), 255, dtype=torch.uint8)
    after = changed(images, kind)
    levels = to_bytes(after)
    assert {*levels[..., 3].unique().tolist()} == {0, 255}
    assert float(after.permute(0, 2, 3, 1)[levels[..., 3] == 0][:, :3].abs().max()) == 0


@pytest.mark.parametrize("method", ["projected", "r3", "classic"])
def test_a_gan_learns_and_draws_alpha(method, monkeypatch):
    monkeypatch.setattr("artgraph.models.gan.projected_features.STEPS", 2)
    settings = GanSettings(seed=1, method=method, batch=8, augment="on")
    trained = train_gan(sprites(), LABELS, ("a", "b"), settings, RUN, judge=JUDGE, steps=2)
    assert trained.config.to_dict()["alpha"] is True
    again = GanConfig.from_dict(trained.config.to_dict())
    assert again == trained.config
    network = make_generator(again)
    network.load_state_dict(
        {k[10:]: v for k, v in trained.state.items() if k.startswith("generator.")}
    )
    z = torch.randn(3, again.latent_dim, generator=rng(0))
    drawn = generate(network, z, torch.ones(3, 2) / 2, Numerics())
    assert drawn.shape == (3, 32, 32, 4)
    assert 0 <= float(drawn.min()) <= float(drawn.max()) <= 1


@pytest.mark.parametrize("method", ["projected", "r3"])
def test_a_gan_goes_on_from_one_without_alpha(method, monkeypatch):
    """Before the first step, it draws the same pictures, opaque."""
    monkeypatch.setattr("artgraph.models.gan.projected_features.STEPS", 2)
    settings = GanSettings(seed=1, method=method, batch=8, rate=1e-9)
    first = train_gan(sprites()[..., :3], LABELS, ("a", "b"), settings, RUN, judge=JUDGE, steps=1)
    lines = []
    run = replace(RUN, log=lines.append)
    start = (first.config, first.state)
    second = train_gan(
        sprites(), LABELS, ("a", "b"), settings, run, judge=JUDGE, steps=1, start=start
    )
    assert any("begin nearly opaque" in line for line in lines)
    pictures = []
    z = torch.randn(3, first.config.latent_dim, generator=rng(0))
    for trained in (first, second):
        # without stripes, as the second one draws
        network = make_generator(replace(trained.config, smooth=second.config.smooth))
        network.load_state_dict(
            {k[10:]: v for k, v in trained.state.items() if k.startswith("generator.")}
        )
        pictures.append(generate(network, z, torch.ones(3, 2) / 2, Numerics()))
    assert float(pictures[1][..., 3].min()) > 0.98  # nearly opaque
    assert torch.allclose(pictures[1][..., :3], pictures[0], atol=0.02)


def test_a_classic_gan_does_not_go_on_from_one_without_alpha():
    settings = GanSettings(seed=1, method="classic", batch=8)
    first = train_gan(sprites()[..., :3], LABELS, ("a", "b"), settings, RUN, judge=JUDGE, steps=1)
    with pytest.raises(ValueError, match="can't learn transparency from pictures without alpha"):
        train_gan(
            sprites(),
            LABELS,
            ("a", "b"),
            settings,
            RUN,
            judge=JUDGE,
            steps=1,
            start=(first.config, first.state),
        )


@pytest.mark.parametrize(
    "more",
    [{}, {"quantiser": "fsq"}, {"method": "classic"}, {"sharpen": "adversarial"}],
    ids=["kl", "fsq", "classic", "adversarial"],
)
def test_a_vae_learns_and_draws_alpha(more):
    trained = train_vae(sprites(), VaeSettings(seed=1, batch=8, **more), RUN, steps=2)
    config = VaeConfig.from_dict(trained.config.to_dict())
    assert config.alpha
    network = make_vae(config)
    network.load_state_dict(trained.state)
    floats = sprites().float() / 255
    latents = encode(network, floats, Numerics())
    assert torch.allclose(latents, encode(network, sprites(), Numerics()), atol=1e-4)
    assert decode(network, latents, Numerics()).shape == (16, 32, 32, 4)


def test_a_linear_vae_reconstructs_alpha_without_a_halo():
    """The principal components alone reconstruct sprites of one shape, on black and on white."""
    trained = train_vae(sprites(), VaeSettings(seed=1, batch=8), RUN, steps=1)
    network = make_vae(trained.config)
    network.load_state_dict(trained.state)
    floats = sprites().float() / 255
    back = decode(network, encode(network, floats, Numerics()), Numerics())
    for ground in (0.0, 1.0):
        assert float((on(back, ground) - on(floats, ground)).abs().mean()) < 0.02


def test_a_vae_goes_on_from_one_without_alpha():
    settings = VaeSettings(seed=1, batch=8)
    first = train_vae(sprites()[..., :3], settings, RUN, steps=2)
    lines = []
    monochrome = replace(settings, beta=0.0)
    second = train_vae(
        sprites(),
        monochrome,
        replace(RUN, log=lines.append),
        steps=1,
        start=(first.config, first.state),
    )
    assert lines == [
        "`start` knows no transparency: all its weights are used, and its pictures begin opaque"
    ]
    network = make_vae(second.config)
    network.load_state_dict(second.state)
    back = decode(network, encode(network, sprites(), Numerics()), Numerics())
    assert float(back[..., 3].min()) > 0.9
    assert second.state["linear_encoder.weight"].shape[1] == 4


def test_latents_are_not_kept_for_transparency():
    settings = VaeSettings(seed=1, batch=8)
    first = train_vae(sprites()[..., :3], settings, RUN, steps=1)
    with pytest.raises(ValueError, match="can't learn transparency from a VAE without alpha"):
        train_vae(
            sprites(),
            replace(settings, keep_latents=True),
            RUN,
            steps=1,
            start=(first.config, first.state),
        )


def test_configs_without_alpha_do_not_mention_it():
    assert "alpha" not in GanConfig.default("r3", 32, ("a",)).to_dict()
    assert "alpha" not in VaeConfig("residual", 32, 16).to_dict()
    with pytest.raises(ValueError, match="alpha must be true or false"):
        VaeConfig.from_dict({"method": "residual", "size": 32, "channels": 16, "alpha": 1})
