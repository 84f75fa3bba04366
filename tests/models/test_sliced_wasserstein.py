"""Style transfer by patches: nearer to the style, the content's light and dark, no surprises."""

from __future__ import annotations

import pytest
import torch
from shelf import PLAIN, silent

from artgraph.models.patch_voting import vote
from artgraph.models.sliced_wasserstein import (
    blurred_brightness,
    patch_distance,
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
        seen.append((done, total))
        assert preview().shape[-1] == 3
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transferred(halves(1, 24, 24), stripes(1, 24, 24), steps=9, progress=watch)
    assert [done for done, _ in seen] == [1, 2, 3, 4, 5]
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
