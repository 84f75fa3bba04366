"""Nodes side by side: the same digests, each key once, one on the device, memory bounded."""

import json
import threading
import time
from pathlib import Path

import pytest
from runs import TREE, last

from artgraph.contract.registry import load_nodes
from artgraph.contract.spec import NodeSpec
from artgraph.contract.values.kinds import Image, Number
from artgraph.models.training.numerics import Numerics
from artgraph.runner.graph.binding import bind
from artgraph.runner.graph.document import parse_document
from artgraph.runner.graph.folders import Folders
from artgraph.runner.run.events import Progressed
from artgraph.runner.run.execute import Run
from artgraph.runner.run.job import Job
from artgraph.runner.run.publish import Publisher
from artgraph.runner.store.store import Store

NAPS = "artgraph: 1\nnodes:\n" + "".join(
    f"  n{i}: {{node: nap, with: {{seconds: 0.1, salt: {i}}}}}\n" for i in range(4)
)


def run(cli, pack, *words, code=0):
    done = cli("run", "g.yaml", "--pack", pack, "--json", *words)
    assert done.returncode == code, done.stderr
    return last(done.stdout)


def test_the_number_of_jobs_changes_no_digest(cli, pack):
    cli.write("g.yaml", TREE)
    one, _ = run(cli, pack, "--jobs", 1)
    four, end = run(cli, pack, "--jobs", 4, "--cache", "other")
    assert four == one
    assert end["ran"] == 48, "equal nodes ran once, though side by side"
    manifest = json.loads((cli.folder / "out/g/manifest.json").read_text())
    assert list(manifest["nodes"])[:3] == ["n0", "n1", "n2"], "in the graph's order"


class Work:
    """Nodes that are at work for a while, and how many of them were so at a time at most."""

    def __init__(self):
        self.most = 0
        self._active, self._mutex = 0, threading.Lock()

    def registry(self, pack):
        def work(*, salt: int = 0) -> Number:
            with self:
                return salt

        def look(image: Image) -> Number:
            with self:
                return round(float(image.mean()), 3)

        found = dict(load_nodes([str(pack)]))
        for name, function, device in (
            ("work", work, False),
            ("work_on_device", work, True),
            ("look", look, False),
        ):
            found[name] = NodeSpec(name, name, "test", 1, function, device)
        return found

    def __enter__(self):
        with self._mutex:
            self._active += 1
            self.most = max(self.most, self._active)
        time.sleep(0.2)

    def __exit__(self, *_):
        with self._mutex:
            self._active -= 1


def most_at_a_time(folder, pack, text, **options):
    """Run in this process; how many nodes were at work at a time at most."""
    work = Work()
    graph = bind(
        parse_document(text, "g.yaml", folder), work.registry(pack), Folders(*[folder] * 3)
    )
    store = Store(folder / "cache")
    try:
        publisher = Publisher(folder / "out", "")
        running = Run(Job(graph, store, Numerics(), publisher, lambda event: None, **options))
        running.execute()
    finally:
        store.close()
    assert running.exit_code == 0
    return work.most


def four(node):
    return "artgraph: 1\nnodes:\n" + "".join(
        f"  n{i}: {{node: {node}, with: {{salt: {i}}}}}\n" for i in range(4)
    )


def test_independent_nodes_run_side_by_side(tmp_path, pack):
    assert most_at_a_time(tmp_path / "a", pack, four("work"), jobs=1) == 1
    assert most_at_a_time(tmp_path / "b", pack, four("work"), jobs=3) == 3


def test_one_node_at_a_time_on_the_device(tmp_path, pack):
    assert most_at_a_time(tmp_path, pack, four("work_on_device"), jobs=4) == 1


def test_a_memory_budget_makes_nodes_wait(tmp_path, pack):
    text = "artgraph: 1\nnodes:\n" + "".join(
        f"  g{i}: {{node: grey, with: {{count: {i}00}}}}\n"
        f"  m{i}: {{node: look, from: {{image: g{i}}}}}\n"
        for i in range(1, 5)
    )
    assert most_at_a_time(tmp_path / "a", pack, text, jobs=4) > 1
    assert most_at_a_time(tmp_path / "b", pack, text, jobs=4, memory=1) == 1


def test_a_failure_and_a_lost_blob_beside_others(cli, pack):
    cli.write(
        "g.yaml",
        NAPS
        + "  bad: {node: failing}\n  needs: {node: noted, from: {value: bad}}\n"
        + "  g: {node: grey}\n  m: {node: mean, from: {image: g}}\n",
    )
    _, end = run(cli, pack, "--jobs", 4, code=1)
    assert (end["ran"], end["failed"]) == (6, 2)
    for blob in Path(cli.folder).glob("cache/blobs/*/*"):
        blob.unlink()
    done = cli("run", "g.yaml", "--pack", pack, "--jobs", 4, "--json", "--force", "m")
    assert last(done.stdout)[1]["ran"] == 2
    assert "lost or damaged" in done.stderr


@pytest.mark.parametrize("jobs", [1, 4])
def test_cancelling_waits_for_what_runs(tmp_path, pack, jobs):
    text = "artgraph: 1\nnodes: {t: {node: slow_training, with: {steps: 100000, pause: 0.01}}}"
    graph = bind(
        parse_document(text, "g.yaml", tmp_path),
        load_nodes([str(pack)]),
        Folders(*[tmp_path] * 3),
    )
    store = Store(tmp_path / "cache")

    def hear(event):
        if isinstance(event, Progressed) and event.done > 1:
            running.cancel()

    running = Run(Job(graph, store, Numerics(), Publisher(tmp_path, ""), hear, jobs=jobs))
    assert running.execute().status == "interrupted"
    assert running.exit_code == 130
    assert store.index.row("SELECT max(step) FROM checkpoints")[0] > 1
    store.close()


def test_of_two_that_save_one_file_the_later_fails_whatever_is_quicker(cli, pack):
    cli.write(
        "g.yaml",
        "artgraph: 1\nnodes:\n"
        "  slow: {node: nap, with: {seconds: 1.5}}\n"
        "  words: {node: text, with: {text: quick}}\n"
        "  first: {node: save_slowly, from: {value: slow}, with: {name: One}}\n"
        "  one: {node: save_slowly, with: {seconds: 0}}\n"
        "  other: {node: save_slowly, with: {seconds: 0, name: other}}\n"
        "  inside: {node: save_slowly, with: {seconds: 0, name: one.TXT/a}}\n",
    )
    for jobs in (1, 4):
        words = ["run", "g.yaml", "--pack", pack, "--jobs", jobs, "--cache", f"c{jobs}"]
        assert cli(*words, "--only", "one").returncode == 0  # so that the later one is stored
        done = cli(*words)
        assert done.returncode == 1
        assert "node 'one': it would overwrite 'one.txt', which node 'first' writes" in done.stderr
        assert "node 'inside': 'one.TXT' would be a file and also a folder" in done.stderr
        assert (cli.folder / "out/g/One.txt").read_text() == "3"
