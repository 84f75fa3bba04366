"""Details that ComfyUI's editor represents differently: empty numbers, names, order, defaults."""

import io
import itertools
import json
from pathlib import Path
from typing import Annotated

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import Field

from artgraph.contract.errors import GraphError
from artgraph.contract.registry import load_nodes
from artgraph.contract.spec import REGISTRY, node
from artgraph.contract.values.kinds import Number
from artgraph.editors.formats.api_json import to_api
from artgraph.editors.formats.convert import from_comfy, with_graph
from artgraph.editors.formats.forms import from_comfy_value, node_form, to_comfy_value
from artgraph.editors.formats.load import load_graph
from artgraph.editors.formats.workflow_layout import arrange
from artgraph.editors.formats.workflow_write import to_workflow
from artgraph.runner.graph.document import parse_document


@node(title="Empty", category="test")
def empty_or_not(
    *,
    from_zero: Annotated[float, Field(ge=0, le=10)] | None = None,
    above: Annotated[float, Field(gt=0.5)] | None = None,
    whole: Annotated[int, Field(ge=1, le=9)] | None = None,
    any_number: float | None = None,
    switch: bool | None = None,
) -> Number:
    """Returns a number; all widgets can be empty."""
    return 1


NODES = {**load_nodes(), "empty_or_not": REGISTRY.pop("empty_or_not")}
FORMATS = pytest.mark.parametrize("write", [to_api, to_workflow])


def back(data):
    return from_comfy(data, NODES, "x.json", Path()).document.plain()


def written(text, write):
    return write(parse_document("artgraph: 1\n" + text, "x.yaml", Path()), NODES)


@pytest.mark.parametrize(
    ("name", "empty", "values"),
    [
        ("from_zero", -1, [0, 0.25, 10]),
        ("above", 0.5, [0.75, 3]),
        ("whole", 0, [1, 9]),
        ("any_number", 1 - 2**53, [-1, 0, 2.5]),
        ("switch", "", [True, False]),
    ],
)
def test_an_empty_widget_has_a_value_within_its_bounds(name, empty, values):
    spec = NODES["empty_or_not"]
    form = next(form for form in node_form(spec).widgets if form.name == name)
    assert form.options["default"] == empty
    assert "STRING" not in form.type
    for value in [None, *values]:
        converted = to_comfy_value(spec.widgets[name], value)
        again = from_comfy_value(spec.widgets[name], converted)
        assert (again, type(again)) == (value, type(value))
        assert converted in form.options.get("options", [converted])
        assert form.type == "COMBO" or form.options["min"] <= converted <= form.options["max"]


@FORMATS
def test_empty_numbers_go_there_and_back(write):
    text = "nodes:\n  some: {node: empty_or_not, with: {whole: 3, switch: false}}\n"
    text += "  none: {node: empty_or_not}\n"
    nodes = back(written(text, write))["nodes"]
    assert nodes["some"]["with"] == {"whole": 3, "switch": False}
    assert "with" not in nodes["none"]


def test_a_primitive_that_empties_a_number_is_not_a_knob():
    prompt = {
        "1": {"class_type": "PrimitiveFloat", "inputs": {"value": -1.0}},
        "2": {"class_type": "Artgraph_empty_or_not", "inputs": {"from_zero": ["1", 0]}},
    }
    assert "from" not in back(prompt)["nodes"]["empty_or_not"]
    prompt["1"]["inputs"]["value"] = 0.5
    assert back(prompt)["nodes"]["empty_or_not"]["from"] == {"from_zero": "knobs.from_zero"}


@FORMATS
def test_a_knob_that_is_empty_stays_wired(write):
    text = "knobs: {mine: ''}\nnodes:\n  art: {node: procedural_art}\n"
    text += "  own: {node: load_dataset, from: {fallback: art, folder: knobs.mine}}\n"
    assert back(written(text, write))["nodes"]["own"]["from"] == {
        "fallback": "art",
        "folder": "knobs.mine",
    }


@FORMATS
def test_nodes_of_inner_graphs_have_the_same_names(write):
    text = "nodes:\n  up/art: {node: procedural_art}\n"
    text += "  up/in/few: {node: dataset_images, from: {dataset: up/art}}\n"
    assert list(back(written(text, write))["nodes"]) == ["up/art", "up/in/few"]


def test_whole_floats_are_defaults_and_true_is_not_a_number():
    inputs = {"truncation": 1, "seed": 0}
    prompt = {"1": {"class_type": "Artgraph_sample_latent", "inputs": inputs}}
    assert "with" not in back(prompt)["nodes"]["sample_latent"]
    inputs["truncation"] = True
    assert back(prompt)["nodes"]["sample_latent"]["with"] == {"truncation": True}


def test_titles_of_comfyuis_own_nodes_are_not_names():
    image = {"class_type": "LoadImage", "inputs": {"image": "a.png"}}
    image["_meta"] = {"title": "Load Image"}
    saved = {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}
    saved["_meta"] = {"title": "Save Image"}
    assert list(back({"1": image, "2": saved})["nodes"]) == ["load_image", "save_image"]


def test_the_order_is_that_of_the_graph_file_or_else_of_the_wires():
    text = "nodes:\n  few: {node: dataset_images, from: {dataset: art}}\n"
    text += "  art: {node: procedural_art}\n"
    workflow = written(text, to_workflow)
    for place, drawn in enumerate(workflow["nodes"]):
        drawn["order"] = 9 - place  # another editor may save another order
    assert list(back(workflow)["nodes"]) == ["few", "art"]
    del workflow["extra"]["artgraph"]
    workflow["nodes"][0]["order"] = 0
    assert list(back(workflow)["nodes"]) == ["art", "few"]


