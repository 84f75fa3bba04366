"""Style transfer by patches: nearer to the style, the content's light and dark, no surprises."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from shelf import PLAIN, silent
from torch.nn import functional as F

from artgraph.models.patch_voting import SIDE, evenly_spaced, patches_at, vote
from artgraph.models.sliced_wasserstein import (
    _Match,
    blurred_brightness,
    patch_distance,
    random_directions,
    recoloured_by_brightness,
    transfer,
)
from artgraph.models.training.rng import rng

pytestmark = pytest.mark.usefixtures("one_thread")


def halves(count: int, height: int, width: int) -> torch.Tensor:
    """Dark on the left, light on the right."""
    picture = torch.full((count, 3, height, width), -0.8)
    picture[..., width // 2 :] = 0.8
    return picture


def stripes(count: int, height: int, width: int) -> torch.Tensor:
    """Red and green stripes."""
    wave = torch.sin(torch.arange(width) * 1.2).expand(count, height, width)
    return torch.stack([wave, -wave, torch.full_like(wave, -0.5)], 1)


def transferred(content, style, **settings):
    defaults = {"steps": 24, "seed": 0, "numerics": PLAIN, "progress": silent}
    return transfer(content, style, **(defaults | settings))


def distance(pictures: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    directions = torch.randn(64, 3, 5, 5, generator=rng(99))
    return patch_distance(pictures, style, directions)


@pytest.mark.parametrize(
    "sizes", [((32, 32), (32, 32)), ((32, 48), (40, 24)), ((16, 50), (33, 64))]
)
def test_comes_nearer_to_the_style_whatever_the_sizes(sizes):
    content, style = halves(2, *sizes[0]), stripes(2, *sizes[1])
    done = transferred(content, style)
    assert done.shape == content.shape
    assert done.dtype == torch.float32
    assert done.isfinite().all()
    assert done.abs().max() <= 1
    assert (distance(done, style) < 0.3 * distance(content, style)).all()
    assert (done - content).abs().mean() > 0.2


def test_a_picture_is_at_no_distance_from_itself():
    style = stripes(2, 20, 30)
    assert distance(style, style).max() == 0
    assert distance(style, style.flip(2)).max() < 1e-3
    assert distance(style, halves(2, 20, 30)).min() > 0.1


def test_keep_holds_light_and_dark():
    rows = torch.arange(32)[:, None] // 8 % 2
    content = (0.8 * (2 * rows - 1)).expand(1, 3, 32, 32)
    style = halves(1, 32, 32)

    def kept(keep: float) -> float:
        done = blurred_brightness(transferred(content, style, keep=keep))
        pair = torch.stack([done.flatten(), blurred_brightness(content).flatten()])
        return torch.corrcoef(pair)[0, 1].item()

    assert kept(1.0) > max(0.5, kept(0.0))


def test_works_in_inference_mode_and_leaves_its_surroundings_alone():
    content, style = halves(1, 24, 24), stripes(1, 24, 24)
    before, rng = (content.clone(), style.clone()), torch.get_rng_state()
    plain = transferred(content, style, steps=6)
    with torch.inference_mode():
        inside = transferred(content.clone(), style.clone(), steps=6)
    assert torch.equal(plain, inside)
    assert torch.equal(content, before[0])
    assert torch.equal(style, before[1])
    assert torch.equal(torch.get_rng_state(), rng)
    assert not torch.equal(plain, transferred(content, style, steps=6, seed=1))


def test_neighbours_in_the_batch_do_not_matter():
    content, style = halves(2, 24, 24), stripes(2, 24, 24)
    content[1] *= -1
    together = transferred(content, style, steps=6)
    alone = transferred(content[1:], style[1:], steps=6)
    assert (together[1:] - alone).abs().mean() < 0.01


def test_paints_fewer_pictures_at_a_time_when_memory_runs_out():
    content = torch.stack([halves(1, 24, 24)[0] * factor for factor in (1.0, -1.0, 0.5)])
    style, shares = stripes(3, 24, 24), []

    def little_memory(done, total, preview=None):
        if len(preview()) > 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        shares.append(done / total)

    with pytest.warns(UserWarning, match="continuing with 1 pictures at a time"):
        painted = transferred(content, style, steps=6, progress=little_memory)
    alone = [transferred(content[i : i + 1], style[i : i + 1], steps=6) for i in range(3)]
    assert torch.equal(painted, torch.cat(alone))
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


def test_reports_each_step_and_can_be_stopped():
    seen = []

    def watch(done, total, preview=None):
        if (done, total) not in seen:  # it is also called between parts of a step
            seen.append((done, total))
        assert preview().shape[-1] == 3
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transferred(halves(1, 24, 24), stripes(1, 24, 24), steps=9, progress=watch)
    assert [done for done, _ in seen] == [0, 1, 2, 3, 4, 5]
    assert len({total for _, total in seen}) == 1


def test_a_gradient_map_has_the_styles_colours_and_the_contents_order():
    mapped = recoloured_by_brightness(halves(1, 16, 16), stripes(1, 32, 32))
    assert mapped[0, :, :, :8].std((1, 2)).max() < 1e-6
    assert mapped.mean() == pytest.approx(stripes(1, 32, 32).mean().item(), abs=0.1)


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="styles"):
        transferred(halves(2, 32, 32), stripes(1, 32, 32))
    with pytest.raises(ValueError, match="channels"):
        transferred(halves(1, 32, 32)[:, :1], stripes(1, 32, 32))
    with pytest.raises(ValueError, match="16 px"):
        transferred(halves(1, 32, 32), stripes(1, 12, 32))


def test_votes_copy_patches_and_follow_the_guide():
    style = stripes(1, 24, 24)[0]
    none = torch.zeros(1, 24, 24)
    inside = (slice(None), slice(6, -6), slice(6, -6))
    assert torch.allclose(vote(style, style, none, none)[inside], style[inside], atol=1e-5)
    two = torch.cat([style.abs(), -style.abs()], 2)
    light, dark = torch.ones(1, 24, 24), -torch.ones(1, 24, 24)
    grey, guides = torch.zeros_like(style), 9 * torch.cat([light, dark], 2)
    assert vote(grey, two, 9 * light, guides).mean() > 0
    assert vote(grey, two, 9 * dark, guides).mean() < 0


def test_a_step_checks_often_whether_to_stop_and_that_changes_no_bit():
    pictures = torch.rand(1, 3, 256, 256, generator=rng(1)).requires_grad_()
    style = torch.rand(1, 3, 256, 256, generator=rng(2))
    directions = random_directions(rng(3))
    checks: list[int] = []
    found = [
        patch_distance(pictures, style, directions, check)
        for check in (None, lambda: checks.append(1))
    ]
    assert torch.equal(*found)
    assert torch.equal(*(torch.autograd.grad(one.sum(), pictures)[0] for one in found))
    assert len(checks) >= 6  # a step takes 0.3 seconds of one core


def test_a_large_style_is_used_at_evenly_spaced_places():
    style = torch.rand(3, 90, 70, generator=rng(4))
    every = F.unfold(style[None], SIDE)[0].T
    used = evenly_spaced(len(every), 1000)
    assert torch.equal(patches_at(style, used), every[used])


WITHOUT_COMPILER = """
import sys
import torch
from artgraph.models.sliced_wasserstein import transfer
from artgraph.models.training.numerics import Numerics

pictures = torch.zeros(1, 3, 16, 16)
silent = lambda *values: None
transfer(pictures, pictures, steps=2, seed=0, numerics=Numerics(), progress=silent)
assert "torch._dynamo" not in sys.modules, "its import takes a second that cannot be stopped"
"""


def test_style_transfer_does_not_import_the_compiler():
    subprocess.run([sys.executable, "-c", WITHOUT_COMPILER], check=True)


def test_steps_are_those_of_adam():
    picture = torch.rand(1, 3, 16, 16, generator=rng(5))
    match = _Match(picture, picture, torch.zeros(1, 1, 16, 16), 0.5, lambda: None)
    expected = picture.clone().requires_grad_()
    adam = torch.optim.Adam([expected], betas=(0.9, 0.99))
    for step in range(5):
        expected.grad = torch.randn(picture.shape, generator=rng(6, step))
        adam.param_groups[0]["lr"] = rate = 0.05 / (step + 1)
        adam.step()
        match._move(expected.grad, rate)
    assert torch.equal(match.picture, expected)
