"""Inverting pictures, with and without an encoder, by GANs of every kind."""

import math

import pytest
import torch
from bending import NODES, drawn, gan, run
from gans import METHODS
from gans import quick as quick
from shelf import Shelf, training_run
from torch.nn import functional as F

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.values.kinds import GanLatent
from artgraph.models.gan import encoder_trainee, inversion, known
from artgraph.models.gan.codes import random_points
from artgraph.models.gan.config import GanConfig
from artgraph.models.gan.encoder_trainee import EncoderSettings, EncoderTrainee
from artgraph.models.gan.projected_networks import Attention
from artgraph.models.training.rng import rng
from artgraph.nodes.latent_files import load_latents
from artgraph.nodes.model_files import read_model, shipped_gans

KINDS = ("square", "wide", "alpha", "grown")


def kinds():
    return [(m, k) for m in METHODS for k in KINDS if k != "grown" or m == "projected"]


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    monkeypatch.setattr(known, "SAMPLES", 16)


def image(model, latent):
    return run("generate", {"gan": model, "latent": latent})["image"]


def mean_error(first, second):
    return float((first - second).square().mean())


@pytest.mark.parametrize(("method", "kind"), kinds())
def test_a_search_comes_nearer_and_its_latents_draw_the_redrawn_pictures(method, kind):
    model = gan(method, kind)
    pictures = drawn(model)["image"]
    encoder = run("train_encoder", {"gan": model}, steps=2, batch=4)["encoder"]
    found = {}
    for steps in (0, 40):
        inputs = {"gan": model, "image": pictures, "encoder": encoder}
        found[steps] = run("invert", inputs, steps=steps, seed=5)
        assert found[steps]["image"].shape == pictures.shape
        assert len(found[steps]["compared"]) == 5 * len(pictures)
        assert torch.allclose(image(model, found[steps]["latent"]), found[steps]["image"])
    far, near = (mean_error(found[steps]["image"], pictures) for steps in (0, 40))
    assert near < 0.9 * far
    again = run("invert", {"gan": model, "image": pictures, "encoder": encoder}, steps=40, seed=5)
    assert torch.equal(again["latent"].z, found[40]["latent"].z)


def test_a_search_draws_with_a_quicker_copy_and_leaves_the_network_as_it_is():
    network = gan("projected").network()
    points = random_points(network.config, 3, seed=1)
    with torch.no_grad():
        before = points.draw(network)
        copied = inversion.quick(network)
        assert torch.equal(points.draw(network), before)
        again = points.draw(copied)
    assert any(module.quick for module in copied.modules() if isinstance(module, Attention))
    torch.testing.assert_close(again, before, rtol=0, atol=1e-4)


def test_further_rounds_come_nearer(monkeypatch):
    model = gan("projected")
    pictures = drawn(model)["image"]
    reached = {}
    for rounds in (0, 2):
        monkeypatch.setattr(inversion, "ROUNDS", rounds)
        monkeypatch.setattr(inversion, "GAIN", -1.0)
        found = run("invert", {"gan": model, "image": pictures}, steps=10)
        reached[rounds] = torch.tensor(found["table"].columns["psnr"])
    far = reached[0] < inversion.NEAR
    assert far.any()
    assert (reached[2] >= reached[0] - 0.01).all()
    assert (reached[2][far] > reached[0][far] + 1).all()


def test_visible_errors_need_a_second_round_however_near_the_picture_is(monkeypatch):
    model = gan("projected")
    pictures = drawn(model)["image"]
    monkeypatch.setattr(inversion, "NEAR", -math.inf)
    reached = []
    for hidden in (-math.inf, math.inf):
        monkeypatch.setattr(inversion, "HIDDEN", hidden)
        found = run("invert", {"gan": model, "image": pictures}, steps=10)
        reached.append(torch.tensor(found["table"].columns["psnr"]))
    assert (reached[1] > reached[0] + 1).all()


def test_lost_texture_counts_more_than_as_large_errors_that_keep_it():
    dots = torch.randn(1, 1, 32, 32, generator=rng(7)).mul(0.3)
    blurred = 0.4 * dots
    moved = dots * torch.tensor([1.0, -1.0]).repeat(16)  # the errors of half the pixels are 2 dots
    moved = dots + (moved - dots) * (blurred - dots).norm() / (moved - dots).norm()
    assert torch.allclose((moved - dots).norm(), (blurred - dots).norm())
    given = inversion.contrasts(dots)
    assert torch.allclose(
        given[1][0, 0, 0, 0] ** 2, dots[0, 0, :4, :4].var(correction=0), atol=2e-4
    )
    lost, kept = (inversion.errors(x, dots, given, 1.0) for x in (blurred, moved))
    assert lost > 1.5 * kept
    assert inversion.errors(dots, dots, given) == 0


