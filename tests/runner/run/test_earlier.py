"""What becomes of the files of earlier runs: nothing is lost, and no set of files is a mixture."""

import io
import json
import multiprocessing
import os
import random
import signal
import threading
import time
import warnings

import pytest
from PIL import Image
from runs import run

from artgraph.contract.errors import GraphError, NodeError
from artgraph.contract.values.files import Files
from artgraph.runner.run.earlier import hash_bytes
from artgraph.runner.run.publish import Publisher


class Runs:
    """Runs of a graph that saves texts: each maps nodes to their files."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, nodes, whole=True, graph="", current=(), killed=False):
        """Returns what was moved aside. A run that is `killed` ends without its manifest."""
        publisher = Publisher(self.folder, graph)
        try:
            for node, files in nodes.items():
                data = {name: text.encode() for name, text in files.items()}
                publisher.publish(node, hash_bytes(repr(files).encode()), lambda d=data: Files(d))
            if killed:
                return None
            moved = publisher.finish(
                {"nodes": {}, "run": graph}, whole, lambda _: {(name, None) for name in current}
            )
            return {name.removeprefix(f"{self.folder}/"): count for name, count in moved.items()}
        finally:
            publisher.close()

    def texts(self, below="."):
        """All files below a folder that are not ours, and their texts."""
        top = self.folder / below
        files = {p.relative_to(top).as_posix(): p for p in top.rglob("*") if p.is_file()}
        ours = ("earlier/", "manifest.json", ".artgraph")
        return {name: p.read_text() for name, p in files.items() if not name.startswith(ours)}

    def manifest(self, below="."):
        return json.loads((self.folder / below / "manifest.json").read_text())


@pytest.fixture
def runs(tmp_path):
    return Runs(tmp_path / "out")


def many(count, text):
    return {f"{i}.txt": text for i in range(count)}


def test_a_set_is_moved_aside_as_a_whole_with_its_manifest(runs):
    runs({"a": many(10, "old")}, graph="first")
    assert runs({"a": many(5, "new")}, graph="second") == {"earlier/0001": 10}
    assert runs.texts() == many(5, "new")
    assert runs.texts("earlier/0001") == many(10, "old")
    assert runs.manifest("earlier/0001")["graph"] == "first"
    assert runs.manifest("earlier/0001")["files"].keys() == many(10, "").keys()
    assert runs.manifest()["moved_aside"] == {"earlier/0001": list(many(10, ""))}


def test_an_unchanged_result_keeps_its_file(runs):
    runs({"a": {"a.txt": "same"}, "b": {"b.txt": "1"}}, graph="first")
    before = (runs.folder / "a.txt").stat()
    assert runs({"a": {"a.txt": "same"}, "b": {"b.txt": "2"}}, graph="next") == {"earlier/0001": 1}
    after = (runs.folder / "a.txt").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    states = {name: entry["state"] for name, entry in runs.manifest()["files"].items()}
    assert states == {"a.txt": "unchanged", "b.txt": "new"}
    assert runs.manifest("earlier/0001")["not_moved"] == ["a.txt"]


def test_a_picture_keeps_the_graph_that_made_it(runs):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    for graph in ("first", "second"):
        publisher = Publisher(runs.folder, graph)
        publisher.publish("p", "d", lambda: Files({"p.png": buffer.getvalue()}))
        publisher.finish({"nodes": {}}, True)
        publisher.close()
    with Image.open(runs.folder / "p.png") as picture:
        assert picture.info["artgraph"] == "first"
    assert not (runs.folder / "earlier").exists()


def test_files_of_nodes_that_are_gone_are_moved_aside(runs):
    runs({"a": {"a.txt": "1"}, "b": {"deep/b.txt": "2"}})
    assert runs({"a": {"a.txt": "1"}}) == {"earlier/0001": 1}
    assert runs.texts() == {"a.txt": "1"}
    assert not (runs.folder / "deep").exists(), "no empty folder remains"
    assert runs.texts("earlier/0001") == {"deep/b.txt": "2"}


def test_a_run_that_has_nothing_new_leaves_the_set_as_it_is(runs):
    runs({"a": {"a.txt": "1"}, "b": {"b.txt": "2"}}, graph="first")
    assert runs({"a": {"a.txt": "1"}}, whole=False, graph="second") == {}
    assert runs.texts() == {"a.txt": "1", "b.txt": "2"}
    assert runs.manifest()["graph"] == "first"


def test_a_run_that_stops_after_a_new_result_leaves_no_mixture(runs):
    runs({"a": {"a.txt": "1"}, "b": {"b.txt": "2"}})
    assert runs({"a": {"a.txt": "new"}}, whole=False) == {"earlier/0001": 2}
    assert runs.texts() == {"a.txt": "new"}
    assert runs({"a": {"a.txt": "new"}, "b": {"b.txt": "new"}}) == {}


def test_a_part_of_a_graph_leaves_files_that_are_still_right(runs):
    runs({"a": {"a.txt": "1"}, "b": {"b.txt": "2"}, "c": {"c.txt": "3"}})
    assert runs({"a": {"a.txt": "new"}}, whole=False, current=["b"]) == {"earlier/0001": 2}
    assert runs.texts() == {"a.txt": "new", "b.txt": "2"}
    assert runs.manifest()["files"].keys() == {"a.txt", "b.txt"}


def test_what_people_change_or_put_there_is_never_lost(runs):
    runs({"a": {"a.txt": "1", "b.txt": "2"}})
    (runs.folder / "a.txt").write_text("by hand")
    (runs.folder / "mine.txt").write_text("mine")
    (runs.folder / "c").mkdir()
    (runs.folder / "c/inside.txt").write_text("inside")
    (runs.folder / "d").write_text("a file")
    runs({"a": {"a.txt": "1", "b.txt": "2"}, "c": {"c": "3"}, "d": {"d/e/f.txt": "4"}})
    made = {"a.txt": "1", "b.txt": "2", "c": "3", "d/e/f.txt": "4"}
    assert runs.texts() == {"mine.txt": "mine"} | made
    kept = {"a.txt": "by hand", "c/inside.txt": "inside", "d": "a file"}
    assert runs.texts("earlier/0001") == kept


def test_a_folder_of_an_earlier_run_becomes_a_file(runs):
    runs({"a": {"x.txt/1": "1", "x.txt/2": "2"}})
    runs({"b": {"x.txt": "3"}})
    assert runs.texts() == {"x.txt": "3"}
    assert runs.texts("earlier/0001") == {"x.txt/1": "1", "x.txt/2": "2"}


def test_a_missing_file_is_written_again_and_the_others_are_kept(runs):
    runs({"a": many(3, "x")})
    kept = (runs.folder / "1.txt").stat().st_ino
    (runs.folder / "0.txt").unlink()
    assert runs({"a": many(3, "x")}) == {}
    assert runs.texts() == many(3, "x")
    assert (runs.folder / "1.txt").stat().st_ino == kept


def test_a_touched_file_and_a_lost_manifest_are_no_reason_to_move(runs):
    runs({"a": many(3, "x")})
    os.utime(runs.folder / "0.txt", (1, 1))
    assert runs({"a": many(3, "x")}) == {}
    (runs.folder / "manifest.json").unlink()
    assert runs({"a": many(3, "x")}) == {}
    (runs.folder / "manifest.json").write_text('{"files": {"0.txt": 3}, "nodes": []')
    assert runs({"a": many(3, "x")}) == {}


def test_two_killed_runs_leave_three_sets(runs):
    runs({"a": {"a.txt": "1"}, "b": {"b.txt": "1"}, "c": {"c.txt": "1"}}, graph="1")
    runs({"a": {"a.txt": "2"}, "b": {"b.txt": "2"}, "d": {"d.txt": "2"}}, graph="2", killed=True)
    runs({"a": {"a.txt": "3"}}, graph="3", killed=True)
    runs({"a": {"a.txt": "4"}, "b": {"b.txt": "4"}, "c": {"c.txt": "4"}}, graph="4")
    assert runs.texts() == {"a.txt": "4", "b.txt": "4", "c.txt": "4"}
    sets = [runs.texts(p) for p in sorted((runs.folder / "earlier").iterdir())]
    assert sets == [
        {"a.txt": "1", "b.txt": "1", "c.txt": "1"},
        {"a.txt": "2", "b.txt": "2", "d.txt": "2"},
        {"a.txt": "3"},
    ]
    assert runs.manifest("earlier/0002")["graph"] == "2"
    assert runs.manifest("earlier/0002")["status"] == "killed"


def test_a_killed_run_that_goes_on_keeps_what_it_has_made(runs):
    runs({"a": {"a.txt": "1"}, "b": {"b.txt": "1"}})
    runs({"a": {"a.txt": "2"}}, killed=True)
    made = (runs.folder / "a.txt").stat().st_ino
    assert runs({"a": {"a.txt": "2"}, "b": {"b.txt": "2"}}) == {"earlier/0001": 1}
    assert (runs.folder / "a.txt").stat().st_ino == made
    assert runs.texts("earlier/0001") == {"a.txt": "1", "b.txt": "1"}


def test_a_run_that_stops_after_a_killed_one_changes_nothing(runs):
    runs({"a": {"a.txt": "1"}, "b": {"b.txt": "1"}}, graph="1")
    runs({"a": {"a.txt": "2"}}, graph="2", killed=True)
    assert runs({}, whole=False, graph="3") == {}
    assert runs.texts() == {"a.txt": "2", "b.txt": "1"}
    runs({"a": {"a.txt": "4"}, "b": {"b.txt": "4"}}, graph="4")
    assert runs.texts("earlier/0001") == {"a.txt": "1", "b.txt": "1"}
    assert runs.manifest("earlier/0002")["graph"] == "2"


def _endless(folder, start):
    """Publishes one set after the other until it is killed."""
    for number in range(start, start + 10_000):
        Runs(folder)({"a": many(20, str(number)), "b": {"b.txt": str(number)}})


def test_kills_in_the_midst_of_publishing_lose_and_mix_nothing(runs):
    chance, number = random.Random(0), 0
    for _ in range(25):
        process = multiprocessing.get_context("fork").Process(
            target=_endless, args=(runs.folder, number)
        )
        process.start()
        time.sleep(chance.uniform(0.02, 0.2))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        number += 10_000
    runs({"a": many(20, "last"), "b": {"b.txt": "last"}})
    assert runs.texts() == many(20, "last") | {"b.txt": "last"}
    sets = [runs.texts(p) for p in (runs.folder / "earlier").iterdir()]
    assert len(sets) > 25
    for texts in sets:
        assert len(set(texts.values())) <= 1, "a set contains the files of one run"
    whole = [texts for texts in sets if len(texts) == 21]
    assert len(whole) >= len(sets) - 25, "only the sets of killed runs are not whole"
    assert not [p for p in runs.folder.iterdir() if p.name.startswith(".")]


def test_runs_at_the_same_time_write_one_after_the_other(runs):
    first = Publisher(runs.folder, "first")
    first.publish("a", "1", lambda: Files({"a.txt": b"1"}))
    ended = threading.Event()

    def second():
        runs({"a": {"a.txt": "2"}, "b": {"b.txt": "2"}}, graph="second")
        ended.set()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        thread = threading.Thread(target=second)
        thread.start()
        assert not ended.wait(2.5)
        assert "waiting for this process (the run that writes to" in str(caught[0].message)
        first.publish("b", "1", lambda: Files({"b.txt": b"1"}))
        first.finish({"nodes": {}}, True)
        first.close()
        thread.join()
    assert runs.texts() == {"a.txt": "2", "b.txt": "2"}
    assert runs.texts("earlier/0001") == {"a.txt": "1", "b.txt": "1"}
    names = {path.name for path in runs.folder.iterdir()}
    assert names == {"a.txt", "b.txt", "earlier", "manifest.json"}, "the lock is gone"


def test_two_processes_in_one_folder(runs):
    context = multiprocessing.get_context("fork")

    def publish(start):
        for number in range(start, start + 20):
            runs({"a": many(5, str(number))})

    processes = [context.Process(target=publish, args=(start,)) for start in (0, 100)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    sets = [runs.texts(), *(runs.texts(p) for p in (runs.folder / "earlier").iterdir())]
    assert sorted(int(texts["0.txt"]) for texts in sets) == [*range(20), *range(100, 120)]
    assert all(len(texts) == 5 and len(set(texts.values())) == 1 for texts in sets)


def test_files_and_folders_of_one_name_are_refused(runs):
    for nodes, what in (
        ({"a": {"x": ""}, "b": {"x/y": ""}}, "'x' would be a file and also a folder"),
        ({"a": {"x/y": ""}, "b": {"X": ""}}, "'X' would be a file and also a folder"),
        ({"a": {"x": "", "X": ""}}, "it would overwrite 'X', which node 'a' writes"),
        ({"a": {"é": ""}, "b": {"e\u0301": ""}}, "which node 'a' writes"),
        ({"a": {"d/a": ""}, "b": {"D/A": ""}}, "it would overwrite 'D/A'"),
    ):
        with pytest.raises(NodeError, match=what):
            runs(nodes)
    runs({"a": {"x/1": ""}, "b": {"X/2": ""}})


def test_an_output_folder_that_can_never_be_one(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(GraphError, match="is a file - choose a folder with --out"):
        Publisher(tmp_path / "file" / "g", "")


GRAPH = """
artgraph: 1
knobs: {words: hello, name: project/deep/letter}
nodes:
  letter: {node: save_text, from: {text: knobs.words, name: knobs.name}}
  other: {node: save_text, with: {text: the same}}