def test_a_workflow_of_an_earlier_version_has_the_same_values():
    text = "nodes:\n  art: {node: procedural_art, with: {count: 5, size: 40, seed: 9}}\n"
    workflow = written(text, to_workflow)
    drawn = workflow["nodes"][0]
    assert [slot["name"] for slot in drawn["inputs"]] == [
        "count",
        "size",
        "styles",
        "seed",
        "aspect",
    ]
    assert drawn["widgets_values"] == [5, 40, "", 9, "fixed", "1:1"]
    del drawn["inputs"][1], drawn["inputs"][-1]  # earlier, there was no `size` and no `aspect`,
    drawn["inputs"].insert(0, drawn["inputs"].pop())  # and `seed` was first
    drawn["widgets_values"] = [9, "randomize", 5, ""]
    assert back(workflow)["nodes"]["art"]["with"] == {"count": 5, "seed": 9}
    drawn["inputs"] = []
    drawn["widgets_values"] = [5, 40, "", 9, "fixed"]
    assert back(workflow)["nodes"]["art"]["with"] == {"count": 5, "size": 40, "seed": 9}


NUMBERS = "artgraph: 1\nnodes:\n  one: {node: number, with: {value: 2.5}}\n"


def prompt_with(**changes):
    prompt = json.loads(json.dumps(to_api(document_from(NUMBERS), load_nodes())))
    for entry in prompt.values():
        entry |= changes
    return prompt


def document_from(text):
    return parse_document(text, "g.yaml", Path())


def loaded(tmp_path, data, name="g.api.json"):
    path = tmp_path / name
    path.write_text(json.dumps(data))
    return load_graph(str(path), load_nodes())


def test_nan_in_keys_that_artgraph_does_not_need_is_ignored(tmp_path):
    nan, inf = float("nan"), float("inf")
    prompt = prompt_with(is_changed=[nan], _extra={"x": inf}) | {"version": nan, "note": {"a": 1}}
    assert loaded(tmp_path, prompt).nodes["one"].values == {"value": 2.5}
    assert loaded(tmp_path, {"prompt": prompt, "client_id": nan}).nodes["one"].values
    workflow = to_workflow(document_from(NUMBERS), load_nodes())
    for entry in workflow["nodes"]:
        entry |= {"pos": [nan, 0], "size": [inf, nan], "order": 0}
    workflow["extra"]["ds"] = {"scale": nan}
    graph = loaded(tmp_path, workflow, "g.json")
    assert graph.nodes["one"].values == {"value": 2.5}
    assert "nan" not in graph.document.yaml()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_nan_in_a_value_that_is_needed_is_one_line(tmp_path, value):
    with pytest.raises(GraphError) as error:
        loaded(tmp_path, prompt_with(inputs={"value": value}))
    assert str(error.value) == (
        f"{tmp_path}/g.api.json: node 'one': widget 'value': {value} is not a number"
        " - write a finite number"
    )


def test_a_picture_without_a_graph_says_which_has_one(tmp_path):
    path = tmp_path / "p.png"
    Image.new("RGB", (4, 4)).save(path)
    for name in ("p.png", "p.jpg", "p.yaml", "p.json"):
        (tmp_path / name).write_bytes(path.read_bytes())
        with pytest.raises(GraphError) as error:
            load_graph(str(tmp_path / name), load_nodes())
        assert (
            "this picture contains no graph - use the PNG as artgraph or ComfyUI saved it"
            in str(error.value)
        )


def test_the_graph_survives_a_program_that_packs_texts(tmp_path):
    saved = with_graph(png_bytes(), document_from(NUMBERS), load_nodes())
    picture = Image.open(io.BytesIO(saved))
    picture.load()
    for keys in (
        ["artgraph", "prompt", "workflow"],
        ["workflow", "prompt"],
        ["prompt"],
        ["workflow"],
    ):
        for add in (PngInfo.add_text, PngInfo.add_itxt):
            info = PngInfo()
            for key in keys:
                add(info, key, picture.text[key], zip=True)
            picture.save(tmp_path / "again.png", pnginfo=info)
            graph = load_graph(str(tmp_path / "again.png"), load_nodes())
            assert graph.nodes["one"].values == {"value": 2.5}


def png_bytes():
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    return file.getvalue()


def test_there_is_room_below_a_node_for_the_buttons_of_the_editor():
    text = "artgraph: 1\nnodes: {a: {node: load_dataset}, b: {node: load_dataset}}\n"
    boxes = arrange(parse_document(text, "", Path()), load_nodes())
    first, second = sorted(boxes.values())
    buttons = 3 * 24  # two to upload and one to review
    assert second.y - (first.y + first.height) > 30 + buttons + 20  # 30: a title


def test_many_groups_are_beside_each_other_and_nothing_overlaps():
    names = [f"n{number}" for number in range(20)]
    lines = "".join(f"  {name}: {{node: train_gan}}\n" for name in names)
    document = parse_document(f"artgraph: 1\nnodes:\n{lines}", "", Path())
    boxes = arrange(document, load_nodes(), groups=[{"nodes": [name]} for name in names])
    columns = sorted({box.x for box in boxes.values()})
    assert len(columns) > 1
    assert all(right - left > boxes["n0"].width for left, right in itertools.pairwise(columns))
    for left in columns:
        tops = [box.y for box in boxes.values() if box.x == left]
        assert tops == sorted(tops)
        assert len(set(tops)) == len(tops)
    few = arrange(document, load_nodes(), groups=[{"nodes": [name]} for name in names[:2]])
    assert few["n0"].x == few["n1"].x
