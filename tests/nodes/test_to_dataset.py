"""A dataset from pictures on a wire."""

import pytest
import torch

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.kinds import Table

NODES = load_nodes()


def made(image, labels=None, classes="", column="", lines=None):
    ctx = Context(log=[].append if lines is None else lines.append)
    node = NODES["images_to_dataset"].function
    return node(image, labels, classes=classes, column=column, ctx=ctx)


def pictures(count=3, channels=3):
    return torch.linspace(0, 1, count * 8 * 8 * channels).reshape(count, 8, 8, channels)


def test_pictures_without_classes_have_the_one_of_a_plain_folder():
    dataset = made(pictures())
    assert isinstance(dataset, Dataset)
    assert (dataset.classes, dataset.labels.tolist()) == (("pictures",), [0, 0, 0])
    assert dataset.names == ("0001", "0002", "0003")
    assert torch.equal(dataset.images, (pictures() * 255 + 0.5).byte())


@pytest.mark.parametrize(
    ("text", "labels"),
    [("cat", "cat cat cat"), ("dog, cat, dog", "dog cat dog"), ("a b\nc,d\na b\n", "a_b c,d a_b")],
)
def test_classes_are_written_for_all_pictures_or_for_each(text, labels):
    dataset = made(pictures(), classes=text)
    found = [dataset.classes[label].replace(" ", "_") for label in dataset.labels]
    assert found == labels.split()
    assert list(dataset.classes) == sorted(dataset.classes)


def test_a_table_says_the_classes_and_the_names():
    columns = {"name": ["x.png", None, "x.png"], "class": ["b", "a", "b"], "year": [3, 1, 3.0]}
    dataset = made(pictures(), Table(columns))
    assert [dataset.classes[label] for label in dataset.labels] == ["b", "a", "b"]
    assert dataset.names == ("x.png", "0002", "x.png (2)")
    assert made(pictures(), Table(columns), column="year").classes == ("1", "3")


def test_what_a_dataset_contains_is_the_same_after_its_pictures_were_on_a_wire():
    art = NODES["procedural_art"].function(count=12, size=16, seed=1, styles="", ctx=Context())
    taken = NODES["dataset_images"].function(art, count=12, order="first", ctx=Context())
    again = made(taken.image, taken.table)
    names = [[d.classes[label] for label in d.labels] for d in (art, again)]
    assert names[0] == names[1]
    assert again.names == art.names
    assert torch.equal(again.images, art.images[:])


def test_what_is_fully_transparent_becomes_black():
    image = torch.ones(1, 8, 8, 4)
    image[0, :4, :, 3] = 0
    image[0, 4:, :, 3] = 0.5
    dataset = made(image)
    assert dataset.images[0, 0, 0].tolist() == [0, 0, 0, 0]
    assert dataset.images[0, 7, 0].tolist() == [255, 255, 255, 128]


TABLE = Table({"class": ["a", "b", None], "kind": ["x", "y", "z"]})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"classes": "a, b"}, "there are 2 classes for 3 pictures - write one class for all"),
        ({"classes": "a,,b"}, "class 2 of 3 is empty"),
        ({"classes": "a", "labels": TABLE}, "the classes are written, and also come from"),
        ({"labels": TABLE}, "class 3 of 3 is empty"),
        ({"labels": TABLE, "column": "kinds"}, "`labels` has no column 'kinds'"),
        ({"labels": Table({"kind": ["x"] * 3})}, "no column with classes - set `column` to one of"),
        ({"labels": Table({"class": ["x"]})}, "`labels` has 1 row for 3 pictures - wire the table"),
    ],
)
def test_mistakes_say_what_to_do(arguments, words):
    with pytest.raises(NodeError, match=words):
        made(pictures(), **arguments)


def test_pictures_for_more_than_4_gib_are_refused_before_they_are_read():
    with pytest.raises(NodeError, match="need more than 4 GiB - resize them"):
        made(torch.empty(1).expand(100_000, 128, 128, 3))


def test_a_line_says_how_many_pictures_each_class_has():
    lines = []
    made(pictures(), classes="b, a, b", lines=lines)
    assert lines == ["3 pictures of 8 px: a 1, b 2"]
