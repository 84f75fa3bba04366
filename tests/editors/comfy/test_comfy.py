"""The repository as a node pack of ComfyUI in a separate process, in V1 and V3."""

import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from comfy_process import Comfy, number_of
from PIL import Image

from artgraph.contract.registry import load_nodes
from artgraph.editors.comfy.strict import make_strict
from artgraph.editors.formats.api_json import to_api
from artgraph.editors.formats.forms import class_id, node_form, object_info
from artgraph.editors.formats.load import load_document, load_graph
from artgraph.runner.graph.document import read_document
from artgraph.runner.run.device_option import numerics_for
from artgraph.runner.run.execute import Run
from artgraph.runner.run.job import Job
from artgraph.runner.run.publish import Publisher
from artgraph.runner.store.store import Store

ROOT = Path(__file__).parents[3]
REGISTRY = load_nodes()
GRAPH = """
artgraph: 1
nodes:
  art: {node: load_dataset, with: {folder: pictures, size: 32}}
  vae: {node: train_vae, from: {dataset: art}, with: {steps: 3, batch: 4, seed: 1}}
  one: {node: load_image, with: {path: pictures/0.png}}
  half: {node: math, with: {a: 1, b: 2, op: divide}}
  latents: {node: vae_encode, from: {vae: vae.vae, image: one}}
  mix: {node: mix_latents, from: {first: latents, second: latents, amount: half}}
  back: {node: vae_decode, from: {vae: vae.vae, latent: mix}}
  saved: {node: save_image, from: {image: back}}
"""


@pytest.fixture
def folder(tmp_path):
    pictures = tmp_path / "input" / "pictures"
    pictures.mkdir(parents=True)
    rng = np.random.default_rng(1)
    for i in range(6):
        pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(pictures / f"{i}.png")
    (tmp_path / "input" / "graph.yaml").write_text(GRAPH)
    return tmp_path


@pytest.fixture
def prompt(folder):
    return to_api(read_document(folder / "input" / "graph.yaml"), REGISTRY)


def results(cache):
    with sqlite3.connect(cache / "index.sqlite") as index:
        rows = index.execute("SELECT key, node, outputs, seconds FROM results").fetchall()
    index.close()
    return {
        (key, node): {n: o[0] for n, o in json.loads(out).items()} for key, node, out, _ in rows
    }


@pytest.mark.parametrize("form", ["v1", "v3"])
def test_comfyui_and_the_command_line_have_the_same_results(form, folder, prompt):
    with Comfy(form, folder, folder / "there") as comfy:
        assert set(comfy.start["classes"]) == {class_id(name) for name in REGISTRY}
        assert not comfy.start["torch"]
        done = comfy.run(prompt)
        assert [file["filename"] for file in done["files"]] == ["saved_00001_.png"]
        assert [3, 3] in done["progress"]
        assert comfy.run(prompt)["files"] == []  # ComfyUI's own cache
    run_here(folder)
    assert results(folder / "there") == results(folder / "here")
    saved = folder / "output" / "saved_00001_.png"
    with Image.open(saved) as picture, Image.open(folder / "out" / "saved.png") as other:
        assert picture.tobytes() == other.tobytes()
        assert json.loads(picture.info["prompt"]) == prompt
    again = load_document(str(saved)).nodes
    assert {n: (e.type, e.wires.keys()) for n, e in again.items()} == {
        n: (e.type, e.wires.keys())
        for n, e in read_document(folder / "input" / "graph.yaml").nodes.items()
    }


def run_here(folder):
    """Do what `artgraph run` does, with its results in the folder `here`."""
    path = folder / "input" / "graph.yaml"
    graph = load_graph(str(path), REGISTRY)
    store = Store(folder / "here")
    publisher = Publisher(folder / "out", graph.document.yaml())
    numerics = numerics_for("cpu")
    if hasattr(os, "sched_setaffinity"):  # the stand-in uses one core
        numerics = replace(numerics, threads=1)
    running = Run(Job(graph, store, numerics, publisher, lambda event: None))
    running.execute()
    store.close()
    assert running.exit_code == 0


