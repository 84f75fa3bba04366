"""The classifiers: they learn, resume, and refuse nonsense."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from classifying import NAMES, network_of, patterns, trained
from shelf import PLAIN, Shelf

from artgraph.models.blocks import blank, initialise
from artgraph.models.classifier.augment import CutMix, Recolouring, Repainting, shifted_places
from artgraph.models.classifier.networks import (
    ClassifierConfig,
    make_classifier,
    predict,
)
from artgraph.models.training.rng import rng

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("method", ["residual", "classic"])
def test_learns_to_tell_patterns_apart(method):
    images, labels = patterns(96, 32, seed=0)
    done = trained(images, labels, method=method, steps=50)
    network, curves = network_of(done), done.curves
    unseen, truth = patterns(90, 32, seed=9)
    with torch.inference_mode():
        found = predict(network, unseen, PLAIN, batch=40)
    assert found.dtype == torch.float32
    assert torch.allclose(found.sum(1), torch.ones(90), atol=1e-5)
    assert (found.argmax(1) == truth).float().mean() > 0.95
    assert curves["accuracy"][-1] > curves["accuracy"][0]


def test_a_few_steps_are_of_use_already():
    """Batch norms that go by what they gathered in training get a third right here."""
    images, labels = patterns(30, 32, seed=0)
    network = network_of(trained(images, labels, steps=5))
    unseen, truth = patterns(90, 32, seed=9)
    assert (predict(network, unseen, PLAIN).argmax(1) == truth).float().mean() > 0.9


@pytest.mark.parametrize("method", ["residual", "classic"])
def test_where_training_mirrors_pictures_their_mirror_images_are_judged_alike(method):
    images, labels = patterns(30, 32, seed=0)
    unseen, _ = patterns(90, 32, seed=9)
    apart = {}
    for augment in (True, False):
        network = network_of(trained(images, labels, method=method, steps=5, augment=augment))
        found, mirrored = (predict(network, x, PLAIN) for x in (unseen, unseen.flip(2)))
        apart[augment] = float((found - mirrored).abs().max())
    assert apart[True] < 1e-5
    assert apart[False] > 1e-3


def test_colours_alone_can_make_a_class():
    """Though half of the pictures seen in training have another palette."""

    def tinted(count: int, seed: int):
        images, _ = patterns(count, 32, seed)
        labels = torch.arange(count) % 2
        tints = torch.tensor([[1.0, 0.9, 0.7], [0.7, 0.9, 1.0]])
        return (images * tints[labels][:, None, None]).to(torch.uint8), labels

    network = network_of(trained(*tinted(30, 0), ("warm", "cold"), steps=100))
    unseen, truth = tinted(60, 9)
    assert (predict(network, unseen, PLAIN).argmax(1) == truth).float().mean() > 0.95


@pytest.mark.parametrize("method", ["residual", "classic"])
def test_resumes_bit_for_bit_and_leaves_its_surroundings_alone(method):
    images, labels = patterns(30, 24, seed=2)
    before, random = images.clone(), torch.get_rng_state()
    shelf = Shelf()
    trained(images, labels, method=method, steps=3, shelf=shelf)
    resumed = trained(images, labels, method=method, steps=8, shelf=shelf)
    straight = trained(images, labels, method=method, steps=8)
    assert resumed.curves == straight.curves
    assert all(torch.equal(resumed.state[key], straight.state[key]) for key in straight.state)
    assert all(value.is_contiguous() for value in straight.state.values())
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("size", [16, 30, 64, 100, 512])
def test_any_square_size(size):
    config = ClassifierConfig("residual", size, NAMES, width=8)
    network = blank(lambda: make_classifier(config))
    initialise(network, rng(0))
    maps = network.eval().features(torch.zeros(2, 3, size, size))
    assert [m.shape[1] for m in maps] == list(network.widths)
    assert maps[0].shape[2:] == (size // 2, size // 2)
    probabilities = predict(network, torch.zeros(2, size, size, 3, dtype=torch.uint8), PLAIN)
    assert probabilities.shape == (2, 3)


def test_the_network_is_small():
    network = blank(lambda: make_classifier(ClassifierConfig("residual", 64, NAMES)))
    assert 5e5 < sum(p.numel() for p in network.parameters()) < 7e5


def test_rare_classes_have_the_same_say():
    images, labels = patterns(120, 24, seed=3)
    chosen = torch.cat([torch.nonzero(labels == 0)[:, 0], torch.nonzero(labels != 0)[:12, 0]])
    network = network_of(trained(images[chosen], labels[chosen], steps=90))
    unseen, truth = patterns(90, 24, seed=4)
    found = predict(network, unseen, PLAIN).argmax(1)
    assert all((found == truth)[truth == c].float().mean() > 0.9 for c in range(3))


def test_config_survives_json():
    config = ClassifierConfig("classic", 64, NAMES, width=16)
    assert ClassifierConfig.from_dict(json.loads(json.dumps(dataclasses.asdict(config)))) == config


@pytest.mark.parametrize(
    "change",
    [
        {"size": 8},
        {"size": 10**9},
        {"size": 64.0},
        {"size": True},
        {"width": 10**6},
        {"method": "huge"},
        {"method": ["residual"]},
        {"method": "classic", "size": 512},
        {"halvings": 2},
        {"halvings": 40},
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"temperature": "1"},
        {"mirrored": 1},
        {"classes": []},
        {"classes": "cat"},
        {"classes": ["a", "a"]},
        {"classes": ["a", 3]},
        {"classes": ["x" * 10**6]},
        {"classes": [str(k) for k in range(2000)]},
        {"module": "os"},
    ],
)
def test_config_refuses_nonsense_in_one_line(change):
    good = {"method": "residual", "size": 64, "classes": ["a", "b"], "width": 32}
    with pytest.raises(ValueError, match=r"^[^\n]{1,300}$"):
        ClassifierConfig.from_dict(good | change)


def test_config_needs_all_its_settings():
    with pytest.raises(ValueError, match="size"):
        ClassifierConfig.from_dict({"method": "residual", "classes": ["a"]})


def test_training_refuses_pictures_and_labels_that_do_not_fit():
    images, labels = patterns(6, 16, seed=0)
    with pytest.raises(ValueError, match="too narrow"):
        trained(images[:, :3], labels)
    with pytest.raises(ValueError, match="labels"):
        trained(images, labels + 1)


def test_augmentation_is_light():
    images, _ = patterns(6, 32, seed=0, noise=0)
    chosen = torch.tensor([4, 4, 1, 0])
    moved = images[shifted_places(chosen, 32, 32, rng(1))]
    again = images[shifted_places(chosen, 32, 32, rng(1))]
    assert moved.shape == (4, 32, 32, 3)
    assert torch.equal(moved, again)
    assert not torch.equal(moved[0], moved[1])
    assert (moved.float().mean((1, 2)) - images[chosen].float().mean((1, 2))).abs().max() < 12
    colour = torch.rand(4, 3, 8, 8, generator=rng(0)) * 2 - 1
    changed = Recolouring.draw(4, rng(2)).apply(colour.clone())
    assert changed.abs().max() <= 1
    assert 0 < (changed - colour).abs().mean() < 0.4


def test_half_of_the_pictures_get_another_palette():
    pictures = torch.rand(1000, 3, 2, 2, generator=rng(0)) * 2 - 1
    before = pictures.clone()
    changed = Repainting.draw(1000, rng(3)).apply(pictures)
    assert torch.equal(pictures, before)
    assert torch.equal(changed, Repainting.draw(1000, rng(3)).apply(pictures))
    kept = (changed == before).flatten(1).all(1).double().mean()
    assert 0.5 < kept < 0.62  # one exchange of channels in six changes nothing
    spread = (t.std((2, 3)).sort(1).values for t in (changed, before))
    assert torch.allclose(*spread)
    assert 0.2 < (changed.mean((1, 2, 3)) * before.mean((1, 2, 3)) < 0).double().mean() < 0.3


def test_a_mixed_picture_shows_as_much_of_a_class_as_its_truth_says():
    pictures = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 20, 20)
    truth = torch.eye(4)
    mixed = 0
    for seed in range(20):
        images, shares = CutMix.draw(4, 20, 20, rng(seed)).apply(pictures, truth)
        seen = torch.stack([(images[:, 0] == k).flatten(1).double().mean(1) for k in range(4)], 1)
        assert torch.allclose(seen, shares.double(), atol=1e-6)
        mixed += not torch.equal(images, pictures)
    assert torch.equal(truth, torch.eye(4))
    assert 4 < mixed < 16