"""


def test_the_command_line_says_what_it_moved(cli, pack):
    graph = cli.write("g.yaml", GRAPH)
    nodes, _ = run(cli, graph, "--pack", pack)
    assert nodes["letter"]["files"] == ["out/g/project/deep/letter.txt"]
    done = cli("run", graph, "--pack", pack, "--set", "knobs.words=bye")
    assert "\nmoved aside: out/g/earlier/0001 (1 file)\ndone in" in done.stdout
    earlier = cli.folder / "out/g/earlier/0001"
    assert (earlier / "project/deep/letter.txt").read_text() == "hello"
    _, end = run(cli, graph, "--pack", pack, "--set", "knobs.name=new")
    assert end["moved"] == {"out/g/earlier/0002": 1}


def test_only_a_node_keeps_the_files_of_others_if_they_are_right(cli, pack):
    graph = cli.write("g.yaml", GRAPH)
    for node in ("letter", "other"):
        _, end = run(cli, graph, "--pack", pack, "--only", node)
        assert end["moved"] == {}
    assert (cli.folder / "out/g/project/deep/letter.txt").is_file()
    words = ("--set", "knobs.words=bye", "--set", "other.text=changed", "--only", "other")
    _, end = run(cli, graph, "--pack", pack, *words)
    assert end["moved"] == {"out/g/earlier/0001": 2}


def test_a_name_that_comes_from_a_node_is_checked_when_it_is_known(cli, pack):
    graph = cli.write(
        "g.yaml",
        "artgraph: 1\nnodes:\n  t: {node: text, with: {text: 'a:b'}}\n"
        "  s: {node: save_text, with: {text: x}, from: {name: t}}\n",
    )
    nodes, _ = run(cli, graph, "--pack", pack, code=1)
    assert nodes["s"]["what"] == "widget 'name': 'a:b' contains ':'"


def test_a_sweep_with_other_values_moves_the_earlier_one_aside(cli, pack):
    graph = cli.write("g.yaml", GRAPH)
    sweep = cli.folder / "out/g/sweep"

    def start(values):
        done = cli("sweep", graph, "--pack", pack, "--set", f"knobs.words={values}")
        assert done.returncode == 0, done.stderr
        return done.stdout

    start("a,b,c")
    table = (sweep / "table.csv").stat().st_mtime_ns
    assert "moved aside" not in start("a,b,c")
    assert (sweep / "table.csv").stat().st_mtime_ns == table
    assert "moved aside: out/g/sweep/earlier/0001 (5 files)" in start("x,y")
    assert {p.name for p in sweep.iterdir() if p.name[0] != "."} == {
        *("1", "2", "earlier", "manifest.json", "table.csv", "table.json")
    }
    assert (sweep / "earlier/0001/3/project/deep/letter.txt").read_text() == "c"
    assert (sweep / "earlier/0001/table.csv").is_file()
