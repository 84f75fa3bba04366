"""What is not used of files with several pictures is reported."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from artgraph.contract.context import Context
from artgraph.nodes.load_dataset import load_dataset
from artgraph.pictures.reading import read_picture

FRAMES = [Image.new("RGB", (16, 16), colour) for colour in ("red", "green", "blue")]


def saved(form, count, **options):
    buffer = io.BytesIO()
    more = {"save_all": True, "append_images": FRAMES[1:count]} if count > 1 else {}
    FRAMES[0].save(buffer, form, **more, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_only_the_first_frame_is_used_and_that_is_reported(tmp_path, form):
    (tmp_path / "one").write_bytes(saved(form, 1))
    (tmp_path / "more").write_bytes(saved(form, 3))
    notes: list[str] = []
    one = read_picture(tmp_path / "one", note=notes.append)
    assert notes == []
    more = read_picture(tmp_path / "more", note=notes.append)
    assert len(notes) == 1
    assert "only the first" in notes[0]
    assert np.abs(np.asarray(one, int) - np.asarray(more)).max() <= 8


def test_a_smaller_copy_in_a_tiff_is_not_a_page(tmp_path):
    small = FRAMES[1].resize((8, 8))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    FRAMES[0].save(tmp_path / "a.tif", save_all=True, append_images=[small])
    notes: list[str] = []
    read_picture(tmp_path / "a.tif", note=notes.append)
    assert notes == []


def test_a_folder_with_animations_names_them(tmp_path):
    (tmp_path / "a.gif").write_bytes(saved("GIF", 3))
    (tmp_path / "b.webp").write_bytes(saved("WEBP", 2, lossless=True))
    FRAMES[2].save(tmp_path / "c.png")
    warnings: list[str] = []
    dataset = load_dataset(folder=tmp_path, size=8, ctx=Context(warn=warnings.append))
    assert dataset.images[:, 0, 0].tolist() == [[255, 0, 0], [255, 0, 0], [0, 0, 255]]
    assert "2 pictures (a.gif, b.webp): it is an animation, of which only the first" in warnings[0]
