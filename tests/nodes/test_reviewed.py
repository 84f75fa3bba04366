"""A review of pictures: what is loaded, what stays, and how often trainings draw what."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch
from packing import by_name, load, png, write_folder, write_parquet, write_zip
from PIL import Image
from shelf import PLAIN, Shelf

from artgraph.contract.context import Context
from artgraph.contract.errors import InputError, NodeError
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.kinds import socket_of
from artgraph.models.training.sampler import Sampler, draws_by_stars
from artgraph.runner.store.keys import Key
from artgraph.runner.store.store import Store

NODES = load_nodes()
FILES = {
    "cats/1.png": png("red"),
    "cats/2.png": png("lime"),
    "dogs/3.png": png("blue"),
    "dogs/4.png": png("white"),
}
REVIEW = """\
review: 1
pictures:
  cats/1.png: {drop: true}
  cats/2.png: {class: dogs, stars: 5}
  dogs/3.png: {keep: true, crop: [0.5, 0, 0.5, 0.5]}
"""
SUMMARY = "3 pictures in 1 class, 1 dropped, 1 moved, 1 cropped, 1 rated by the review"


@pytest.fixture
def folder(tmp_path):
    write_folder(tmp_path / "pics", FILES)
    return tmp_path / "pics"


def reviewed(path, text, **widgets):
    """The dataset of a source with a review, and the last line that was reported."""
    file = path.parent / "mine.yaml"
    file.write_text(text)
    dataset, lines = load(path, review=file, **widgets)
    return dataset, lines[-1]


def test_a_review_drops_moves_rates_and_keeps(folder):
    dataset, line = reviewed(folder, REVIEW)
    assert by_name(dataset) == {"cats/2.png": "dogs", "dogs/3.png": "dogs", "dogs/4.png": "dogs"}
    assert dataset.classes == ("dogs",)
    assert dataset.stars.tolist() == [5, -1, -1]
    assert dataset.keep.tolist() == [False, True, False]
    assert line == SUMMARY
    plain, lines = load(folder)
    assert (plain.stars, plain.keep, len(plain)) == (None, None, 4)
    assert lines == ["4 pictures in 2 classes"]


def test_archives_and_tables_are_reviewed_alike(tmp_path):
    write_zip(tmp_path / "a.zip", FILES)
    assert reviewed(tmp_path / "a.zip", REVIEW)[1] == SUMMARY
    rows = [(content, name, name[:4]) for name, content in FILES.items()]
    write_parquet(tmp_path / "a.parquet", rows)
    names = load(tmp_path / "a.parquet")[0].names
    dataset, _ = reviewed(
        tmp_path / "a.parquet", f"review: 1\npictures: {{{names[0]}: {{class: x}}}}"
    )
    assert by_name(dataset)[names[0]] == "x"
    write_folder(tmp_path / "t", {"a.png": png("red"), "b.png": png("red"), "c.png": png("red")})
    (tmp_path / "t" / "labels.csv").write_text("file_name,label\na.png,cat\nb.png,dog\n")
    dataset, line = reviewed(tmp_path / "t", "review: 1\npictures: {c.png: {class: cat}}")
    assert by_name(dataset) == {"a.png": "cat", "b.png": "dog", "c.png": "cat"}
    assert "left out" not in line


def test_a_crop_is_of_the_upright_picture_and_before_the_fit(tmp_path):
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, :20, 0] = pixels[:, 20:40, 1] = pixels[:, 40:, 2] = 255  # red, green, blue
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down: blue is on the left
    (tmp_path / "pics").mkdir()
    Image.fromarray(pixels).save(tmp_path / "pics" / "a.png", exif=exif)
    Image.fromarray(pixels).resize((6000, 2000)).save(tmp_path / "pics" / "b.jpg", quality=95)
    text = (
        "review: 1\npictures:\n  a.png: {crop: [0, 0, 0.334, 1]}\n  b.jpg: {crop: [0, 0, .333, 1]}"
    )
    dataset, line = reviewed(tmp_path / "pics", text)
    assert dataset.images[0, 8, 8].tolist() == [0, 0, 255]
    assert (dataset.images[1, 8, 8] - torch.tensor([254, 0, 0])).abs().max() < 3
    assert "cut off" not in line, "what the review cuts off is not counted"
    dataset, _ = reviewed(tmp_path / "pics", text, aspect="auto")
    assert (dataset.height, dataset.width) == (16, 16)
    assert load(tmp_path / "pics", aspect="auto")[0].width > 16


def test_names_without_a_picture_are_reported_and_the_rest_is_used(folder):
    dataset, line = reviewed(folder, REVIEW + "  4.png: {drop: true}\n  x.gif: {drop: true}\n")
    assert len(dataset) == 3
    assert "2 names of mine.yaml without a picture (4.png, x.gif)" in line
    assert "did you mean dogs/4.png for 4.png?" in line


def test_what_can_not_be_used_is_one_line(folder):
    with pytest.raises(InputError, match=r"line 3 of 'mine.yaml': 'a': `stars` is 9 - write"):
        reviewed(folder, "review: 1\npictures:\n  a: {stars: 9}")
    every = "".join(f"  {name}: {{drop: true}}\n" for name in FILES)
    with pytest.raises(InputError, match="no picture is left: the review drops all 4 of 'pics'"):
        reviewed(folder, f"review: 1\npictures:\n{every}")
    with pytest.raises(InputError, match="`review` needs the folder"):
        load(None, review=folder)


def test_a_review_that_is_not_used_is_mentioned(folder):
    dogs = "".join(f"  {name}: {{drop: true}}\n" for name in FILES if "dogs" in name)
    inside = folder / "review.yaml"
    inside.write_text(f"review: 1\npictures:\n{dogs}")
    assert "the review review.yaml is not used - set `review` to use it" in load(folder)[1][-1]
    line = "2 pictures in 1 class, 2 dropped by the review"
    assert load(folder, review=inside)[1] == [line], "dogs is not called empty, the file is not"
    beside = inside.rename(folder.parent / "pics.review.yaml")
    assert "a review beside the folder is not used (pics.review.yaml)" in load(folder)[1][-1]
    assert load(folder, review=beside)[1] == [line]


def test_pieces_follow_the_review_of_their_pictures(folder):
    file = folder.parent / "mine.yaml"
    file.write_text(REVIEW)
    lines = []
    pieces = NODES["cut_pieces"].function(
        folder=folder, size=8, edge=16, empty=1.0, review=file, ctx=Context(warn=lines.append)
    )
    assert {name.split()[0] for name in pieces.names} == {"cats/2.png", "dogs/3.png", "dogs/4.png"}
    assert pieces.classes == ("dogs",)
    assert pieces.stars.tolist() == [5 if "2.png" in name else -1 for name in pieces.names]
    assert "1 dropped, 1 moved, 1 cropped, 1 rated by the review" in lines[0]


# Preparation


def art(count, **more):
    made = NODES["procedural_art"].function(count=count, size=32, ctx=Context.quiet())
    return replace(made, **more)


def test_values_of_pictures_travel_and_survive_the_store(tmp_path):
    whole = art(6, stars=torch.tensor([0, 1, 2, 3, -1, 5]), keep=torch.tensor([True, False] * 3))
    part = whole.subset(torch.tensor([5, 0]))
    assert (part.stars.tolist(), part.keep.tolist()) == ([5, 0], [False, True])
    joined = NODES["join_datasets"].function(art(2), part, ctx=Context.quiet())
    assert joined.stars.tolist() == [-1, -1, 5, 0]
    assert joined.keep.tolist() == [False, False, False, True]
    renamed = NODES["rename_classes"].function(joined, names="", ctx=Context.quiet())
    assert (renamed.stars is joined.stars, renamed.keep is joined.keep) == (True, True)
    socket = socket_of(Dataset)
    with closing(Store(tmp_path)) as store:
        row = store.put(Key("ab" * 16, {"node": "test"}), {"out": (socket, whole)}, 1.0)
        again = store.value(socket, row.outputs["out"])
    assert torch.equal(again.stars, whole.stars)
    assert torch.equal(again.keep, whole.keep)
    meta, buffers = Dataset.encode(art(2))
    assert (list(meta), list(buffers)) == (["classes", "names"], ["images", "labels"])


@pytest.mark.parametrize("wrong", [{"stars": torch.tensor([6, 0])}, {"keep": torch.tensor([0, 1])}])
def test_wrong_values_of_pictures_are_refused(wrong):
    with pytest.raises(Exception, match="of a dataset must be"):
        Dataset.encode(art(2, **wrong))


def test_duplicates_that_are_kept_stay_and_others_go():
    images = art(3).images[[0, 1, 0, 0, 1, 2]]
    keep = torch.tensor([False, False, True, True, False, False])
    names = tuple("abcdef")
    whole = Dataset(images, torch.zeros(6, dtype=torch.int64), ("x",), names, keep=keep)
    drop = NODES["drop_duplicates"].function
    lines = []
    found = drop(whole, ctx=Context(log=lines.append, warn=lines.append))
    assert found.dataset.names == ("b", "c", "d", "f")
    assert found.table.columns["name"] == ["a", "e"]
    assert found.table.columns["of"] == ["c", "b"]
    assert "1 duplicate kept by a review" in lines
    grouped = drop(whole, action="group", ctx=Context.quiet()).dataset
    assert grouped.names == names
    assert len(set(grouped.groups[[0, 2, 3]].tolist())) == 1


def test_filters_and_balances_leave_what_is_kept():
    images = torch.cat([art(3).images, torch.zeros(2, 32, 32, 3, dtype=torch.uint8)])
    keep = torch.tensor([False, False, False, False, True])
    labels = torch.zeros(5, dtype=torch.int64)
    whole = Dataset(images, labels, ("x",), tuple("abcde"), keep=keep)
    lines = []
    found = NODES["filter_pictures"].function(
        whole, blur=1.0, ctx=Context(log=lines.append, warn=lines.append)
    )
    assert found.dataset.names == ("a", "b", "c", "e")
    assert lines[0] == "1 picture beyond the limits kept by a review"
    balance = NODES["balance_classes"].function
    for seed in range(5):
        assert balance(whole, count=1, seed=seed, ctx=Context.quiet()).names == ("e",)


# Training


def test_pictures_are_drawn_by_their_stars():
    stars = torch.tensor([5, 4, 3, 2, 1, 0, -1])
    counts = draws_by_stars(stars).bincount(minlength=7).tolist()
    assert counts == [8, 6, 4, 2, 1, 0, 4]
    assert draws_by_stars(torch.tensor([5, 3, 3])).tolist() == [0, 0, 1, 2]
    for stars in ([3, -1, 3], [5, 5, 5], [1]):
        assert draws_by_stars(torch.tensor(stars)).tolist() == [*range(len(stars))]
    sampler = Sampler(draws_by_stars(torch.tensor([5, 3, 0])), 2, seed=1)
    drawn = torch.cat([sampler.indices(step) for step in range(30)])
    assert drawn.bincount(minlength=3).tolist() == [40, 20, 0]


def nodes_that_train():
    vae = NODES["train_vae"].function
    made = vae(art(8), method="residual", steps=1, ctx=Context.quiet()).vae
    return {
        "train_gan": ({"method": "classic", "batch": 8}, ()),
        "train_vae": ({"batch": 4}, ()),
        "train_classifier": ({"batch": 4}, ()),
        "train_prior": ({"batch": 4}, (made,)),
    }


@pytest.mark.parametrize("name", ["train_gan", "train_vae", "train_classifier", "train_prior"])
def test_trainings_follow_the_stars(name, one_thread):
    widgets, inputs = nodes_that_train()[name]

    def train(dataset, steps=3, shelf=None, lines=None):
        log = [] if lines is None else lines
        ctx = Context(
            numerics=PLAIN, checkpoint=shelf or Shelf(), log=log.append, warn=lambda line: None
        )
        result = NODES[name].function(*inputs, dataset, steps=steps, ctx=ctx, **widgets)
        return result[0].state

    def same(first, second):
        return all(torch.equal(value, second[key]) for key, value in first.items())

    whole, lines = art(24), []
    rated = replace(whole, stars=torch.tensor([5, 0, 1, -1] * 6))
    with_stars = train(rated, lines=lines)
    expected = (
        "pictures are drawn by their stars: 6 with 5 stars (weight 2), 6 with 1 star (weight"
        " 0.25), 6 not rated (weight 1), 6 with 0 stars (never)"
    )
    assert expected in lines
    without = train(whole)
    assert not same(with_stars, without)
    assert same(train(replace(whole, stars=torch.full((24,), 4))), without)
    shelf = Shelf()
    train(rated, 2, shelf)
    assert same(train(rated, 3, shelf), with_stars)
    with pytest.raises(NodeError, match="all pictures have 0 stars"):
        train(replace(whole, stars=torch.zeros(24, dtype=torch.int64)))


def test_a_group_of_a_gan_has_different_pictures_with_stars_too():
    from artgraph.models.gan.batches import GROUP, Batches, TrainingSet

    images = torch.arange(6, dtype=torch.uint8)[:, None, None, None].expand(6, 2, 2, 3)
    draws = draws_by_stars(torch.tensor([5, 5, 1, 1, 1, 3]))
    labels = torch.tensor([0, 0, 0, 0, 0, 1])
    data = TrainingSet(images, labels, 2, mirror=False, draws=draws)
    batches, counts = Batches(data, 8, seed=0), torch.zeros(6)
    for step in range(60):
        chosen, labels = batches.reals(step)
        pictures = (data.pictures(chosen)[:, 0, 0, 0] * 127.5 + 127.5).round().long()
        for group, label in zip(pictures.split(GROUP), labels[::GROUP], strict=True):
            assert len(set(group.tolist())) == (GROUP if label == 0 else 1)
        counts += pictures.bincount(minlength=6)
    assert counts[:2].min() > 1.1 * counts[2:5].max()


def test_the_content_of_a_review_is_part_of_the_key_and_no_review_is_not(cli):
    write_folder(cli.folder / "pics", FILES)
    (cli.folder / "r.yaml").write_text(REVIEW)
    graph = "artgraph: 1\nnodes:\n  d: {node: load_dataset, with: {folder: pics, size: 16%s}}\n"
    (cli.folder / "g.yaml").write_text(graph % "")
    (cli.folder / "r1.yaml").write_text(graph % ", review: r.yaml")
    (cli.folder / "r2.yaml").write_text(graph % ", review: again.yaml")
    (cli.folder / "none.yaml").write_text(graph % ", review: null")
    assert "1 ran" in cli("run", "g.yaml").stdout
    assert "1 reused" in cli("run", "none.yaml").stdout
    assert "1 ran" in cli("run", "r1.yaml").stdout
    (cli.folder / "r.yaml").rename(cli.folder / "again.yaml")
    assert "1 reused" in cli("run", "r2.yaml").stdout
    (cli.folder / "again.yaml").write_text(REVIEW.replace("5", "4", 1))
    assert "1 ran" in cli("run", "r2.yaml").stdout
    assert NODES["load_dataset"].neutral["review"] is None
