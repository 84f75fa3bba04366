"""What ComfyUI shows on a node: files, pictures, curves, tables and messages."""

from pathlib import Path

import pytest
import torch
from comfy_process import Comfy, number_of
from PIL import Image

from artgraph.contract.registry import load_nodes
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.files import Files
from artgraph.contract.values.kinds import GanLatent, Table
from artgraph.contract.values.models import Gan
from artgraph.editors.comfy.described import description
from artgraph.editors.comfy.running import progress_line
from artgraph.editors.comfy.shown import ui_for
from artgraph.editors.formats.api_json import to_api
from artgraph.models.training.stages import STEP, Stage
from artgraph.runner.graph.document import parse_document
from artgraph.runner.run.pace import Pace

GRAPH = """
artgraph: 1
nodes:
  art: {node: procedural_art, with: {count: 16, size: 32}}
  vae: {node: train_vae, from: {dataset: art}, with: {steps: STEPS, batch: 4}}
  some: {node: dataset_images, from: {dataset: art}, with: {count: 4}}
  preview: {node: preview_image, from: {image: some.image}}
  film: {node: save_animation, from: {image: some.image}}
  model: {node: save_model, from: {model: vae.vae}}
  table: {node: save_table, from: {table: some.table}}
"""


def prompt_of(steps):
    document = parse_document(GRAPH.replace("STEPS", str(steps)), "graph.yaml", Path())
    return to_api(document, load_nodes())


@pytest.mark.parametrize("form", ["v1", "v3"])
def test_each_node_shows_its_result_also_when_it_is_reused(form, tmp_path):
    prompt = prompt_of(20)
    number = {name: number_of(prompt, name) for name in ("vae", "some", "film", "model", "table")}
    preview = number_of(prompt, "preview")
    answers = []
    for _ in range(2):  # the second process finds all results in the cache
        with Comfy(form, tmp_path, tmp_path / "cache") as comfy:
            answers.append(comfy.run(prompt)["shown"])
    first, second = answers
    for shown in answers:
        (sheet,) = shown[number["vae"]]["images"]
        with Image.open(tmp_path / "temp" / sheet["subfolder"] / sheet["filename"]) as picture:
            assert max(picture.size) > 256  # as large as a preview of ComfyUI, of at most 512
        assert shown[number["vae"]]["artgraph_curves"][0]["columns"]["step"][-1] == 20
        assert shown[number["some"]]["artgraph_tables"][0]["class"][0] == "mondrian"
        assert len(shown[preview]["images"]) == 4
        assert shown[number["film"]]["artgraph_animated"] == [True]
        assert "animated" not in shown[number["film"]]
    assert first[number["some"]]["text"] == ["4 of 16 pictures"]
    assert first[number["some"]]["text"] == second[number["some"]]["text"]
    assert first[number["vae"]] == second[number["vae"]]
    assert first[number["table"]]["text"] == ["saved output/table_00001_.csv"]
    place = "models/artgraph/vae_00001_.safetensors"  # the node does not say which model it is
    assert first[number["model"]]["text"] == [f"saved {place}"]
    for name in ("film", "model", "table"):  # what is unchanged is not saved again
        assert first[number[name]] == second[number[name]]
    assert [path.name for path in (tmp_path / "output").iterdir() if path.suffix == ".csv"] == [
        "table_00001_.csv"
    ]


@pytest.mark.parametrize("form", ["v1", "v3"])
def test_a_node_without_anything_to_show_has_empty_lists_where_comfyui_sends_them_again(
    form, tmp_path
):
    text = GRAPH.replace("preview_image", "resize_image").split("  film:")[0]
    prompt = to_api(parse_document(text.replace("STEPS", "1"), "graph.yaml", Path()), load_nodes())
    with Comfy(form, tmp_path, tmp_path / "cache") as comfy:
        shown = comfy.run(prompt)["shown"][number_of(prompt, "preview")]
    names = ("warnings", "curves", "tables", "saved", "cells")
    lists = {"text": [], **{f"artgraph_{name}": [] for name in names}}
    assert shown == (lists if form == "v3" else {})


