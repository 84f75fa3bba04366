"""Pictures in JPEG XL: their pixels, and what is refused before Pillow's plug-in decodes it."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from artgraph.pictures.reading import UnreadableError, read_picture, size_of_picture
from artgraph.pictures.suffixes import Path, is_readable

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 4), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _package():
    pytest.importorskip("pillow_jxl", reason="JPEG XL needs the extra `jxl`")
    assert is_readable(Path("a.jxl"))  # lets Pillow write JPEG XL too


def header(width, height, rest):
    """A codestream without pictures; `rest` is its bits behind the size."""
    sides = "".join("11" + f"{side - 1:030b}"[::-1] for side in (height,)) + "000"
    sides += "11" + f"{width - 1:030b}"[::-1]
    bits = "0" + sides + rest + "0" * 200
    return b"\xff\x0a" + int(bits[::-1], 2).to_bytes(40, "little")


def test_pixels_and_transparency_are_exact(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.jxl", lossless=True)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.jxl", background=None), PIXELS)


def test_sixteen_bits_become_eight_by_the_profile(tmp_path):
    deep = (np.arange(2400, dtype=np.uint16) * 27).reshape(40, 60)
    Image.fromarray(deep).save(tmp_path / "a.jxl", lossless=True)
    found = np.asarray(read_picture(tmp_path / "a.jxl"))[..., 0]
    linear = deep / 65535  # as the plug-in writes it, with a profile that says so
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(found - 255 * curve).max() <= 1


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_picture_is_turned_once(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    photograph = Image.fromarray(PIXELS[..., :3]).resize((64, 48))
    photograph.save(tmp_path / "a.jpg", exif=exif)
    with warnings.catch_warnings(), Image.open(tmp_path / "a.jpg") as opened:
        warnings.simplefilter("ignore")  # that the file is kept bit for bit
        opened.save(tmp_path / "a.jxl")
    for name in ("a.jpg", "a.jxl"):
        assert size_of_picture(tmp_path / name) == read_picture(tmp_path / name).size
    np.testing.assert_array_equal(*(read_picture(tmp_path / n) for n in ("a.jpg", "a.jxl")))
    photograph.save(tmp_path / "b.jxl", lossless=True, exif=exif.tobytes())
    np.testing.assert_array_equal(read_picture(tmp_path / "b.jxl"), photograph)


@pytest.mark.parametrize(
    ("data", "words"),
    [(header(30000, 20000, "1"), "30000 x 20000 pixels"),
     (header(30000, 2000, "01000001"), "animation"),
     (header(30000, 2000, "1"), "it is damaged$")],
)  # fmt: skip
def test_what_is_refused_is_not_decoded_before(tmp_path, data, words):
    (tmp_path / "a.jxl").write_bytes(data)
    with pytest.raises(UnreadableError, match=words):
        read_picture(tmp_path / "a.jxl")


@pytest.mark.parametrize("size", [(8, 8), (257, 1), (1600, 900), (513, 512)])
def test_the_size_is_known_without_decoding(tmp_path, size):
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, "JXL", effort=1)
    (tmp_path / "a.jxl").write_bytes(buffer.getvalue()[:100])
    assert size_of_picture(tmp_path / "a.jxl") == size
