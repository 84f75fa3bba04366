"""Nodes that prepare datasets: nothing is left out without a line that says so."""

import io

import numpy as np
import pytest
import torch
from packing import png, write_folder, write_zip
from PIL import Image, ImageFilter, ImageOps

from artgraph.contract.context import Context
from artgraph.contract.errors import InputError, NodeError
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.dataset import Dataset
from artgraph.models.duplicates import near_duplicates

NODES = load_nodes()


@pytest.fixture
def run():
    lines = []
    ctx = Context(log=lines.append, warn=lines.append)

    def call(name, *inputs, **widgets):
        return NODES[name].function(*inputs, **widgets, ctx=ctx)

    call.lines = lines
    return call


def art(count, size=64, seed=5, styles=""):
    node = NODES["procedural_art"].function
    return node(count=count, size=size, seed=seed, styles=styles, ctx=Context.quiet())


def dataset(pictures, labels=None, classes=("a", "b"), groups=None):
    images = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures]))
    labels = torch.tensor(labels or [0] * len(images))
    names = tuple(f"{row}.png" for row in range(len(images)))
    return Dataset(images, labels, classes, names, groups)


def changed(picture):
    """Returns the picture with each of the changes that must be found."""
    size = picture.size
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=30)
    channels = picture.split()
    return [
        picture.crop((3, 5, size[0] - 3, size[1] - 2)).resize(size, Image.Resampling.BICUBIC),
        ImageOps.mirror(picture),
        ImageOps.flip(picture),
        Image.merge("RGB", (channels[2], channels[0], channels[1])),
        ImageOps.grayscale(picture).convert("RGB"),
        Image.open(file).convert("RGB"),
        picture.resize((48, 40)).resize(size, Image.Resampling.BICUBIC),
    ]


def test_duplicates_with_any_change_are_found_and_named(run):
    pictures = [Image.fromarray(image.numpy()) for image in art(16).images]
    planted = [copy for picture in pictures[:6] for copy in changed(picture)]
    whole = dataset([*pictures, *planted, pictures[3]], [0] * 58 + [1])
    result = run("drop_duplicates", whole)
    columns = result.table.columns
    of = dict(zip(columns["name"], columns["of"], strict=True))
    missed = [row for row in range(len(planted)) if f"{16 + row}.png" not in of]
    assert missed in ([], [11]), "the grey copy of a picture whose colours are equally bright"
    assert of["58.png"] == "3.png"
    assert not [name for name in of if int(name[:-4]) < 16], "different pictures stay"
    assert len(result.dataset) + len(of) == len(whole)
    how = dict(zip(columns["name"], columns["how"], strict=True))
    assert how["58.png"] == "identical"
    assert how["17.png"] == "flipped"
    assert "another class" in run.lines[-1]
    assert result.image.shape[0] == 1


def test_the_report_finds_the_same_duplicates_with_fewer_comparisons(run):
    pictures = [Image.fromarray(image.numpy()) for image in art(40).images]
    planted = [copy for picture in pictures[:6] for copy in changed(picture)[:3]]
    images = dataset([*pictures, *planted], [0] * 58).images
    full, quick = (near_duplicates(images, 0.82, lambda *_: None, quick) for quick in (False, True))
    assert len(full.rows) >= 18
    assert quick.rows.tolist() == full.rows.tolist()
    assert quick.changes == full.changes


def test_only_identical_pictures_are_found_with_similarity_1_and_groups_keep_them(run):
    images = art(4).images
    whole = Dataset(images[[0, 1, 2, 0, 3]], torch.zeros(5).long(), ("a",), tuple("abcde"))
    result = run("drop_duplicates", whole, similarity=1.0, action="group")
    assert len(result.dataset) == 5
    assert result.dataset.groups.tolist() == [0, 1, 2, 0, 4]
    assert run("drop_duplicates", whole, similarity=1.0).dataset.names == tuple("abce")


