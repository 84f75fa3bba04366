"""GANs that draw pictures that are not square: their maps, their start, their critics."""

from __future__ import annotations

import pytest
import torch
from gans import METHODS, quick  # noqa: F401 - fixtures
from rectangles import GANS, NAMES, SHAPES, noise
from shelf import PLAIN
from torch.nn import functional as F

from artgraph.models.blocks import blank
from artgraph.models.gan.api import GanConfig, generate, make_generator
from artgraph.models.gan.augment import Cutout, Translate
from artgraph.models.gan.config import SIZES, nominal_edge
from artgraph.models.gan.energy import picture_energy
from artgraph.models.gan.projected_features import square_part
from artgraph.models.gan.r3 import penalty_weight
from artgraph.models.gan.start import start_from
from artgraph.models.training.rng import rng


def draw(config, state, z=None):
    network = blank(lambda: make_generator(config))
    weights = {k.removeprefix("generator."): v for k, v in state.items() if k[:10] == "generator."}
    network.load_state_dict(weights)
    if z is None:
        z = torch.randn(3, config.latent_dim, generator=rng(1))
    return generate(network, z, torch.eye(2)[torch.arange(len(z)) % 2], PLAIN)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES.values())
def test_pictures_have_the_shape_of_the_dataset(method, shape):
    done = GANS[f"gan {method}"](*noise(*shape), 1)
    config = GanConfig.from_dict(done.config.to_dict())
    assert config == done.config
    assert draw(config, done.state).shape == (3, *shape, 3)


@pytest.mark.parametrize(
    ("size", "edge", "cells"),
    [
        ((24, 40), 32, (6, 10)),
        ((32, 48), 32, (8, 12)),
        ((16, 48), 32, (4, 12)),
        ((48, 88), 64, (6, 11)),
        ((320, 960), 512, (5, 15)),
    ],
)
def test_maps_follow_the_aspect(size, edge, cells):
    config = GanConfig.default("projected", size, NAMES)
    assert (config.edge, config.map_shape(8), config.map_shape(edge)) == (edge, cells, size)
    assert config.map_shape(4) == tuple(-(-side // 2) for side in cells)
    assert config.resolutions == GanConfig.default("projected", edge, NAMES).resolutions
    assert config.latent_dim == 64 + 8 * 5 * cells[0] * cells[1]


@pytest.mark.parametrize("size", SIZES)
def test_square_configs_are_written_as_before(size):
    written = GanConfig.default("projected", size, NAMES).to_dict()
    assert written["size"] == size
    assert type(written["size"]) is int
    assert nominal_edge(size, size) == size


@pytest.mark.parametrize(
    "size",
    [
        [48, 48],
        [40, 58],
        [26, 40],
        [16, 32],
        [16, 80],
        [16, 24],
        [8, 8192],
        [0, 32],
        [24.0, 40],
        [24, True],
    ],
)
def test_sizes_that_cannot_be_drawn_are_refused_in_one_line(size):
    good = GanConfig.default("r3", 32, NAMES).to_dict()
    with pytest.raises(ValueError, match=r"\A[^\n]{10,300}\Z"):
        GanConfig.from_dict(good | {"size": size})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(24, 40), (48, 16), (28, 40)])
def test_a_gan_continues_with_pictures_of_another_aspect_and_back(method, shape):
    start = GANS[f"gan {method}"](*noise(32, 32), 2)
    for other in (shape, (32, 32)):
        done = GANS[f"gan {method}"](*noise(*other), 1, start=(start.config, start.state))
        assert done.config.shape == other
        assert draw(done.config, done.state).shape == (3, *other, 3)
        same = [k for k, v in start.state.items() if done.state[k].shape == v.shape]
        assert len(same) >= len(start.state) - 4, "only coarsest maps change their shape"
        start = done


