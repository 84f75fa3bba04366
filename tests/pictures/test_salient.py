"""The crop to what is striking: the thing stays, wherever it is; the middle if there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from artgraph.contract.context import Context
from artgraph.nodes.image import resize_image
from artgraph.nodes.load_dataset import load_dataset
from artgraph.pictures.fitting import fitted

WIDTH, HEIGHT, THING = 240, 120, 60
PLAIN = (40, 60, 160)


def ground(kind: str) -> np.ndarray:
    pixels = np.full((HEIGHT, WIDTH, 3), PLAIN, np.float64)
    if kind == "gradient":
        pixels += np.linspace(0, 90, WIDTH)[None, :, None]
    if kind == "texture":
        pixels += np.random.default_rng(0).normal(0, 20, pixels.shape)
    return pixels.clip(0, 255).astype(np.uint8)


def with_thing(pixels: np.ndarray, left: int) -> np.ndarray:
    pixels[30 : 30 + THING, left : left + THING, :3] = (230, 200, 40)
    pixels[30 : 30 + THING, left : left + THING, 3:] = 255
    return pixels


def yellow(pixels: np.ndarray) -> int:
    """Pixels of the thing in a crop of the picture's height."""
    return int((pixels[..., 0].astype(int) - pixels[..., 2] > 100).sum())


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("left", [4, 90, 176])
@pytest.mark.parametrize("kind", ["plain", "gradient", "texture"])
def test_a_thing_stays_in_the_crop(kind, left, turned):
    pixels = with_thing(ground(kind), left)
    picture = Image.fromarray(pixels.swapaxes(0, 1).copy() if turned else pixels)
    cut = fitted(picture, HEIGHT, HEIGHT, "salient")
    assert yellow(cut.pixels) > 0.95 * THING**2
    assert cut.share == pytest.approx(0.5)


def test_a_picture_in_which_nothing_is_striking_is_cropped_to_its_middle():
    for kind in ("plain", "gradient"):
        picture = Image.fromarray(ground(kind))
        middle, salient = (fitted(picture, 60, 60, fit).pixels for fit in ("crop", "salient"))
        np.testing.assert_array_equal(middle, salient)


def test_a_picture_of_the_wanted_proportions_is_used_as_a_whole():
    picture = Image.fromarray(with_thing(ground("plain"), 4))
    assert fitted(picture, 60, 120, "salient").share == 0


def test_only_what_is_opaque_is_striking(tmp_path):
    pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    pixels[:, :100, :3] = np.random.default_rng(0).integers(0, 256, (HEIGHT, 100, 3))  # clear
    Image.fromarray(with_thing(pixels, 170)).save(tmp_path / "sprite.png")
    load = lambda fit, alpha: load_dataset(  # noqa: E731
        folder=tmp_path, size=HEIGHT, fit=fit, alpha=alpha, ctx=Context.quiet()
    ).images[0]
    for alpha in ("flatten", "keep"):
        assert yellow(load("crop", alpha).numpy()) < 0.5 * THING**2
        assert yellow(load("salient", alpha).numpy()) > 0.95 * THING**2
    torch.testing.assert_close(load("salient", "flatten")[0, 0], torch.full((3,), 255).byte())


def test_each_picture_of_a_batch_is_cropped_to_its_own_thing():
    batch = np.stack([with_thing(ground("plain"), left) for left in (4, 176)])
    small = resize_image(torch.from_numpy(batch) / 255, width=60, height=60, fit="salient")
    assert small.shape == (2, 60, 60, 3)
    for picture in small:
        assert yellow((picture * 255).byte().numpy()) > 0.95 * 30**2
