"""The FID of benchmarks/quality.py, with small random weights."""

import pytest
import torch
from PIL import Image

from artgraph.contract.context import Context
from artgraph.models.distances import frechet_distance
from artgraph.nodes.art import procedural_art
from artgraph.nodes.gan import sample_latent, train_gan
from artgraph.nodes.model_files import save_model

WIDTH = 4  # channels of every convolution
STEM = {"Conv2d_1a_3x3": 3, "Conv2d_2a_3x3": 3, "Conv2d_2b_3x3": 3}
STEM |= {"Conv2d_3b_1x1": 1, "Conv2d_4a_3x3": 3}
A = {"1x1": 1, "5x5_1": 1, "5x5_2": 5, "3x3dbl_1": 1, "3x3dbl_2": 3, "3x3dbl_3": 3, "_pool": 1}
B = {"3x3": 3, "3x3dbl_1": 1, "3x3dbl_2": 3, "3x3dbl_3": 3}
C = {"1x1": 1, "7x7_1": 1, "7x7_2": (1, 7), "7x7_3": (7, 1), "7x7dbl_1": 1, "7x7dbl_2": (7, 1)}
C |= {"7x7dbl_3": (1, 7), "7x7dbl_4": (7, 1), "7x7dbl_5": (1, 7), "_pool": 1}
D = {"3x3_1": 1, "3x3_2": 3, "7x7x3_1": 1, "7x7x3_2": (1, 7), "7x7x3_3": (7, 1), "7x7x3_4": 3}
E = {"1x1": 1, "3x3_1": 1, "3x3_2a": (1, 3), "3x3_2b": (3, 1), "3x3dbl_1": 1, "3x3dbl_2": 3}
E |= {"3x3dbl_3a": (1, 3), "3x3dbl_3b": (3, 1), "_pool": 1}
BLOCKS = {"5b": A, "5c": A, "5d": A, "6a": B, "6b": C, "6c": C, "6d": C, "6e": C}
BLOCKS |= {"7a": D, "7b": E, "7c": E}


def state_dict(classes):
    """Random weights, named as torchvision's, of the same network with few channels."""
    random, state = torch.Generator().manual_seed(3), {}

    def add(name, inputs, kernel):
        sides = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        fan_in = inputs * sides[0] * sides[1]
        weight = torch.randn(WIDTH, inputs, *sides, generator=random) * (2 / fan_in) ** 0.5
        state[f"{name}.conv.weight"] = weight
        for part, value in (("weight", 1.0), ("bias", 0.1), ("running_mean", 0.0)):
            state[f"{name}.bn.{part}"] = torch.full((WIDTH,), value)
        state[f"{name}.bn.running_var"] = torch.ones(WIDTH)

    inputs = 3
    for name, kernel in STEM.items():
        add(name, inputs, kernel)
        inputs = WIDTH
    for block, branches in BLOCKS.items():
        for branch, kernel in branches.items():
            first = branch.endswith("_1") or branch in ("1x1", "3x3", "_pool")
            add(f"Mixed_{block}.branch{branch}", inputs if first else WIDTH, kernel)
        ends = {"5": 4 * WIDTH, "6": 4 * WIDTH, "7": 6 * WIDTH}
        inputs = 2 * WIDTH + inputs if block in ("6a", "7a") else ends[block[0]]
    state["fc.weight"] = torch.zeros(classes, inputs)
    return state


def pictures(seed=1):
    return procedural_art(count=8, size=32, styles="", seed=seed, ctx=Context.quiet()).images


def test_every_weight_is_used(benchmarks):
    from quality_inception import Inception

    state = state_dict(1008)
    vectors = Inception(state, "6726825d").features(pictures())
    assert vectors.shape == (8, 6 * WIDTH)
    assert vectors.dtype == torch.float64
    for name in [name for name in state if name.endswith("conv.weight")][::9]:
        changed = Inception({**state, name: state[name] * 2}, "").features(pictures())
        assert not torch.equal(changed, vectors), name


def test_only_with_its_weights_it_is_fid(benchmarks):
    from quality_inception import Inception

    ported, torchvision = (state_dict(classes) for classes in (1008, 1000))
    assert Inception(ported, "6726825d1234").name == "FID"
    assert "not FID" in Inception(ported, "0cc3c7bd1234").name
    assert "not FID" in Inception(torchvision, "6726825d1234").name
    first, second = (Inception(state, "").features(pictures()) for state in (ported, torchvision))
    assert not torch.allclose(first, second), "the pooling is another one"


def test_weights_are_read_without_executing_anything(benchmarks, tmp_path):
    from quality_inception import read_inception

    state = state_dict(1000)
    torch.save(state, tmp_path / "good.pth")
    assert "not FID" in read_inception(tmp_path / "good.pth").name
    del state["Mixed_6c.branch7x7_2.conv.weight"]
    torch.save(state, tmp_path / "part.pth")
    with pytest.raises(SystemExit, match=r"no weight Mixed_6c\.branch7x7_2"):
        read_inception(tmp_path / "part.pth")
    torch.save({"fc.weight": print}, tmp_path / "code.pth")
    with pytest.raises(Exception, match="weights_only"):
        read_inception(tmp_path / "code.pth")


def test_the_distance_of_a_saved_gan(benchmarks, tmp_path, capsys):
    from quality_fid import print_fid
    from quality_inception import Inception

    context, state = Context.quiet(), state_dict(1000)
    art = procedural_art(count=16, size=32, styles="", seed=1, ctx=context)
    gan = train_gan(art, method="classic", steps=1, batch=8, ctx=context).gan
    model = tmp_path / "gan.safetensors"
    model.write_bytes(save_model(gan, name="gan").files["gan.safetensors"])
    (tmp_path / "real").mkdir()
    for number, picture in enumerate(art.images):
        Image.fromarray(picture.numpy()).save(tmp_path / "real" / f"{number}.png")
    torch.save(state, tmp_path / "inception.pth")
    assert print_fid(tmp_path / "real", model, tmp_path / "inception.pth", drawn=20) == 0

    drawn = sample_latent(gan, count=20, seed=0, ctx=context).image.mul(255).add(0.5).byte()
    vectors = [Inception(state, "").features(images) for images in (art.images, drawn)]
    line = capsys.readouterr().out
    assert line.startswith("Fréchet distance (not FID) by InceptionV3 ")
    assert f" {frechet_distance(*vectors):.4g}: 20 drawn pictures, all 16 of" in line
