"""Repainting large pictures in tiles, dreams, and pictures of what a network responds to."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from seams import border_ratio
from shelf import PLAIN, silent
from torch import nn

from artgraph.models.repaint.dream import DreamSettings, Flight, dream, dream_film, flown
from artgraph.models.repaint.refining import first_places, painted, refined_places
from artgraph.models.repaint.responses import Response
from artgraph.models.repaint.transfer import _scales, repaint, with_colours_of
from artgraph.models.repaint.visualise import visualise
from artgraph.models.sliced_wasserstein import brightness, transfer
from artgraph.models.training.rng import rng

pytestmark = pytest.mark.usefixtures("one_thread")


def nothing() -> None:
    pass


def waves(height: int, width: int, seed: int) -> torch.Tensor:
    """A smooth coloured pattern (1, 3, H, W) in -1..1."""
    coarse = torch.randn(1, 3, height // 8, width // 8, generator=rng(seed))
    return nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(-1, 1)


class Edges(nn.Module):
    """A network with two maps of random filters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 5, 2, 2)
        self.conv2 = nn.Conv2d(8, 12, 3, 2, 1)
        for number, conv in enumerate((self.conv1, self.conv2)):
            nn.init.normal_(conv.weight, 0, 0.2, generator=rng(number))
            nn.init.zeros_(conv.bias)
        self.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        first = self.conv1(x)
        return [first, self.conv2(torch.relu(first))]


SEEN = Response(Edges(), 1, range(12))
USUAL = DreamSettings(seed=0, steps=3, octaves=2, strength=1.0, jitter=8)


def dreamt(picture, settings=USUAL, response=SEEN):
    return dream(picture, response, settings, PLAIN, silent)


def test_the_tiles_do_not_change_a_large_picture():
    picture, style = waves(72, 88, 0)[0], waves(64, 96, 1)[0]
    places = first_places(picture, style, nothing)
    whole = refined_places(picture, style, places, 2, nothing, tile=1000)
    for tile in (16, 33):
        assert torch.equal(refined_places(picture, style, places, 2, nothing, tile), whole)
        assert torch.equal(
            painted(style, whole, nothing, tile), painted(style, whole, nothing, tile=1000)
        )


def test_rounds_find_nearer_patches():
    picture, style = waves(48, 48, 0)[0], waves(48, 48, 1)[0]
    places = torch.randint(3, 45, (48, 48, 2), generator=rng(2))
    errors = []
    for step in (0, 4, 2, 1, 1):
        if step:
            places = refined_places(picture, style, places, step, nothing)
        errors.append((painted(style, places, nothing) - picture).square().mean().item())
    assert errors[-1] < 0.6 * errors[0]


def test_a_picture_is_repainted_with_itself():
    style = waves(64, 64, 1)[0]
    places = first_places(style, style, nothing)
    assert (painted(style, places, nothing) - style)[:, 6:-6, 6:-6].abs().max() < 1e-5


def test_small_pictures_have_the_bits_of_the_plain_transfer():
    content, style = waves(40, 56, 0), waves(48, 40, 1)
    settings = {"steps": 8, "keep": 0.5, "seed": 0, "numerics": PLAIN, "progress": silent}
    assert torch.equal(repaint(content, style, **settings), transfer(content, style, **settings))


def test_scales_go_from_about_256_to_the_full_size():
    assert _scales(256, 256) == [1.0]
    assert _scales(100, 600) == [1.0]
    for height, width in ((257, 257), (1024, 1024), (300, 900)):
        scales = _scales(height, width)
        assert scales[-1] == 1
        assert (height * width) ** 0.5 * scales[0] == pytest.approx(256)
        assert all(b / a < 1.42 for a, b in pairwise(scales))


@pytest.mark.slow
def test_a_large_picture_has_no_seams_and_reports_its_progress():
    content, style = waves(320, 352, 0), waves(320, 352, 1)
    seen = []

    def watch(done, total, preview=None):
        seen.append(done / total)

    settings = {"steps": 3, "keep": 0.5, "seed": 0, "numerics": PLAIN}
    result = repaint(content, style, progress=watch, **settings)
    assert result.shape == content.shape
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1, abs=0.2)
    assert len(seen) > 50
    low, high = border_ratio(result[0], 256)
    assert low <= 1 <= high


def test_seams_are_found():
    picture = waves(128, 128, 3)[0]
    low, high = border_ratio(picture, 32)
    assert low <= 1 <= high
    picture[:, :, 32:64] += 0.4
    assert border_ratio(picture, 32)[1] < 1


