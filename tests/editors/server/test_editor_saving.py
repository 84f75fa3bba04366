"""Saving in the editor changes as little as possible in a graph's file."""

import json
from urllib.parse import quote

import pytest

pytest.importorskip("aiohttp", reason="the editor's server needs the extra `edit`")
pytest.importorskip("comfyui_frontend_package", reason="the editor is not installed: extra `edit`")

from editing import PACK, Server, Tab, name_of

from artgraph.contract.registry import load_nodes
from artgraph.editors.server.graphs import ANY_VERSION, Graphs, StaleError
from artgraph.editors.server.settings import Settings
from artgraph.runner.graph.binding import bind
from artgraph.runner.graph.document import read_document
from artgraph.runner.graph.folders import Folders

INNER = """\
artgraph: 1
knobs: {level: 0.25, words: inner}
nodes:
  picture: {node: grey, from: {level: knobs.level}}
  value: {node: mean, from: {image: picture.image}}
  letter: {node: save_text, from: {text: knobs.words}}
"""
OUTER = """\
artgraph: 1
knobs: {shade: 0.75}
nodes:
  # two of the same
  one: {node: ./inner.yaml, with: {words: one}}
  two: {node: ./inner.yaml, from: {level: knobs.shade}, with: {words: two}}
  sum: {node: math, from: {a: one/value, b: two/value.number}}
"""


@pytest.fixture
def graphs(tmp_path):
    (tmp_path / "inner.yaml").write_text(INNER)
    (tmp_path / "outer.yaml").write_text(OUTER)
    folders = {name: tmp_path / name for name in ("out", "input", "cache")}
    return Graphs(Settings(folder=tmp_path, **folders), load_nodes((str(PACK),)))


def named(workflow, title):
    return next(n for n in workflow["nodes"] if name_of(n) == title)


def values(path):
    """Returns the values of each node when the graph runs."""
    folder = path.parent
    graph = bind(read_document(path), load_nodes((str(PACK),)), Folders(folder, folder, folder))
    return {name: node.values for name, node in graph.nodes.items()}


def test_saving_a_graph_with_graphs_in_it_changes_nothing(graphs, tmp_path):
    workflow = graphs.load("outer.json").workflow
    assert {"one/value", "two/value", "sum"} <= {name_of(n) for n in workflow["nodes"]}
    path, _, note = graphs.save("outer.json", workflow, True)
    assert (path, note) == (tmp_path / "outer.yaml", None)
    assert (tmp_path / "outer.yaml").read_text() == OUTER


def test_changes_of_nodes_inside_are_written_at_the_outer_node(graphs, tmp_path):
    workflow = graphs.load("outer.json").workflow
    named(workflow, "one/picture")["widgets_values"][0] = 0.5
    named(workflow, "sum")["pos"] = [2000, 0]
    path, _, note = graphs.save("outer.json", workflow, True)
    text = path.read_text()
    assert note is None
    assert text.count("node: ./inner.yaml") == 2
    assert "picture.level: 0.5" in text
    assert values(path)["one/picture"]["level"] == 0.5
    assert values(path)["two/picture"]["level"] == 0.75
    again = graphs.load("outer.json").workflow
    assert named(again, "sum")["pos"] == [2000, 0]
    named(again, "one/picture")["widgets_values"][0] = 0.25
    graphs.save("outer.json", again, True)
    assert values(path)["one/picture"]["level"] == 0.25


def test_a_change_that_no_line_can_express_is_reported_and_the_old_file_is_stored(graphs, tmp_path):
    workflow = graphs.load("outer.json").workflow
    workflow["nodes"] = [n for n in workflow["nodes"] if name_of(n) != "one/letter"]
    path, _, note = graphs.save("outer.json", workflow, True)
    assert "./inner.yaml" in note
    (backup,) = (tmp_path / ".artgraph" / "backups").iterdir()
    assert backup.read_text() == OUTER
    assert {"one/value", "two/letter", "sum"} <= set(values(path))
    assert "one/letter" not in values(path)


