"""Nodes that prepare datasets with an alpha channel: it stays, and what is measured is visible."""

import pytest
import torch

from artgraph.contract.context import Context
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.dataset import Dataset

NODES = load_nodes()
WHITE, BLACK = 255, 0


@pytest.fixture
def run():
    lines = []
    ctx = Context(log=lines.append, warn=lines.append)

    def call(name, *inputs, **widgets):
        spec = NODES[name]
        wired = dict(zip(spec.inputs, inputs, strict=False))
        outputs = spec(wired, spec.check(widgets)[0], ctx)
        assert not [line for line in lines if "can't use transparency" in line]
        return outputs

    call.lines = lines
    return call


def drawing(seed, ink=WHITE, hidden=0, edge=48):
    """Blots of one colour; the rest is clear and has the hidden colour."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 1, 8, 8, generator=generator)
    blots = torch.nn.functional.interpolate(coarse, (edge, edge), mode="bicubic")[0, 0] > 0.5
    colours = torch.where(blots, ink, hidden)
    return torch.stack([colours, colours, colours, blots * 255], 2).byte()


def dataset(pictures, labels=None, classes=("a", "b")):
    images = torch.stack(pictures)
    names = tuple(f"{row}.png" for row in range(len(images)))
    return Dataset(images, torch.tensor(labels or [0] * len(images)), classes, names)


def test_classes_are_prepared_with_alpha(run):
    whole = dataset([drawing(seed) for seed in range(5)], [0, 0, 0, 1, 1])
    renamed = run("rename_classes", whole, names="a = c")["dataset"]
    assert torch.equal(renamed.images, whole.images)
    balanced = run("balance_classes", whole)["dataset"]
    assert balanced.images.shape == (4, 48, 48, 4)
    assert run("split_dataset", whole)["test"].images.shape[3] == 4


def test_pictures_without_alpha_are_opaque_beside_those_with_alpha(run):
    clear, solid = dataset([drawing(1)]), dataset([drawing(2)[..., :3]] * 2)
    for parts in ((clear, solid), (solid, clear, solid)):
        images = run("join_datasets", *parts)["dataset"].images
        start = 0
        for part in parts:
            rows = images[start : start + len(part)]
            start += len(part)
            assert torch.equal(rows[..., : part.images.shape[3]], part.images)
            if part is solid:
                assert rows[..., 3].min() == 255
        solids = "1 dataset" if len(parts) == 2 else "2 datasets"
        assert f"{solids} without transparency became opaque" in run.lines
    run.lines.clear()
    assert run("join_datasets", solid, solid)["dataset"].images.shape[3] == 3
    assert len(run.lines) == 1


@pytest.mark.parametrize("ink", [WHITE, BLACK])
def test_drawings_on_a_clear_ground_are_not_taken_for_empty(run, ink):
    blank = torch.zeros(48, 48, 4).byte()
    pictures = [drawing(seed, ink) for seed in range(4)]
    result = run("filter_pictures", dataset([*pictures, blank]), blur=1.0)
    assert result["dataset"].names == ("0.png", "1.png", "2.png", "3.png")
    assert torch.equal(result["dataset"].images, torch.stack(pictures))
    assert "empty" in result["table"].columns["why"][0]
    table = run("dataset_report", dataset([*pictures, blank]))["table"].columns
    assert (table["empty"], table["duplicates"]) == ([1, 0], [0, 0])


def test_duplicates_are_what_looks_the_same(run):
    pictures = [drawing(seed) for seed in range(4)]
    pictures += [drawing(0, hidden=77), drawing(1).flip(1)]
    solid = pictures[2].clone()
    solid[..., 3] = 255  # in front of white, number 2 is blank; opaque, it is not
    solid[..., :3] = WHITE
    result = run("drop_duplicates", dataset([*pictures, solid]))
    columns = result["table"].columns
    assert dict(zip(columns["name"], columns["of"], strict=True)) == {
        "4.png": "0.png",
        "5.png": "1.png",
    }
    assert columns["how"][0] == "identical"
    assert torch.equal(result["dataset"].images, torch.stack([*pictures[:4], solid]))


def test_sheets_show_transparent_parts_on_a_checkerboard(run):
    clear = dataset([torch.zeros(112, 112, 4).byte()])
    for name in ("dataset_report", "drop_duplicates"):
        sheet = run(name, dataset([*clear.images, *clear.images]))["image"]
        levels = (sheet * 255).round().byte()
        assert int((levels == 204).all(3).sum()) > 5000, name
