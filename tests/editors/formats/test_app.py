"""App mode, titles and named groups of a graph, from the file to the editor and back."""

import json
from pathlib import Path

import pytest
import yaml
from small_graphs import GRAPHS

from artgraph.contract.registry import load_nodes
from artgraph.editors.formats.convert import from_comfy
from artgraph.editors.formats.workflow_app import CELLS, FOLDER_PARTS
from artgraph.editors.formats.workflow_names import app_of
from artgraph.editors.formats.workflow_write import to_workflow
from artgraph.runner.graph.document import parse_document

REGISTRY = load_nodes()
GRAPH = """\
artgraph: 1
knobs:
  folder: {value: "", about: Where they are}
  steps: {value: 5, about: How long}
nodes:
  art: {node: procedural_art, with: {count: 8}}
  pictures:
    node: load_dataset
    from: {fallback: art, folder: knobs.folder}
  others:
    node: load_dataset
    from: {fallback: art}
  photo: {node: load_image, with: {path: a.png}}
  vae:
    node: train_vae
    from: {dataset: pictures, steps: knobs.steps}
  sheet: {node: image_grid, from: {image: photo}}
  saved: {node: save_image, from: {image: sheet}}
layout:
  groups:
    - {title: Data, nodes: [art, pictures, others]}
    - {title: Rest, nodes: [photo, vae, sheet, saved]}
"""


def opened(text):
    """Returns the workflow of a graph's text, as the editor receives it."""
    workflow = to_workflow(parse_document(text, "x.yaml", Path()), REGISTRY)
    return json.loads(json.dumps(workflow))


def layout(workflow):
    return from_comfy(workflow, REGISTRY, "x.yaml", Path(), keeps_unknown=True).document.layout


def named(workflow):
    """Returns the names of the nodes by their ids."""
    ours = {n["id"]: n["properties"].get("artgraph") for n in workflow["nodes"]}
    return {number: own["name"] for number, own in ours.items() if isinstance(own, dict)}


def shown(workflow):
    """Returns the inputs and outputs of App mode, with names instead of ids."""
    names, data = named(workflow), workflow["extra"]["linearData"]
    inputs = [[names[number], *rest] for number, *rest in data["inputs"]]
    return inputs, [names[number] for number in data["outputs"]]


def test_knobs_and_buttons_are_inputs_and_what_is_saved_is_an_output():
    inputs, outputs = shown(opened(GRAPH))
    assert inputs == [
        *(["others", part] for part in FOLDER_PARTS),
        ["photo", "path"],
        ["folder", "value", {"description": "Where they are"}],
        *(["pictures", part] for part in FOLDER_PARTS),
        ["steps", "value", {"description": "How long"}],
    ]
    assert outputs == ["saved"]


def test_the_scripts_name_the_button_and_the_sheet_alike():
    scripts = Path(__file__).parents[3] / "editors" / "server" / "web"
    button, sheet = FOLDER_PARTS
    assert f"'{button}'" in (scripts / "files.js").read_text()
    assert f"addDOMWidget('{sheet}'" in (scripts / "looks.js").read_text()


def test_pictures_to_choose_from_follow_the_knobs_in_the_order_of_the_graph():
    text = """\
artgraph: 1
knobs:
  cells: {value: "1", about: Chosen elsewhere}
  count: {value: 8, about: How many}
nodes:
  art: {node: procedural_art, from: {count: knobs.count}}
  some: {node: dataset_images, from: {dataset: art}}
  one: {node: choose, from: {image: some.image}}
  two: {node: choose, from: {image: one.image}, with: {cells: "2"}}
  three: {node: choose, from: {image: two.image, cells: knobs.cells}}
  saved: {node: save_image, from: {image: three.image}}
"""
    inputs, _ = shown(opened(text))
    names = [[name, widget] for name, widget, *_ in inputs]
    sheets = [[name, f"cells{CELLS}"] for name in ("one", "two", "three")]
    assert names == [["cells", "value"], ["count", "value"], *sheets]
    scripts = Path(__file__).parents[3] / "editors" / "comfy" / "web"
    assert f"addDOMWidget(`${{name}}{CELLS}`" in (scripts / "cells.js").read_text()


