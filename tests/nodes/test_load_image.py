"""Single pictures are read whatever their format, and what is wrong with one is said in a line."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from unreadable import HOSTILE

from artgraph.contract.context import Context
from artgraph.contract.errors import InputError
from artgraph.nodes import data


def load_image(**arguments):
    return data.load_image(**arguments).image


def plain(colour, size=(20, 20), mode="RGB"):
    return Image.new(mode, size, colour)


def middle(image):
    """The colour in the middle of the first picture, 0..255."""
    _, height, width, _ = image.shape
    return [round(float(v) * 255) for v in image[0, height // 2, width // 2]]


# One picture


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "gif", "tiff", "bmp", "PNG"])
def test_formats(tmp_path, ending):
    plain((200, 40, 40), (30, 20)).save(tmp_path / f"a.{ending}")
    image = load_image(path=tmp_path / f"a.{ending}")
    assert image.shape == (1, 20, 30, 3)
    assert image.dtype == torch.float32
    assert np.abs(np.subtract(middle(image), (200, 40, 40))).max() <= 6


@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_sixteen_bits_are_scaled(tmp_path, ending):
    grey = np.full((8, 8), 32896, np.uint16)
    Image.fromarray(grey).save(tmp_path / f"a.{ending}")
    assert middle(load_image(path=tmp_path / f"a.{ending}")) == [128] * 3


def test_floating_point_tiff(tmp_path):
    Image.fromarray(np.full((8, 8), 0.25, np.float32)).save(tmp_path / "a.tiff")
    assert middle(load_image(path=tmp_path / "a.tiff")) == [64] * 3


@pytest.mark.parametrize(
    ("mode", "colour", "seen"),
    [
        ("L", 77, (77, 77, 77)),
        ("1", 1, (255, 255, 255)),
        ("LA", (0, 0), (255, 255, 255)),
        ("RGBA", (255, 0, 0, 128), (255, 127, 127)),
    ],
)
def test_grey_and_alpha_on_white(tmp_path, mode, colour, seen):
    plain(colour, mode=mode).save(tmp_path / "a.png")
    assert np.abs(np.subtract(middle(load_image(path=tmp_path / "a.png")), seen)).max() <= 1


def test_palette_with_transparency(tmp_path):
    picture = plain((0, 90, 0)).quantize(4)
    picture.save(tmp_path / "opaque.png")
    picture.save(tmp_path / "clear.png", transparency=picture.getpixel((5, 5)))
    assert middle(load_image(path=tmp_path / "opaque.png")) == [0, 90, 0]
    assert middle(load_image(path=tmp_path / "clear.png")) == [255, 255, 255]


def test_cmyk(tmp_path):
    plain((0, 255, 255, 0), mode="CMYK").save(tmp_path / "a.jpg", quality=95)
    red, green, blue = middle(load_image(path=tmp_path / "a.jpg"))
    assert red > 200
    assert max(green, blue) < 60


def test_a_colour_profile_is_followed_and_a_broken_one_ignored(tmp_path):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    plain((90, 120, 150)).save(tmp_path / "other.png", icc_profile=lab)
    plain((90, 120, 150)).save(tmp_path / "broken.png", icc_profile=b"nonsense")
    assert middle(load_image(path=tmp_path / "broken.png")) == [90, 120, 150]
    load_image(path=tmp_path / "other.png")


def test_exif_orientation(tmp_path):
    picture = plain("white", (40, 20))
    picture.paste("red", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise: the left becomes the top
    picture.save(tmp_path / "a.jpg", exif=exif, quality=95)
    image = load_image(path=tmp_path / "a.jpg")
    assert image.shape == (1, 40, 20, 3)
    assert image[0, 5, 10, 1] < 0.2
    assert image[0, 35, 10, 1] > 0.8


def test_first_frame_of_an_animation(tmp_path):
    plain("blue").save(tmp_path / "a.gif", save_all=True, append_images=[plain("red")])
    assert middle(load_image(path=tmp_path / "a.gif")) == [0, 0, 255]


def test_a_stereo_jpeg_as_telephones_make_them(tmp_path):
    plain("blue").save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[plain("red")])
    assert middle(load_image(path=tmp_path / "a.jpg"))[2] > 250


def test_the_content_counts_and_not_the_ending(tmp_path):
    plain("lime").save(tmp_path / "a.jpg", "PNG")
    assert middle(load_image(path=tmp_path / "a.jpg")) == [0, 255, 0]


def test_a_profile_that_is_not_used_is_reported(tmp_path):
    plain((90, 120, 150)).save(tmp_path / "broken.png", icc_profile=b"nonsense")
    warnings = []
    load_image(path=tmp_path / "broken.png", ctx=Context(warn=warnings.append))
    assert len(warnings) == 1
    assert "'broken.png': its colour profile can't be used" in warnings[0]


# Hostile files


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_wrong_with_a_file_is_said_in_one_line(tmp_path, name):
    make, words = HOSTILE[name]
    make(tmp_path / name)
    with pytest.raises(InputError, match=words) as caught:
        load_image(path=tmp_path / name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)
