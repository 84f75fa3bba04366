"""Pictures composed of several latents, wide pictures and tiles without seams, and grown GANs."""

import pytest
import torch
from bending import gan, run, trained_on
from gans import METHODS, train
from gans import quick as quick
from torch.nn import functional as F

from artgraph.contract.errors import NodeError
from artgraph.contract.values.kinds import GanLatent, VaeLatent
from artgraph.models.gan.api import GanConfig
from artgraph.models.gan.joined import Grid, _drawn_together, weights_of
from artgraph.models.gan.trainee import GanTrainee
from artgraph.models.training.numerics import Numerics
from artgraph.models.training.rng import rng
from artgraph.nodes.model_files import shipped_gans

KINDS = [(m, k) for m in METHODS for k in ("square", "wide", "alpha")] + [("projected", "grown")]
HALF = (torch.arange(64) >= 32).float().expand(1, 64, 64).contiguous()


def latents(model, seed=1, count=4):
    return run("sample_latent", {"gan": model}, count=count, seed=seed)["latent"]


def composed(model, base, second, mask, third=None, third_mask=None, **widgets):
    given = {"gan": model, "base": base, "second": second, "mask": mask}
    given |= {"third": third, "third_mask": third_mask} if third else {}
    return run("compose_latents", given, **widgets)["image"]


@pytest.mark.parametrize(("method", "kind"), KINDS)
def test_an_empty_mask_is_the_base_and_a_full_one_the_second_to_the_bit(method, kind):
    model = gan(method, kind)
    base, second = latents(model, 1), latents(model, 2)
    pictures = [run("generate", {"gan": model, "latent": x})["image"] for x in (base, second)]
    masks = torch.stack([torch.zeros(9, 7), torch.ones(9, 7)])[[0, 1, 0, 1]]
    found = composed(model, base, second, masks)
    for row in range(4):
        assert torch.equal(found[row], pictures[row % 2][row])
    half = composed(model, base, second, HALF)
    assert half.shape == pictures[0].shape
    assert half.isfinite().all()
    assert torch.equal(half, composed(model, base, second, HALF))
    width = half.shape[2]
    near = [(half - p).abs().mean((0, 1, 3)) for p in pictures]
    assert near[0][: width // 4].mean() < near[1][: width // 4].mean()
    assert near[1][-width // 4 :].mean() < near[0][-width // 4 :].mean()


def test_a_nearly_empty_mask_draws_nearly_the_base():
    model = gan("projected")
    base, second = latents(model, 1), latents(model, 2)
    faint = composed(model, base, second, torch.full((1, 8, 8), 1e-4))
    picture = run("generate", {"gan": model, "latent": base})["image"]
    torch.testing.assert_close(faint, picture, atol=5e-3, rtol=0)
    assert not torch.equal(faint, picture)


def test_levels_outside_of_the_mask_belong_to_the_base():
    model = gan("projected")
    base, second = latents(model, 1), latents(model, 2)
    full = torch.ones(1, 8, 8)
    mixed = run("mix_styles", {"gan": model, "coarse": base, "fine": second})["gan_latent"]
    expected = run("generate", {"gan": model, "latent": mixed})["image"]
    found = composed(model, base, second, full, levels="fine")
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    empty = composed(model, base, second, 0 * full, levels="fine")
    assert torch.equal(empty, image_of(model, base))


def image_of(model, latent):
    return run("generate", {"gan": model, "latent": latent})["image"]


def test_a_third_latent_covers_the_second():
    model = gan("projected")
    base, second, third = (latents(model, seed) for seed in (1, 2, 3))
    full = torch.ones(1, 8, 8)
    found = composed(model, base, second, HALF, third, full)
    assert torch.equal(found, image_of(model, third))
    found = composed(model, base, second, HALF, third, 0 * full)
    assert torch.allclose(found, composed(model, base, second, HALF), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"third": True}, "belong together"),
        ({"mask": torch.ones(3, 8, 8)}, "batches of 3 and 4"),
        ({"levels": "9"}, "within the levels"),
        ({"other": True}, "another GAN"),
    ],
)
def test_what_cannot_be_composed_is_refused(change, text):
    model = gan("projected")
    latent = latents(model)
    given = {"gan": model, "base": latent, "second": latent, "mask": change.get("mask", HALF)}
    if "third" in change:
        given["third"] = latent
    if "other" in change:
        given["second"] = GanLatent(latent.z[:, 1:], latent.classes)
    widgets = {"levels": change["levels"]} if "levels" in change else {}
    with pytest.raises(NodeError, match=text):
        run("compose_latents", given, **widgets)


