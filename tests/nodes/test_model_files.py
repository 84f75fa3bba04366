"""Model files: saved, loaded, and refused where they are not what they say."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from artgraph.contract.context import Context
from artgraph.contract.errors import NodeError
from artgraph.contract.values.models import Gan, Vae
from artgraph.nodes.art import procedural_art
from artgraph.nodes.gan import _origin
from artgraph.nodes.model_files import read_model, save_model, shipped_gans

GRAPH = """
artgraph: 1
nodes:
  art: {node: procedural_art, with: {count: 16, size: 32}}
  vae: {node: train_vae, from: {dataset: art}, with: {steps: 2, batch: 4}}
  file: {node: save_model, from: {model: vae.vae}}
  again: {node: load_model, with: {path: out/g/file.safetensors}}
  some: {node: dataset_images, from: {dataset: art}, with: {count: 2}}
  one: {node: vae_encode, from: {vae: vae.vae, image: some.image}}
  two: {node: vae_encode, from: {vae: again.vae, image: some.image}}
"""


def save(cli):
    cli.write("g.yaml", GRAPH)
    done = cli("run", "g.yaml", "--only", "file", "--json")
    assert done.returncode == 3, "the file that `again` reads is not there yet"
    cut = GRAPH.replace("  again:", "  # again:").replace("  two:", "  # two:")
    cli.write("g.yaml", cut)
    assert cli("run", "g.yaml").returncode == 0
    cli.write("g.yaml", GRAPH)
    return cli.folder / "out/g/file.safetensors"


def test_a_saved_model_is_the_same_model(cli):
    save(cli)
    done = cli("run", "g.yaml", "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    digests = {e["node"]: e["outputs"] for e in events if "outputs" in e}
    assert digests["again"] == {"vae": digests["vae"]["vae"]}
    assert digests["one"] == digests["two"]


def header(kind="vae", **config):
    return {"artgraph": json.dumps({"kind": kind, "config": config})}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "m.safetensors is empty - copy or download it again"),
        (b"\xff" * 100, "is damaged, or not a safetensors file"),
        (b"\x80\x04\x95pickle", "is a Python pickle, like the .pt and .ckpt files"),
        (b"PK\x03\x04" + bytes(100), "is a ZIP archive, like the .pt and .ckpt files"),
        (b"<!DOCTYPE html><html>", "is an HTML page, not a model - download the file itself"),
        (b"\n<HTML>", "is an HTML page, not a model - download the file itself"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "is a PNG picture, not a model - name a file that"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "is a pointer of Git LFS instead of the file itself - run `git lfs pull`",
        ),
        ({}, "is a model of another program, which artgraph can't use"),
        ({"artgraph": "{"}, "is a model of another program, which artgraph can't use"),
        (header("diffusion"), "a model of the kind 'diffusion', which this artgraph does not know"),
        (header("vae", flavour="new"), "unknown settings flavour - update artgraph, if a newer"),
        (header("vae"), "is not a valid vae"),
        (
            header("gan", method="projected", size=10**6, classes=["a"], channels=[8]),
            "not a valid gan",
        ),
        (header("classifier", method="residual", size=32, classes=["a"], width=128), "not a valid"),
        (header("vae", method="residual", size=32, channels=10**9), "is not a valid vae"),
    ],
)
def test_what_is_not_a_model_is_refused(cli, data, words):
    path = cli.folder / "m.safetensors"
    if isinstance(data, bytes):
        path.write_bytes(data)
    else:
        save_file({"x": torch.zeros(1)}, path, data)
    cli.write("g.yaml", "artgraph: 1\nnodes: {m: {node: load_model, with: {path: m.safetensors}}}")
    done = cli("run", "g.yaml")
    assert done.returncode == 3, done.stderr
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def state_of(path):
    with safe_open(path, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118


def test_one_line_says_what_is_wrong_with_a_file_of_ours(cli):
    path = save(cli)
    state, metadata = state_of(path)
    name = next(key for key, value in state.items() if value.is_floating_point())
    for value in (float("nan"), float("inf")):
        wrong = dict(state) | {name: torch.full_like(state[name], value)}
        save_file(wrong, path, metadata)
        done = cli("run", "g.yaml", "--only", "again")
        assert done.returncode == 3
        assert f"file.safetensors contains numbers that are not finite (in {name!r})" in done.stderr
        assert "load an earlier file" in done.stderr
    save_file(dict(state) | {name: torch.zeros(7)}, path, metadata)
    done = cli("run", "g.yaml", "--only", "again")
    assert f"is not a valid vae: size mismatch for {name}" in done.stderr
    assert "save it again with save_model" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    save_file(state, path, metadata)
    whole = path.read_bytes()
    for end in (20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        done = cli("run", "g.yaml", "--only", "again")
        assert f"is cut short: it has only {end}" in done.stderr
    path.write_bytes(whole + b"x")
    assert f"bytes instead of {len(whole)}" in cli("run", "g.yaml", "--only", "again").stderr


def test_a_weight_that_float16_cannot_represent_is_reported(cli):
    state, metadata = state_of(save(cli))
    header = json.loads(metadata["artgraph"])
    name = next(key for key, value in state.items() if value.is_floating_point())
    model = Vae(header["config"], state | {name: torch.full_like(state[name], 1e6)})
    assert save_model(model, precision="float32").files
    with pytest.raises(NodeError, match="too large for float16 - save it as float32"):
        save_model(model, precision="float16")


def test_the_file_of_a_gan_says_what_it_learnt_from(tmp_path):
    start = shipped_gans()["gan_64"]
    art = procedural_art(count=8, size=64, styles="mondrian", ctx=Context.quiet())
    origin = _origin(art, start, None)
    assert origin["pictures"] == 8
    assert origin["start"] == {"name": "base/gan_64", "weights": start.digest(), "origin": None}
    gan = Gan(start.config, {k: v + 1e-3 for k, v in start.state.items()}, origin)
    assert Gan.decode(*without_blob(gan)).origin == origin
    (data,) = save_model(gan, name="mine").files.values()
    (tmp_path / "mine.safetensors").write_bytes(data)
    again = read_model(tmp_path / "mine.safetensors").gan
    assert again.origin == origin
    other = _origin(art, again, None)["start"]
    assert (other["name"], other["origin"]) == (None, origin), "a training from it says both"
    assert _origin(art, None, None) == {"pictures": 8, "start": None, "features": None}
    assert "origin" not in Gan.encode(start)[0], "models that do not say it stay as they are"


def without_blob(model):
    return Gan.encode(model)[0], None
