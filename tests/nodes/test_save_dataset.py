"""A saved dataset is loaded again with the same classes and pixels."""

import io

import pytest
import torch
from PIL import Image

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.dataset import Dataset
from artgraph.nodes import save_dataset as module

NODES = load_nodes()


@pytest.fixture
def save():
    lines = []

    def call(dataset, **widgets):
        ctx = Context(log=lines.append, warn=lines.append)
        return NODES["save_dataset"].function(dataset, **widgets, ctx=ctx).files

    call.lines = lines
    return call


def pictures(names, labels, classes, channels=3, groups=None):
    images = torch.randint(0, 255, (len(names), 16, 24, channels), dtype=torch.uint8)
    return Dataset(images, torch.tensor(labels), classes, tuple(names), groups)


def test_classes_and_pixels_come_back(save, tmp_path):
    names = ("ink/a.jpg", "ink/sub/b.png", "b.tif", "sweep/film 00:01:23.400", "ink/A.gif")
    before = pictures(names, [0, 0, 1, 2, 0], ("ink", "loose", "sweep"))
    for name, data in save(before, name="set").items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    assert "3 pictures get another name" in save.lines[0]
    after = NODES["load_dataset"].function(
        folder=tmp_path / "set", size=20, aspect="3:2", fit="stretch", ctx=Context.quiet()
    )
    assert after.images.shape[1:3] == before.images.shape[1:3]
    assert after.classes == before.classes
    assert set(after.names) == {
        *("ink/a.jpg.png", "ink/A.gif.png", "ink/sub/b.png", "loose/b.png"),
        "sweep/film 00_01_23.400.png",
    }
    pixels = {picture.numpy().tobytes() for picture in before.images}
    assert {picture.numpy().tobytes() for picture in after.images} == pixels


def test_what_is_not_saved_as_it_is_is_reported(save):
    groups = torch.tensor([0, 0])
    before = pictures(("x.png", "x.png"), [0, 1], ("a/b", ".c", "empty"), 4, groups)
    files = save(before, format="jpeg")
    assert list(files) == ["@/a_b/x.jpg", "@/_.c/x.jpg"]
    assert [line.split(" - ")[0] for line in save.lines] == [
        "JPEG files can't use transparency, so it gets `dataset` in front of white",
        "the folders of some classes get other names: 'a/b' as 'a_b', '.c' as '_.c'",
        "classes without pictures get no folder: 'empty'",
        "the groups are not saved",
    ]
    webp = next(iter(save(before, format="webp", quality=100).values()))
    assert Image.open(io.BytesIO(webp)).mode == "RGBA"


def test_files_that_are_too_large_together_are_refused(save, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 4_000)
    with pytest.raises(NodeError, match=r"the first 3 of 9 pictures need 3.9 KiB - choose webp"):
        save(pictures([f"{n}.png" for n in range(9)], [0] * 9, ("a",)))