def test_defaults_long_wires_and_comments_stay_as_they_were_written(graphs, tmp_path):
    text = INNER.replace("{level: knobs.level}", "{level: knobs.level}, with: {count: 1}")
    (tmp_path / "inner.yaml").write_text(text + "  # the end\n")
    workflow = graphs.load("inner.json").workflow
    named(workflow, "value")["pos"] = [1500, 0]
    graphs.save("inner.json", workflow, True)
    saved = (tmp_path / "inner.yaml").read_text()
    assert saved.startswith(text + "  # the end\n")
    assert "\nlayout:" in saved


def test_a_change_of_a_graph_inside_is_noticed(graphs, tmp_path):
    deep, inner = tmp_path / "deep" / "deep.yaml", tmp_path / "inner.yaml"
    deep.parent.mkdir()
    deep.write_text("artgraph: 1\nnodes: {shade: {node: number, with: {value: 0.5}}}\n")
    inner.write_text(INNER + "  deep: {node: ./deep/deep.yaml}\n")
    graphs.load("outer.json")
    assert graphs.changed() == []
    for file, old, new in ((inner, "0.25", "0.125"), (deep, "0.5", "0.75")):
        file.write_text(file.read_text().replace(old, new))
        name = file.relative_to(tmp_path).as_posix()
        assert graphs.changed() == [{"path": "outer.json", "file": name}]
        assert graphs.changed() == []
    workflow = graphs.load("outer.json").workflow
    assert named(workflow, "one/picture")["widgets_values"][0] == 0.125
    graphs.save("outer.json", workflow, True)  # the editor's own change is not reported
    assert graphs.changed() == []


def test_a_workflow_that_cannot_be_saved_as_yaml_is_reported_to_the_tab(tmp_path):
    foreign = {"nodes": [{"id": 1, "type": "KSampler"}], "links": [], "version": 0.4}
    with Server(tmp_path) as server, Tab(server, "saving") as tab:
        path = quote("workflows/strange.json", safe="")
        assert server.post(f"/userdata/{path}", json.dumps(foreign).encode()).status == 200
        assert "KSampler" in tab.wait("artgraph.saved")["note"]


def test_comments_and_unknown_keys_survive_a_changed_value(graphs, tmp_path):
    text = INNER.replace("{node: grey,", "{node: grey, note: mine,") + "  # the end\n"
    (tmp_path / "inner.yaml").write_text("# first\n" + text)
    workflow = graphs.load("inner.json").workflow
    named(workflow, "level")["widgets_values"][0] = 0.5
    named(workflow, "value")["title"] = "average"
    path, _, note = graphs.save("inner.json", workflow, True)
    expected = text.replace("level: 0.25", "level: 0.5").replace("value: {", "average: {")
    titles = "layout:\n  titles: {average: average}\n"  # someone has chosen the title
    assert path.read_text() == "# first\n" + expected + titles
    assert note is None
    assert not (tmp_path / ".artgraph").exists()


def test_a_removed_comment_is_reported_and_stays_in_a_backup(graphs, tmp_path):
    text = INNER.replace("picture.image}}", "picture.image}} # why")
    (tmp_path / "inner.yaml").write_text(text)
    for _ in range(2):  # also within one second
        (tmp_path / "inner.yaml").write_text(text)
        workflow = graphs.load("inner.json").workflow
        workflow["nodes"] = [n for n in workflow["nodes"] if name_of(n) != "value"]
        _, _, note = graphs.save("inner.json", workflow, True)
        assert note.startswith("1 comment was in lines that are removed. The file as it was")
    backups = list((tmp_path / ".artgraph" / "backups").iterdir())
    assert [backup.read_text() for backup in backups] == [text, text]


