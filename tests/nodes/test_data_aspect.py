"""Folders of pictures that are not square: the widget `aspect` of `load_dataset`."""

import pytest
import torch
from PIL import Image

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.nodes.load_dataset import load_dataset


def load(folder, lines, size=64, fit="crop", **more):
    ctx = Context(log=lines.append)
    return load_dataset(None, folder=folder, size=size, fit=fit, ctx=ctx, **more)


def test_pictures_are_loaded_at_an_aspect(tmp_path):
    lines = []
    pictures = {"a.png": (90, 30), "b.png": (60, 40)}
    for name, size in pictures.items():
        picture = Image.new("RGB", size, "white")
        picture.paste("black", (0, 0, size[0] // 2, size[1]))
        picture.save(tmp_path / name)
    loaded = load(tmp_path, lines, aspect="3:2")
    assert loaded.images.shape == (2, 48, 72, 3)
    assert lines == ["2 pictures in 1 class, 25% of the area is cut off on average"]
    assert [row[:34].max() < 9 < 240 < row[38:].min() for row in loaded.images[:, 24, :, 0]]
    lines.clear()
    padded = load(tmp_path, lines, aspect="3:2", fit="pad")
    assert lines == ["2 pictures in 1 class, 25% of the area is white border on average"]
    assert padded.images[0, :12].min() == 255
    assert padded.images[1, 0, 0].max() == 0
    lines.clear()
    load(tmp_path, lines, aspect="3:2", fit="stretch")
    assert lines == ["2 pictures in 1 class"]


def test_auto_is_the_aspect_of_most_pictures_as_they_are_shown(tmp_path):
    lines = []
    for number in range(3):
        picture = Image.new("RGB", (60, 40), "white")
        exif = picture.getexif()
        exif[0x0112] = 6  # shown upright
        picture.save(tmp_path / f"{number}.jpg", exif=exif)
    Image.new("RGB", (90, 30)).save(tmp_path / "wide.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    loaded = load(tmp_path, lines, aspect="auto")
    assert loaded.images.shape == (4, 72, 48, 3)
    assert (
        lines[0]
        == "the median aspect of the pictures is 1:1.5, so they are loaded as 2:3, 48 x 72 px"
    )


@pytest.mark.parametrize("aspect", ["1:40", "wide"])
def test_an_aspect_that_cannot_be_used_is_reported(tmp_path, aspect):
    Image.new("RGB", (60, 40)).save(tmp_path / "a.png")
    with pytest.raises(NodeError, match=r"\A[^\n]*aspect[^\n]*\Z"):
        load(tmp_path, [], aspect=aspect)


def test_a_square_folder_is_loaded_as_before(tmp_path):
    Image.new("RGB", (60, 40), "red").save(tmp_path / "a.png")
    same = [load(tmp_path, [], size=24, **more).images for more in ({}, {"aspect": "1:1"})]
    assert torch.equal(*same)
    assert same[0].shape == (1, 24, 24, 3)