def test_a_few_pictures_of_one_colour_are_no_trouble(run):
    plain = [Image.new("RGB", (16, 24), colour) for colour in ("red", "white", "black")]
    assert len(run("drop_duplicates", dataset(plain)).dataset) == 3
    assert len(run("drop_duplicates", dataset(plain[:1])).dataset) == 1


def test_the_filter_leaves_out_what_is_blurred_bordered_or_empty(run):
    pictures = [Image.fromarray(image.numpy()) for image in art(8).images]
    pictures.append(pictures[0].filter(ImageFilter.GaussianBlur(9)))
    pictures.append(ImageOps.expand(pictures[1], 64, "white").resize((64, 64)))
    blank = Image.new("RGB", (64, 64), "white")
    blank.paste("red", (30, 30, 34, 34))
    pictures.append(blank)
    result = run("filter_pictures", dataset(pictures), border=0.6)
    assert result.table.columns["name"] == ["8.png", "9.png", "10.png"]
    assert result.table.columns["why"] == ["blur", "border", "border, empty"]
    assert len(result.dataset) == 8
    assert run.lines == [
        "left out 3 pictures of 11: 1 by blur, 2 by border, 1 by empty (8.png, 9.png, 10.png)"
    ]
    with pytest.raises(NodeError, match="no picture is left"):
        run("filter_pictures", dataset([blank]))
    with pytest.raises(NodeError, match="set `folder`"):
        run("filter_pictures", dataset(pictures), edge=100)


def test_the_filter_measures_originals_in_their_folder(run, tmp_path):
    for number, size in enumerate((40, 100)):
        art(1, size).images  # noqa: B018
        Image.fromarray(art(1, size, seed=number).images[0].numpy()).save(
            tmp_path / f"{number}.png"
        )
    loaded = run("load_dataset", folder=tmp_path, size=32)
    result = run("filter_pictures", loaded, folder=tmp_path, edge=64)
    assert result.dataset.names == ("1.png",)
    assert result.table.columns["edge"] == [40]


def test_balanced_classes_have_equal_sizes_and_repetitions_are_groups(run):
    whole = dataset(art(10, 16).images.numpy(), [0] * 7 + [1] * 3)
    less = run("balance_classes", whole, method="drop", seed=1)
    assert run.lines == ["left out 4 pictures of 10: 3 a, 3 b stay"]
    assert torch.bincount(less.labels).tolist() == [3, 3]
    assert less.groups is None
    more = run("balance_classes", whole, method="repeat", seed=1)
    assert torch.bincount(more.labels).tolist() == [7, 7]
    groups = dict(zip(more.names, more.groups.tolist(), strict=True))
    assert len(set(groups.values())) == 10
    assert [groups[name] for name in more.names] == more.groups.tolist()
    train, test = run("split_dataset", more, fraction=0.4)
    assert not set(train.names) & set(test.names)


def test_classes_are_renamed_and_merged(run):
    whole = dataset(art(6, 16).images.numpy(), [0, 1, 2, 0, 1, 2], ("cat", "dog", "tree"))
    result = run("rename_classes", whole, names="cat = animal\ndog=animal, tree = plant")
    assert result.classes == ("animal", "plant")
    assert result.labels.tolist() == [0, 0, 1, 0, 0, 1]
    for text, message in (
        ("catt = animal", "did you mean 'cat'"),
        ("cat", "old = new"),
        ("cat = a, cat = b", "twice"),
    ):
        with pytest.raises(NodeError, match=message):
            run("rename_classes", whole, names=text)


def test_datasets_are_joined_by_class_names(run):
    images = art(6, 16).images.numpy()
    first = dataset(images[:3], [0, 1, 0], ("a", "b"))
    second = dataset(images[3:], [0, 0, 1], ("b", "c"), torch.tensor([4, 4, 9]))
    whole = run("join_datasets", first, second)
    assert whole.classes == ("a", "b", "c")
    assert whole.labels.tolist() == [0, 1, 0, 1, 1, 2]
    assert len(set(whole.names)) == 6
    assert whole.names[3] == "0.png (2)"
    assert whole.groups.tolist() == [0, 1, 2, 3, 3, 4]
    assert run("join_datasets", first, first).groups is None
    with pytest.raises(NodeError, match="the first has 16 px"):
        run("join_datasets", first, dataset(art(1, 32).images.numpy()))


