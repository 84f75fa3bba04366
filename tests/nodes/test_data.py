import os
import tempfile
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from unreadable import HOSTILE, zipped

from artgraph.contract.context import Context
from artgraph.contract.errors import InputError, NodeError
from artgraph.contract.values.dataset import Dataset
from artgraph.nodes.data import split_dataset
from artgraph.nodes.load_dataset import load_dataset

CTX = Context.quiet()


@pytest.fixture
def warned():
    """A context, and its warnings."""
    lines = []
    return Context(warn=lines.append), lines


def load(folder, ctx=CTX, size=16, fit="crop", fallback=None):
    return load_dataset(fallback, folder=folder, size=size, fit=fit, ctx=ctx)


def plain(colour, size=(20, 20), mode="RGB"):
    return Image.new(mode, size, colour)


def test_unreadable_files_are_left_out_with_a_warning(tmp_path, warned):
    ctx, lines = warned
    for name, (make, _) in HOSTILE.items():
        make(tmp_path / name)
    plain("red").save(tmp_path / "good.png")
    dataset = load(tmp_path, ctx)
    assert dataset.names == ("good.png",)
    assert lines == [
        "1 picture in 1 class; left out: 7 unreadable (empty.png: it is empty, so it is not a"
        " picture, huge.png, large.png, ...)"
    ]


def test_all_unreadable_is_an_error(tmp_path):
    zipped(tmp_path / "zip.png")
    with pytest.raises(InputError, match=r"the only picture.*\(zip\.png: it is not a picture"):
        load(tmp_path)


def test_no_picture_says_what_was_looked_for(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / ".hidden.png").write_bytes(b"")
    with pytest.raises(
        InputError, match=r"no pictures \(\.png, \.jpg.*sub-folders; left out: 1 TXT"
    ):
        load(tmp_path)


# A folder


