import dataclasses

import numpy as np
import pytest
import torch

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.kinds import Table
from artgraph.nodes.image import (
    batch_images,
    dataset_images,
    image_grid,
    pick_images,
    resize_image,
)
from artgraph.pictures.lettering import font_for, shorten, width_of
from artgraph.pictures.sheet import square_columns


def numbered(count, height=4, width=4):
    """Pictures whose brightness in 255ths is their number."""
    return torch.arange(count).view(-1, 1, 1, 1).expand(-1, height, width, 3).float() / 255


def numbers_of(image):
    return (image.mean((1, 2, 3)) * 255).round().int().tolist()


def grid(image, labels=None, **changes):
    widgets = {
        "columns": 0,
        "scale": 1,
        "gap": 0,
        "background": "white",
        "title": "",
        "caption": "",
    }
    return image_grid(image, labels, **(widgets | changes))


@pytest.mark.parametrize(
    ("count", "columns"), [(1, 1), (2, 2), (4, 2), (7, 4), (8, 4), (12, 4), (16, 4), (64, 8)]
)
def test_a_sheet_is_near_square(count, columns):
    assert square_columns(count) == columns


def test_wide_pictures_stand_below_each_other():
    assert square_columns(4, aspect=16) == 1


def test_pictures_stand_row_by_row():
    sheet = grid(numbered(6), columns=3)
    assert sheet.shape == (1, 8, 12, 3)
    assert (sheet[0, ::4, ::4, 0] * 255).round().int().tolist() == [[0, 1, 2], [3, 4, 5]]


def test_gap_and_background():
    sheet = grid(numbered(2), columns=2, gap=3, background="white")
    assert sheet.shape == (1, 4 + 6, 8 + 9, 3)
    assert sheet[0, 0].min() == 1
    assert sheet[0, 5, 4].max() == 0


def test_small_pictures_grow_without_blurring():
    picture = torch.zeros(1, 8, 8, 3)
    picture[:, :, 4:] = 1
    sheet = grid(picture, scale=0)
    assert sheet.shape == (1, 112, 112, 3)
    assert sheet.unique().tolist() == [0, 1]
    assert grid(torch.zeros(1, 300, 300, 3), scale=0).shape == (1, 300, 300, 3)
    assert grid(picture, scale=3).shape == (1, 24, 24, 3)


def test_captions_and_title_take_room_and_leave_the_pictures_alone():
    image = torch.full((4, 64, 64, 3), 0.5)
    labels = Table({"n": [1, 2, 3, 4], "class": ["rothko", "a name far too long for it", "ü", ""]})
    bare, labelled = grid(image, columns=2), grid(image, labels, columns=2)
    titled = grid(image, labels, columns=2, title="Hello " * 40)
    assert bare.shape[1] < labelled.shape[1] < titled.shape[1]
    assert bare.shape[2] == labelled.shape[2] == titled.shape[2]
    grey = [int(((s - 0.5).abs() < 0.003).all(-1).sum()) for s in (bare, labelled, titled)]
    assert min(grey) >= 4 * 64 * 64
    assert (labelled < 0.4).any()


def test_captions_from_chosen_columns():
    labels = Table({"class": ["rothko"], "p": [0.12345], "none": [None]})
    image = torch.ones(1, 200, 200, 3)
    one, two = (grid(image, labels, caption=c) for c in ("class", "class, p"))
    assert not torch.equal(one, two)
    assert (two < 0.5).sum() > (one < 0.5).sum()
    with pytest.raises(NodeError, match="no column 'style' - choose from class, p"):
        grid(image, labels, caption="style")


def test_names_are_written_if_no_picture_has_a_class_of_its_own():
    image, names = torch.ones(2, 64, 64, 3), {"name": ["blush", "wink"]}
    by_name = grid(image, Table(names))
    assert torch.equal(grid(image, Table({"class": ["pictures"] * 2, **names})), by_name)
    assert not torch.equal(grid(image, Table({"class": ["pictures", "cats"], **names})), by_name)
    assert not torch.equal(grid(image, Table({"class": ["cats"] * 2, **names})), by_name)
    assert grid(image, Table({"class": ["pictures"] * 2})).shape == by_name.shape


@pytest.mark.parametrize("rows", [0, 1, 9])
def test_more_or_fewer_labels_than_pictures(rows):
    assert grid(numbered(4, 32, 32), Table({"class": ["x"] * rows})).shape[0] == 1
    assert grid(numbered(4, 32, 32), Table({})).shape[0] == 1


def test_a_sheet_too_large_is_refused():
    with pytest.raises(NodeError, match="100 million"):
        grid(torch.zeros(1, 1, 1, 3).expand(4000, 64, 64, 3), scale=16)


def test_shorten():
    assert shorten("short", 12, 200) == "short"
    cut = shorten("a very long line of words", 12, 60)
    assert cut.endswith("…")
    assert width_of(cut, 12) <= 60
    assert shorten("two\nlines", 12, 200) == "two lines"
    assert shorten("x", 12, 0) == ""


