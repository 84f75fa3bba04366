"""Cropping, padding, turning, repeating and placing, against NumPy and Pillow."""

import numpy as np
import pytest
import torch
from PIL import Image
from retouching import pictures, run

from artgraph.contract.errors import NodeError

SHAPES = [(2, 33, 47, 4), (1, 1, 1, 3), (1, 1, 64, 3), (2, 50, 1, 4)]


@pytest.mark.parametrize("shape", SHAPES)
def test_without_settings_the_bits_stay(shape):
    image = pictures(*shape)
    assert torch.equal(run("crop_picture", {"image": image}), image)
    assert torch.equal(run("turn_picture", {"image": image}), image)
    assert torch.equal(run("repeat_picture", {"image": image}, across=1, down=1), image)
    none = dict.fromkeys(("left", "top", "right", "bottom"), 0)
    assert torch.equal(run("pad_picture", {"image": image}, **none), image)


@pytest.mark.parametrize(
    ("place", "box"),
    [("top left", (0, 0)), ("right", (6, 30)), ("bottom", (13, 15)), ("centre", (6, 15))],
)
def test_a_crop_is_a_slice(place, box):
    image = pictures(2, 33, 47, 4)
    top, left = box
    found = run("crop_picture", {"image": image}, width=17, height=20, place=place)
    assert torch.equal(found, image[:, top : top + 20, left : left + 17])


def test_a_crop_outside_of_the_picture_is_refused():
    with pytest.raises(NodeError, match="is not inside of the pictures, which have 47 x 33 - "):
        run("crop_picture", {"image": pictures(1, 33, 47, 3)}, width=40, right=9)


@pytest.mark.parametrize(
    ("fill", "mode"), [("edge", "edge"), ("mirror", "symmetric"), ("wrap", "wrap")]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_edges_are_those_of_numpy(shape, fill, mode):
    image = pictures(*shape)
    found = run("pad_picture", {"image": image}, left=5, top=0, right=2, bottom=70, fill=fill)
    widths = ((0, 0), (0, 70), (5, 2), (0, 0))
    assert np.array_equal(found.numpy(), np.pad(image.numpy(), widths, mode=mode))


def test_edges_are_coloured_or_clear():
    sides = {"left": 1, "top": 2, "right": 3, "bottom": 0}
    for channels in (3, 4):
        image = pictures(1, 5, 6, channels)
        found = run("pad_picture", {"image": image}, colour="#ff0000", **sides)
        assert torch.equal(found[:, 2:, 1:7], image)
        assert found[0, 0, 0].tolist() == [1, 0, 0, 1][:channels]
        clear = run("pad_picture", {"image": image}, fill="clear", **sides)
        assert clear.shape == (1, 7, 10, 4)
        assert torch.equal(clear[:, 2:, 1:7, :channels], image)
        assert clear[..., 3].sum() == (image[..., 3].sum() if channels == 4 else 30)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("turns", [1, 2, 3, -1])
def test_quarter_turns_only_move_pixels(shape, turns):
    image = pictures(*shape)
    found = run("turn_picture", {"image": image}, angle=90 * turns)
    assert np.array_equal(found.numpy(), np.rot90(image.numpy(), turns, (1, 2)))
    flipped = run("turn_picture", {"image": image}, flip="left to right", angle=180)
    assert torch.equal(flipped, image.flip(1))


def test_other_angles_are_those_of_pillow():
    image = pictures(1, 41, 60, 3)
    found = run("turn_picture", {"image": image}, angle=30, colour="#000000")[0].numpy()
    levels = Image.fromarray((image[0].numpy() * 255).round().astype(np.uint8))
    wanted = np.asarray(levels.rotate(30, Image.Resampling.BICUBIC, expand=True)) / 255
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 0.01
    same_size = run("turn_picture", {"image": image}, angle=30, grow=False)
    assert same_size.shape == image.shape


def test_what_is_clear_colours_nothing_when_it_is_turned():
    image = torch.zeros(1, 40, 40, 4)
    image[..., 1] = 1  # clear green
    image[:, 10:30, 10:30] = torch.tensor([1.0, 0, 0, 1])
    found = run("turn_picture", {"image": image}, angle=20, fill="clear")
    assert found[..., 1].max() < 1e-3
    assert found[..., 3].max() == 1
    plain = run("turn_picture", {"image": pictures(1, 9, 9, 3)}, angle=45, fill="clear")
    assert plain.shape[3] == 4
    assert plain[0, 0, 0, 3] == 0


def test_patterns():
    image = pictures(1, 5, 7, 4)
    same = run("repeat_picture", {"image": image}, across=3, down=2)
    assert torch.equal(same, image.repeat(1, 2, 3, 1))
    mirrored = run("repeat_picture", {"image": image}, pattern="mirrored")
    assert torch.equal(
        mirrored, torch.cat([t := torch.cat([image, image.flip(2)], 2), t.flip(1)], 1)
    )
    brick = run("repeat_picture", {"image": image}, pattern="brick")
    assert torch.equal(brick[:, 5:], image.repeat(1, 1, 2, 1).roll(3, 2))


def test_pictures_are_placed_beside_and_below():
    first, second = pictures(2, 8, 5, 3), pictures(1, 8, 3, 4, seed=1)
    found = run("place_beside", {"first": first, "second": second}, gap=2)
    assert found.shape == (2, 8, 10, 4)
    assert torch.equal(found[:, :, :5, :3], first)
    assert found[:, :, 5:7].abs().max() == 0
    assert torch.equal(found[1, :, 7:], second[0])
    third = pictures(2, 16, 10, 3)
    inputs = {"first": first, "second": first, "third": third}
    found = run("place_beside", inputs, direction="below", gap=1, background="#0000ff")
    assert found.shape == (2, 8 + 8 + 8 + 2, 5, 3)
    assert found[0, 8, 0].tolist() == [0, 0, 1]
    assert torch.equal(found[:, 9:17], first)
    with pytest.raises(NodeError, match="batches of 2 and 3 can't be used together - "):
        run("place_beside", {"first": first, "second": pictures(3, 8, 5, 3)})