@pytest.mark.parametrize("method", METHODS)
def test_a_gan_of_another_aspect_begins_with_stretched_pictures(method, monkeypatch):
    square = GANS[f"gan {method}"](*noise(32, 32), 2)
    seen = {}

    def watched(trainee, *given):
        start_from(trainee, *given)
        seen.update({k: v.clone() for k, v in trainee.weights().items()})

    monkeypatch.setattr("artgraph.models.gan.api.start_from", watched)
    wide = GANS[f"gan {method}"](*noise(32, 48), 1, start=(square.config, square.state)).config
    z = torch.randn(8, 64 if method != "classic" else 100, generator=rng(1))
    pictures = []
    for config, state in ((square.config, square.state), (wide, seen)):
        # without noise maps, which decide details
        whole = F.pad(z, (0, config.latent_dim - z.shape[1]))
        pictures.append(draw(config, state, z=whole).permute(0, 3, 1, 2))
    pictures = [F.adaptive_avg_pool2d(p, 8).flatten(1) for p in pictures]
    first, second = (p - p.mean(0) for p in pictures)  # what differs between latents
    assert F.cosine_similarity(first, second).mean() > 0.5
    for name, value in square.state.items():
        if name.startswith("critic.") and seen[name].shape != value.shape:
            torch.testing.assert_close(seen[name].sum(), value.sum(), rtol=0.1, atol=0.1)


def test_a_square_gan_grows_to_larger_pictures_of_another_aspect():
    base = GANS["gan projected"](*noise(32, 32), 2)
    grown = GANS["gan projected"](*noise(48, 72), 2, start=(base.config, base.state))
    assert (grown.config.shape, grown.config.grown) == ((48, 72), 1)
    assert draw(grown.config, grown.state).shape == (3, 48, 72, 3)
    wide = GANS["gan projected"](*noise(24, 40), 2)
    grown = GANS["gan projected"](*noise(48, 80), 1, start=(wide.config, wide.state))
    assert draw(grown.config, grown.state).shape == (3, 48, 80, 3)


def test_smaller_pictures_of_another_aspect_are_refused():
    base = GANS["gan projected"](*noise(48, 72), 1)
    with pytest.raises(ValueError, match=r"draws 72 x 48 px, but the pictures are only 40 x 24 px"):
        GANS["gan projected"](*noise(24, 40), 1, start=(base.config, base.state))


def test_one_class_without_squares_learns_from_squares():
    images, labels = noise(24, 40)
    done = GANS["gan projected"](images, labels * 0, 1)
    assert done.config.shape == (24, 40)
    parts = [square_part(torch.arange(40.0).expand(2, 3, 16, 40), rng(seed)) for seed in range(60)]
    assert {part.shape[2:] for part in parts} == {(16, 16)}
    assert {int(part[0, 0, 0, 0]) for part in parts} >= {0, 12, 24}
    tall = square_part(torch.arange(40.0)[:, None].expand(2, 3, 40, 16), rng(3))
    assert tall.shape[2:] == (16, 16)


def test_shifts_and_holes_are_shares_of_both_sides():
    white = torch.ones(300, 3, 16, 48)
    moved = Translate.draw(300, (16, 48), rng(1)).apply(white)
    assert (moved[:, 0] == 0).all(2).sum(1).max() == 2  # an eighth of the rows
    assert (moved[:, 0] == 0).all(1).sum(1).max() == 6
    covered = Cutout.draw(300, (16, 48), rng(1)).apply(white)
    assert (covered == 0).float().mean((1, 2, 3)).max() == pytest.approx(0.25)


def test_the_energy_sees_the_last_column_of_an_odd_grid():
    reals = torch.zeros(4, 3, 28, 44)
    fakes = reals.clone()
    fakes[..., -4:] = 1  # one cell of 4 px
    assert picture_energy(fakes, [], reals, []) > picture_energy(reals, [], reals, []) + 0.01


def test_the_penalty_follows_the_area():
    assert penalty_weight(32, 32) == 0.3
    assert penalty_weight(32, 64) == 0.6