def test_a_stale_save_is_refused_and_a_forced_one_makes_a_backup(graphs, tmp_path):
    workflow, version = graphs.load("inner.json")
    named(workflow, "level")["widgets_values"][0] = 0.5
    newer = graphs.save("inner.json", workflow, True, version).version
    named(workflow, "level")["widgets_values"][0] = 0.75
    with pytest.raises(StaleError):
        graphs.save("inner.json", workflow, True, version)
    assert "level: 0.5," in (tmp_path / "inner.yaml").read_text()
    graphs.save("inner.json", workflow, True, ANY_VERSION)
    (backup,) = (tmp_path / ".artgraph" / "backups").iterdir()
    assert "level: 0.5," in backup.read_text()
    assert graphs.load("inner.json").version != newer


def test_a_graph_that_becomes_json_opens_as_that_and_its_yaml_is_stored(graphs, tmp_path):
    workflow = graphs.load("inner.json").workflow
    workflow["nodes"].append({"id": 99, "type": "KSampler", "mode": 2, "pos": [0, 0]})
    path, _, note = graphs.save("inner.json", workflow, True)
    assert path == tmp_path / "inner.json"
    assert "KSampler" in note
    assert graphs.load("inner.json").workflow["nodes"][-1]["type"] == "KSampler"
    assert graphs.changed() == []
    (backup,) = (tmp_path / ".artgraph" / "backups").iterdir()
    assert backup.read_text() == INNER


def test_a_subgraph_that_no_longer_fits_is_shown_as_its_nodes(graphs, tmp_path):
    inner = {"id": "a-b", "inputs": [], "outputs": [{"name": "out", "type": "IMAGE"}], "links": []}
    workflow = graphs.load("inner.json").workflow
    picture, value = named(workflow, "picture"), named(workflow, "value")
    knob = named(workflow, "level")
    link = {"id": 1, "origin_id": 1, "origin_slot": 0, "target_id": -20, "target_slot": 0}
    slots = [dict(slot, link=None) for slot in picture["inputs"]]
    inner |= {"nodes": [picture | {"id": 1, "inputs": slots}], "links": [link]}
    workflow["nodes"] = [n for n in workflow["nodes"] if n not in (picture, knob)]
    instance = {"id": 50, "type": "a-b", "title": "Box", "pos": [0, 0], "size": [9, 9]}
    workflow["nodes"].append(instance | {"inputs": [], "outputs": [{"name": "out", "links": [7]}]})
    workflow["links"] = [[7, 50, 0, value["id"], 0, "IMAGE"]]
    value["inputs"][0]["link"] = 7
    workflow["definitions"] = {"subgraphs": [inner]}
    path, _, note = graphs.save("inner.json", workflow, True)
    assert note is None
    again = graphs.load("inner.json").workflow
    assert named(again, "Box")["type"] == "a-b"
    assert again["definitions"]["subgraphs"][0]["nodes"][0]["title"] == "Grey · picture"
    text = path.read_text()
    path.write_text(text.replace("with: {level: 0.25}", "with: {level: 0.5}"))
    (node,) = graphs.load("inner.json").workflow["definitions"]["subgraphs"][0]["nodes"]
    assert node["widgets_values"][0] == 0.5
    path.write_text(text.replace("{image: picture.image}", "{image: other}"))
    shown = graphs.load("inner.json").workflow
    assert named(shown, "picture")["type"] == "Artgraph_grey"
    assert "do not fit" in " ".join(shown["extra"]["artgraph_problems"]["graph"])


def test_a_graph_that_opens_as_an_app_keeps_its_file(graphs, tmp_path):
    workflow = graphs.load("inner.json").workflow
    workflow["extra"] |= {"linearMode": True, "linearData": {"inputs": [], "outputs": []}}
    assert graphs.move("inner.json", "inner.app.json", False) == tmp_path / "inner.yaml"
    graphs.save("inner.app.json", workflow, True)  # the editor's name of an app
    assert {file["path"] for file in graphs.listed()} == {"inner.app.json", "outer.json"}
    assert graphs.load("inner.app.json").workflow["extra"]["linearMode"] is True
    assert (tmp_path / "inner.yaml").is_file()
    assert not list(tmp_path.glob("*.app.*"))
