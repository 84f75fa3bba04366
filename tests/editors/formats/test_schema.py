"""The JSON Schema of graph files accepts and refuses the same graphs as `artgraph validate`."""

import json
from pathlib import Path
from typing import Annotated, Literal

import jsonschema
import pytest
import yaml
from pydantic import Field

from artgraph.contract.errors import GraphError
from artgraph.contract.registry import load_nodes
from artgraph.contract.spec import NodeSpec
from artgraph.contract.values.kinds import Number
from artgraph.editors.formats.json_schema import graph_schema
from artgraph.runner.graph.binding import bind
from artgraph.runner.graph.document import document_of
from artgraph.runner.graph.folders import Folders

GRAPHS = sorted((Path(__file__).parents[3] / "graphs").glob("*.yaml"))
ART = {"art": {"node": "procedural_art"}}
INNER = {"artgraph": 1, "knobs": {"count": 16}, "nodes": ART}


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(json.dumps(graph_schema(load_nodes())))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    (folder / "pictures").mkdir()
    (folder / "model.safetensors").touch()
    (folder / "inner.yaml").write_text(json.dumps(INNER))
    return Folders(folder, folder, folder)


def binds(graph, folders):
    try:
        bind(document_of(graph, "graph.yaml", folders.graph), load_nodes(), folders)
    except GraphError:
        return False
    return True


def with_node(node, knobs=None):
    return {"artgraph": 1, "knobs": knobs, "nodes": ART | {"node": node}}


def vae(**values):
    return with_node({"node": "train_vae", "from": {"dataset": "art"}, "with": values})


def math(**values):
    return with_node({"node": "math", "with": values})


VALID = {
    "a number or null": vae(beta=None),
    "null as an empty text": vae(beta=""),
    "a whole number or null": vae(channels=None),
    "a whole number as an empty text": vae(channels=""),
    "a number": vae(beta=0.5),
    "a whole number for a number": vae(beta=1),
    "a folder of null": with_node({"node": "load_dataset", "with": {"folder": None}}),
    "a folder of empty text": with_node({"node": "load_dataset", "with": {"folder": ""}}),
    "a folder": with_node({"node": "load_dataset", "with": {"folder": "pictures"}}),
    "a required path": with_node({"node": "load_model", "with": {"path": "model.safetensors"}}),
    "a required path by a wire": {
        "artgraph": 1,
        "nodes": {
            "name": {"node": "text", "with": {"text": "model.safetensors"}},
            "model": {"node": "load_model", "from": {"path": "name"}},
        },
    },
    "a required path by a knob": with_node(
        {"node": "load_model", "from": {"path": "knobs.file"}}, {"file": "model.safetensors"}
    ),
    "a whole float for an integer": with_node({"node": "procedural_art", "with": {"count": 16.0}}),
    "a text that is empty": with_node({"node": "text", "with": {"text": ""}}),
    "a wire to a widget": with_node({"node": "math", "from": {"a": "knobs.a"}}, {"a": 2.5}),
    "a knob with its text": with_node(
        {"node": "math", "from": {"a": "knobs.a"}}, {"a": {"value": 2, "about": "How many"}}
    ),
    "parts that are empty": with_node({"node": "math", "from": None, "with": None, "about": None}),
    "a muted node": with_node({"node": "math", "mode": "muted"}),
    "a node that is not muted": with_node({"node": "math", "mode": None}),
    "texts of any kind": {"artgraph": 1, "title": None, "tags": ["a", 2], "nodes": ART},
    "layout of any kind": {"artgraph": 1, "layout": None, "nodes": ART},
    "a graph inside": with_node({"node": "inner.yaml", "with": {"count": 20, "art.size": 32}}),
    "a graph inside with a wire": with_node(
        {"node": "./inner.yaml", "from": {"count": "knobs.count"}}, {"count": 20}
    ),
}
INVALID = {
    "no version": {"nodes": ART},
    "another version": {"artgraph": 2, "nodes": ART},
    "no nodes": {"artgraph": 1, "nodes": {}},
    "nodes of null": {"artgraph": 1, "nodes": None},
    "an unknown key": {"artgraph": 1, "nodes": ART, "node": {}},
    "a node called knobs": {"artgraph": 1, "nodes": {"knobs": ART["art"]}},
    "a name with a space": {"artgraph": 1, "nodes": {"my art": ART["art"]}},
    "a knob's name with a space": {"artgraph": 1, "knobs": {"a b": 1}, "nodes": ART},
    "a knob without a value": {"artgraph": 1, "knobs": {"a": {"about": "A"}}, "nodes": ART},
    "a knob of null": {"artgraph": 1, "knobs": {"a": None}, "nodes": ART},
    "a knob with an unknown key": {
        "artgraph": 1,
        "knobs": {"a": {"value": 1, "min": 0}},
        "nodes": ART,
    },
    "a node of null": with_node(None),
    "a node of no type": with_node({"with": {}}),
    "an unknown type": with_node({"node": "nowhere"}),
    "a type that is a number": with_node({"node": 3}),
    "an unknown part": with_node({"node": "procedural_art", "form": {}}),
    "not one of the choices": math(op="devide"),
    "a choice of null": math(op=None),
    "a choice of empty text": math(op=""),
    "an unknown widget": math(c=3),
    "a number as a text": math(a="3"),
    "a number of null": math(a=None),
    "a number as a list": math(a=[3]),
    "a number of true": math(a=True),
    "too small": with_node({"node": "procedural_art", "with": {"count": 0}}),
    "not a whole number": with_node({"node": "procedural_art", "with": {"count": 16.5}}),
    "not a multiple": with_node(
        {"node": "train_gan", "from": {"dataset": "art"}, "with": {"batch": 6}}
    ),
    "out of bounds, though it may be null": vae(beta=-1),
    "a text, though it may be null": vae(beta="none"),
    "a folder that is a number": with_node({"node": "load_dataset", "with": {"folder": 3}}),
    "no required path": with_node({"node": "load_model"}),
    "a required path of null": with_node({"node": "load_model", "with": {"path": None}}),
    "a wire and a value": with_node(
        {"node": "math", "from": {"a": "knobs.a"}, "with": {"a": 1}}, {"a": 2}
    ),
    "a wire that is a number": with_node({"node": "math", "from": {"a": 3}}),
    "no wire to an input": with_node({"node": "train_vae"}),
    "an empty `from`": with_node({"node": "train_vae", "from": None}),
    "a knob wired to an input": with_node(
        {"node": "train_vae", "from": {"dataset": "knobs.a"}}, {"a": 2}
    ),
    "a value for an input": with_node({"node": "train_vae", "with": {"dataset": "art"}}),
    "an unknown part beside a graph": with_node({"node": "inner.yaml", "form": {}}),
    "another mode": with_node({"node": "math", "mode": "off"}),
    "a number as a wire into a graph": with_node({"node": "inner.yaml", "from": {"art.count": 3}}),
}


