"""Pictures with an alpha channel as values, and what a node gets that does not know alpha."""

from typing import Annotated

import pytest
import torch

from artgraph.contract.context import Context
from artgraph.contract.spec import NodeSpec
from artgraph.contract.values.alpha import flat, for_model, has_alpha, opaque
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.kinds import GanLatent, Image, Mask, Number, Pictures, socket_of
from artgraph.contract.values.pictures import PART_BYTES, PictureBatch
from artgraph.contract.values.socket import Socket, SocketError
from artgraph.contract.widgets import Alpha, Background
from artgraph.runner.store.store import Store

RED = torch.tensor([1.0, 0, 0, 0.5]).expand(2, 4, 4, 4).contiguous()


def spec_of(function):
    return NodeSpec(function.__name__, "Title", "test", 1, function, False)


def call(function, **inputs):
    """Returns the output of a node, and its warnings."""
    lines = []
    spec = spec_of(function)
    widgets, problems = spec.check({})
    assert not problems
    (result,) = spec(inputs, widgets, Context(warn=lines.append)).values()
    return result, lines


def data(images):
    return Dataset(images, torch.zeros(len(images), dtype=torch.int64), ("a",), ("x", "y"))


def plain(image: Image) -> Image:
    """Returns what it receives."""
    return image


def knowing(image: Annotated[Image, Alpha]) -> Image:
    """Returns what it receives."""
    return image


def on_blue(image: Image, *, background: Background = "#0000ff") -> Image:
    """Returns what it receives."""
    return image


def labels(dataset: Dataset) -> Dataset:
    """Returns what it receives."""
    return dataset


def test_an_input_without_alpha_gets_pictures_on_white_and_the_node_says_so():
    image, lines = call(plain, image=RED)
    assert image.shape == (2, 4, 4, 3)
    assert image[0, 0, 0].tolist() == pytest.approx([1, 0.5, 0.5])
    assert lines == ["the node can't use transparency, so it gets `image` in front of white"]
    assert call(plain, image=RED[..., :3])[1] == []


def test_an_input_that_accepts_alpha_gets_it():
    image, lines = call(knowing, image=RED)
    assert image is RED
    assert lines == []


def test_the_background_of_a_node_is_used():
    image, lines = call(on_blue, image=RED)
    assert image[0, 0, 0].tolist() == pytest.approx([0.5, 0, 0.5])
    assert lines == ["the node can't use transparency, so it gets `image` in front of #0000ff"]


def test_datasets_lose_alpha_too():
    images = (RED * 255).byte()
    dataset, lines = call(labels, dataset=data(images))
    assert dataset.images[0, 0, 0].tolist() == [255, 128, 128]
    assert images.shape[3] == 4
    assert len(lines) == 1


def test_other_values_of_four_columns_are_not_pictures():
    socket = Socket("cube", "cube", lambda v: (None, {}), lambda m, b: None)

    def cubes(cube: Annotated[torch.Tensor, socket]) -> Number:
        """Returns the last side."""
        return cube.shape[3]

    assert call(cubes, cube=RED) == (4, [])
    assert not has_alpha(GanLatent(torch.zeros(1, 4), torch.ones(1, 1)))


def test_opaque_and_flat_of_pictures_that_are_read_in_parts():
    count = PART_BYTES // (64 * 64 * 16) + 8
    batch = PictureBatch(
        (64, 64, 4), range(count), lambda rows: RED[:1, :1, :1].expand(len(rows), 64, 64, 4)
    )
    flattened = flat(batch, "#000000")
    assert isinstance(flattened, PictureBatch)
    assert flattened.shape == (count, 64, 64, 3)
    assert flattened[count - 1][0, 0].tolist() == [0.5, 0, 0]
    again = opaque(flattened)
    assert again.shape == (count, 64, 64, 4)
    assert float(again[0][..., 3].min()) == 1
    assert opaque(batch) is batch


def test_a_model_gets_the_channels_that_it_knows():
    lines = []
    assert for_model(RED, True, "image", lines.append) is RED
    assert for_model(RED[..., :3], True, "image", lines.append).shape[3] == 4
    assert lines == []
    assert for_model(RED, False, "image", lines.append).shape[3] == 3
    assert lines == ["the model can't use transparency, so it gets `image` in front of white"]


@pytest.mark.parametrize(("kind", "value"), [(Image, RED), (Mask, RED[..., 0] * 0.2)])
def test_the_store_returns_alpha_and_masks(tmp_path, kind, value):
    store = Store(tmp_path)
    socket = socket_of(kind)
    back = store.value(socket, store.put_value(socket, value))
    assert back.shape == value.shape
    assert float((back - value).abs().max()) <= 0.501 / 255


def test_pictures_with_alpha_are_read_from_the_store(tmp_path):
    store = Store(tmp_path)
    socket = socket_of(Pictures)
    batch = store.value(socket, store.put_value(socket, RED))
    assert batch.shape == (2, 4, 4, 4)
    assert has_alpha(batch)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Image, torch.zeros(1, 4, 4, 2)),
        (Image, torch.zeros(1, 4, 4, 5)),
        (Mask, torch.zeros(1, 4, 4, 1)),
        (Mask, torch.zeros(1, 4, 4, dtype=torch.uint8)),
        (Mask, torch.full((1, 4, 4), torch.nan)),
        (Dataset, data(torch.zeros(2, 4, 4, 1, dtype=torch.uint8))),
    ],
)
def test_other_shapes_are_refused(kind, value):
    with pytest.raises(SocketError):
        socket_of(kind).encode(value)


@pytest.mark.parametrize("value", ["ff0000", "#ff00", "red", "", None, 7])
def test_what_is_not_a_colour_is_refused(value):
    """In YAML, `background: #ff0000` without quotes is an empty value and a comment."""
    _, (problem,) = spec_of(on_blue).check({"background": value})
    assert problem.subject == "background"
    assert problem.message.endswith('write one in quotes, such as "#ff8000"')


def test_one_line_names_all_inputs_that_lose_alpha():
    def both(first: Image, second: Image) -> Image:
        """Returns the second one."""
        return second

    image, lines = call(both, first=RED, second=RED)
    assert image.shape[3] == 3
    assert lines == [
        "the node can't use transparency, so it gets `first` and `second` in front of white"
    ]