def test_pick():
    image = numbered(10)

    def pick(start=0, count=0, every=1):
        return numbers_of(pick_images(image, start=start, count=count, every=every))

    assert pick(3, 2) == [3, 4]
    assert pick(-2) == [8, 9]
    assert pick(-50, 1) == [0]
    assert pick(1, 3, 4) == [1, 5, 9]
    with pytest.raises(NodeError, match="no picture 10 in a batch of 10 "):
        pick(10)


def test_what_is_picked_is_no_view():
    image = numbered(3).clone()
    pick_images(image, start=0, count=1, every=1).fill_(1)
    assert numbers_of(image) == [0, 1, 2]


def test_joining():
    joined = batch_images(numbered(2), numbered(3))
    assert numbers_of(joined) == [0, 1, 0, 1, 2]
    assert batch_images(numbered(1, 4, 8), numbered(2, 9, 3), numbered(1)).shape == (4, 4, 8, 3)


@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [(16, 0, (8, 16)), (0, 16, (16, 32)), (5, 7, (7, 5)), (32, 16, (16, 32))],
)
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("how", ["smooth", "pixels"])
def test_resize(width, height, shape, fit, how):
    image = torch.rand(2, 16, 32, 3, generator=torch.Generator().manual_seed(0))
    before = image.clone()
    small = resize_image(image, width=width, height=height, fit=fit, filter=how)
    assert small.shape == (2, *shape, 3)
    assert small.is_contiguous()
    assert 0 <= small.min() <= small.max() <= 1
    assert torch.equal(image, before)
    assert small.data_ptr() != image.data_ptr()


def test_fit():
    image = torch.zeros(1, 10, 30, 3)
    image[:, :, 10:20] = 0.5
    crop, pad, stretch = (
        resize_image(image, width=9, height=9, fit=f, filter="pixels")
        for f in ("crop", "pad", "stretch")
    )
    assert crop.unique().tolist() == [0.5]
    assert pad[0, 0].min() == 1
    assert pad[0, 4, :, 0].tolist() == [0, 0, 0, 0.5, 0.5, 0.5, 0, 0, 0]
    assert stretch[0, 0, :, 0].tolist() == [0, 0, 0, 0.5, 0.5, 0.5, 0, 0, 0]


def test_resize_refuses_nothing_and_too_much():
    with pytest.raises(NodeError, match="both 0"):
        resize_image(numbered(1), width=0, height=0, fit="crop", filter="smooth")
    with pytest.raises(NodeError, match="500 million"):
        resize_image(numbered(20), width=8192, height=8192, fit="crop", filter="smooth")


def test_a_thin_picture_keeps_a_pixel():
    thin = torch.zeros(1, 1, 1000, 3)
    assert resize_image(thin, width=10, height=0, fit="crop", filter="smooth").shape == (
        1,
        1,
        10,
        3,
    )


@pytest.fixture
def dataset():
    images = torch.arange(7, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 8, 8, 3)
    labels = torch.tensor([0, 0, 0, 1, 1, 0, 1])
    return Dataset(images.clone(), labels, ("a", "b"), tuple(f"{i}.png" for i in range(7)))


def test_images_of_a_data_set(dataset):
    image, table = dataset_images(dataset, count=3, order="first", ctx=Context.quiet())
    assert numbers_of(image) == [0, 1, 2]
    assert table.columns == {"class": ["a"] * 3, "name": ["0.png", "1.png", "2.png"]}
    image, table = dataset_images(dataset, count=64, order="each class", ctx=Context.quiet())
    assert numbers_of(image) == [0, 3, 1, 4, 2, 6, 5]
    assert table.columns["class"] == list("abababa")
    assert image.dtype == torch.float32
    assert np.isclose(float(image.max()), 6 / 255)


def test_letters_come_from_a_font_that_has_them():
    latin, greek = font_for("abc", 20), font_for("Ωδ", 20)
    assert latin.getname()[0] == "Aileron"
    if greek is latin:
        pytest.skip("this machine has no font with Greek letters")
    assert bytes(greek.getmask("Ω")) != bytes(greek.getmask("δ"))


def test_letters_that_no_font_has_are_drawn_all_the_same(monkeypatch):
    monkeypatch.setattr("artgraph.pictures.lettering._WIDER", ("no such font.ttf",))
    assert font_for("水墨", 21).getname()[0] == "Aileron"
    assert width_of("水墨", 21) > 0
    assert shorten("Études", 21, 200) == "Etudes"


def test_pictures_that_are_not_all_of_a_dataset_say_so():
    pixels = torch.zeros(5, 2, 2, 3, dtype=torch.uint8)
    dataset = Dataset(pixels, torch.zeros(5).long(), ("a",), tuple("12345"))
    said = []
    ctx = dataclasses.replace(Context.quiet(), log=said.append)
    dataset_images(dataset, count=3, order="first", ctx=ctx)
    dataset_images(dataset, count=5, order="first", ctx=ctx)
    assert said == ["3 of 5 pictures"]
