"""Model files: saved, loaded, and refused where they are not what they say."""

import json

import pytest
import torch
from safetensors.torch import save_file

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
        (b"", "is damaged, or is not a model that save_model wrote"),
        (b"\xff" * 100, "is damaged, or is not a model that save_model wrote"),
        (b"\x80\x04\x95pickle", "is damaged, or is not a model that save_model wrote"),
        ({}, "is damaged, or is not a model that save_model wrote"),
        (header("diffusion"), "is damaged, or is not a model that save_model wrote"),
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
