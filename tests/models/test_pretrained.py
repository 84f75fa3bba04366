"""Reading the weights of pretrained networks, and what the networks compute.

tests/support/compare_with_timm.py compares them with the originals.
"""

import pickle
from dataclasses import asdict

import pytest
import state_dicts
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from artgraph.contract.context import Context
from artgraph.contract.errors import InputError
from artgraph.contract.values.models import Classifier
from artgraph.models.pretrained.layers import SameConv2d, folded
from artgraph.models.pretrained.network import load_pretrained
from artgraph.models.pretrained.weights import PACKAGE, read_embedded, read_file
from artgraph.models.training.diverged import UnsuitableError
from artgraph.nodes.pretrained import pretrained_classifier

CTX = Context.quiet()
EFFICIENTNET = state_dicts.efficientnet()
CONVNEXT = state_dicts.convnext()
FILES = {
    "resnet18": (state_dicts.resnet(), "resnet of timm or torchvision"),
    "resnet50": (state_dicts.resnet(bottleneck=True), "resnet of timm or torchvision"),
    "efficientnet": (EFFICIENTNET, "efficientnet of timm"),
    "tf_efficientnet_lite": (state_dicts.efficientnet(lite=True), "padded as in TensorFlow"),
    "vision_efficientnet": (state_dicts.torchvision_names(EFFICIENTNET), "of torchvision"),
    "lukemelas": (state_dicts.pytorch_names(EFFICIENTNET), "of efficientnet_pytorch"),
    "convnext": (CONVNEXT, "convnext of timm"),
    "vision_convnext": (state_dicts.torchvision_convnext(CONVNEXT), "convnext of torchvision"),
    "dinov2": (state_dicts.dinov2(), "vit of DINOv2 or timm"),
    "dinov2_reg": (state_dicts.dinov2(registers=2), "vit of DINOv2 or timm"),
}


def pictures(edge=64):
    return torch.rand(2, 3, edge, edge, generator=torch.Generator().manual_seed(9)) * 2 - 1


def read(tmp_path, name, state):
    path = tmp_path / f"{name}.pth"
    torch.save(state, path)
    found = read_file(path)
    return load_pretrained(found.config, found.state).eval(), found


@pytest.mark.parametrize("name", FILES)
def test_a_state_dict_becomes_a_network_with_features(name, tmp_path):
    state, line = FILES[name]
    network, found = read(tmp_path, name, state)
    assert line in found.line
    with torch.no_grad():
        maps = network.maps(pictures())
        pooled = network.pooled(pictures(32))
        again = network.pooled(pictures(32))
    sides = [5, 5, 5, 5] if name.startswith("dinov2") else [16, 8, 4, 2]
    assert [m.shape[2] for m in maps] == sides
    assert pooled.isfinite().all()
    assert torch.equal(pooled, again)
    assert len(found.config.classes) == (0 if name.startswith("dinov2") else 5)
    model = Classifier(asdict(found.config), found.state)
    assert model.is_pretrained
    model.check()


@pytest.mark.parametrize(
    ("one", "other"),
    [("efficientnet", "vision_efficientnet"), ("convnext", "vision_convnext")],
)
def test_the_names_of_two_programs_mean_the_same_network(one, other, tmp_path):
    outputs = [read(tmp_path, name, FILES[name][0])[0](pictures(32)) for name in (one, other)]
    torch.testing.assert_close(*outputs)


def test_the_names_of_efficientnet_pytorch(tmp_path):
    """It is padded as timm's networks from TensorFlow are."""
    timm, _ = read(tmp_path, "tf_efficientnet_b0", EFFICIENTNET)
    other, _ = read(tmp_path, "lukemelas", FILES["lukemelas"][0])
    torch.testing.assert_close(timm(pictures(32)), other(pictures(32)))
    plain, _ = read(tmp_path, "efficientnet_b0", EFFICIENTNET)
    assert not torch.allclose(timm(pictures(32)), plain(pictures(32)), rtol=1e-2)


