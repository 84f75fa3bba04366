"""Colours of frames against the formulas of ITU-T H.273, computed here in double precision."""

import numpy as np
import pytest

pytest.importorskip("av", reason="films need the extra `film`")

import av

from artgraph.pictures.film_colour import to_rgb, turned

SHARES = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
BLOCK = 8


def blocks(pixels, levels):
    """A frame of squares of one colour each; `levels` are (planes, rows, columns)."""
    size = [BLOCK * edge for edge in levels.shape[1:]]
    frame = av.VideoFrame(size[1], size[0], pixels)
    for plane, level in zip(frame.planes, levels, strict=False):
        size_of, dtype = (2, "<u2") if "10" in pixels else (1, "u1")
        whole = np.kron(level, np.ones((BLOCK, BLOCK), int))
        whole = whole[:: size[0] // plane.height, :: size[1] // plane.width]
        rows = np.zeros((plane.height, plane.line_size // size_of), dtype)
        rows[:, : plane.width] = whole
        plane.update(rows.tobytes())
    return frame


def expected(levels, matrix, full, bits):
    red, blue = SHARES[matrix]
    y, u, v = levels.astype(float)
    scale = 1 << (bits - 8)
    if full:
        most = (1 << bits) - 1
        y, u, v = y / most, (u - 128 * scale) / most, (v - 128 * scale) / most
    else:
        y = (y - 16 * scale) / (219 * scale)
        u, v = (u - 128 * scale) / (224 * scale), (v - 128 * scale) / (224 * scale)
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    g = (y - red * r - blue * b) / (1 - red - blue)
    return 255 * np.stack([r, g, b], -1).clip(0, 1)


def middles(pixels):
    return pixels[BLOCK // 2 :: BLOCK, BLOCK // 2 :: BLOCK].astype(float)


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "nv12"])
@pytest.mark.parametrize("matrix", SHARES)
@pytest.mark.parametrize("full", [False, True])
def test_matrix_range_and_depth(pixels, matrix, full):
    bits = 10 if "10" in pixels else 8
    levels = np.random.default_rng(0).integers(0, 1 << bits, (3, 12, 12))
    frame = blocks("yuv420p" if pixels == "nv12" else pixels, levels)
    if pixels == "nv12":
        frame = frame.reformat(format="nv12", threads=1)
    frame.colorspace, frame.color_range = matrix, 2 if full else 1
    shown = middles(to_rgb(frame, pytest.fail))
    assert np.abs(shown - expected(levels, matrix, full, bits)).max() <= 1


@pytest.mark.parametrize(("columns", "matrix"), [(16, 6), (160, 1)])
def test_a_film_without_a_matrix_is_read_by_its_size(columns, matrix):
    levels = np.random.default_rng(0).integers(60, 180, (3, 2, columns))
    shown = middles(to_rgb(blocks("yuv444p", levels), pytest.fail))
    assert np.abs(shown - expected(levels, matrix, False, 8)).max() <= 1


def test_white_is_behind_transparent_parts():
    rgba = np.full((16, 16, 4), (200, 100, 0, 255), np.uint8)
    rgba[8:, :, 3] = 51
    notes = []
    shown = to_rgb(av.VideoFrame.from_ndarray(rgba, "rgba"), notes.append)
    assert shown[0, 0].tolist() == [200, 100, 0]
    assert shown[15, 0].tolist() == [244, 224, 204]
    assert notes == ["white is put behind its transparent parts"]


def test_a_wide_gamut_is_reported():
    frame, notes = blocks("yuv444p", np.full((3, 2, 2), 128)), []
    frame.color_primaries = 9
    to_rgb(frame, notes.append)
    assert "BT.2020" in notes[0]


def test_gray_is_gray():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    frame = av.VideoFrame.from_ndarray(ramp, "gray")
    assert np.array_equal(to_rgb(frame, pytest.fail), ramp[..., None].repeat(3, -1))


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("quarters", range(4))
def test_all_orientations(quarters, mirror):
    """Each pixel goes to where the matrix sends it."""
    signs = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)][quarters]
    a, b, c, d = (-signs[0], -signs[1], *signs[2:]) if mirror else signs
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, -1)
    places = {(x * a + y * c, x * b + y * d): stored[y, x, 0] for y in range(2) for x in range(3)}
    left, top = (min(place[axis] for place in places) for axis in (0, 1))
    shown = turned(stored, (a, b, c, d))
    assert {(x - left, y - top): shown[y - top, x - left, 0] for x, y in places} == {
        (x - left, y - top): level for (x, y), level in places.items()
    }
