"""Roles of parameters: a pack of one's own has them under other names, and all rules apply."""

import json
from pathlib import Path
from typing import Annotated, Literal

import pack as own_pack
import pytest
import torch
from pydantic import Field
from runs import run

from artgraph.cli.reference import node_data, node_lines, reference_page
from artgraph.contract.registry import load_nodes
from artgraph.contract.spec import REGISTRY, NodeSpec
from artgraph.contract.values.kinds import Number, Table
from artgraph.contract.widgets import Choices, Fallback, FileName
from artgraph.editors.formats.convert import from_comfy
from artgraph.editors.formats.forms import node_form
from artgraph.editors.formats.help import help_page
from artgraph.editors.formats.json_schema import graph_schema
from artgraph.editors.formats.workflow_write import to_workflow
from artgraph.nodes.table import join_tables, plot_table
from artgraph.runner.graph.document import parse_document

MINE = {name: REGISTRY.pop(name) for name in vars(own_pack) if name in REGISTRY}
NODES = {**load_nodes(), **MINE}


def spec_of(function):
    return NodeSpec(function.__name__, "Title", "test", 1, function, device=False)


def node_rules(schema):
    return schema["properties"]["nodes"]["additionalProperties"]["allOf"]


def test_a_fallback_is_not_run_if_its_folder_is_given(cli, pack):
    graph = cli.write(
        "g.yaml",
        "artgraph: 1\nnodes:\n"
        "  other: {node: text, with: {text: none}}\n"
        "  plain: {node: number}\n"
        "  words: {node: words, from: {otherwise: other, fallback: plain}}\n",
    )
    (cli.folder / "mine").mkdir()
    given = run(cli, graph, "--pack", pack, "--set", "words.place=mine")[0]
    assert given.keys() == {"plain", "words"}, "an input without the role stays wired"
    assert run(cli, graph, "--pack", pack)[0].keys() == {"other", "plain", "words"}


def test_a_fallback_that_is_required_is_refused():
    def needy(image: Annotated[Number, Fallback]) -> Number:
        return image

    with pytest.raises(TypeError, match="fallback 'image' must be optional"):
        spec_of(needy).inputs  # noqa: B018


def test_of_two_nodes_that_name_one_file_the_later_fails(cli, pack):
    graph = cli.write(
        "g.yaml",
        "artgraph: 1\nnodes:\n"
        "  a: {node: save_letter, with: {text: x, title: same, seconds: 1}}\n"
        "  b: {node: save_letter, with: {text: y, title: Same}}\n",
    )
    nodes, _ = run(cli, graph, "--pack", pack, code=1)
    assert {name: event["event"] for name, event in nodes.items()} == {
        "a": "finished",
        "b": "failed",
    }
    assert (cli.folder / "out" / "g" / "same.txt").read_text() == "x"


def test_an_outer_description_and_limit_replace_those_of_an_alias():
    def save_short(*, title: Annotated[FileName, Field(max_length=3)] = "") -> Number:
        return 1

    spec = spec_of(save_short)
    assert spec.file_name == "title"
    assert spec.widgets["title"].limits == {"max_length": 3}
    assert spec.widgets["title"].description.startswith("File name")
    (problem,) = spec.check({"title": "long"})[1]
    assert problem.subject == "title"
    assert "at most 3 " in problem.advice


def test_a_seed_has_a_control_in_editors():
    options = {form.name: form.options for form in node_form(NODES["chance"]).widgets}
    assert options["dice"]["control_after_generate"] == "fixed"
    assert "control_after_generate" not in options["seed"]
    text = "artgraph: 1\nnodes: {c: {node: chance, with: {dice: 5, seed: 3, sides: twenty}}}\n"
    workflow = to_workflow(parse_document(text, "x.yaml", Path()), NODES)
    (drawn,) = workflow["nodes"]
    assert drawn["widgets_values"] == [5, "fixed", 3, "twenty"]
    drawn["widgets_values"] = [6, "randomize", 4, "twenty"]
    entry = from_comfy(workflow, NODES, "x.json", Path()).document.plain()["nodes"]["c"]
    assert entry["with"] == {"dice": 6, "seed": 4, "sides": "twenty"}