def test_weights_of_masks_have_the_sum_1_and_soft_borders():
    shown = weights_of([HALF[0], HALF[0].T], (32, 48), 0.2)
    torch.testing.assert_close(sum(shown), torch.ones(32, 48))
    hard, soft = (weights_of([HALF[0]], (32, 48), s)[1][0] for s in (0.0, 0.3))
    assert ((hard > 0) & (hard < 1)).sum() <= 2
    assert ((soft > 0) & (soft < 1)).sum() > 10
    assert (soft.diff() >= 0).all()


@pytest.mark.parametrize(("method", "kind"), KINDS)
@pytest.mark.parametrize("repeats", ["none", "across", "down", "both"])
def test_a_panorama_has_the_size_of_its_windows(method, kind, repeats):
    model = gan(method, kind)
    found = run(
        "panorama",
        {"gan": model, "latent": latents(model)},
        columns=3,
        rows=2,
        repeats=repeats,
    )["image"]
    grid = Grid.of(
        GanConfig.from_dict(model.config),
        2,
        3,
        (repeats in ("down", "both"), repeats in ("across", "both")),
    )
    height, width = (step * grid.cell for step in grid.step)
    down, right = (
        0 if repeated else side - step
        for repeated, side, step in zip(
            grid.repeats, (model.height, model.width), (height, width), strict=True
        )
    )
    channels = 4 if kind == "alpha" else 3
    assert found.shape == (1, 2 * height + down, 3 * width + right, channels)
    assert found.isfinite().all()
    assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_a_single_window_is_the_picture(method):
    model = gan(method)
    latent = latents(model, 1, 1)
    one = run("panorama", {"gan": model, "latent": latent}, columns=1)["image"]
    assert torch.equal(one, image_of(model, latent))


@pytest.mark.parametrize("name", ["gan_64", "gan_clipart_64"])
def test_windows_of_a_strip_meet_without_a_seam(name):
    model = shipped_gans()[name]
    strip = run(
        "panorama", {"gan": model, "latent": latents(model, 1, 32)}, columns=32, repeats="across"
    )["image"]
    steps = (strip.roll(-1, 2) - strip).abs().mean((0, 1, 3))  # from each column to the next
    borders = steps[31::32]  # columns at which a window begins and another one ends
    assert borders.mean() < 2.2 * steps.mean()  # without joining: 4.7 and 6.7
    assert borders[-1] < 2 * borders.mean()  # the wrap-around


