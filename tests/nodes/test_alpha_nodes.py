"""The nodes with pictures that have an alpha channel."""

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.registry import load_nodes
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.kinds import Table

NODES = load_nodes()
COLOUR = (0.8, 0.2, 0.4)


def run(name, inputs, **widgets):
    """Returns the outputs of a node, and its lines."""
    spec, lines = NODES[name], []
    values, problems = spec.check(widgets)
    assert not problems
    values = {n: Path(v) if n in spec.paths and v else v for n, v in values.items()}
    outputs = spec(inputs, values, Context(log=lines.append, warn=lines.append))
    return outputs, lines


def sprites(count=8, edge=32):
    """Soft discs of one colour; what is clear is green."""
    y, x = (torch.arange(edge) - edge / 2).view(-1, 1), torch.arange(edge) - edge / 2
    alpha = ((edge / 3 - torch.hypot(x, y)) / 4 + 0.5).clamp(0, 1)
    seen = (alpha > 0)[..., None]
    colours = torch.where(seen, torch.tensor(COLOUR), torch.tensor([0.0, 1, 0]))
    return torch.cat([colours, alpha[..., None]], 2).expand(count, -1, -1, -1).contiguous()


def dataset(count=8):
    images = (sprites(count) * 255).round().byte()
    names = tuple(f"{number}.png" for number in range(count))
    return Dataset(images, torch.arange(count) % 2, ("a", "b"), names)


@pytest.fixture
def folder(tmp_path):
    for number, pixels in enumerate(dataset(3).images.numpy()):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return tmp_path


def only_colour(image):
    """Returns whether all that is visible has the colour of the sprites."""
    seen = image[..., 3] > 0.02
    return bool((image[seen][:, :3] - torch.tensor(COLOUR)).abs().max() < 0.012)


def test_a_folder_is_loaded_with_alpha_or_flattened(folder):
    kept = run("load_dataset", {}, folder=str(folder), size=16, alpha="keep")[0]["dataset"]
    assert kept.images.shape == (3, 16, 16, 4)
    assert only_colour(kept.images.float() / 255)
    black = run("load_dataset", {}, folder=str(folder), size=16, background="#000000")[0]
    assert black["dataset"].images[0, 0, 0].tolist() == [0, 0, 0]
    white = run("load_dataset", {}, folder=str(folder), size=16)[0]["dataset"]
    assert white.images.shape == (3, 16, 16, 3)
    assert white.images[0, 0, 0].tolist() == [255, 255, 255]


def test_a_folder_without_transparency_is_noticed(tmp_path):
    Image.new("RGB", (20, 20), "red").save(tmp_path / "a.png")
    outputs, lines = run("load_dataset", {}, folder=str(tmp_path), size=16, alpha="keep")
    assert outputs["dataset"].images[..., 3].min() == 255
    assert lines[-1].startswith("no picture has transparent parts")


def test_a_picture_is_loaded_with_alpha(folder):
    image = run("load_image", {}, path=str(folder / "0.png"), alpha="keep")[0]["image"]
    assert torch.equal((image[0] * 255).round().byte(), dataset(1).images[0])
    red = run("load_image", {}, path=str(folder / "0.png"), background="#ff0000")[0]["image"]
    assert red[0, 0, 0].tolist() == [1, 0, 0]


def test_what_replaces_a_folder_is_treated_alike():
    flat = run("load_dataset", {"fallback": dataset()}, background="#000000")[0]["dataset"]
    assert flat.images[0, 0, 0].tolist() == [0, 0, 0]
    kept = run("load_image", {"fallback": torch.rand(1, 8, 8, 3)}, alpha="keep")[0]["image"]
    assert kept.shape[3] == 4


def test_old_keys_of_loading_and_saving_are_the_same():
    for name in ("load_dataset", "load_image"):
        assert NODES[name].neutral.items() >= {"alpha": "flatten", "background": "#ffffff"}.items()
    assert NODES["save_image"].neutral == {"background": "#ffffff"}


@pytest.mark.parametrize("filter_", ["smooth", "pixels"])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_resizing_has_no_halo(fit, filter_):
    image = run("resize_image", {"image": sprites()}, width=20, height=12, fit=fit, filter=filter_)
    image = image[0]["image"]
    assert image.shape == (8, 12, 20, 4)
    assert only_colour(image)
    if fit == "pad":
        assert image[0, 0, 0].tolist() == [0, 0, 0, 0]