def test_the_colours_of_the_content_are_kept():
    content, other = waves(32, 32, 0) * 0.3, waves(32, 32, 1) * 0.3
    mixed = with_colours_of(content, other)
    assert torch.allclose(brightness(mixed), brightness(other), atol=1e-5)
    chroma = mixed - brightness(mixed)
    assert torch.allclose(chroma, content - brightness(content), atol=1e-5)


def test_a_dream_raises_the_response():
    picture = waves(64, 80, 0) * 0.5
    result = dreamt(picture)
    before, after = (SEEN.values(x, PLAIN).clamp(min=0).square().mean() for x in (picture, result))
    assert result.shape == picture.shape
    assert result.abs().max() <= 1
    assert after > 1.2 * before
    assert torch.equal(result, dreamt(picture))
    assert not torch.equal(result, dreamt(picture, DreamSettings(1, 3, 2, 1.0, 8)))


def test_a_dream_of_one_channel_raises_this_channel_most():
    picture = waves(64, 64, 0) * 0.3
    means = []
    for channel in (2, 7):
        one = Response(SEEN.network, 1, [channel])
        values = SEEN.values(dreamt(picture, response=one), PLAIN).clamp(min=0).square()
        means.append(values.mean((0, 2, 3))[[2, 7]])
    assert means[0][0] > means[1][0]
    assert means[1][1] > means[0][1]


def test_pictures_of_a_batch_dream_alone():
    pair = torch.cat([waves(48, 48, 0), waves(48, 48, 1)])
    assert torch.equal(dreamt(pair)[1:], dreamt(pair[1:]))


def test_large_dreams_have_no_seams():
    from artgraph.models.repaint import dream as module

    picture = waves(512, 448, 0) * 0.5
    result = dreamt(picture, DreamSettings(0, 6, 1, 1.0, 16))
    low, high = border_ratio(result[0], module.TILE)
    assert low <= 1 <= high


def test_a_longer_film_begins_alike_and_with_its_picture():
    def film(frames):
        pictures = dream_film(
            waves(48, 64, 0) * 0.5, frames, Flight(1.05, 2.0), SEEN, USUAL, PLAIN, silent
        )
        return torch.cat(list(pictures))

    long, short = film(4), film(2)
    assert torch.equal(long[:2], short)
    assert torch.equal(long[:1], waves(48, 64, 0) * 0.5)
    assert (long[1:] - long[:-1]).abs().mean((1, 2, 3)).min() > 0.01


def test_the_camera_flies_to_the_middle_and_turns():
    picture = torch.full((1, 3, 65, 65), -1.0)
    picture[..., 20:45, 20:45] = 1
    larger = flown(picture, Flight(1.2, 0.0))
    assert (larger > 0).sum() == pytest.approx(1.44 * (picture > 0).sum().item(), rel=0.1)
    turned = flown(picture, Flight(1.0, 90.0))
    assert (turned - picture).abs().mean() < 0.02
    marked = picture.clone()
    marked[..., 0:5, 30:35] = 1  # above
    left = flown(marked, Flight(1.0, 90.0))
    assert (left[..., 30:35, 0:5] > 0).all()


def test_a_visualisation_raises_its_own_channel_and_others_do_not_matter():
    found = visualise(Response(SEEN.network, 1, [2, 7]), 32, 24, 0, PLAIN, silent)
    assert found.shape == (2, 3, 32, 32)
    early = visualise(Response(SEEN.network, 1, [2, 7]), 32, 1, 0, PLAIN, silent)
    late, first = (SEEN.values(x, PLAIN).mean((2, 3))[:, [2, 7]].diag() for x in (found, early))
    assert (late > first + 0.05).all()
    alone = visualise(Response(SEEN.network, 1, [7]), 32, 24, 0, PLAIN, silent)
    assert (alone - found[1:]).abs().mean() < 0.02


@pytest.mark.parametrize("work", ["dream", "film", "visualise"])
def test_dreams_can_be_stopped(work):
    def stop(done, total, preview=None):
        assert preview().dtype == torch.uint8
        raise KeyboardInterrupt

    picture, flight = waves(48, 48, 0), Flight(1.1, 0.0)
    works = {
        "dream": lambda: dream(picture, SEEN, USUAL, PLAIN, stop),
        "film": lambda: [*dream_film(picture, 3, flight, SEEN, USUAL, PLAIN, stop)],
        "visualise": lambda: visualise(SEEN, 32, 4, 0, PLAIN, stop),
    }
    with pytest.raises(KeyboardInterrupt):
        works[work]()