@pytest.mark.parametrize("graph", VALID.values(), ids=VALID)
def test_both_accept(validator, folders, graph):
    assert binds(graph, folders)
    assert not list(validator.iter_errors(graph))


@pytest.mark.parametrize("graph", INVALID.values(), ids=INVALID)
def test_both_refuse(validator, folders, graph):
    assert not binds(graph, folders)
    assert list(validator.iter_errors(graph))


def test_each_nullable_widget_may_be_empty(validator):
    """The editor writes "" for an empty field, and `validate` reads it as null."""
    empty = 0
    for spec in load_nodes().values():
        wires = {name: "art" for name, port in spec.inputs.items() if not port.optional}
        for name in [name for name, widget in spec.widgets.items() if widget.nullable]:
            for value in (None, ""):
                assert not spec.check({name: value})[1]
                node = {"node": spec.id, "from": wires, "with": {name: value}}
                assert not list(validator.iter_errors({"artgraph": 1, "nodes": {"a": node}}))
                empty += 1
    assert empty


def test_nullable_values_of_every_kind_may_be_empty():
    """Uses a node of its own, because our nodes have no nullable texts, choices and switches."""

    def empty(
        *,
        text: Annotated[str, Field(min_length=2)] | None = None,
        choice: Literal["a", "b"] | None = None,
        switch: bool | None = None,
        count: Annotated[int | None, Field(ge=1)] = None,
    ) -> Number:
        """Returns no number; the node is never run."""

    spec = NodeSpec("empty", "Empty", "test", 1, empty, device=False)
    validator = jsonschema.Draft202012Validator(graph_schema({"empty": spec}))
    for name in spec.widgets:
        for value in (None, "", "x", 0, [], {}):
            graph = {"artgraph": 1, "nodes": {"a": {"node": "empty", "with": {name: value}}}}
            accepted = not list(validator.iter_errors(graph))
            assert accepted == (not spec.check({name: value})[1]) == (value in (None, "")), name


def test_the_defaults_of_each_node_are_valid(validator):
    for spec in load_nodes().values():
        wires = {name: "art" for name, port in spec.inputs.items() if not port.optional}
        values = {name: w.default for name, w in spec.widgets.items() if not w.required}
        node = {"node": spec.id, "from": wires, "with": values}
        node["from"] |= {name: "knobs.a" for name, w in spec.widgets.items() if w.required}
        assert not list(validator.iter_errors({"artgraph": 1, "nodes": {"a": node}}))


def test_every_value_has_its_description(validator):
    nodes = validator.schema["properties"]["nodes"]["additionalProperties"]
    kinds = {item["if"]["properties"]["node"].get("const"): item["then"] for item in nodes["allOf"]}
    for spec in load_nodes().values():
        values = kinds[spec.id]["properties"]["with"]["properties"]
        assert {name: value["description"] for name, value in values.items()} == {
            name: "\n".join([widget.description, *widget.choice_lines])
            for name, widget in spec.widgets.items()
        }


def test_the_command_prints_it(cli, validator):
    assert json.loads(cli("schema").stdout) == validator.schema


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_shipped_graphs_are_valid(validator, path):
    assert not list(validator.iter_errors(yaml.safe_load(path.read_text())))
