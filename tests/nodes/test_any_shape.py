"""The nodes with pictures that are not square, from painting them to films and sheets."""

from __future__ import annotations

from functools import cache
from io import BytesIO

import pytest
import torch
from PIL import Image as Picture

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.dataset import Dataset
from artgraph.pictures.styles import ALL
from artgraph.pictures.tiles import tiled

NODES = load_nodes()
SHAPE = (24, 40)


def run(name, inputs, **widgets):
    spec = NODES[name]
    given, problems = spec.check(widgets)
    assert not problems
    return spec(inputs, given, Context.quiet())


@cache
def art(aspect="3:2", size=32, count=16):
    styles = {"styles": "mondrian, truchet"}
    return run("procedural_art", {}, count=count, size=size, aspect=aspect, **styles)["dataset"]


@cache
def gan(method="classic", aspect="3:2"):
    widgets = {"method": method, "steps": 1, "batch": 8}
    inputs = {"dataset": art(aspect)}
    if method == "projected":
        inputs["classifier"] = classifier()
    return run("train_gan", inputs, **widgets)["gan"]


@cache
def vae(aspect="3:2"):
    return run("train_vae", {"dataset": art(aspect)}, steps=1, batch=8)["vae"]


@cache
def classifier(aspect="3:2"):
    return run("train_classifier", {"dataset": art(aspect)}, steps=1, batch=8)["classifier"]


def shape_of(image):
    return tuple(image.shape[1:3])


@pytest.mark.parametrize("style", ALL)
@pytest.mark.parametrize(("aspect", "shape"), [("3:2", (96, 144)), ("3:1", (80, 240))])
def test_art_is_painted_up_to_both_ends(style, aspect, shape):
    widgets = {"styles": style, "count": 12, "size": 128}
    done = run("procedural_art", {}, aspect=aspect, **widgets)["dataset"]
    assert (done.height, done.width) == shape
    images = done.images.float()
    left, middle, right = (images[:, :, part].std(0).mean() for part in images_thirds(shape[1]))
    assert min(left, right) > 0.4 * middle


