"""The JSON Schema of graph files: accepts every shipped graph, and refuses what `validate` does."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

GRAPHS = sorted((Path(__file__).parent.parent / "graphs").glob("*.yaml"))


@pytest.fixture(scope="module")
def validator():
    from artgraph.editors.schema import graph_schema
    from artgraph.nodes.registry import load_nodes

    schema = json.loads(json.dumps(graph_schema(load_nodes())))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_command_prints_it(cli, validator):
    assert json.loads(cli("schema").stdout) == validator.schema


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_shipped_graphs_fit(validator, path):
    assert not list(validator.iter_errors(yaml.safe_load(path.read_text())))


@pytest.mark.parametrize(
    "node",
    [
        {"node": "nowhere"},
        {"node": "math", "with": {"op": "devide"}},
        {"node": "math", "with": {"c": 3}},
        {"node": "math", "from": {"a": 3}},
        {"node": "number", "with": {"value": "3"}},
        {"node": "generate"},
        {"node": "procedural_art", "with": {"count": 0}},
        {"node": "procedural_art", "form": {}},
    ],
)
def test_mistakes_do_not(validator, node):
    assert list(validator.iter_errors({"artgraph": 1, "nodes": {"a": node}}))