def test_a_folded_norm_does_what_it_did():
    random = torch.Generator().manual_seed(5)
    weight, x = (torch.randn(*shape, generator=random) for shape in ((6, 3, 3, 3), (2, 3, 9, 9)))
    scale, shift, mean = (torch.randn(6, generator=random) for _ in range(3))
    variance = torch.rand(6, generator=random) + 0.1
    norm = {"weight": scale, "bias": shift, "running_mean": mean, "running_var": variance}
    expected = F.batch_norm(F.conv2d(x, weight), mean, variance, scale, shift, eps=1e-3)
    torch.testing.assert_close(F.conv2d(x, *folded(weight, norm, 1e-3)), expected)


def test_padding_of_tensorflow_is_at_the_end():
    convolution = SameConv2d(1, 1, 3, 2, bias=False)
    torch.nn.init.ones_(convolution.weight)
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 0, 0] = 1
    assert convolution(x)[0, 0].tolist() == [[1, 0], [0, 0]]
    assert convolution(x.flip(2, 3))[0, 0].tolist() == [[0, 0], [0, 1]]


def test_a_config_of_timm_says_how_colours_are_normalised(tmp_path):
    save_file(FILES["resnet18"][0], tmp_path / "model.safetensors")
    config = '{"architecture": "resnet18", "pretrained_cfg": {"mean": [0.5, 0.5, 0.5]}}'
    (tmp_path / "config.json").write_text(config)
    found = read_file(tmp_path / "model.safetensors")
    assert found.state["mean"].tolist() == [0.5] * 3


class Code:
    """Something that runs when it is unpickled."""

    def __reduce__(self):
        return print, ("executed",)


def wrong_files():
    state = FILES["resnet18"][0]
    missing = {k: v for k, v in state.items() if not k.startswith("layer2.0.bn2")}
    narrow = state | {"layer2.0.conv2.weight": torch.zeros(8, 3, 3, 3)}
    return {
        "code": ({"conv1.weight": Code()}, "contains more than tensors"),
        "another": ({"encoder.weight": torch.zeros(2)}, "no network with weights like"),
        "deep": (state | {"layer1.0.se.fc1.weight": torch.zeros(2)}, "another kind of network"),
        "missing": (missing, r"stages\.1\.0\.conv2"),
        "narrow": (narrow, "layers do not fit together"),
        "infinite": (state | {"fc.bias": torch.full((5,), torch.nan)}, "not finite"),
        "empty": ({}, "there are no weights"),
    }


@pytest.mark.parametrize("name", wrong_files())
def test_a_wrong_file_is_an_error_of_one_line(name, tmp_path, capsys):
    content, message = wrong_files()[name]
    path = tmp_path / f"{name}.pth"
    torch.save(content, path)
    with pytest.raises(InputError, match=message) as error:
        pretrained_classifier(weights=path, ctx=CTX)
    assert "\n" not in str(error.value)
    assert error.value.advice
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("length", [0, 5, 100, 3000])
def test_a_file_that_is_cut_short(length, tmp_path):
    for ending, save in (("pth", torch.save), ("safetensors", save_file)):
        path = tmp_path / f"model.{ending}"
        save(FILES["resnet18"][0], path)
        path.write_bytes(path.read_bytes()[:length])
        with pytest.raises(InputError) as error:
            pretrained_classifier(weights=path, ctx=CTX)
        assert "\n" not in str(error.value)


def test_other_kinds_of_files(tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(pickle.dumps({"a": Code()}, protocol=2))
    with pytest.raises(InputError, match="more than tensors"):
        pretrained_classifier(weights=path, ctx=CTX)
    path.write_text("<!doctype html><p>not found")
    with pytest.raises(InputError, match="an HTML page"):
        pretrained_classifier(weights=path, ctx=CTX)


def test_the_embedded_network_without_its_package(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UnsuitableError) as error:
        read_embedded()
    assert PACKAGE in str(error.value)
    assert "artgraph[pretrained]" in error.value.advice