def images_thirds(width):
    return slice(0, width // 3), slice(width // 3, 2 * width // 3), slice(2 * width // 3, width)


@pytest.mark.parametrize("style", ["truchet", "voronoi"])
@pytest.mark.parametrize("aspect", ["3:1", "1:3"])
def test_art_is_not_squashed(style, aspect):
    images = art_of(style, aspect).images.float()
    across, down = (images.diff(dim=dim).abs().mean() for dim in (2, 1))
    assert 0.8 < across / down < 1.25  # squashed from a square, it would be about 3 or 1/3


def art_of(style, aspect):
    return run("procedural_art", {}, count=24, size=96, aspect=aspect, styles=style)["dataset"]


def test_the_neutral_aspect_is_the_same_as_none():
    plain = run("procedural_art", {}, count=4, size=32)["dataset"]
    square = run("procedural_art", {}, count=4, size=32, aspect="1:1")["dataset"]
    assert torch.equal(plain.images, square.images)
    assert plain.images.shape == (4, 32, 32, 3)


@pytest.mark.parametrize("aspect", ["1:40", "wide", "0:3"])
def test_an_aspect_that_cannot_be_used_is_refused_in_one_line(aspect):
    with pytest.raises(NodeError, match=r"\A[^\n]{10,200}\Z"):
        art(aspect)


def test_a_dataset_keeps_its_shape_in_the_cache():
    meta, buffers = Dataset.encode(art())
    assert buffers["images"].shape == (16, *SHAPE, 3)
    assert list(meta) == ["classes", "names"]


@pytest.mark.parametrize("method", ["projected", "r3", "classic"])
def test_a_gan_draws_walks_and_continues(method):
    trained = gan(method)
    assert (trained.height, trained.width) == SHAPE
    drawn = run("sample_latent", {"gan": trained}, count=3)
    walk = run("latent_walk", {"latent": drawn["latent"]}, frames=2)
    frames = run("generate", {"gan": trained, "latent": next(iter(walk.values()))})
    assert shape_of(drawn["image"]) == shape_of(frames["image"]) == SHAPE
    inputs = {"dataset": art("1:3"), "start": trained}
    if method == "projected":
        inputs["classifier"] = classifier()
    assert run("train_gan", inputs, steps=1, batch=8)["gan"].height == 48


def test_a_vae_encodes_decodes_and_samples():
    trained = vae()
    image = torch.rand(2, 50, 50, 3, generator=torch.Generator().manual_seed(1))
    latent = run("vae_encode", {"vae": trained, "image": image})["vae_latent"]
    assert latent.z.shape == (2, 16, 3, 5)
    assert shape_of(run("vae_decode", {"vae": trained, "latent": latent})["image"]) == SHAPE
    run("evaluate_vae", {"vae": trained, "dataset": art()})
    both = run("train_prior", {"vae": trained, "dataset": art()}, steps=1, batch=8)["vae"]
    assert shape_of(run("vae_sample", {"vae": both}, count=2)["image"]) == SHAPE
    again = run("train_vae", {"dataset": art("1:3"), "start": trained}, steps=1, batch=8)["vae"]
    assert (again.height, again.width) == (48, 16)


def test_a_classifier_names_sorts_and_compares():
    image = run("dataset_images", {"dataset": art()}, count=4)["image"]
    table = run("classify", {"classifier": classifier(), "image": image})["table"]
    run("evaluate_classifier", {"classifier": classifier(), "dataset": art()})
    sheets = run("class_sheets", {"image": image, "labels": table})["files"]
    for data in sheets.files.values():
        sheet = Picture.open(BytesIO(data))
        assert sheet.width > sheet.height or len(sheets.files) < 2
    inputs = {"image": image, "dataset": art()}
    for more in ({}, {"classifier": classifier()}):
        found = run("nearest_images", inputs | more, count=1)
        assert shape_of(found["image"]) == SHAPE
        assert found["table"].columns["distance"][1] == 0


def test_a_sheet_has_cells_of_the_pictures_shape():
    image = torch.zeros(4, 24, 48, 3)
    sheet = run("image_grid", {"image": image}, columns=2, scale=1, gap=2)["image"]
    assert sheet.shape == (1, 2 + 2 * 26, 2 + 2 * 50, 3)
    black = (sheet[0] == 0).all(2)
    assert black.sum() == 4 * 24 * 48
    files = run("save_animation", {"image": image}, format="webp")["files"].files
    assert Picture.open(BytesIO(next(iter(files.values())))).size == (48, 24)


def test_a_preview_of_narrow_pictures_is_about_square():
    assert tiled(torch.zeros(16, 32, 32, 3, dtype=torch.uint8)).size == (128, 128)
    for height, width in ((48, 16), (16, 48)):
        sheet = tiled(torch.zeros(16, height, width, 3, dtype=torch.uint8))
        assert 0.5 < sheet.width / sheet.height < 2
        assert sheet.width * sheet.height < 1.4 * 16 * height * width


@pytest.mark.parametrize(
    ("node", "inputs", "message"),
    [
        ("evaluate_vae", lambda: {"vae": vae(), "dataset": art("1:1")}, "40 x 24 px, not 32 px"),
        (
            "train_prior",
            lambda: {"vae": vae(), "dataset": art("2:3")},
            "40 x 24 px, not 24 x 40 px",
        ),
        (
            "evaluate_classifier",
            lambda: {"classifier": classifier("1:1"), "dataset": art()},
            "32 px, not 40 x 24 px - load them with size 32",
        ),
        (
            "train_gan",
            lambda: {"dataset": art("1:1"), "start": big()},
            "draws 72 x 48 px, but the pictures are only 32 px - load them with size: 64",
        ),
        (
            "train_gan",
            lambda: {"dataset": cut(art(), 23)},
            "can't draw pictures of 40 x 23 px - load the dataset in one of the sizes 32, 64",
        ),
        (
            "train_vae",
            lambda: {"dataset": cut(art(), 23)},
            "the pictures are 40 x 23 px, but a VAE needs a multiple of 8 px - set `size`",
        ),
    ],
)
def test_messages_name_width_and_height(node, inputs, message):
    with pytest.raises(NodeError, match=message):
        run(node, inputs(), **({} if node.startswith("evaluate") else {"steps": 1}))


@cache
def big():
    widgets = {"method": "classic", "steps": 1, "batch": 4}
    return run("train_gan", {"dataset": art("3:2", 64, 8)}, **widgets)["gan"]


def cut(dataset, height):
    return Dataset(dataset.images[:, :height], dataset.labels, dataset.classes, dataset.names)
