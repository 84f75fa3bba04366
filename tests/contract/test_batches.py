"""Batches that do not fit into memory: read, computed and stored part by part, to the same bits."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.values import pictures as batches
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.kinds import Image, Pictures, socket_of
from artgraph.contract.values.pictures import PictureBatch, to_uint8
from artgraph.nodes.image import batch_images, dataset_images, image_grid, pick_images, resize_image
from artgraph.nodes.save import save_animation, save_image
from artgraph.runner.store.blobs import Blobs
from artgraph.runner.store.store import Store

LEVELS = torch.randint(0, 256, (23, 12, 10, 3), generator=torch.Generator().manual_seed(1))
LEVELS = LEVELS.to(torch.uint8)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(batches, "PART_BYTES", 4 * 12 * 10 * 12)  # four pictures


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "cache")
    yield store
    store.close()


@pytest.fixture
def both(store):
    """The same pictures as a tensor and as a batch that is read part by part."""
    stored = store.put_value(socket_of(Image), LEVELS.float() / 255)
    values = [store.value(socket_of(kind), stored) for kind in (Image, Pictures)]
    assert isinstance(values[0], torch.Tensor)
    assert isinstance(values[1], PictureBatch)
    return values


CASES = {
    "pick": lambda image: pick_images(image, start=3, count=9, every=2),
    "pick the last": lambda image: pick_images(image, start=-6, count=0, every=1),
    "shrink": lambda image: resize_image(image, width=7, height=0, fit="crop", filter="smooth"),
    "enlarge": lambda image: resize_image(image, width=20, height=30, fit="pad", filter="pixels"),
    "join": lambda image: batch_images(image, image[5:], image[:2]),
    "join other sizes": lambda image: batch_images(
        image, resize_image(image, width=5, height=5, fit="stretch", filter="smooth")
    ),
    "pick of a resized batch": lambda image: resize_image(
        image, width=9, height=9, fit="crop", filter="smooth"
    )[1::3],
}


@pytest.mark.parametrize("case", CASES)
def test_in_parts_as_in_one(store, both, case):
    whole, parts = (CASES[case](image) for image in both)
    assert isinstance(parts, PictureBatch), "or this tests nothing"
    one, other = (store.put_value(socket_of(Image), value) for value in (whole, parts))
    assert one == other
    assert torch.equal(to_uint8(whole), to_uint8(parts))


def test_sheets_and_files_of_parts(both):
    sheets = [
        image_grid(i, columns=4, scale=1, gap=1, background="white", title="", caption="")
        for i in both
    ]
    assert torch.equal(*sheets)
    context = Context.quiet()
    files = [save_image(i, name="x", format="png", quality=90, ctx=context).files for i in both]
    assert files[0] == files[1]
    assert len(files[0]) == len(LEVELS)
    moving = [
        save_animation(
            i, name="", format="apng", fps=5, loop=True, ping_pong=True, quality=90, ctx=context
        ).files
        for i in both
    ]
    assert moving[0] == moving[1]


def test_pictures_of_a_data_set(store):
    names = tuple(map(str, range(len(LEVELS))))
    for size in (len(LEVELS), 4):
        dataset = Dataset(LEVELS, torch.zeros(len(LEVELS)).long(), ("a",), names)
        image, table = dataset_images(dataset, count=size, order="first", ctx=Context.quiet())
        assert isinstance(image, PictureBatch) == (size > 4), "small ones are plain tensors"
        stored = store.put_value(socket_of(Image), image)
        back = store.value(socket_of(Image), stored)
        assert torch.equal(back, LEVELS[:size].float() / 255)
        assert len(table) == size


def test_classifying_and_encoding_parts(both):
    from artgraph.models.blocks import fit_middle

    def square(part):
        return fit_middle(part, 8, 8)

    assert torch.equal(*(batches.each_part(square, image) for image in both))


def test_a_batch_is_a_sequence(both):
    whole, parts = both
    assert len(parts) == len(whole)
    assert parts.shape == whole.shape
    assert torch.equal(parts[-2], whole[-2])
    assert all(torch.equal(a, b) for a, b in zip(parts, whole, strict=True))
    assert torch.equal(to_uint8(parts[20:2:-5]), LEVELS[[20, 15, 10, 5]])
    with pytest.raises(IndexError):
        parts[23]


def test_what_is_not_finite_is_refused_and_leaves_nothing(store, both):
    def broken(part):
        return part / 0

    bad = batches.by_part(broken, both[1], 12, 10)
    with pytest.raises(ValueError, match="not finite"):
        store.put_value(socket_of(Image), bad)
    assert not list((store.folder / "tmp").iterdir())
    with pytest.raises(NodeError, match="there is no picture 90"):
        pick_images(both[1], start=90, count=1, every=1)


def test_the_same_bytes_as_safetensors(tmp_path, both):
    """Nobody can tell from a blob in how many parts it was written."""
    blobs = Blobs(tmp_path / "blobs")
    encoded = socket_of(Image).encode(both[1])[1]
    digest, _ = blobs.write({"ü": [1]}, encoded)
    meta = {"meta": json.dumps({"ü": [1]}, sort_keys=True, separators=(",", ":"))}
    save_file({"image": LEVELS}, tmp_path / "theirs", meta)
    assert blobs.path(digest).read_bytes() == (tmp_path / "theirs").read_bytes()


MEASURED = """
import resource, sys
from artgraph.cli.main import main
sys.argv[0] = "artgraph"
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
"""

LARGE = """artgraph: 1
nodes:
  a: {node: grey, with: {count: 20}}
  b: {node: resize_image, from: {image: a}, with: {width: 1024, filter: pixels}}
  c: {node: pick_images, from: {image: b}, with: {count: 0}}
  d: {node: resize_image, from: {image: c}, with: {width: 64}}
  e: {node: save_image, from: {image: d}, with: {format: jpeg}}
"""


def test_memory_does_not_grow_with_the_batch(cli, pack):
    """20 pictures of 1,024 px are 240 MiB of float32, which no node has at a time."""
    cli.write("g.yaml", LARGE)
    words = [sys.executable, "-c", MEASURED, "run", "g.yaml", "--pack", str(pack), "--jobs", "1"]
    done = subprocess.run(words, **cli.options(), check=True)
    lines = done.stdout.splitlines()
    assert "5 ran" in lines[-2], done.stdout
    words[2] = MEASURED.replace("from artgraph.cli.main import main", "import torch\nmain = int")
    least = int(subprocess.run(words, **cli.options(), check=True).stdout)
    assert int(lines[-1]) < least + 240, (lines[-1], least)