def test_joining_pictures_with_and_without_alpha_makes_the_latter_opaque():
    joined, lines = run("batch_images", {"first": torch.rand(2, 20, 20, 3), "second": sprites()})
    assert joined["image"].shape == (10, 20, 20, 4)
    assert joined["image"][:2, ..., 3].min() == 1
    assert only_colour(joined["image"][2:])
    assert lines == []
    plain = run("batch_images", {"first": torch.rand(2, 8, 8, 3), "second": torch.rand(1, 8, 8, 3)})
    assert plain[0]["image"].shape[3] == 3


def test_picking_and_datasets_have_alpha():
    assert run("pick_images", {"image": sprites()}, count=2)[0]["image"].shape == (2, 32, 32, 4)
    assert run("dataset_images", {"dataset": dataset()})[0]["image"].shape == (8, 32, 32, 4)
    different = dataset()
    different.images[:, 16, 16, 0] = torch.arange(8)
    parts = run("split_dataset", {"dataset": different})[0]
    assert {part.images.shape[3] for part in parts.values()} == {4}


def test_sheets_have_a_checkerboard():
    sheet = run("image_grid", {"image": sprites()}, gap=0, scale=1)[0]["image"]
    assert sheet.shape[3] == 3
    assert {*(sheet[0, :4, :32] * 255).round().unique().tolist()} == {204, 255}
    table = Table({"class": ["a"] * 8, "probability": [0.5] * 8})
    saved, lines = run("class_sheets", {"image": sprites(), "labels": table})
    assert lines == []
    with Image.open(BytesIO(next(iter(saved["files"].files.values())))) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert not (pixels == (0, 255, 0)).all(2).any()
    assert (pixels == 204).all(2).any()


def saved(image, **widgets):
    name = "save_animation" if "fps" in widgets else "save_image"
    outputs, lines = run(name, {"image": image}, **widgets)
    with Image.open(BytesIO(next(iter(outputs["files"].files.values())))) as picture:
        return np.array(picture.convert("RGBA")), lines


def test_files_have_alpha_and_jpeg_says_that_it_has_none():
    wanted = dataset(1).images[0].numpy()
    for widgets in ({"format": "png"}, {"format": "webp", "quality": 100}):
        pixels, lines = saved(sprites(1), **widgets)
        assert (pixels[..., 3] == wanted[..., 3]).all()
        assert lines == []
    pixels, lines = saved(sprites(1), format="jpeg", background="#0000ff")
    assert abs(pixels[0, 0].astype(int) - (0, 0, 255, 255)).max() <= 3
    assert lines == ["a JPEG file can't use transparency, so it gets `image` in front of #0000ff"]


def test_a_gif_says_that_half_transparent_pixels_are_lost():
    pixels, lines = saved(sprites(2), fps=5)
    assert {*np.unique(pixels[..., 3])} == {0, 255}
    assert lines[0].startswith("a GIF has no half transparent pixels")
    assert saved(sprites(2), fps=5, format="apng")[1] == []
    assert saved(torch.rand(2, 8, 8, 3), fps=5)[1] == []


def test_a_picture_is_split_into_colours_and_mask_and_joined_again():
    parts = run("image_alpha", {"image": sprites(2)})[0]
    assert parts["image"].shape == (2, 32, 32, 3)
    assert parts["mask"][0, 0, 0] == 1
    again = run("set_alpha", parts)[0]["image"]
    assert torch.allclose(again, sprites(2), atol=1e-6)
    opaque = run("image_alpha", {"image": torch.rand(2, 8, 8, 3)})[0]
    assert opaque["mask"].max() == 0


def test_masks_are_resized_inverted_and_cut():
    mask = torch.zeros(1, 4, 4)
    mask[:, :, :2] = 1
    image = torch.rand(3, 8, 8, 3)
    joined = run("set_alpha", {"image": image, "mask": mask})[0]["image"]
    assert joined.shape == (3, 8, 8, 4)
    assert joined[0, 0, :, 3].tolist() == pytest.approx([0, 0, 0, 0.25, 0.75, 1, 1, 1])
    hard = run("set_alpha", {"image": image, "mask": mask}, threshold=0.5, invert=True)
    assert hard[0]["image"][0, 0, :, 3].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    with pytest.raises(NodeError, match="3 pictures and 2 masks"):
        run("set_alpha", {"image": image, "mask": mask.expand(2, -1, -1)})


