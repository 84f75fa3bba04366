"""Graphs to ComfyUI's formats and back: nothing that affects a result may change."""

import contextlib
import json
import random
from pathlib import Path

import pytest

from artgraph.contract.errors import GraphError
from artgraph.contract.registry import load_nodes
from artgraph.editors.formats.api_json import to_api
from artgraph.editors.formats.convert import check, from_comfy, read_json, with_graph, write_graph
from artgraph.editors.formats.load import load_document, shipped_graphs
from artgraph.editors.formats.workflow_write import to_workflow
from artgraph.models.training.numerics import Numerics
from artgraph.runner.graph.binding import bind
from artgraph.runner.graph.document import parse_document, read_document
from artgraph.runner.graph.folders import Folders
from artgraph.runner.run.plan import make_plan
from artgraph.runner.store.store import Store

REGISTRY = load_nodes()
FORMATS = pytest.mark.parametrize("write", [to_api, to_workflow])
GRAPH = """
artgraph: 1
title: A little of all
about: What a graph file can say.
tags: [one, two]
knobs:
  size: {value: 32, about: Edge in pixels}
  amount: 0.25
  method: linear
  name: "12"
nodes:
  art:
    about: Stands for own pictures
    node: procedural_art
    from: {size: knobs.size}
    with: {count: 64, seed: 3}
  vae: {node: train_vae, from: {dataset: art}, with: {steps: 3, seed: 1, beta: 0.5}}
  two: {node: number, with: {value: 2}}
  pictures: {node: dataset_images, from: {dataset: art, count: two}}
  latents: {node: vae_encode, from: {vae: vae.vae, image: pictures.image}}
  mix:
    node: mix_latents
    from: {first: latents, second: latents, amount: knobs.amount, method: knobs.method}
  back: {node: vae_decode, from: {vae: vae.vae, latent: mix}}
  small: {node: resize_image, from: {image: back, width: knobs.size}}
  Saved: {node: save_image, from: {image: small, name: knobs.name}}
layout:
  colors: {art: ["#223", "#335"]}
  groups:
    - {title: Training, box: [0, -40, 800, 600], color: "#3f789e"}
  notes:
    - {title: Note, text: Look here, box: [900, 0, 200, 100], color: "#432", bgcolor: "#000"}
"""


def document(text=GRAPH):
    return parse_document(text, "graph.yaml", Path())


def there_and_back(original, write):
    data = json.loads(json.dumps(write(original, REGISTRY)))
    return from_comfy(data, REGISTRY, original.file, original.folder).document


def keys(original, folder):
    try:
        graph = bind(original, REGISTRY, Folders(original.folder, folder, folder))
    except GraphError as error:
        if error.exit_code != 3:  # the graph reads pictures that the user must provide
            raise
        return [original.plain().get(part, {}).keys() for part in ("knobs", "nodes")]
    store = Store(folder / "cache")
    steps = make_plan(graph, store, Numerics())
    store.close()
    bound = {n.name: (n.spec.id, n.values, n.wires) for n in graph.nodes.values()}
    return bound, [(step.node.name, step.key and step.key.digest) for step in steps]


@FORMATS
def test_everything_in_a_graph_file_is_preserved(write):
    check(document(), REGISTRY)
    assert there_and_back(document(), write).plain() == document().plain()


@FORMATS
@pytest.mark.parametrize("name", shipped_graphs())
def test_shipped_graphs_have_the_same_keys(name, write, tmp_path):
    original = check(read_document(shipped_graphs()[name]), REGISTRY)
    back = there_and_back(original, write)
    assert keys(back, tmp_path) == keys(original, tmp_path)


def test_a_knob_changed_in_comfyui_is_changed_here():
    workflow = to_workflow(document(), REGISTRY)
    knob = next(n for n in workflow["nodes"] if n["title"] == "size")
    knob["widgets_values"][0] = 48
    back = from_comfy(workflow, REGISTRY, "x.json", Path()).document
    assert back.knobs["size"].value == 48
    assert back.knob_about["size"] == "Edge in pixels"
    assert back.nodes["small"].wires["width"].value == "knobs.size"


