"""Textures, tiles, other arrangements and other aspects of one picture, made of its patches."""

import pytest
import torch
from bending import run
from torch.nn import functional as F

from artgraph.contract.errors import NodeError
from artgraph.models.patch_search import Patches
from artgraph.models.training.rng import rng
from artgraph.pictures.styles import render

SEEDED = ("texture", "reshuffle", "tile", "retarget")


def picture(style="voronoi", height=64, width=64):
    return torch.from_numpy(render(style, 0, height, width, 3).copy()).float().div(255)[None]


def made(node, image, **widgets):
    return run(node, {"image": image}, **widgets)["image"]


def sized(node, width, height):
    return {"width": width, "height": height} if node in ("texture", "retarget") else {}


def colours_of(image):
    return F.avg_pool2d(image.permute(0, 3, 1, 2), 4).flatten(2).sort(2).values


@pytest.mark.parametrize("node", SEEDED)
def test_results_repeat_and_each_picture_of_a_batch_is_made_alone(node):
    size = sized(node, 48, 40)
    image = picture()
    both = made(node, torch.cat([image, image.flip(1)]), **size)
    assert both.isfinite().all()
    assert both.shape[1:3] == ((40, 48) if size else (64, 64))
    assert torch.equal(made(node, image, **size), both[:1])
    assert torch.equal(made(node, image, **size), made(node, image, **size))
    if node in ("texture", "reshuffle"):
        assert not torch.equal(made(node, image, seed=1, **size), both[:1])


def test_a_texture_has_the_colours_of_the_picture_and_no_more():
    image = picture("pointillist")
    found = made("texture", image, width=64, height=64, structure=0.0)
    assert (colours_of(found) - colours_of(image)).abs().mean() < 0.06
    assert found.amin() >= image.amin() - 1e-5
    assert found.amax() <= image.amax() + 1e-5


def test_every_patch_of_a_texture_is_nearly_one_of_the_picture():
    image = picture(height=48, width=48)
    found = made("texture", image, width=48, height=48)
    noise = torch.rand(1, 48, 48, 3, generator=rng(1))

    def away(other):
        ours, theirs = (
            F.unfold(x.permute(0, 3, 1, 2), 7)[0].T.contiguous() for x in (other, image)
        )
        return torch.cdist(ours, theirs).amin(1).mean()

    assert away(found) < 0.25 * away(noise), (away(found), away(noise))


def seams(image):
    """Returns the differences across the borders, as multiples of those inside: (rows, columns)."""
    found = []
    for dim in (1, 2):
        steps = (image.roll(-1, dim) - image).abs().mean((0, 3 - dim, 3))
        found.append(float(steps[-1] / steps[:-1].mean()))
    return found


@pytest.mark.parametrize("style", ["voronoi", "pointillist", "kandinsky"])
def test_tiles_and_seamless_textures_repeat_without_a_seam(style):
    image = picture(style, 96, 96)
    tiled = made("tile", image)
    assert max(seams(tiled)) < 2
    assert max(seams(made("texture", image, width=80, height=64, seamless=True))) < 2
    middle = (slice(None), slice(36, 60), slice(36, 60))
    assert (tiled[middle] - image[middle]).abs().mean() < 0.08


def test_the_same_size_is_nearly_the_same_picture_and_another_one_is_not_stretched():
    image = picture("truchet", 64, 64)
    same = made("retarget", image, width=64, height=64)
    assert (same - image).abs().mean() < 0.03
    wide = made("retarget", image, width=128, height=64)
    stretched = F.interpolate(image.permute(0, 3, 1, 2), (64, 128), mode="bilinear")

    def steepness(x):  # of upright edges: lower if they are stretched
        return (x[..., 1:] - x[..., :-1]).abs().amax((1, 2)).mean()

    assert steepness(wide.permute(0, 3, 1, 2)) > 1.2 * steepness(stretched)


def test_one_colour_and_small_pictures():
    grey = torch.full((1, 16, 16, 3), 0.4)
    for node in SEEDED:
        torch.testing.assert_close(
            made(node, grey, **sized(node, 16, 18)).mean(),
            torch.tensor(0.4),
        )
    assert made("texture", picture(height=16, width=200), width=64, height=17).shape[1:3] == (
        17,
        64,
    )


@pytest.mark.parametrize(
    ("node", "image", "widgets", "text"),
    [
        ("tile", torch.zeros(1, 15, 40, 3), {}, "too small or too large"),
        ("texture", torch.zeros(1, 20, 20, 3), {"width": 4096, "height": 4096}, "4 million"),
        ("retarget", torch.zeros(1, 20, 20, 3), {"width": 321, "height": 20}, "more than 16 times"),
    ],
)
def test_sizes_that_cannot_be_made_are_refused(node, image, widgets, text):
    with pytest.raises(NodeError, match=text):
        made(node, image, **widgets)


def test_the_search_finds_each_patch_where_it_is():
    """The approximate search, from a field that is wrong by a few pixels."""
    source = torch.rand(3, 40, 50, generator=rng(4)) * 2 - 1
    patches = Patches(source, wraps=False)
    right = torch.arange(34 * 44).view(34, 44)
    assert torch.equal(patches.search(source, None, rng(0)), right)
    moved = right.roll((2, -1), (0, 1))
    found = moved
    for step in range(4):
        found = patches._improved(patches._features(source), found, rng(step))
    assert (found == right).float().mean() > 0.97
    torch.testing.assert_close(patches.mean(right), source)


def test_a_picture_wraps_in_its_patches():
    source = torch.rand(3, 24, 24, generator=rng(4)) * 2 - 1
    patches = Patches(F.pad(source[None], [3] * 4, mode="circular")[0], True)
    found = patches.search(source, None, rng(0))
    torch.testing.assert_close(patches.mean(found), source)