def test_flattening_by_hand_gives_no_warning():
    flat, lines = run("flatten_alpha", {"image": sprites()}, background="#0000ff")
    assert flat["image"][0, 0, 0].tolist() == [0, 0, 1]
    assert lines == []


def test_models_learn_sample_and_encode_alpha():
    gan = run("train_gan", {"dataset": dataset()}, method="classic", steps=2, batch=4)[0]["gan"]
    drawn = run("sample_latent", {"gan": gan}, count=3)[0]
    assert drawn["image"].shape == (3, 32, 32, 4)
    again = run("generate", {"gan": gan, "latent": drawn["latent"]})[0]["image"]
    assert torch.equal(again, drawn["image"])
    more = run("train_gan", {"dataset": opaque_data(), "start": gan}, steps=1, batch=4)[0]
    assert more["gan"].has_alpha
    vae = run("train_vae", {"dataset": dataset()}, steps=2, batch=4)[0]["vae"]
    vae = run("train_prior", {"vae": vae, "dataset": dataset()}, steps=1, batch=4)[0]["vae"]
    assert run("vae_sample", {"vae": vae}, count=2)[0]["image"].shape == (2, 32, 32, 4)
    table, lines = run("evaluate_vae", {"vae": vae, "dataset": opaque_data()})
    assert table["table"].columns["pictures"][-1] == 8
    assert lines == ["pictures with alpha are compared in front of grey"]


def opaque_data():
    plain = dataset()
    return Dataset(plain.images[..., :3].clone(), plain.labels, plain.classes, plain.names)


def test_models_without_alpha_say_that_they_flatten():
    vae = run("train_vae", {"dataset": opaque_data()}, steps=1, batch=4)[0]["vae"]
    assert "alpha" not in vae.config
    latent, lines = run("vae_encode", {"vae": vae, "image": sprites()})
    assert lines == ["the model can't use transparency, so it gets `image` in front of white"]
    white = run("flatten_alpha", {"image": sprites()})[0]["image"]
    same = run("vae_encode", {"vae": vae, "image": white})[0]["vae_latent"]
    assert torch.allclose(latent["vae_latent"].z, same.z)
    classifier, lines = run("train_classifier", {"dataset": dataset()}, steps=1, batch=4)
    assert "it gets `dataset` in front of white" in lines[0]
    _, lines = run("classify", {"classifier": classifier["classifier"], "image": sprites()})
    assert lines == ["the node can't use transparency, so it gets `image` in front of white"]


def test_edges_agree_with_float64(monkeypatch):
    """Loading, resizing, sheets and files, on black, white and red."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import alpha

    try:
        errors = alpha.edge_errors(11, 12)
    finally:
        del sys.modules["alpha"]
    assert len(errors) == 5
    assert max(errors.values()) <= 2


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
def test_a_loaded_picture_has_a_mask_beside_it(tmp_path, mode):
    from artgraph.pictures.reading import read_picture

    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 4), dtype=np.uint8)
    pixels[:4, :, 3] = 0
    path = tmp_path / "a.png"
    Image.fromarray(pixels).convert(mode).save(path, **({"transparency": 3} if mode == "P" else {}))
    opacity = np.array(read_picture(path, background=None))[..., 3]
    for widgets in ({"alpha": "keep"}, {"background": "#ff8000"}, {}):
        outputs = run("load_image", {}, path=str(path), **widgets)[0]
        assert outputs["mask"].shape == (1, 12, 9)
        assert np.array_equal(outputs["mask"][0].mul(255).round().numpy(), 255 - opacity)
    seen = np.array(read_picture(path, background="#ffffff"))
    assert np.array_equal(outputs["image"][0].mul(255).round().numpy(), seen)


def test_the_mask_of_what_replaces_a_picture():
    image = torch.rand(2, 8, 8, 4)
    outputs = run("load_image", {"fallback": image})[0]
    assert torch.allclose(outputs["mask"], 1 - image[..., 3])
    assert run("load_image", {"fallback": image[..., :3]})[0]["mask"].shape == (2, 8, 8)
    assert not run("load_image", {"fallback": image[..., :3]})[0]["mask"].any()
