"""Muted and bypassed nodes: a run without the editor does what the editor's run does."""

import json
from pathlib import Path

import pytest

from artgraph.contract.errors import GraphError
from artgraph.contract.registry import load_nodes
from artgraph.runner.graph.binding import bind
from artgraph.runner.graph.bound import Source
from artgraph.runner.graph.document import parse_document
from artgraph.runner.graph.folders import Folders

REGISTRY = load_nodes()
GRAPH = """\
artgraph: 1
nodes:
  art: {node: procedural_art, with: {count: 4, size: 32}}
  few: {node: dataset_images, from: {dataset: art}}
  small: {node: resize_image, MODE, from: {image: few.image}, with: {width: 16}}
  pick: {node: pick_images, from: {image: small}}
  sheet: {node: image_grid, from: {image: pick, labels: few.table}}
  saved: {node: save_image, from: {image: sheet}}
  other: {node: save_image, from: {image: few.image}}
"""


def bound(text):
    document = parse_document(text, "x.yaml", Path())
    return bind(document, REGISTRY, Folders(Path(), Path(), Path()))


def test_a_bypassed_node_passes_its_input_on():
    graph = bound(GRAPH.replace("MODE", "mode: bypassed"))
    assert graph.nodes["pick"].wires["image"] == Source("few", "image")
    assert list(graph.nodes) == ["art", "few", "pick", "sheet", "saved", "other"]
    assert graph.omitted.line == "bypassed: small"
    assert "mode: bypassed" in graph.document.yaml()


def test_a_muted_node_and_those_that_need_it_are_left_out():
    graph = bound(GRAPH.replace("MODE", "mode: muted"))
    assert list(graph.nodes) == ["art", "few", "other"]
    assert graph.omitted.line == (
        "muted: small; left out because they need such a node: pick, sheet, saved"
    )
    with pytest.raises(GraphError, match=r"--only sheet: this node does not run \(muted: small"):
        graph.order(["sheet"])


def test_a_widget_that_is_wired_to_a_muted_node_has_its_own_value():
    text = GRAPH.replace(" MODE,", "")
    text = text.replace("few.image}, with", "few.image, width: n}, with")
    text += "  n: {node: number, mode: muted, with: {value: 64}}\n"
    assert bound(text).nodes["small"].values["width"] == 16  # as the editor shows it
    with pytest.raises(GraphError, match="both a wire and a value"):
        bound(text.replace("mode: muted, ", ""))


def test_a_bypassed_node_without_a_fitting_input_leaves_out_those_that_need_it():
    text = GRAPH.replace(" MODE,", "").replace("few: {node", "few: {mode: bypassed, node")
    graph = bound(text)
    assert list(graph.nodes) == ["art"]
    with pytest.raises(GraphError, match=r"no node of the graph runs \(muted: one\)"):
        bound("artgraph: 1\nnodes:\n  one: {node: procedural_art, mode: muted}\n")


def test_bypassed_nodes_in_a_loop_pass_nothing():
    text = "artgraph: 1\nnodes:\n  a: {node: resize_image, mode: bypassed, from: {image: b}}\n"
    text += "  b: {node: resize_image, mode: bypassed, from: {image: a}}\n"
    text += "  c: {node: save_image, from: {image: a}}\n  d: {node: procedural_art}\n"
    assert list(bound(text).nodes) == ["d"]


def test_mistakes_in_muted_nodes_do_not_matter_and_another_mode_is_refused():
    text = "artgraph: 1\nnodes:\n  a: {node: nonsense, mode: muted, with: {x: 1}}\n"
    assert list(bound(text + "  b: {node: procedural_art}\n").nodes) == ["b"]
    with pytest.raises(GraphError, match=r"`mode` can't be \"off\" - write `muted` or"):
        bound(text.replace("muted", "off"))


def test_the_mode_of_a_graph_inside_is_that_of_its_nodes(tmp_path):
    (tmp_path / "inner.yaml").write_text(GRAPH.replace("MODE,", ""))
    text = "artgraph: 1\nnodes:\n  in: {node: ./inner.yaml, mode: muted}\n"
    text += "  out: {node: procedural_art}\n  need: {node: save_image, from: {image: in/sheet}}\n"
    document = parse_document(text, "x.yaml", tmp_path)
    graph = bind(document, REGISTRY, Folders(tmp_path, tmp_path, tmp_path))
    assert list(graph.nodes) == ["out"]
    assert graph.omitted.needing == ("need",)


@pytest.mark.parametrize("command", ["validate", "plan", "run"])
def test_commands_say_in_one_line_what_does_not_run(command, cli, tmp_path):
    (tmp_path / "m.yaml").write_text(GRAPH.replace("MODE", "mode: muted"))
    result = cli(command, "m.yaml", *(["--json"] if command != "validate" else []))
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        "m.yaml: does not run: muted: small;"
        " left out because they need such a node: pick, sheet, saved"
    ]
    if command == "run":
        assert json.loads(result.stdout.splitlines()[-1])["ran"] == 3
