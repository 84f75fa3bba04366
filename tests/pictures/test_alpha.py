"""Pictures with alpha: read, resized, encoded, and on a checkerboard."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from artgraph.pictures.alpha import LEVELS, SQUARE, on_checkerboard, resized
from artgraph.pictures.encoding import encode_animation, encode_still
from artgraph.pictures.fitting import read_fitted
from artgraph.pictures.reading import read_picture
from artgraph.pictures.sheet import contact_sheet, lay_out
from artgraph.pictures.tiles import tiled
from artgraph.pictures.xy_sheet import Layout, Place


def disc(edge=64, inside=(200, 30, 30), outside=(0, 255, 0)):
    """A soft red disc; what is transparent is green."""
    y, x = np.mgrid[:edge, :edge] - (edge - 1) / 2
    alpha = ((edge / 3 - np.hypot(x, y)) / 4 + 0.5).clip(0, 1)
    pixels = np.empty((edge, edge, 4), np.uint8)
    pixels[..., :3] = np.where(alpha[..., None] > 0, inside, outside)
    pixels[..., 3] = (alpha * 255).round()
    return pixels


@pytest.fixture
def path(tmp_path):
    Image.fromarray(disc()).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_a_file_is_read_with_alpha_or_on_a_colour(path):
    kept = np.array(read_picture(path, background=None))
    assert (kept == disc()).all()
    black = np.array(read_picture(path, background="#000000"))
    assert black[0, 0].tolist() == [0, 0, 0]
    assert np.array(read_picture(path))[0, 0].tolist() == [255, 255, 255]


def test_a_file_without_alpha_is_opaque(tmp_path):
    Image.new("L", (4, 4), 7).save(tmp_path / "a.png")
    assert np.array(read_picture(tmp_path / "a.png", background=None))[0, 0].tolist() == [7] * 3 + [
        255
    ]


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_colours_of_clear_pixels_do_not_reach_the_edges(path, fit):
    pixels = read_fitted(path, 20, 24, fit, background=None).pixels
    visible = pixels[pixels[..., 3] > 3]
    assert abs(visible[:, :3].astype(int) - (200, 30, 30)).max() <= 2
    assert pixels[0, 0].tolist() == [0, 0, 0, 0]


def test_padding_has_the_colour_of_the_background(path):
    pixels = read_fitted(path, 16, 32, "pad", background="#0000ff").pixels
    assert pixels[0, 0].tolist() == [0, 0, 255]


def test_opaque_pictures_are_resized_like_rgb():
    pixels = np.random.default_rng(0).integers(0, 255, (64, 48, 3), dtype=np.uint8)
    rgb = Image.fromarray(pixels)
    with_alpha = rgb.copy()
    with_alpha.putalpha(255)
    small = np.array(resized(with_alpha, (20, 20)))
    assert (small[..., :3] == np.array(resized(rgb, (20, 20)))).all()
    assert small[..., 3].min() == 255


def test_a_checkerboard_is_behind_transparent_parts_only():
    shown = np.array(on_checkerboard(Image.fromarray(disc())))
    assert {shown[0, 0, 0], shown[0, SQUARE, 0]} == set(LEVELS)
    assert shown[32, 32].tolist() == [200, 30, 30]
    rgb = Image.new("RGB", (4, 4), "red")
    assert on_checkerboard(rgb).tobytes() == rgb.tobytes()


def test_a_colour_is_mixed_exactly_with_the_checkerboard():
    pixels = np.array([[[255, 0, 10, level] for level in range(256)]], np.uint8)
    share = np.arange(256)[:, None] / 255
    ground = np.array(LEVELS)[np.arange(256) // SQUARE % 2][:, None]
    wanted = np.array([255, 0, 10]) * share + ground * (1 - share)
    shown = np.array(on_checkerboard(Image.fromarray(pixels)))
    assert abs(shown[0] - wanted).max() <= 0.5001


def test_sheets_and_previews_show_a_checkerboard(tmp_path):
    batch = np.stack([disc(), disc()])
    sheet = contact_sheet(batch, lay_out(2, 64, 64, gap=0, columns=2, scale=1))
    assert {int(v) for v in np.unique(sheet[:8, :16])} <= set(LEVELS)
    assert sheet[32, 32].tolist() == [200, 30, 30]
    preview = np.array(tiled(torch.from_numpy(batch)))
    assert {int(v) for v in np.unique(preview[:8, :16])} <= set(LEVELS)
    Image.fromarray(disc()).save(tmp_path / "a.png")
    small = np.array(
        Layout(("1",), ("2",), (("1", "2"),), ("", ""), frozenset([(64, 64)])).draw(
            0, [Place(tmp_path / "a.png")]
        )
    )
    assert (small == LEVELS[1]).all(2).any()
    assert not (small == (0, 255, 0)).all(2).any()


@pytest.mark.parametrize(("kind", "quality"), [("png", 92), ("webp", 100)])
def test_stills_have_alpha(kind, quality):
    with Image.open(BytesIO(encode_still(disc(), kind, quality))) as saved:
        back = np.array(saved.convert("RGBA"))
    seen = disc()[..., 3] > 0
    assert (back[..., 3] == disc()[..., 3]).all()
    assert (back[seen] == disc()[seen]).all()


@pytest.mark.parametrize("kind", ["webp", "apng", "gif"])
def test_animations_have_alpha(kind):
    """The disc moves, and no earlier frame shines through."""
    frames = [np.roll(disc(), step, 1) for step in (0, 16, 32)]
    with Image.open(BytesIO(encode_animation(frames, kind, 10, True, 100))) as saved:
        assert saved.n_frames == 3
        for number, frame in enumerate(frames):
            saved.seek(number)
            back = np.array(saved.convert("RGBA"))
            wanted = frame[..., 3]
            if kind == "gif":
                wanted = np.where(wanted >= 128, 255, 0)
            assert (back[..., 3] == wanted).all()
            assert abs(back[back[..., 3] == 255][:, :3].astype(int) - (200, 30, 30)).max() <= 8