def test_sub_folders_are_classes_in_order_of_names(tmp_path):
    for name in ("b/deep/er/2.png", "a/10.png", "a/9.png", "b/1.jpg", ".git/x.png", "a/.x.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        plain("red").save(tmp_path / name)
    (tmp_path / "a" / "readme.md").write_text("no picture")
    dataset = load(tmp_path)
    assert dataset.names == ("a/9.png", "a/10.png", "b/1.jpg", "b/deep/er/2.png")
    assert dataset.classes == ("a", "b")
    assert dataset.labels.tolist() == [0, 0, 1, 1]
    assert dataset.images.shape == (4, 16, 16, 3)


def test_pictures_directly_in_the_folder_have_one_class_whatever_it_is_called(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        plain("red").save(tmp_path / folder / "a.png")
    assert load(tmp_path / "one").classes == load(tmp_path / "two").classes == ("pictures",)


def test_unicode_names(tmp_path):
    (tmp_path / "café ☕").mkdir()
    plain("red").save(tmp_path / "café ☕" / "пейзаж 風景.png")
    dataset = load(tmp_path)
    assert dataset.classes == ("café ☕",)
    assert dataset.names == ("café ☕/пейзаж 風景.png",)


@pytest.mark.skipif(os.name == "nt", reason="such names can't be made there")
def test_a_name_that_is_no_unicode_can_be_stored(tmp_path):
    plain("red").save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"\xff.png"))
    (name,) = load(tmp_path).names
    assert name == r"\xff.png"


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_links_that_lead_out_are_refused(tmp_path, warned):
    ctx, lines = warned
    folder, secret = tmp_path / "folder", tmp_path / "secret"
    folder.mkdir()
    secret.mkdir()
    plain("red").save(secret / "private.png")
    plain("blue").save(folder / "mine.png")
    (folder / "link.png").symlink_to(secret / "private.png")
    (folder / "links").symlink_to(secret)
    (folder / "inside.png").symlink_to(folder / "mine.png")
    (folder / "dangling.png").symlink_to(folder / "gone.png")
    assert load(folder, ctx).names == ("inside.png", "mine.png")
    assert lines == [
        "2 pictures in 1 class; left out: 1 link that leads out of the folder (link.png),"
        " 1 link to a folder (links), 1 broken link (dangling.png)"
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    plain("blue").save(tmp_path / "mine.png")
    assert load(tmp_path).names == ("mine.png",)


@pytest.fixture
def readable_by_all():
    """A folder, and a user without special rights, so that permissions count."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        if os.geteuid() == 0:
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            os.seteuid(os.getuid())


@pytest.mark.skipif(os.name == "nt", reason="no such permissions there")
def test_what_may_not_be_read_is_left_out(readable_by_all, warned):
    ctx, lines = warned
    folder = readable_by_all
    for name in ("ink/a.png", "ink/shut.png", "locked/b.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        plain("red").save(folder / name)
    (folder / "ink/shut.png").chmod(0)
    (folder / "locked").chmod(0)
    assert load(folder, ctx).names == ("ink/a.png",)
    assert lines == [
        "1 picture in 1 class; left out: 2 without permission to read them (locked, ink/shut.png)"
    ]
    (folder / "locked").chmod(0o700)


def test_a_picture_that_vanishes_is_reported_and_others_are_read(tmp_path):
    lines, folder = [], tmp_path / "pictures"
    folder.mkdir()
    for number in range(40):
        plain("red", (400, 400)).save(folder / f"{number}.png")

    def remove(done, total, preview=None):
        (folder / "39.png").unlink(missing_ok=True)

    dataset = load(folder, Context(progress=remove, warn=lines.append))
    assert len(dataset) == 39
    assert lines == ["39 pictures in 1 class; left out: 1 that vanished (39.png)"]


def test_all_used_is_a_message_and_no_warning(tmp_path):
    warnings, messages = [], []
    for name in ("class10/a.png", "class9/a.png"):
        (tmp_path / name).parent.mkdir()
        plain("red").save(tmp_path / name)
    dataset = load(tmp_path, Context(log=messages.append, warn=warnings.append))
    assert dataset.classes == ("class9", "class10")
    assert (messages, warnings) == (["2 pictures in 2 classes"], [])


def test_a_folder_of_other_pictures_only_says_what_to_do(tmp_path):
    (tmp_path / "IMG_1.NEF").write_bytes(b"x")
    with pytest.raises(InputError, match=r"left out: 1 NEF \(IMG_1.NEF\); NEF can't be") as caught:
        load(tmp_path)
    assert caught.value.advice == "save a copy of it as TIFF or JPEG"


def test_an_empty_folder_says_what_to_do(tmp_path):
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert caught.value.advice == "put pictures into it, or choose another folder"
    (tmp_path / ".a.png").touch()
    with pytest.raises(InputError, match="do not begin with a dot"):
        load(tmp_path)


def test_pictures_that_are_damaged_have_advice(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match="copy the pictures again"):
        load(tmp_path)
    (tmp_path / "a.png").write_bytes(b"8BPS" + bytes(60))
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert caught.value.advice == "save a copy of it as PNG or JPEG"


def test_what_to_do_about_the_first_unreadable_picture_is_in_the_line(tmp_path, warned):
    ctx, lines = warned
    plain("red").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"8BPS" + bytes(60))
    load(tmp_path, ctx)
    assert lines == [
        "1 picture in 1 class; left out: 1 unreadable (b.png: it is a Photoshop file with layers -"
        " save a copy of it as PNG or JPEG)"
    ]


def test_profiles_that_are_not_used_are_counted_in_one_line(tmp_path, warned):
    ctx, lines = warned
    for number in range(4):
        plain((90, 120, 150)).save(tmp_path / f"{number}.png", icc_profile=b"nonsense")
    plain("red").save(tmp_path / "good.png")
    load(tmp_path, ctx)
    assert lines == [
        "5 pictures in 1 class; 4 pictures (0.png, 1.png, 2.png, ...): its colour profile can't be"
        " used, so its colours were read as sRGB"
    ]


@pytest.mark.skipif(os.name == "nt", reason="memory can't be limited there")
def test_too_little_memory_names_the_picture(tmp_path):
    import subprocess
    import sys

    (tmp_path / "packed").mkdir()
    Image.new("RGB", (8000, 8000)).save(tmp_path / "large.bmp")
    with zipfile.ZipFile(tmp_path / "packed/a.zip", "w", zipfile.ZIP_STORED) as archive:
        Image.new("RGB", (8000, 8000)).save(tmp_path / "packed/large.tif", compression="tiff_lzw")
        archive.write(tmp_path / "packed/large.tif", "large.tif")
    (tmp_path / "packed/large.tif").unlink()
    code = (
        "import resource, sys, torch\n"
        "from pathlib import Path\n"
        "from artgraph.contract.context import Context\n"
        "from artgraph.nodes.data import load_image\n"
        "from artgraph.nodes.load_dataset import load_dataset\n"
        "import artgraph.pictures.reading\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (150 << 20),) * 2)\n"
        "for call in (lambda: load_dataset(folder=Path('.'), size=16, ctx=Context.quiet()),\n"
        "             lambda: load_dataset(folder=Path('packed'), ctx=Context.quiet()),\n"
        "             lambda: load_image(path=Path('large.bmp'))):\n"
        "    try: call()\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    line = "NodeError memory ran out while 'large.bmp' was read - close other programs, or replace"
    assert found.count(line) == 2, found
    assert found.count(line.replace("bmp", "tif")) == 1, found


def test_names_are_composed(tmp_path):
    name = unicodedata.normalize("NFD", "müll")
    (tmp_path / name).mkdir()
    plain("red").save(tmp_path / name / f"{name}.png")
    dataset = load(tmp_path)
    assert dataset.classes == ("müll",)
    assert dataset.names == ("müll/müll.png",)


@pytest.mark.parametrize(
    ("fit", "corner", "edge_middle"),
    [("crop", (0, 255, 0), (0, 255, 0)), ("pad", (255, 255, 255), (255, 0, 0))],
)
def test_fit(tmp_path, fit, corner, edge_middle):
    picture = plain("red", (300, 100))
    picture.paste("lime", (60, 0, 240, 100))
    picture.save(tmp_path / "a.png")
    image = load(tmp_path, fit=fit).images[0]
    assert tuple(image[0, 0].tolist()) == corner
    assert tuple(image[8, 0].tolist()) == edge_middle


def test_stretch_keeps_all(tmp_path):
    picture = plain("red", (300, 100))
    picture.paste("lime", (150, 0, 300, 100))
    picture.save(tmp_path / "a.png")
    image = load(tmp_path, fit="stretch").images[0]
    assert tuple(image[0, 1].tolist()) == (255, 0, 0)
    assert tuple(image[15, 14].tolist()) == (0, 255, 0)


def test_a_large_jpeg_read_at_a_fraction_looks_the_same(tmp_path):
    ramp = np.linspace(0, 255, 1200).astype(np.uint8)
    picture = Image.fromarray(np.stack([np.tile(ramp, (900, 1))] * 3, -1))
    picture.save(tmp_path / "a.jpg", quality=95)
    picture.save(tmp_path / "b.png")
    first, second = load(tmp_path, size=32).images.int()
    assert (first - second).abs().max() <= 4


def test_a_tiny_picture_is_enlarged(tmp_path):
    plain("red", (1, 3)).save(tmp_path / "a.png")
    assert load(tmp_path, fit="pad").images.shape == (1, 16, 16, 3)


def test_fallback(tmp_path):
    fallback = dataset_of(1)
    assert load(None, fallback=fallback) is fallback
    plain("red").save(tmp_path / "a.png")
    assert load(tmp_path, fallback=fallback).names == ("a.png",)
    with pytest.raises(InputError, match="no folder"):
        load(None)


# Splitting


def dataset_of(*counts):
    labels = torch.tensor([label for label, n in enumerate(counts) for _ in range(n)])
    count = len(labels)
    images = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 8, 8, 3)
    classes = tuple(f"c{i}" for i in range(len(counts)))
    return Dataset(images.clone(), labels, classes, tuple(f"{i}.png" for i in range(count)))


def test_a_split_is_by_class_and_holds_each_picture_once():
    whole = dataset_of(10, 2, 1, 40)
    train, test = split_dataset(whole, fraction=0.2, seed=0, ctx=CTX)
    assert test.labels.bincount(minlength=4).tolist() == [2, 1, 0, 8]
    assert train.labels.bincount(minlength=4).tolist() == [8, 1, 1, 32]
    assert sorted(train.names + test.names) == sorted(whole.names)
    assert train.classes == test.classes == whole.classes
    for part in (train, test):
        assert [f"{v}.png" for v in part.images[:, 0, 0, 0].tolist()] == list(part.names)


def test_the_seed_decides_who_is_tested():
    whole = dataset_of(30)
    names = [split_dataset(whole, fraction=0.5, seed=s, ctx=CTX).test.names for s in (1, 1, 2)]
    assert names[0] == names[1] != names[2]


def test_nothing_to_split():
    with pytest.raises(NodeError, match="two pictures"):
        split_dataset(dataset_of(1, 1), fraction=0.5, seed=0, ctx=CTX)