def test_a_cancelled_training_says_how_far_it_is_and_a_resumed_one_where_it_begins(tmp_path):
    prompt = prompt_of(200)
    vae = number_of(prompt, "vae")
    with Comfy("v3", tmp_path, tmp_path / "cache") as comfy:
        comfy.run({number: prompt[number] for number in (number_of(prompt, "art"),)})
        stopped = comfy.run(prompt, stop_after=40)
        assert stopped["type"] == "InterruptProcessingException"
        kind, data = stopped["messages"][-1]
        assert (kind, data["node"]) == ("artgraph.progress", vae)
        assert data["lines"][-1].startswith("stopped at step ")
        resumed = comfy.run(prompt)
    lines = [line for kind, data in resumed["messages"] for line in data.get("lines", [])]
    assert any(line.startswith("resumed from step ") for line in lines)


def test_how_saved_files_are_shown():
    def files(*names):
        return [{"filename": name, "subfolder": "", "type": "output"} for name in names]

    assert ui_for(files("a.mp4"), [])["animated"] == (True,)
    assert ui_for(files("a.webp"), [])["animated"] == (True,)
    assert ui_for(files("a.png"), []) == {"images": files("a.png")}
    gif = ui_for(files("a.gif"), files("sheet.png"))
    assert gif == {"images": files("a.gif", "sheet.png"), "artgraph_animated": (True,)}
    place = [{"filename": "m.safetensors", "subfolder": "my", "type": "output"}]
    assert ui_for(place, []) == {"text": ["saved output/my/m.safetensors"]}


def test_the_line_of_a_training_has_its_step_loss_speed_and_the_time_left():
    pace = Pace(True, 0.0)
    pace.set_stages([Stage(STEP, 100, 100)])
    for step in range(41):
        pace.move(step, 100, step * 0.5)
    line = progress_line(pace, {"step": 40.0, "loss": 0.123456, "error_of_all": 3.0})
    assert line == "step 40 of 100 · loss 0.123 · error of all 3 · 2 steps/s · 30 s left"


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (Table({"a": [1, 2.34567], "name": ["x", None]}), ["a      name", "1      x", "2.346"]),
        (
            Dataset(
                torch.zeros(3, 8, 16, 4, dtype=torch.uint8),
                torch.tensor([0, 1, 1]),
                ("cat", "dog"),
                ("a", "b", "c"),
            ),
            ["3 pictures of 16 x 8 px, with alpha", "classes: cat (1), dog (2)", "names: a, b, c"],
        ),
        (
            GanLatent(torch.zeros(2, 5), torch.ones(2, 1)),
            ["2 points of 5 numbers in a GAN's latent space"],
        ),
        (Gan({"size": 64}, {"w": torch.zeros(3, 4)}), ["GAN with 12 weights", "size: 64"]),
        (Files({"a.png": b""}), ["a.png"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_on_wires_are_readable(value, lines):
    assert description(value).splitlines() == lines


CHOICE = """
artgraph: 1
nodes:
  art: {node: procedural_art, with: {count: 8, size: 32}}
  some: {node: dataset_images, from: {dataset: art}, with: {count: 6}}
  choice: {node: choose, from: {image: some.image}, with: {cells: "CELLS"}}
  saved: {node: save_image, from: {image: choice.image}}
"""


@pytest.mark.parametrize("form", ["v1", "v3"])
def test_a_node_shows_the_pictures_to_choose_from(form, tmp_path):
    def prompt(cells):
        text = CHOICE.replace("CELLS", cells)
        return to_api(parse_document(text, "graph.yaml", Path()), load_nodes())

    with Comfy(form, tmp_path, tmp_path / "cache") as comfy:
        shown = comfy.run(prompt("2, 5"))["shown"]
        missing = comfy.run(prompt("7"))
    (cells,) = shown[number_of(prompt("1"), "choice")]["artgraph_cells"]
    assert (cells["widget"], cells["count"], cells["type"]) == ("cells", 6, "temp")
    file = tmp_path / "temp" / cells["subfolder"] / cells["filename"]
    with Image.open(file) as picture:
        assert picture.size == (32 * cells["columns"], 32 * 6 // cells["columns"])
    assert "`cells` names picture 7, but there are only 6 pictures" in str(missing)
