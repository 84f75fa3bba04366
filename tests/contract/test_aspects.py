"""From an aspect and a size to height and width."""

import math

import pytest

from artgraph.contract.aspects import COMMON, nearest_common, ratio_of, shape_of
from artgraph.contract.errors import NodeError
from artgraph.models.configs import AREA_SLACK, size_of
from artgraph.models.gan.config import SIZES, check_gan_size


@pytest.mark.parametrize(
    ("size", "aspect", "shape"),
    [
        (64, "3:2", (48, 72)),
        (64, "2:3", (72, 48)),
        (32, "3:2", (24, 40)),
        (32, "1:3", (48, 16)),
        (64, "16:9", (48, 88)),
        (64, "9:16", (88, 48)),
        (64, "1.5", (48, 72)),
        (64, " 3 : 2 ", (48, 72)),
        (37, "1:1", (37, 37)),
        (37, "2:2", (37, 37)),
    ],
)
def test_the_nearest_shape_is_chosen(size, aspect, shape):
    assert shape_of(size, aspect) == shape


def test_a_multiple_can_be_asked_for():
    height, width = shape_of(64, "3:2", 4)
    assert height % 4 == width % 4 == 0
    assert (height, width) == (52, 80) or abs(width / height - 1.5) < 0.04


@pytest.mark.parametrize("size", SIZES)
def test_every_model_can_learn_from_every_shape(size):
    for step in range(-69, 70):
        height, width = shape_of(size, f"{math.exp(step / 50):.4f}")
        check_gan_size(size_of(height, width))
        assert height % 8 == width % 8 == 0
        assert 1 / AREA_SLACK <= height * width / size**2 <= AREA_SLACK


@pytest.mark.parametrize("aspect", COMMON)
def test_turning_a_picture_turns_the_shape(aspect):
    turned = ":".join(reversed(aspect.split(":")))
    for size in (16, 32, 48, 64, 100):
        assert shape_of(size, turned) == shape_of(size, aspect)[::-1]


@pytest.mark.parametrize(
    ("aspect", "message"),
    [
        ("1:40", r"the aspect 1:40 are too narrow - use an aspect from 1:4 to 4:1"),
        ("40", "too narrow"),
        ("0:1", "not a ratio"),
        ("3:0", "not a ratio"),
        ("wide", "not a ratio - write width and height like 3:2"),
        ("nan", "not a ratio"),
        ("-3:2", "not a ratio"),
        ("3:2:1", "not a ratio"),
        ("", "not a ratio"),
        ("1e400", "not a ratio"),
    ],
)
def test_what_is_no_usable_aspect_is_refused_in_one_line(aspect, message):
    with pytest.raises(NodeError, match=message) as caught:
        shape_of(64, aspect)
    assert "\n" not in str(caught.value)


def test_a_ratio_is_rounded_to_a_common_aspect():
    assert nearest_common(1.48) == "3:2"
    assert nearest_common(0.34) == "1:3"
    assert nearest_common(1.02) == "1:1"
    assert nearest_common(99) == "3:1"
    assert all(nearest_common(ratio_of(aspect)) == aspect for aspect in COMMON)
