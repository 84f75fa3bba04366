import numpy as np
import pytest
from raw_files import tiff

from artgraph.pictures.reading import UnreadableError, read_picture

GREY = (np.mgrid[0:40, 0:40][1] * 6).astype(np.uint8)
FLOAT = (GREY / 255).astype(np.float32)


def check(path, wanted=GREY, levels=1):
    pixels = np.asarray(read_picture(path)).astype(int)
    assert (pixels[..., 0] == pixels[..., 2]).all()
    assert np.abs(pixels[..., 0] - wanted)[1:].max() <= levels


def with_first(values, first):
    changed = values.copy()
    changed[0, :3] = first
    return changed


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (FLOAT, {"kind": 3}),
        (1 - FLOAT, {"kind": 3, "photometric": 0}),
        (GREY, {}),
        (255 - GREY, {"photometric": 0}),
        (GREY.astype(np.uint16) * 257, {}),
        ((GREY // 2).astype(np.int8), {"kind": 2}),
        (GREY.astype(np.int16) * 128, {"kind": 2}),
        ((GREY.astype(np.int32) * 257 - 32768).astype(np.int16), {"kind": 2}),
        (GREY.astype(np.int32) * 8421504, {"kind": 2}),
    ],
)
def test_numbers_of_every_kind(tmp_path, pixels, options, order, deflate):
    tiff(tmp_path / "a.tif", pixels, order=order, deflate=deflate, **options)
    check(tmp_path / "a.tif", levels=2 if pixels.dtype == np.int8 else 1)


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (65535 - GREY.astype(np.uint16) * 257, {"photometric": 0}),
        (GREY.astype(np.uint32) * 16843009, {}),
    ],
)
def test_numbers_that_pillow_reads_in_one_byte_order_only(tmp_path, pixels, options, deflate):
    tiff(tmp_path / "a.tif", pixels, deflate=deflate, **options)
    check(tmp_path / "a.tif")


def test_twelve_bits(tmp_path):
    pixels = GREY.astype(np.uint16) * 16
    tiff(tmp_path / "a.tif", pixels, bits=12)
    check(tmp_path / "a.tif")


@pytest.mark.parametrize(
    "first", [[1.02, 1, 1], [np.inf, 5, 0], [np.nan, -np.inf, 30], [-0.2, 1e30, 0]]
)
def test_single_floats_beyond_white_do_not_change_the_others(tmp_path, first):
    tiff(tmp_path / "a.tif", with_first(FLOAT, first), kind=3)
    check(tmp_path / "a.tif")
    wanted = [255 if value >= 1 else 0 for value in first]
    assert np.asarray(read_picture(tmp_path / "a.tif"))[0, :3, 0].tolist() == wanted


def test_floats_in_other_ranges(tmp_path):
    for top in (255, 65535):
        tiff(tmp_path / "a.tif", FLOAT * np.float32(top), kind=3)
        check(tmp_path / "a.tif")
    tiff(tmp_path / "a.tif", np.zeros((40, 40), np.float32), kind=3)
    check(tmp_path / "a.tif", np.zeros_like(GREY))


def test_the_file_says_what_is_black_and_white(tmp_path):
    tiff(tmp_path / "a.tif", FLOAT * 4 + 1, kind=3, tags=[(340, 11, [1.0]), (341, 11, [5.0])])
    check(tmp_path / "a.tif")
    deep = GREY.astype(np.uint16) * 16
    tiff(tmp_path / "a.tif", deep, tags=[(341, 3, [255 * 16])])
    check(tmp_path / "a.tif")
    tiff(tmp_path / "a.tif", FLOAT, kind=3, tags=[(340, 11, [np.nan]), (341, 11, [np.inf])])
    check(tmp_path / "a.tif")


def test_a_tiff_of_a_kind_that_is_not_read_is_reported(tmp_path):
    tiff(tmp_path / "a.tif", np.stack([FLOAT] * 3, -1), 2, kind=3)
    with pytest.raises(UnreadableError, match="TIFF of a kind that is not supported"):
        read_picture(tmp_path / "a.tif")


def test_only_the_first_page_counts(tmp_path):
    from PIL import Image

    pages = [Image.fromarray(page) for page in (GREY, 255 - GREY)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    check(tmp_path / "a.tif")