def test_pieces_of_a_scan_are_a_group_and_empty_ones_are_left_out(run, tmp_path):
    (tmp_path / "old").mkdir()
    scan = Image.new("RGB", (300, 200), "white")
    scan.paste(Image.fromarray(art(1, 200).images[0].numpy()), (0, 0))
    scan.save(tmp_path / "old" / "one.png")
    Image.fromarray(art(1, 64, seed=2).images[0].numpy()).save(tmp_path / "small.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    pieces = run("cut_pieces", folder=tmp_path, edge=100, size=32, overlap=0.0)
    assert pieces.images.shape[1:] == (32, 32, 3)
    assert pieces.classes == ("old", "pictures")
    assert pieces.names[-4:] == tuple(f"old/one.png x{x} y{y}" for y in (0, 100) for x in (0, 100))
    assert len(set(pieces.groups.tolist())) == 2
    assert len(pieces) == 5, "the white third is left out"
    assert "2 that are almost empty" in run.lines[-1]
    assert "1 picture smaller than 100 px" in run.lines[-1]
    assert "broken.png" in run.lines[-1]
    assert run("cut_pieces", folder=tmp_path, edge=100, size=32, count=2, seed=3).names == (
        run("cut_pieces", folder=tmp_path, edge=100, size=32, count=2, seed=3).names
    )
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="no picture in 'none'"):
        run("cut_pieces", folder=tmp_path / "none")


def test_packed_pictures_are_prepared_as_those_in_a_folder(run, tmp_path):
    files = {
        f"{kind}/{number}.png": png("red", (40 + 10 * number, 40 + 20 * number))
        for number in (2, 1, 10)
        for kind in ("ink", "wash")
    }
    write_folder(tmp_path / "folder", files)
    write_zip(tmp_path / "a.zip", files)
    (tmp_path / "table").mkdir()
    write_zip(
        tmp_path / "table/a.zip",
        files
        | {
            "labels.csv": b"file_name,label\n"
            + b"".join(f"{name},{'tall' if '10' in name else 'low'}\n".encode() for name in files)
        },
    )
    found = []
    for name in ("folder", "a.zip", "table"):
        pieces = run("cut_pieces", folder=tmp_path / name, edge=40, size=16, empty=1.0)
        loaded = run("load_dataset", folder=tmp_path / name, size=16)
        filtered = run(
            "filter_pictures", loaded, empty=1, border=1, folder=tmp_path / name, edge=55
        )
        report = run("dataset_report", loaded, folder=tmp_path / name)
        found.append(
            (
                pieces.names,
                pieces.groups.tolist(),
                filtered.table.columns,
                report.table.columns.get("height"),
            )
        )
        assert pieces.classes == loaded.classes
    assert found[0] == found[1]
    assert found[2][:3] == found[0][:3]
    assert pieces.classes == ("low", "tall")
    (tmp_path / "bad.zip").write_bytes(b"x")
    for node, inputs in (("cut_pieces", ()), ("dataset_report", (loaded,))):
        with pytest.raises(InputError, match=r"'bad\.zip': it is not a zip file"):
            run(node, *inputs, folder=tmp_path / "bad.zip")


def test_the_report_says_what_to_fix(run):
    images = art(30, 32).images.numpy()
    whole = dataset([*images, *images[:4]], [0] * 28 + [1] * 6)
    report = run("dataset_report", whole)
    assert report.table.columns["class"] == ["a", "b"]
    assert report.table.columns["pictures"] == [28, 6]
    assert report.table.columns["duplicates"][1] >= 4
    for part in ("only 34 pictures", "b: fewer than 10", "unequal", "drop_duplicates", "another"):
        assert part in report.advice