def test_an_edited_note_changes_the_title_and_the_description():
    workflow = to_workflow(document(), REGISTRY)
    note = next(n for n in workflow["nodes"] if n["title"] == "About")
    assert note["widgets_values"] == ["# A little of all\n\nWhat a graph file can say."]
    for text, about in (
        ("# Much\n\nOf all.\nAnd more.", {"title": "Much", "about": "Of all.\nAnd more."}),
        ("# Much", {"title": "Much", "about": "What a graph file can say."}),
        ("Of all.", {"title": "A little of all", "about": "Of all."}),
        ("", {"title": "A little of all", "about": "What a graph file can say."}),
    ):
        note["widgets_values"] = [text]
        back = from_comfy(workflow, REGISTRY, "x.json", Path()).document
        assert back.about == about | {"tags": ["one", "two"]}


def test_a_value_changed_in_the_api_format_leaves_its_knob():
    prompt = to_api(document(), REGISTRY)
    prompt["1"]["inputs"]["size"] = 48
    back = from_comfy(prompt, REGISTRY, "x.json", Path()).document
    assert back.nodes["art"].values["size"].value == 48
    assert back.nodes["small"].wires["width"].value == "knobs.size"


def test_a_workflow_runs_from_left_to_right_without_overlap():
    nodes = to_workflow(document(), REGISTRY)["nodes"]
    by_id = {node["id"]: node for node in nodes}
    for _, source, _, target, _, _ in to_workflow(document(), REGISTRY)["links"]:
        assert by_id[source]["pos"][0] + by_id[source]["size"][0] < by_id[target]["pos"][0]
    boxes = [(*n["pos"], *n["size"]) for n in nodes if n["type"] != "MarkdownNote"]
    for i, (x, y, w, h) in enumerate(boxes):
        for other in boxes[:i]:
            apart = x >= other[0] + other[2] or other[0] >= x + w
            assert apart or y >= other[1] + other[3] or other[1] >= y + h


def test_positions_from_the_editor_are_preserved():
    workflow = to_workflow(document(), REGISTRY)
    next(n for n in workflow["nodes"] if n["title"].endswith("· mix"))["pos"] = [1234.5, -7]
    back = from_comfy(workflow, REGISTRY, "x.json", Path()).document
    again = to_workflow(parse_document(back.yaml(), "x.yaml", Path()), REGISTRY)
    assert next(n for n in again["nodes"] if n["title"].endswith("· mix"))["pos"] == [1234.5, -7]


@FORMATS
def test_values_that_equal_their_defaults_stay_in_the_file(write):
    text = """
artgraph: 1
nodes:
  art: {node: procedural_art, with: {count: 2048, size: 64}}
  one: {node: dataset_images, from: {dataset: art}}
"""
    original = document(text)
    assert there_and_back(original, write).plain() == original.plain()
    data = json.loads(json.dumps(write(original, REGISTRY)).replace("2048", "7"))
    changed = from_comfy(data, REGISTRY, "x", Path()).document
    assert changed.plain()["nodes"]["art"]["with"] == {"count": 7, "size": 64}


def test_no_mutation_of_a_workflow_ends_in_a_traceback():
    source = json.dumps(to_workflow(document(), REGISTRY))
    rng = random.Random(1)
    for _ in range(300):
        data = json.loads(source)
        for _ in range(3):
            place = data
            while isinstance(place, dict | list) and place:
                key = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
                if not isinstance(place[key], dict | list) or rng.random() < 0.2:
                    place[key] = rng.choice([None, -1, "x", [], {}, [1], {"a": 1}, True, 1e300])
                    break
                place = place[key]
        with contextlib.suppress(GraphError):
            check(from_comfy(data, REGISTRY, "x.json", Path()).document, REGISTRY)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[NaN]", "[]", '{"a": {"class_type": 1}}'])
def test_other_json_is_refused(text):
    with pytest.raises(GraphError):
        from_comfy(read_json(text, "x.json"), REGISTRY, "x.json", Path())


def test_files_of_every_format(tmp_path):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    for name in ("x.yaml", "x.json", "x.api.json", "x.png"):
        write_graph(document(), tmp_path / name, REGISTRY)
        assert load_document(str(tmp_path / name)).plain() == document().plain()
    with Image.open(tmp_path / "x.png") as picture:
        assert json.loads(picture.info["prompt"]) == to_api(document(), REGISTRY)
        assert json.loads(picture.info["workflow"]) == to_workflow(document(), REGISTRY)
    data = (tmp_path / "x.png").read_bytes()
    assert with_graph(data, document(), REGISTRY) == data
    with pytest.raises(GraphError, match="unknown file format"):
        write_graph(document(), tmp_path / "x.txt", REGISTRY)
