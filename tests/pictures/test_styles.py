import hashlib

import numpy as np
import pytest
import torch

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.nodes.art import procedural_art
from artgraph.pictures.styles import ALL, EXTRA, STYLES, render

CTX = Context.quiet()
MEANS = [193.5, 132.0, 93.4, 173.8, 170.7, 101.4, 86.6, 93.0]


def art(count=16, size=32, styles="", seed=1):
    return procedural_art(count=count, size=size, styles=styles, seed=seed, ctx=CTX)


def test_pictures_go_round_the_styles():
    dataset = art(20)
    assert dataset.images.shape == (20, 32, 32, 3)
    assert dataset.classes == tuple(STYLES)
    assert dataset.labels.tolist() == [i % 8 for i in range(20)]
    assert dataset.names[:2] == ("mondrian 0", "kandinsky 0")
    assert dataset.names[8] == "mondrian 1"


def test_a_smaller_count_is_the_beginning_of_a_larger_one():
    assert torch.equal(art(11).images, art(200).images[:11])


def test_a_picture_depends_on_seed_style_and_its_number_alone():
    whole = art(32)
    chosen = art(8, styles="voronoi, mondrian")
    assert chosen.classes == ("voronoi", "mondrian")
    assert torch.equal(chosen.images[0::2], whole.images[7::8])
    assert torch.equal(chosen.images[1::2], whole.images[0::8])
    assert not torch.equal(art(8).images, art(8, seed=2).images)


@pytest.mark.parametrize("size", [16, 129, 144])
def test_threads_change_nothing(size):
    dataset = art(130 if size == 16 else 16, size)
    for place in (0, 7, len(dataset) - 1):
        style = dataset.classes[place % 8]
        assert np.array_equal(dataset.images[place], render(style, place // 8, size, size, 1))


def test_global_generators_stay_as_they_were():
    torch.manual_seed(3)
    np.random.seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    art()
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])


@pytest.mark.parametrize("style", ALL)
def test_pictures_differ_and_are_worth_looking_at(style):
    pictures = [render(style, index, 48, 48, 5) for index in range(12)]
    assert len({hashlib.sha256(p.tobytes()).digest() for p in pictures}) == 12
    assert np.mean([p.std() for p in pictures]) > 15


@pytest.mark.parametrize("style", ALL)
def test_a_design_does_not_depend_on_the_size(style):
    small = render(style, 2, 32, 32, 0).astype(float)
    large = render(style, 2, 128, 128, 0).astype(float).reshape(32, 4, 32, 4, 3).mean((1, 3))
    assert np.abs(small - large).mean() < 12


@pytest.mark.parametrize("style", ALL)
def test_many_seeds_at_odd_sizes_raise_no_warning(style):
    for index in range(60):
        render(style, index, 17, 17, 2**53 - 1 - index)


def test_the_largest_size():
    assert render("bauhaus", 0, 1024, 1024, 0).shape == (1024, 1024, 3)


def test_the_pictures_are_those_of_this_version():
    """Where this fails on purpose, raise the version of `procedural_art`."""
    means = art(8, 16).images.float().mean((1, 2, 3)).tolist()
    assert means == pytest.approx(MEANS, abs=0.3)


def test_further_styles_are_painted_only_where_they_are_asked_for():
    assert not set(EXTRA) & set(art(16).classes)
    mixed = art(4, styles="hokusai, mondrian")
    assert mixed.classes == ("hokusai", "mondrian")
    assert torch.equal(mixed.images[1::2], art(16).images[0::8])
    assert torch.equal(mixed.images[0::2], art(2, styles="hokusai").images)


def test_an_unknown_style_is_named():
    with pytest.raises(NodeError, match=r"'cubism'.*choose from mondrian"):
        art(styles="mondrian, cubism")


def test_too_much_is_refused_before_any_work():
    with pytest.raises(NodeError, match="4 GiB"):
        art(200_000, 1024)