def test_lost_colours_count_beside_a_large_contrast_of_brightness():
    grey = torch.randn(1, 1, 32, 32, generator=rng(7)).mul(0.5).expand(-1, 3, -1, -1)
    colours = torch.randn(1, 3, 32, 32, generator=rng(8)).mul(0.1)
    colours = colours - colours.mean(1, keepdim=True)
    dots = grey + colours
    given = inversion.contrasts(dots)
    variance = dots.square().sum() - 16 * F.avg_pool2d(dots, 4).square().sum()
    assert 16 * given[1].square().sum() == pytest.approx(float(variance), rel=0.02)
    other = grey + colours.roll(1, 3)  # as colourful, with twice the square errors
    lost, kept = (inversion.errors(x, dots, given, 1.0) for x in (grey, other))
    assert lost > 1.2 * kept
    with_alpha = torch.cat([dots, torch.zeros(1, 1, 32, 32)], 1)
    assert torch.equal(inversion.contrasts(with_alpha)[0][:, :3], given[0])


def test_errors_are_hidden_by_contrast():
    dots = torch.randn(1, 3, 32, 32, generator=rng(8))
    errors = 0.1 * torch.randn(1, 3, 32, 32, generator=rng(9))
    flat, rough = (float(inversion.masked(x * dots + errors, x * dots)) for x in (0.0, 1.0))
    assert rough == pytest.approx(20, abs=1)  # 10 times as much contrast as errors
    assert flat == pytest.approx(-10 * math.log10(0.01 / 0.0011), abs=0.5)


def test_the_table_says_how_near_and_what_the_gan_does_not_know_is_reported():
    model, warnings = gan("projected"), []
    pictures = drawn(model)["image"]
    strange = torch.rand(1, 32, 32, 3, generator=rng(3)).round()
    inputs = {"gan": model, "image": torch.cat([pictures, strange])}
    found = run("invert", inputs, warn=warnings, steps=3)
    table = found["table"].columns
    assert table["picture"] == [0, 1, 2, 3, 4]
    errors = (inputs["image"] - found["image"]).square().flatten(1).mean(1)
    assert torch.allclose(torch.tensor(table["psnr"]), -10 * errors.log10(), atol=1e-3)
    assert table["strangeness"][4] > max(1, *table["strangeness"][:4])
    (line,) = [line for line in warnings if "outside" in line]
    assert "4" in line.split("(")[1].split(")")[0]
    rows = found["compared"].unflatten(0, (5, 5))
    assert torch.equal(rows[:, 0], inputs["image"])
    assert torch.equal(rows[:, 1], found["image"])


def test_the_gans_own_pictures_are_known():
    model, warnings = gan("projected"), []
    run("invert", {"gan": model, "image": drawn(model)["image"][:1]}, warn=warnings, steps=1)
    sampled = run("sample_latent", {"gan": model}, count=16, seed=0)["image"]
    table = run("invert", {"gan": model, "image": sampled}, steps=0, seed=0)["table"].columns
    assert max(table["strangeness"]) < 0.01  # the same pictures are in the sample


def test_other_sizes_are_cropped_and_resized():
    model = gan("projected", "wide")
    found = run("invert", {"gan": model, "image": torch.rand(1, 50, 90, 3)}, steps=1)
    assert found["image"].shape == (1, 24, 40, 3)


def test_an_encoder_of_another_gan_is_refused():
    model, other = gan("projected"), gan("projected", seed=4)
    encoder = run("train_encoder", {"gan": other}, steps=1, batch=4)["encoder"]
    with pytest.raises(NodeError, match="another GAN"):
        run("invert", {"gan": model, "image": torch.rand(1, 32, 32, 3), "encoder": encoder})
    bent = run("bend", {"gan": other}, operation="negate", strength=0.5)["gan"]
    run("invert", {"gan": bent, "image": torch.rand(1, 32, 32, 3), "encoder": encoder}, steps=1)


def test_an_encoder_is_saved_loaded_and_still_refused_with_another_gan(tmp_path):
    model, other = gan("projected"), gan("projected", seed=4)
    encoder = run("train_encoder", {"gan": model}, steps=2, batch=4)["encoder"]
    found = {}
    for precision in ("float32", "float16"):
        saved = run("save_model", {"model": encoder}, name="mine", precision=precision)["files"]
        path = tmp_path / f"{precision}.safetensors"
        path.write_bytes(saved.files["mine.safetensors"])
        loaded = read_model(path)._asdict()
        assert [kind for kind, value in loaded.items() if value is not None] == ["encoder"]
        found[precision] = loaded["encoder"]
    assert found["float32"].digest() == encoder.digest()
    inputs = {"gan": model, "image": drawn(model)["image"]}
    latents = [
        run("invert", {**inputs, "encoder": one}, steps=1)["latent"]
        for one in (encoder, found["float32"])
    ]
    assert torch.equal(latents[0].shift, latents[1].shift)
    run("invert", {**inputs, "encoder": found["float16"]}, steps=0)
    with pytest.raises(NodeError, match="another GAN"):
        run("invert", {**inputs, "gan": other, "encoder": found["float32"]})