def test_only_what_the_user_has_chosen_is_stored():
    workflow = opened(GRAPH)
    assert "app" not in layout(workflow)
    data = workflow["extra"]["linearData"]
    own = f"8c1c-graph:{data['inputs'][3][0]}:value"  # in this form after the app was edited
    data["inputs"][3] = [own, *data["inputs"][3][1:]]
    assert "app" not in layout(workflow)
    del data["inputs"][:2]
    workflow["extra"]["linearMode"] = True
    found = layout(workflow)
    assert found["app"]["open"] is True
    assert found["app"]["inputs"][0] == ["photo", "path"]
    assert found["app"]["inputs"][1][:2] == ["knobs.folder", "value"]
    text = from_comfy(workflow, REGISTRY, "x.yaml", Path()).document.yaml()
    again = opened(text)
    assert again["extra"]["linearMode"] is True
    assert len(again["extra"]["linearData"]["inputs"]) == 5


def test_a_graph_made_in_the_editor_has_the_same_inputs_and_outputs():
    workflow = opened(GRAPH)
    names = named(workflow)
    data = workflow["extra"].pop("linearData")
    assert app_of(workflow, REGISTRY) == data
    workflow["nodes"] = [n for n in workflow["nodes"] if names.get(n["id"]) != "saved"]
    assert app_of(workflow, REGISTRY)["outputs"] == []


def test_titles_name_the_type_and_the_node_until_the_user_changes_them():
    workflow = opened(GRAPH)
    titles = {node["title"] for node in workflow["nodes"]}
    assert {"Load pictures · pictures", "Train VAE · vae", "steps"} <= titles
    assert "titles" not in layout(workflow)
    node = next(n for n in workflow["nodes"] if n["title"] == "Train VAE · vae")
    node["title"] = "learner"
    found = from_comfy(workflow, REGISTRY, "x.yaml", Path()).document
    assert "learner" in found.nodes
    assert found.layout["titles"] == {"learner": "learner"}
    assert "learner" in {node["title"] for node in opened(found.yaml())["nodes"]}


def test_groups_are_around_the_nodes_that_they_name():
    workflow = opened(GRAPH)
    names = named(workflow)
    boxes = {names[n["id"]]: (*n["pos"], *n["size"]) for n in workflow["nodes"] if n["id"] in names}
    data, rest = workflow["groups"]
    for group, inside in ((data, "art pictures others"), (rest, "photo vae sheet saved")):
        left, top, width, height = group["bounding"]
        for name, (x, y, wide, high) in boxes.items():
            is_in = left < x and x + wide < left + width and top < y and y + high < top + height
            assert is_in == (name in inside.split()), (group["title"], name)
    assert data["bounding"][1] + data["bounding"][3] < rest["bounding"][1]


def test_groups_stay_as_they_were_written_until_something_in_them_moves():
    written = yaml.safe_load(GRAPH)["layout"]
    workflow = opened(GRAPH)
    assert layout(workflow) == written
    node = next(n for n in workflow["nodes"] if n["title"] == "Procedural art · art")
    node["pos"][0] -= 500
    found = layout(workflow)
    assert found["groups"][1] == written["groups"][1]
    assert "box" in found["groups"][0]
    again = opened(from_comfy(workflow, REGISTRY, "x.yaml", Path()).document.yaml())
    assert [g["bounding"] for g in again["groups"]] == [g["bounding"] for g in workflow["groups"]]


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_large_shipped_graphs_have_groups_that_contain_every_node(path):
    graph = yaml.safe_load(path.read_text())
    groups = (graph.get("layout") or {}).get("groups", [])
    names = [name for group in groups for name in group["nodes"]]
    assert len(names) == len(set(names))
    if groups or (len(graph["nodes"]) > 8 and path.stem != "base_models"):
        assert set(graph["nodes"]) <= set(names)


def test_the_picture_that_a_model_has_made_is_the_first_output():
    text = """\
artgraph: 1
nodes:
  art: {node: procedural_art, with: {count: 8}}
  some: {node: dataset_images, from: {dataset: art}}
  learned: {node: save_image, from: {image: some.image}}
  gan: {node: train_gan, from: {dataset: art}}
  model: {node: save_model, from: {model: gan.gan}}
  plot: {node: plot_table, from: {table: gan.curves}}
  curves: {node: save_image, from: {image: plot}}
  drawn: {node: sample_latent, from: {gan: gan.gan}}
  dreams: {node: save_image, from: {image: drawn.image}}
  grid: {node: image_grid, from: {image: drawn.image}}
  sheet: {node: save_image, from: {image: grid}}
  empty: {node: save_image}
"""
    assert shown(opened(text))[1] == ["sheet", "dreams", "learned", "curves", "model", "empty"]