def test_a_variable_output_is_named_for_its_variable(cli, pack):
    assert list(NODES["mirror_point"].outputs) == ["any_point"]
    assert list(NODES["mix_latents"].outputs) == ["latent"]
    graph = cli.write(
        "g.yaml",
        "artgraph: 1\nnodes:\n"
        "  points: {node: points}\n"
        "  there: {node: mirror_point, from: {point: points.vae}}\n"
        "  back: {node: mirror_point, from: {point: there.any_point}}\n",
    )
    assert run(cli, graph, "--pack", pack)[1]["ran"] == 3


def test_a_table_names_its_x(cli, pack):
    table = NODES["epochs"].function()
    meta, _ = Table.encode(table)
    assert Table.decode(json.loads(json.dumps(meta)), None) == table
    before = {name: list(cells) for name, cells in meta}  # as it was read when x had no field
    assert before == table.columns
    steps = Table({"step": [1, 2, 4], "loss": [3.0, 2.0, 1.0]})
    assert Table.encode(steps)[0] == [["step", [1, 2, 4]], ["loss", [3.0, 2.0, 1.0]]]
    assert torch.equal(plot_table(table), plot_table(steps))
    assert torch.equal(plot_table(table, columns="loss"), plot_table(steps))
    assert not torch.equal(plot_table(Table(table.columns)), plot_table(steps))
    others = Table({"p": [1.0, 2.0, 3.0]})
    assert join_tables(others, table).x == join_tables(table, others).x == "epoch"
    assert join_tables(others, steps).x == join_tables(steps, table).x == "step"


def test_choices_are_described_wherever_a_widget_is(cli, pack):
    spec = NODES["chance"]
    assert node_data(spec)["widgets"]["sides"]["choices"] == ["six", "twenty"]
    assert node_data(spec)["widgets"]["sides"]["lines"] == {
        "six": "a cube",
        "twenty": "an icosahedron",
    }
    assert node_lines(spec)[-6:-3] == [
        "      The die",
        "      - six: a cube",
        "      - twenty: an icosahedron",
    ]
    lines = "  - six: a cube\n  - twenty: an icosahedron\n"
    assert f"): The die\n{lines}" in reference_page(NODES)
    assert f"**: The die\n{lines}" in help_page(spec)
    help_text = "The die\nsix: a cube\ntwenty: an icosahedron"
    (rule,) = [r for r in node_rules(graph_schema(NODES)) if "chance" in str(r["if"])]
    values = rule["then"]["properties"]["with"]["properties"]
    assert values["sides"]["description"] == help_text
    words = {"a cube": "ein Würfel", "The die": "Der Würfel", ": ": " - "}
    translated = node_form(spec, lambda text: words.get(text, text)).widgets[2].options
    assert translated["tooltip"] == "Der Würfel\nsix - ein Würfel\ntwenty - an icosahedron"


def test_choices_describe_each_value_once():
    def wrong(*, side: Annotated[Literal["left", "right"], Choices({"left": "here"})]) -> Number:
        return 1

    with pytest.raises(TypeError, match="describes left, but the choices are left, right"):
        spec_of(wrong).widgets  # noqa: B018


FOLDERS = ("load_dataset", "cut_pieces", "dataset_report", "filter_pictures")


def test_the_editor_offers_pictures_and_folders(tmp_path):
    pytest.importorskip("aiohttp", reason="the editor's server needs the extra `edit`")
    from artgraph.editors.server.definitions import definitions

    (tmp_path / "a.png").write_bytes(b"")
    found = definitions(NODES, tmp_path, tmp_path / "out")
    pictures, options = found["Artgraph_look"]["input"]["required"]["portrait"]
    assert pictures == ["a.png"]
    assert options["image_upload"]
    assert found["Artgraph_words"]["input"]["required"]["place"][1]["folder_upload"]
    uploads = {
        (name, widget)
        for name, definition in found.items()
        for widget, entry in definition["input"]["required"].items()
        if isinstance(entry[1], dict) and entry[1].keys() & {"image_upload", "folder_upload"}
    }
    assert uploads == {
        ("Artgraph_load_image", "path"),
        *((f"Artgraph_{name}", "folder") for name in FOLDERS),
        ("Artgraph_look", "portrait"),
        ("Artgraph_words", "place"),
        ("LoadImage", "image"),
    }