@pytest.mark.parametrize("method", METHODS)
def test_windows_agree_in_what_they_draw(method):
    """The pictures of neighbouring windows, where they overlap, before they are joined."""
    model, latent = gan(method), latents(gan(method), 1, 6)
    grid = Grid.of(GanConfig.from_dict(model.config), 1, 6, (False, True))
    pairs = [(latent.z[i : i + 1], latent.classes[i : i + 1]) for i in range(6)]

    def away(exchange):
        pictures = _drawn_together(model.network(), pairs, exchange, Numerics())
        return (grid.windows(grid.joined(pictures), pictures) - pictures).abs().mean()

    apart = away(lambda x, level: x)
    assert away(lambda x, level: grid.windows(grid.joined(x), x)) < 0.7 * apart
    whole = run("panorama", {"gan": model, "latent": latent}, columns=6, repeats="across")["image"]
    faded = grid.joined(image_of(model, latent).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    if method != "r3":  # its pictures are limited to their range after they are joined
        assert (whole - faded).abs().mean() > 0.1 * faded.std()


def test_masks_join_feature_maps_and_not_only_pictures():
    model = gan("projected")
    base, second = latents(model, 1), latents(model, 2)
    mask = torch.full((1, 8, 8), 0.5)
    faded = (image_of(model, base) + image_of(model, second)) / 2
    assert (composed(model, base, second, mask) - faded).abs().mean() > 0.1 * faded.std()


def test_a_repeating_picture_has_no_place_where_it_begins():
    """Moving the latents by a window moves the picture by a window, across the border too."""
    model = gan("projected")
    latent = latents(model, 1, 4)
    moved = GanLatent(latent.z.roll(1, 0), latent.classes.roll(1, 0))
    first, second = (
        run("panorama", {"gan": model, "latent": x}, columns=4, repeats="across")["image"]
        for x in (latent, moved)
    )
    torch.testing.assert_close(second, first.roll(16, 2), atol=1e-4, rtol=0)


def test_panoramas_that_cannot_be_drawn_are_refused_and_unused_latents_reported():
    model, lines = gan("projected"), []
    given = {"gan": model, "latent": latents(model)}
    with pytest.raises(NodeError, match="2 rows or more"):
        run("panorama", given, repeats="both")
    with pytest.raises(NodeError, match="too much memory"):
        run("panorama", given, columns=1000, rows=1000)
    run("panorama", given, warn=lines, columns=2)
    assert "2 windows" in lines[0]


def test_latents_of_a_vae_are_composed_by_masks():
    first, second = (torch.randn(2, 3, 8, 8, generator=rng(seed)) for seed in (1, 2))

    def mixed(mask):
        given = {"base": VaeLatent(first), "second": VaeLatent(second), "mask": mask}
        return run("compose_vae_latents", given)["vae_latent"].z

    assert torch.equal(mixed(torch.zeros(1, 5, 5)), first)
    assert torch.equal(mixed(torch.ones(1, 5, 5)), second)
    found = mixed(HALF)
    assert torch.equal(found[..., :3], first[..., :3])
    assert torch.equal(found[..., 5:], second[..., 5:])


@pytest.mark.parametrize("kind", ["square", "wide", "alpha", "grown"])
def test_a_grown_gan_draws_the_same_pictures_twice_as_large(kind):
    model = gan("projected", kind)
    larger = run("grow", {"gan": model})["gan"]
    assert (larger.height, larger.width) == (2 * model.height, 2 * model.width)
    latent = latents(model)
    pictures = image_of(larger, latent)[..., :3].permute(0, 3, 1, 2)
    before = image_of(model, latent)[..., :3].permute(0, 3, 1, 2)
    away = (pictures - F.interpolate(before, scale_factor=2, mode="bilinear")).abs()
    assert away.mean() < 0.03  # straight colours of nearly clear pixels differ more
    twice = run("grow", {"gan": model}, times=2)["gan"]
    again = run("grow", {"gan": larger})["gan"]
    assert twice.config == again.config


def test_training_goes_on_from_a_grown_gan_as_from_a_smaller_one(monkeypatch):
    model = gan("projected")
    larger = run("grow", {"gan": model})["gan"]
    images, ages = trained_on(64, 64, 3, 2), []
    step = GanTrainee.step
    monkeypatch.setattr(GanTrainee, "step", lambda self, n: ages.append(self.age) or step(self, n))
    for start in (larger, model):
        known = (GanConfig.from_dict(start.config), start.state)
        done = train(images, torch.arange(8) % 2, ("a", "b"), 1, start=known)
        assert done.config == GanConfig.from_dict(larger.config)
        assert all(value.isfinite().all() for value in done.state.values())
    assert len(set(ages)) == 1


def test_gans_that_cannot_grow_are_refused():
    for method in ("r3", "classic"):
        with pytest.raises(NodeError, match="fixed size"):
            run("grow", {"gan": gan(method)})
    with pytest.raises(NodeError, match="lower `times`"):
        run("grow", {"gan": run("grow", {"gan": gan("projected")}, times=4)["gan"]}, times=1)


@pytest.mark.parametrize(
    ("shape", "share"),
    [("left", 0.25), ("bottom", 0.25), ("circle", 0.049), ("frame", 0.9375), ("checker", 0.5)],
)
def test_drawn_masks_cover_their_share(shape, share):
    mask = run("draw_mask", {}, shape=shape, width=128, height=64, extent=0.25)["mask"]
    assert mask.shape == (1, 64, 128)
    assert mask.mean().item() == pytest.approx(share, abs=0.01)


def test_drawn_masks_have_their_place():
    def mask(shape):
        return run("draw_mask", {}, shape=shape, width=8, height=4)["mask"][0]

    assert torch.equal(mask("left"), 1 - mask("right"))
    assert torch.equal(mask("top"), mask("bottom").flip(0))
    assert mask("top")[0].all()
    assert mask("left")[:, 0].all()
    assert (mask("gradient across").diff(dim=1) > 0).all()
    assert (mask("gradient down").diff(dim=0) > 0).all()
    assert mask("stripes")[0].tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert mask("checker")[:, 0].tolist() == [0, 1, 0, 1]
