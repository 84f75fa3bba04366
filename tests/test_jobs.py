"""Nodes side by side: the same digests, each key once, one on the device, memory bounded."""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from test_faults import TREE, last

from artgraph.models.numerics import Numerics
from artgraph.nodes.registry import load_nodes
from artgraph.runner.binding import bind
from artgraph.runner.document import parse_document
from artgraph.runner.events import Progressed
from artgraph.runner.execute import Run
from artgraph.runner.folders import Folders
from artgraph.runner.locks import Locks
from artgraph.runner.publish import Publisher
from artgraph.runner.store import Store

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


def in_process(tmp_path, pack, text, change=lambda spec: spec, watch=("nap",), **options):
    """Run in this process; how many of the watched nodes were at work at most, and the run."""
    specs = dict(load_nodes([str(pack)]))
    active, most, lock = 0, 0, threading.Lock()

    def watched(function):
        def call(*args, **named):
            nonlocal active, most
            with lock:
                active += 1
                most = max(most, active)
            time.sleep(0.2)
            with lock:
                active -= 1
            return function(*args, **named)

        return call

    for name in watch:
        spec = replace(specs[name], function=specs[name].function)
        spec.__dict__.update(_signature=specs[name]._signature, outputs=specs[name].outputs)
        specs[name] = change(spec)
        object.__setattr__(specs[name], "function", watched(specs[name].function))
    graph = bind(parse_document(text, "g.yaml", tmp_path), specs, Folders(*[tmp_path] * 3))
    store = Store(tmp_path / "cache")
    publisher = Publisher(tmp_path / "out", "")
    try:
        running = Run(graph, store, Numerics(), publisher, lambda event: None, **options)
        running.execute()
    finally:
        store.close()
    assert running.exit_code == 0
    return most, running


def test_independent_nodes_run_side_by_side(tmp_path, pack):
    assert in_process(tmp_path / "a", pack, NAPS, jobs=1)[0] == 1
    assert in_process(tmp_path / "b", pack, NAPS, jobs=3)[0] == 3


def test_one_node_at_a_time_on_the_device(tmp_path, pack):
    def on_device(spec):
        object.__setattr__(spec, "device", True)
        return spec

    assert in_process(tmp_path, pack, NAPS, on_device, jobs=4)[0] == 1


def test_a_memory_budget_makes_nodes_wait(tmp_path, pack):
    text = "artgraph: 1\nnodes:\n" + "".join(
        f"  g{i}: {{node: grey, with: {{count: {i}00}}}}\n"
        f"  m{i}: {{node: mean, from: {{image: g{i}}}}}\n"
        for i in range(1, 5)
    )
    watch = ("mean",)
    assert in_process(tmp_path / "a", pack, text, watch=watch, jobs=4)[0] > 1
    assert in_process(tmp_path / "b", pack, text, watch=watch, jobs=4, memory=1)[0] == 1


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


def test_locks_hold_between_threads_and_stores_of_one_process(tmp_path):
    one, two = Locks(tmp_path / "locks"), Locks(tmp_path / "locks")
    waited = threading.Event()
    got = []

    def want():
        with two.hold("ab" * 16, waited.set):
            got.append(time.monotonic())

    with one.hold("ab" * 16):
        Locks(tmp_path / "locks").close()  # which must not drop what others hold
        thread = threading.Thread(target=want)
        thread.start()
        assert waited.wait(10)
        assert not got
    thread.join()
    assert got
    one.close()
    two.close()


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

    running = Run(graph, store, Numerics(), Publisher(tmp_path, ""), hear, jobs=jobs)
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
        "  other: {node: save_slowly, with: {seconds: 0, name: other}}\n",
    )
    for jobs in (1, 4):
        words = ["run", "g.yaml", "--pack", pack, "--jobs", jobs, "--cache", f"c{jobs}"]
        assert cli(*words, "--only", "one").returncode == 0  # so that the later one is stored
        done = cli(*words)
        assert done.returncode == 1
        assert "node 'one': writes 'one.txt', as node 'first' does" in done.stderr
        assert (cli.folder / "out/g/One.txt").read_text() == "3"
