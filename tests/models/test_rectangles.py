"""Every model learns from pictures that are not square, and square ones stay as they were."""

from __future__ import annotations

import pytest
import torch
from gans import assert_same, quick  # noqa: F401 - a fixture
from rectangles import NAMES, SHAPES, TRAININGS, noise
from shelf import PLAIN, Shelf

from artgraph.models.blocks import fit_middle
from artgraph.models.classifier.augment import CutMix, shifted_places
from artgraph.models.classifier.networks import (
    ClassicNet,
    ClassifierConfig,
    make_classifier,
    predict,
)
from artgraph.models.configs import size_of, size_text
from artgraph.models.neighbours import nearest_rows, pixel_vectors
from artgraph.models.sliced_wasserstein import transfer
from artgraph.models.training import sampler
from artgraph.models.training.rng import rng
from artgraph.models.vae.api import VaeConfig, decode, encode, make_vae


def shapes_of(name):
    """Returns the shapes that a model can learn from; a VAE's sides are multiples of 8."""
    whole = name.startswith(("vae", "prior"))
    return [shape for shape in SHAPES.values() if not whole or not (shape[0] % 8 or shape[1] % 8)]


@pytest.mark.parametrize(
    ("name", "shape"), [(name, shape) for name in TRAININGS for shape in shapes_of(name)]
)
def test_a_training_that_goes_on_equals_an_undisturbed_one(name, shape):
    images, labels = noise(*shape)
    shelf = Shelf()
    TRAININGS[name](images, labels, 1, shelf)
    longer = TRAININGS[name](images, labels, 2, shelf)
    straight = TRAININGS[name](images, labels, 2)
    assert longer.curves == straight.curves
    assert_same(longer.state, straight.state)


@pytest.mark.parametrize("name", [name for name in TRAININGS if name != "prior"])
def test_the_config_of_square_pictures_is_as_before(name):
    for shape in ((32, 32), (24, 40)):
        config = TRAININGS[name](*noise(*shape), 1).config
        assert config.size == (32 if shape == (32, 32) else shape)
        assert config.shape == shape


@pytest.mark.parametrize("method", ["residual", "classic"])
def test_a_vae_turns_pictures_of_any_shape_into_latents_and_back(method):
    images, labels = noise(24, 40)
    done = TRAININGS["vae kl" if method == "residual" else "vae classic"](images, labels, 1)
    network = make_vae(VaeConfig.from_dict({**vars(done.config), "size": [24, 40]}))
    network.load_state_dict(done.state)
    latents = encode(network, images, PLAIN)
    assert latents.shape[1:] == done.config.latent_shape
    if method == "residual":
        assert done.config.latent_shape[1:] == (3, 5)
    assert decode(network, latents, PLAIN).shape == (12, 24, 40, 3)
    wrong = noise(40, 24)[0] if method == "classic" else noise(28, 40)[0]
    with pytest.raises(ValueError, match="40 x 24 px" if method == "classic" else "multiples of 8"):
        encode(network, wrong, PLAIN)


def test_a_classifier_recognises_wide_stripes_in_pictures_of_1_to_3():
    images = torch.zeros(16, 48, 16, 3, dtype=torch.uint8)
    labels = torch.arange(16) % 2
    images[labels == 1, 24:] = 255
    done = TRAININGS["cnn residual"](images, labels, 30)
    network = make_classifier(ClassifierConfig.from_dict({**vars(done.config), "size": [48, 16]}))
    network.load_state_dict(done.state)
    assert torch.equal(predict(network, images, PLAIN).argmax(1), labels)


def test_the_classic_classifier_names_the_shape_that_it_needs():
    network = ClassicNet(24, 40, 8, 2)
    with pytest.raises(ValueError, match="needs pictures of 40 x 24 px"):
        network(torch.zeros(1, 3, 40, 24))


@pytest.mark.parametrize("size", [[32], [32, 32], [32, 48, 3], [16, 72], [4, 16], [4096, 2048]])
@pytest.mark.parametrize(
    ("kind", "others"),
    [
        (VaeConfig, {"method": "residual", "channels": 4}),
        (ClassifierConfig, {"method": "residual", "classes": NAMES}),
    ],
)
def test_a_size_from_a_strangers_file_is_checked(kind, others, size):
    with pytest.raises(ValueError, match=r"\A[^\n]{10,300}\Z"):
        kind.from_dict(others | {"size": size})


def test_sizes_are_written_as_people_read_them():
    assert (size_of(32, 32), size_of(24, 40)) == (32, (24, 40))
    assert (size_text(32, 32), size_text(24, 40)) == ("32 px", "40 x 24 px")


def test_the_middle_part_of_the_wanted_shape_is_used():
    images = torch.zeros(1, 30, 90, 3)
    images[:, :, 30:60] = 1  # the middle third
    assert fit_middle(images, 16, 16).min() > 0.99
    assert fit_middle(images, 24, 24 * 3).shape == (1, 24, 72, 3)
    wide = fit_middle(images, 10, 20)
    assert wide[:, :, 6:14].min() > 0.9
    assert wide[:, :, [0, 1, -2, -1]].max() < 0.1
    assert torch.equal(fit_middle(images, 30, 90), images)


def test_shifts_and_mixtures_follow_both_sides():
    images = torch.arange(16 * 64).view(1, 16, 64, 1)
    chosen = torch.zeros(200, dtype=torch.int64)
    moved = images[shifted_places(chosen, 16, 64, rng(1))][..., 0]
    rows, columns = (moved // 64), (moved % 64)
    assert rows[:, 8, 0].unique().tolist() == [7, 8, 9]
    reached = columns[:, 0, 32].unique()
    assert reached.min() == 32 - 1 - 4
    assert reached.max() == 32 + 4
    wide = [CutMix.draw(4, 16, 64, rng(seed)) for seed in range(50)]
    assert {(len(c.rows), len(c.columns)) for c in wide} == {(16, 64)}
    for mixture in wide:
        share = (mixture.rows & mixture.columns).float().mean()
        assert share == pytest.approx(float(mixture.area))
    assert any(c.columns.sum() > 32 for c in wide)


def test_the_largest_number_of_pixels_at_once_counts_both_sides(monkeypatch):
    monkeypatch.setattr(sampler, "PIXELS_AT_ONCE", 4 * 16 * 48)
    assert len(sampler.micro_batches(8, 16 * 48)) == 2


def test_copies_are_found_among_pictures_of_any_shape():
    images, _ = noise(16, 48)
    mirrored = images[[5]].flip(2)
    rows, distances = nearest_rows(mirrored, images, 2, pixel_vectors, lambda *_: None)
    assert rows[0, 0] == 5
    assert distances[0, 0] == 0
    assert pixel_vectors(images).shape == (12, 3 * 32 * 11)


def test_a_style_of_another_shape_is_transferred():
    content, style = (torch.rand(1, 3, *s, generator=rng(1)) * 2 - 1 for s in ((24, 40), (48, 16)))
    painted = transfer(
        content, style, steps=4, seed=1, numerics=PLAIN, progress=lambda *_, **__: None
    )
    assert painted.shape == content.shape