def test_results_of_the_command_line_are_reused_in_comfyui(folder, prompt):
    run_here(folder)
    with Comfy("v3", folder, folder / "here") as comfy:
        done = comfy.run(prompt)
    assert done["files"]
    assert done["progress"] == []


def test_an_interrupted_training_resumes_after_a_restart(folder, prompt):
    cache = folder / "cache"
    vae = number_of(prompt, "vae")
    prompt[vae]["inputs"]["steps"] = 12
    with Comfy("v3", folder, cache) as comfy:
        first = comfy.run(prompt, stop_after=6 + 5)  # 6 checks happen while pictures are loaded
        assert first["type"] == "InterruptProcessingException"
        assert [done for done, total in first["progress"] if total == 12] == [1, 2, 3, 4]
    with Comfy("v3", folder, cache) as comfy:
        resumed = comfy.run(prompt)
        assert [done for done, total in resumed["progress"] if total == 12] == list(range(6, 13))


def test_mistakes_are_one_line_each(folder, prompt):
    vae, art, one = (number_of(prompt, name) for name in ("vae", "art", "one"))
    with Comfy("v3", folder, folder / "cache") as comfy:

        def error(number, **inputs):
            changed = {**prompt[number], "inputs": prompt[number]["inputs"] | inputs}
            answer = comfy.run({**prompt, number: changed})
            assert "\n" not in answer["error"]
            return answer["error"]

        assert "steps: 0 is too small" in error(vae, steps=0)
        assert "beta" in error(vae, beta="much")
        assert "is outside the folders" in error(one, path="/etc/hostname")
        assert "there is no folder 'nowhere'" in error(art, folder="nowhere")
        assert "'pictures' is a folder of pictures - choose a file; " in error(one, path="pictures")
        assert "needs a multiple of 8 px" in error(art, size=33)
        loop = comfy.run({**prompt, vae: {**prompt[vae], "inputs": {"steps": 1}}})
        assert "dataset" in loop["error"]


def test_a_name_with_folders_is_saved_below_the_output_folder(folder):
    art = {"count": 2, "size": 16, "styles": ""}
    prompt = {
        "1": {"class_type": "Artgraph_procedural_art", "inputs": art},
        "2": {"class_type": "Artgraph_dataset_images", "inputs": {"dataset": ["1", 0], "count": 1}},
        "3": {
            "class_type": "Artgraph_save_image",
            "inputs": {"image": ["2", 0], "name": "project/cats", "format": "png", "quality": 92},
        },
    }
    with Comfy("v3", folder, folder / "cache") as comfy:
        for number in (1, 2):
            prompt["3"]["inputs"]["quality"] = number  # otherwise ComfyUI skips the second run
            assert "error" not in comfy.run(prompt)
            assert (folder / "output" / "project" / f"cats_{number:05}_.png").is_file()
        prompt["3"]["inputs"]["name"] = "../cats"
        assert "'..' is not the name of a folder" in comfy.run(prompt)["error"]
        prompt["3"]["inputs"]["name"] = "{source}"
        assert "{source} is the name of a picture file, but" in comfy.run(prompt)["error"]
        prompt["2"] = {"class_type": "Artgraph_load_image", "inputs": {"path": "pictures/3.png"}}
        assert [file["filename"] for file in comfy.run(prompt)["files"]] == ["3_00001_.png"]