def test_an_encoder_learns_and_its_training_resumes_to_the_same_bits(tmp_path):
    model, spec = gan("projected"), NODES["train_encoder"]
    shelf = Shelf()
    values, _ = spec.check({"steps": 30, "batch": 8})
    whole = spec({"gan": model}, values, Context())
    for steps in (12, 30):
        values, _ = spec.check({"steps": steps, "batch": 8})
        resumed = spec({"gan": model}, values, Context(checkpoint=shelf))
    assert resumed["encoder"].digest() == whole["encoder"].digest()
    psnr = whole["curves"].columns["psnr"]
    assert psnr[-1] > psnr[0]


def test_gradients_of_an_encoder_are_not_larger_than_the_limit():
    network, config = gan("projected").network(), GanConfig.from_dict(gan("projected").config)
    trainee = EncoderTrainee(network, config, "digest", EncoderSettings(0, 4), training_run())
    trainee.step(0)
    gradients = [p.grad.square().sum() for p in trainee.encoder.parameters()]
    assert 0 < sum(gradients) ** 0.5 < 1.0001 * encoder_trainee.CLIP


def test_inverted_latents_are_mixed_joined_saved_and_mixed_by_level(tmp_path):
    model = gan("projected")
    found = run("invert", {"gan": model, "image": drawn(model)["image"]}, steps=3)["latent"]
    plain = drawn(model)["latent"]
    assert found.shift is not None
    inputs = {"first": found, "second": plain}
    mixed = run("mix_latents", inputs, amount=0.0)["latent"]
    assert torch.allclose(image(model, mixed), image(model, found), atol=1e-5)
    mixed = run("mix_latents", inputs, amount=1.0)["latent"]
    assert torch.allclose(image(model, mixed), image(model, plain), atol=1e-5)
    joined = run("join_latents", inputs)["latent"]
    pictures = torch.cat([image(model, found), image(model, plain)])
    assert torch.allclose(image(model, joined), pictures, atol=1e-5)
    walk = run("latent_walk", {"latent": joined}, frames=2)["latent"]
    assert torch.allclose(image(model, walk)[::2], pictures, atol=1e-5)
    levels = run("mix_styles", {"gan": model, "coarse": found, "fine": found})["gan_latent"]
    assert torch.allclose(image(model, levels), image(model, found), atol=1e-5)
    both = run("mix_latents", {"first": levels, "second": plain}, amount=0.0)["latent"]
    assert torch.allclose(image(model, both), image(model, found), atol=1e-5)
    quiet = run("vary_noise", {"gan": model, "latent": found}, strength=1.0)["gan_latent"]
    assert torch.equal(image(model, quiet), image(model, found))
    path = tmp_path / "found.safetensors"
    saved = run("save_latents", {"model": model, "latent": found}, name="found")["files"]
    path.write_bytes(saved.files["found.safetensors"])
    loaded = load_latents(model, path=path).gan_latent
    assert torch.equal(loaded.shift, found.shift)
    assert torch.equal(image(model, loaded), image(model, found))


def test_the_shift_of_latents_is_stored_and_checked():
    model = gan("projected")
    found = run("invert", {"gan": model, "image": drawn(model)["image"]}, steps=1)["latent"]
    meta, tensors = GanLatent.encode(found)
    assert meta == {"shifted": True}
    assert torch.equal(tensors["shift"], found.shift)
    assert GanLatent.encode(drawn(model)["latent"])[0] is None
    short = GanLatent(found.z, found.classes, found.shift[:, :-1])
    with pytest.raises(NodeError, match="another GAN"):
        run("generate", {"gan": model, "latent": short})


@pytest.mark.parametrize("name", ["gan_64", "gan_clipart_64"])
def test_a_gan_that_was_trained_before_there_were_encoders_can_be_explored(name):
    model = shipped_gans()[name]
    pictures = drawn(model)["image"][:1]
    encoder = run("train_encoder", {"gan": model}, steps=1, batch=2)["encoder"]
    found = run("invert", {"gan": model, "image": pictures, "encoder": encoder}, steps=3)
    along = run("latent_directions", {"gan": model}, kind="classes")["directions"]
    assert along.names == model.classes
    inputs = {"gan": model, "latent": found["latent"], "directions": along}
    moved = run("move_latent", inputs, direction=along.names[0], strength=1.0)["latent"]
    assert not torch.equal(image(model, moved), image(model, found["latent"]))
