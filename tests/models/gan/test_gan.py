"""The GANs: resuming, odd class counts, shapes, limits, and the mathematics of their losses."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from gans import METHODS, SMALL, assert_same, pictures, quick, train  # noqa: F401 - fixtures
from shelf import PLAIN, Shelf
from torch.nn import functional as F

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.values.dataset import Dataset
from artgraph.models.blocks import blank, initialise
from artgraph.models.gan.api import GanConfig, generate, make_generator
from artgraph.models.gan.batches import GROUP, Batches, TrainingSet
from artgraph.models.gan.classic import adversarial_loss
from artgraph.models.gan.energy import energy
from artgraph.models.gan.projected import ProjectedMethod
from artgraph.models.gan.projected_critic import ProjectedCritic, group_deviation
from artgraph.models.gan.projected_networks import STYLE, Attention, FilmBlock
from artgraph.models.gan.r3 import StridedCritic, gradient_penalty
from artgraph.models.gan.trainee import GanTrainee
from artgraph.models.training.curves import DivergedError
from artgraph.models.training.rng import rng
from artgraph.nodes.gan import train_gan


def make(config, seed=0):
    network = blank(lambda: make_generator(config))
    initialise(network, rng(seed))
    return network


@pytest.mark.parametrize("method", METHODS)
def test_going_on_equals_an_undisturbed_run(method):
    images, labels = pictures(20, 3)
    before = images.clone()
    config, state, curves, extra = train(images, labels, 3, 14, method=method)
    shelf = Shelf()
    train(images, labels, 3, 5, shelf, method=method)
    again = train(images, labels, 3, 14, shelf, method=method)
    assert again.config == config
    assert_same(again.state, state)
    assert again.curves == curves
    assert again.extra == extra
    assert curves["step"] == [10, 14]
    assert np.isfinite([v for values in curves.values() for v in values]).all()
    assert torch.equal(images, before)
    blank(lambda: make_generator(config)).load_state_dict(
        {k.removeprefix("generator."): v for k, v in state.items() if k.startswith("generator.")}
    )


@pytest.mark.parametrize("method", METHODS)
def test_global_generators_are_untouched(method):
    torch_before = torch.random.get_rng_state()
    numpy_before, python_before = np.random.get_state(), random.getstate()
    train(*pictures(12, 2), 2, 1, method=method)
    assert torch.equal(torch.random.get_rng_state(), torch_before)
    assert str(np.random.get_state()) == str(numpy_before)
    assert random.getstate() == python_before


def test_another_seed_gives_another_gan():
    images, labels = pictures(12, 2)
    first, second = (train(images, labels, 2, 1, seed=seed)[1] for seed in (0, 1))
    assert not torch.equal(first["generator.start.weight"], second["generator.start.weight"])


@pytest.mark.parametrize("classes", [1, 2, 3, 25])
def test_any_number_of_classes_even_with_a_picture_each(classes):
    _, state, curves, *_ = train(*pictures(max(classes, 2), classes), classes, 2, augment="on")
    assert all(torch.isfinite(v).all() for v in state.values())
    assert curves["step"] == [2]


@pytest.mark.parametrize("classes", [1, 2, 3, 8, 25])
def test_a_batch_is_groups_of_one_class_and_classes_take_turns(classes):
    images, labels = pictures(10 * classes, classes, size=2)
    data = TrainingSet(images, labels, classes, mirror=True)
    batches = Batches(data, 32, seed=0)
    seen = torch.zeros(classes)
    for step in range(25):
        inputs, chosen = batches.reals(step)
        reals = data.pictures(inputs)
        assert reals.shape == (32, 3, 2, 2)
        assert -1 <= reals.min() <= reals.max() <= 1
        assert (chosen.view(-1, GROUP) == chosen[::GROUP, None]).all()
        seen += torch.bincount(chosen, minlength=classes)
    assert seen.max() - seen.min() <= GROUP


def test_a_class_without_pictures_is_left_out():
    images, labels = pictures(8, 2, size=2)
    batches = Batches(TrainingSet(images, 2 * labels, 3, mirror=False), 8, seed=0)
    assert set(batches.reals(0)[1].tolist()) == {0, 2}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [32, 64, 128])
def test_pictures_have_the_size_and_the_range(method, size):
    config = GanConfig.default(method, size, ("a", "b"))
    z = torch.randn(3, config.latent_dim, generator=rng(1))
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.3, 0.7]])
    network = make(config)
    with torch.inference_mode():
        images = generate(network, z, weights, PLAIN, batch=2)
    assert images.shape == (3, size, size, 3)
    assert images.dtype == torch.float32
    assert 0 <= images.min() < images.max() <= 1
    alone = generate(network, z[2:], weights[2:], PLAIN)
    torch.testing.assert_close(alone, images[2:])


@pytest.mark.parametrize("method", METHODS)
def test_gradients_reach_every_weight_of_the_generator(method):
    config = GanConfig.default(method, 32, ("a", "b"))
    network = make(config)
    for parameter in network.parameters():  # past the zeros that a start may have
        torch.nn.init.normal_(parameter, 0, 0.05, generator=rng(2))
    network(torch.randn(4, config.latent_dim), torch.eye(2).repeat(2, 1)).square().sum().backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


def test_a_normed_block_does_not_see_how_large_its_features_are():
    x, style = torch.randn(2, 8, 4, 4), torch.randn(2, STYLE)
    changes = {}
    for normed in (True, False):
        block = blank(lambda: FilmBlock(8, normed))  # noqa: B023 - called at once
        initialise(block, rng(0))
        with torch.no_grad():
            changes[normed] = [block(k * x, style) - k * x for k in (10.0, 1000.0)]
    torch.testing.assert_close(*changes[True], rtol=1e-2, atol=1e-2)
    assert (changes[False][1] - changes[False][0]).abs().max() > 1


def test_only_the_pixel_head_looks_further_around():
    reach = {}
    for fine in (0, 8):
        critic = blank(lambda: ProjectedCritic([(12, 16, 16), (6, 16, 16)], 2, 16, fine))  # noqa: B023
        initialise(critic, rng(0))
        views = [torch.randn(GROUP, c, 16, 16, generator=rng(1)) for c in (12, 6)]
        views = [view.requires_grad_() for view in views]
        for scores in critic(views, torch.eye(2).repeat(2, 1)):
            scores.unflatten(1, (8, 8))[0, 3, 3].backward()
        reach[fine] = [int(view.grad[0].any(0).any(0).sum()) for view in views]
    assert reach == {0: [8, 8], 8: [12, 8]}


def test_the_small_network_is_as_wide_as_the_config_says():
    config, state, *_ = train(*pictures(12, 2), 2, 1)
    widths = [len(state[f"features.convolutions.{k}.weight"]) for k in range(4)]
    assert widths == [*config.features]


def test_the_generators_gradient_is_clipped(monkeypatch):
    monkeypatch.setattr(ProjectedMethod, "clip", 0.01)
    norms = []
    plain = GanTrainee._update

    def watched(self, name, rate):
        if name == "generator_adam":
            squares = [p.grad.square().sum() for p in self.method.generator.parameters()]
            norms.append(float(torch.stack(squares).sum().sqrt()))
        plain(self, name, rate)

    monkeypatch.setattr(GanTrainee, "_update", watched)
    train(*pictures(12, 2), 2, 1)
    assert norms == pytest.approx([0.01], rel=1e-3)


@pytest.mark.parametrize("width", [32, 40, 96])
def test_every_place_attends_to_all_wherever_they_lie(width):
    attention = blank(lambda: Attention(width))
    initialise(attention, rng(0))
    x, style = torch.randn(2, width, 4, 6), torch.randn(2, STYLE)
    with torch.no_grad():
        before = attention(x, style)
        torch.testing.assert_close(attention(x.flip(2).mT, style), before.flip(2).mT)
        x[:, :, 0, 0] += 1
        changed = (attention(x, style) - before).abs().amax((0, 1))
    assert changed.min() > 0


def test_a_config_survives_a_file_and_states_its_latent():
    config = GanConfig.default("projected", 64, ("a", "b"))
    assert GanConfig.from_dict(config.to_dict()) == config
    assert config.latent_dim == 64 + 8 * 8**2 + 8 * 16**2
    assert GanConfig.default("classic", 512, ("a",)).latent_dim == 100


@pytest.mark.parametrize(
    "change",
    [
        {"size": 48},
        {"size": 1024},
        {"size": "32"},
        {"size": True},
        {"method": "stylegan"},
        {"method": ["r3"]},
        {"classes": []},
        {"classes": ["a", "a"]},
        {"classes": "ab"},
        {"classes": [""]},
        {"channels": []},
        {"channels": [128, 96, 64, 64, 64]},
        {"channels": [4096, 96, 64]},
        {"channels": [1.5, 96, 64]},
        {"channels": 96},
        {"blocks": 99},
        {"latent": 10**9},
        {"noise": -1},
        {"attention": 512},
        {"normed": 1},
        {"critic": 10**6},
        {"fine": -1},
        {"features": 64},
        {"features": [64, 64]},
        {"features": [64, 64, 64, 10**6]},
        {"color": 1},
    ],
)
def test_a_config_from_a_strangers_file_is_checked(change):
    good = GanConfig.default("projected", 128, ("a", "b")).to_dict()
    with pytest.raises(ValueError, match=r"\A[^\n]{10,300}\Z"):
        GanConfig.from_dict(good | change)


def test_a_config_lacks_nothing():
    with pytest.raises(ValueError, match="size"):
        GanConfig.from_dict({"method": "r3", "classes": ["a"], "channels": [8, 8, 8]})


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("multiple of 4", {"batch": 6}),
        ("needs the method classic", {"loss": "min-max"}),
        ("one of", {"method": "biggan"}),
    ],
)
def test_settings_that_cannot_be_used_are_reported(message, options):
    with pytest.raises(ValueError, match=message):
        train(*pictures(8, 2), 2, 1, **options)


def test_pictures_that_cannot_be_used_are_reported():
    images, labels = pictures(8, 2)
    for wrong in (images.float(), images[:, :16], images[:0], images[:, :24, :24]):
        with pytest.raises(ValueError, match=r"pictures|images|size"):
            train(wrong, labels[: len(wrong)], 2, 1)
    with pytest.raises(ValueError, match="labels"):
        train(images, labels + 1, 2, 1)


def test_features_that_are_passed_are_used_and_not_returned():
    class Halves(torch.nn.Module):
        def forward(self, x):
            return [F.avg_pool2d(x, 2), F.avg_pool2d(x, 4)]

    _, state, *_ = train(*pictures(8, 2), 2, 1, features=Halves())
    assert not [key for key in state if key.startswith("features.")]
    assert "critic.heads.2.score.weight" in state


def test_gradient_penalty_is_the_squared_slope():
    config = GanConfig.default("r3", 32, ("a",), SMALL["r3"])
    critic = blank(lambda: StridedCritic(config))
    initialise(critic, rng(0))
    weight, bias = torch.randn(3 * 32 * 32, generator=rng(1)), 0.5
    images = torch.rand(2, 3, 32, 32, generator=rng(2)).requires_grad_(True)
    linear = images.flatten(1) @ weight + bias
    torch.testing.assert_close(gradient_penalty(images, linear), weight.square().sum())

    critic = critic.double()
    critic.forward = lambda x, w: critic.score(critic.body(x))[:, 0]  # no cast to float32
    x, ones = images.detach().double().requires_grad_(True), torch.ones(2, 1).double()
    penalty = gradient_penalty(x, critic(x, ones))
    direction = torch.autograd.grad(critic(x, ones).sum(), x)[0].detach()
    length = direction.square().sum((1, 2, 3), keepdim=True).sqrt()
    step = 1e-6 * direction / length
    rise = (critic(x + step, ones) - critic(x - step, ones)) / 2e-6
    torch.testing.assert_close(penalty, rise.square().mean(), rtol=1e-5, atol=0)
    penalty.backward()
    assert critic.body[0].weight.grad.any()


def test_adversarial_losses_agree_where_the_critic_is_undecided():
    logits = torch.tensor([0.0], requires_grad=True)
    slopes = [
        torch.autograd.grad(adversarial_loss(logits, loss), logits)[0].item()
        for loss in ("non-saturating", "min-max")
    ]
    assert slopes == pytest.approx([-0.5, -0.5])
    certain = torch.tensor([-9.0])  # of a drawn picture: here min-max has no slope left
    assert adversarial_loss(certain, "non-saturating") > 8
    assert adversarial_loss(certain, "min-max").abs() < 1e-3


def test_energy_prefers_the_same_distribution_and_variety():
    def draws(*counters):
        return torch.randn(64 * GROUP, 5, generator=rng(0, *counters))

    same, shifted = energy(draws(1), draws(2), 1), energy(draws(1) + 2, draws(2), 1)
    collapsed = energy(torch.zeros(64 * GROUP, 5), draws(2), 1)
    assert same < shifted
    assert same < collapsed


def test_group_deviation_sees_repetition():
    x = torch.randn(2 * GROUP, 6, 3, 3, generator=rng(0))
    x[GROUP:] = x[GROUP]
    deviation = group_deviation(x)
    assert deviation.shape == (2 * GROUP, 1, 3, 3)
    assert (deviation[:GROUP] > 0.3).all()
    assert (deviation[GROUP:] < 0.01).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_training_that_diverges_says_so_and_saves_no_checkpoint(method):
    shelf = Shelf()
    with pytest.raises(DivergedError, match=r"\Athe training diverged: [^\n]* after \d+ steps"):
        train(*pictures(8, 2), 2, 12, shelf, method=method, rate=1e30)
    assert not shelf.states


def test_the_node_advises_a_lower_rate_if_the_training_diverges():
    images, labels = pictures(8, 2)
    dataset = Dataset(images, labels, ("a", "b"), tuple(f"{i}.png" for i in range(8)))
    with pytest.raises(NodeError) as caught:
        train_gan(dataset, method="r3", steps=12, batch=8, rate=1e30, ctx=Context.quiet())
    assert caught.value.what.startswith("the training diverged: ")
    assert caught.value.advice == "lower `rate`"