def test_a_changed_picture_and_a_lost_result(folder, prompt):
    one = number_of(prompt, "one")
    image = {n: prompt[n] for n in prompt if n == one}
    image["9"] = {
        "class_type": "Artgraph_resize_image",
        "inputs": {"image": [one, 0], "width": 16, "height": 16, "fit": "crop", "filter": "smooth"},
        "_meta": {},
    }
    grid = {
        "class_type": "Artgraph_procedural_art",
        "inputs": {"count": 4, "size": 16, "styles": ""},
    }
    take = {"class_type": "Artgraph_dataset_images", "inputs": {"dataset": ["1", 0], "count": 2}}
    with Comfy("v3", folder, folder / "cache") as comfy:
        image.pop("9")
        comfy.run(image)
        Image.new("RGB", (32, 32)).save(folder / "input" / "pictures" / "0.png")
        os.utime(folder / "input" / "pictures" / "0.png", (1, 1))
        comfy.run(image)
        assert sum(node == "load_image" for _, node in results(folder / "cache")) == 2
        comfy.run({"1": {**grid, "inputs": {**grid["inputs"], "seed": 1}}})
        for blob in (folder / "cache" / "blobs").rglob("*.safetensors"):
            blob.unlink()
        pair = {"1": {**grid, "inputs": {**grid["inputs"], "seed": 1}}, "2": take}
        assert "queue again" in comfy.run(pair)["error"]
        assert "error" not in comfy.run(pair)


def test_results_of_other_packs_are_cached_if_the_user_wants_it(folder, monkeypatch):
    monkeypatch.setenv("ARTGRAPH_COMFY_CACHE", "1")
    value = "[[{'samples': tensor([0., 1., 2.]), 'n': (1, None)}], ['text']]"
    with Comfy("v3", folder, folder / "cache") as comfy:
        assert comfy.ask({"cache": ["Other", False]}) == [None, value]
        assert comfy.ask({"cache": ["Shows", True]}) == [None, None]
        assert comfy.ask({"cache": ["Saves", False]}) == [None, None]
        assert comfy.ask({"cache": ["Artgraph_math", False]}) == [None, None]
    with Comfy("v3", folder, folder / "cache") as comfy:
        assert comfy.ask({"cache": ["Other", False]}) == [value, value]
        (folder / "input" / "new.txt").touch()
        assert comfy.ask({"cache": ["Other", False]}) == [None, value]


@pytest.mark.parametrize(
    ("widget", "value", "words"),
    [
        ("mirror", "false", "not true or false"),
        ("steps", 3.9, "whole number"),
        ("steps", "3", "whole number"),
        ("steps", True, "whole number"),
        ("seed", -1, "too small"),
    ],
)
def test_values_that_comfyui_would_convert_are_refused(widget, value, words):
    node = {"class_type": "Artgraph_train_gan", "inputs": {"steps": 3, "mirror": True}}
    node["inputs"][widget] = value
    sent = {"prompt": {"1": node, "2": {"class_type": "KSampler", "inputs": {"steps": "3"}}}}
    received = make_strict(sent, REGISTRY)["prompt"]
    marked = received["1"]["inputs"][widget]
    for convert in (int, float, bool):
        with pytest.raises(ValueError, match=words):
            convert(marked)
    assert f"{marked}" == str(value)
    assert json.loads(json.dumps(received))["1"]["inputs"][widget] == str(value)
    assert received["2"]["inputs"]["steps"] == "3"


def test_every_form_is_complete():
    for name, info in object_info(REGISTRY).items():
        assert info["description"], name
        assert info["category"].startswith("artgraph/")
        inputs = info["input"]["required"] | info["input"]["optional"]
        assert list(inputs) == [*info["input_order"]["required"], *info["input_order"]["optional"]]
        assert all(options["tooltip"] for _, options in inputs.values()), name
        assert all(info["output_tooltips"]), name
        for widget in node_form(REGISTRY[name.removeprefix("Artgraph_")]).widgets:
            options = widget.options
            if widget.type in ("INT", "FLOAT"):
                assert options["min"] <= options["default"] <= options["max"]
            if widget.type == "COMBO":
                assert options["default"] in options["options"]
    json.dumps(object_info(REGISTRY))


def test_v1_and_v3_describe_the_same_nodes(folder):
    with Comfy("v1", folder, folder / "c") as one, Comfy("v3", folder, folder / "c") as three:
        assert one.start["classes"] == three.start["classes"]
