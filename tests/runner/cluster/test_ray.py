"""Runs on a Ray cluster: three nodes of it on this machine, each with one core."""

import json
import signal
import threading
from pathlib import Path

import pytest
from clusters import PACK, chain, steps_of, wait_for
from sharding import write_shards
from small_graphs import GRAPHS, small

from artgraph.contract.errors import CacheError
from artgraph.runner.run.events import Failed, Logged, Previewed, Progressed
from artgraph.runner.run.execute import Run

LOST = ("machine was lost", "process was killed")  # Ray may notice either of them first
TRAINING = """
artgraph: 1
nodes:
  t: {{node: {node}, with: {{steps: {steps}, pause: {pause}}}}}
  s: {{node: save_table, from: {{table: t}}}}
"""


def test_a_chain_is_one_task_and_cached_nodes_none(runner, cluster):
    digests, end = runner(chain(1000), cluster)
    assert (end.status, end.ran, cluster.tasks) == ("done", 1000, 1)
    assert digests == runner(chain(1000), cache="other")[0]
    again, end = runner(chain(1000), cluster)
    assert (again, end.cached, cluster.tasks) == (digests, 1000, 1)


def test_an_input_that_stays_the_same_starts_no_task(runner, cluster):
    text = """
artgraph: 1
nodes:
  p: {{node: parity, with: {{value: {value}}}}}
  n: {{node: slow_training, from: {{seed: p}}}}
"""
    runner(text.format(value=2), cluster)
    assert cluster.tasks == 2
    _, end = runner(text.format(value=4), cluster)
    assert (end.ran, end.cached, cluster.tasks) == (1, 1, 3)


def test_style_remix_has_the_digests_of_a_local_run(runner, cluster):
    path = next(path for path in GRAPHS if path.stem == "style_remix")
    nodes = ("styles", "accuracy", "repaints")
    settings = list(small(path))
    here, _ = runner(path, only=nodes, settings=settings)
    files = {p.name for p in (runner.folder / "out" / "cache").glob("*.png")}
    there, end = runner(path, cluster, nodes, cache="other", settings=settings)
    assert (end.status, there) == ("done", here)
    assert {p.name for p in (runner.folder / "out" / "other_ray").glob("*.png")} == files != set()


def test_a_failing_node_fails_as_it_does_locally(runner, cluster):
    text = """
artgraph: 1
nodes:
  ok: {node: math, with: {a: 1}}
  bad: {node: math, from: {a: ok}, with: {b: 0, op: divide}}
  after: {node: math, from: {a: bad}}
  beside: {node: math, from: {a: ok}, with: {b: 5}}
  bug: {node: failing, with: {how: bug}}
  full: {node: failing, with: {how: memory}}
"""
    outcomes = []
    for where in (None, cluster):
        digests, end = runner(text, where, cache=f"{where is None}")
        failed = {
            e.node: (e.message.split(" the details ")[0], e.because) for e in runner.of(Failed)
        }
        outcomes.append((digests, failed, end.status, end.ran, end.failed, runner.run.exit_code))
    assert outcomes[0] == outcomes[1]
    assert {"bad", "after", "bug", "full"} == outcomes[0][1].keys()
    notes = (runner.folder / "out" / "False_ray" / "failure.txt").read_text()
    assert "on the machine" in notes
    assert "a bug" in notes


def test_previews_progress_and_cancellation_in_mid_training(runner, cluster, machines):
    text = TRAINING.format(node="slow_training", steps=150, pause=0.02)
    job = runner.job(text, cluster)
    run = Run(job)
    timer = threading.Thread(
        target=lambda: (wait_for(lambda: len(steps_of(machines.notes)) > 30), run.cancel())
    )
    timer.start()
    end = run.execute()
    timer.join()
    job.store.close()
    last = steps_of(machines.notes)[-1]
    assert (end.status, run.exit_code) == ("interrupted", 130)
    assert last < 100
    assert runner.of(Progressed)
    pictures = [Path(event.path) for event in runner.of(Previewed)]
    assert pictures
    assert pictures[0].is_relative_to(job.publisher.folder)
    assert pictures[0].read_bytes().startswith(b"\x89PNG")
    digests, end = runner(text, cluster)
    assert (end.status, end.extended) == ("done", 1)
    assert digests == runner(text.replace("0.02", "0.0"), cache="other")[0]


def test_a_machine_that_dies_in_mid_training(runner, cluster, machines):
    machine = machines.add_node(num_cpus=2)
    text = TRAINING.format(node="big_training", steps=120, pause=0.02)
    ends = []
    running = threading.Thread(target=lambda: ends.append(runner(text, cluster)))
    running.start()
    wait_for(lambda: len(steps_of(machines.notes)) > 40)
    machines.remove_node(machine, allow_graceful=False)
    done = len(steps_of(machines.notes))
    other = machines.add_node(num_cpus=2)  # here, since Ray's own code needs the main thread
    running.join(120)
    ((digests, end),) = ends
    assert end.status == "done"
    (line,) = [event.message for event in runner.of(Logged) if "again" in event.message]
    assert line in [f"its {what}; it runs again (1 of 3)" for what in LOST]
    assert 10 < steps_of(machines.notes)[done] <= done
    assert digests == runner(text.replace("0.02", "0.0"), cache="other")[0]
    machines.remove_node(other)


def test_a_worker_that_is_killed_each_time(runner, cluster, machines):
    text = "{artgraph: 1, nodes: {k: {node: kills}, ok: {node: noted, with: {value: 1}}}}"
    digests, end = runner(text, cluster)
    assert (end.status, runner.run.exit_code, list(digests)) == ("failed", 1, ["ok"])
    (failed,) = runner.of(Failed)
    assert failed.what == "its process was killed, 4 times"
    assert "\n" not in failed.message


def test_a_machine_without_memory(runner, cluster, machines):
    full = {"RAY_memory_usage_threshold": "0.01", "RAY_memory_monitor_refresh_ms": "100"}
    machine = machines.add_node(num_cpus=2, env_vars=full)
    _, end = runner(TRAINING.format(node="big_training", steps=500, pause=0.02), cluster)
    assert (end.status, runner.run.exit_code) == ("failed", 1)
    failed = next(event for event in runner.of(Failed) if event.node == "t")
    assert failed.what == "out of memory on a machine of the cluster"
    machines.remove_node(machine)


def test_machines_that_only_share_a_remote_cache(runner, cluster, machines):
    remote = f"file://{runner.folder}/far"
    cluster.remote = remote
    text = """
artgraph: 1
nodes:
  t: {node: slow_training}
  grey: {node: grey}
  large: {node: resize_image, from: {image: grey}, with: {width: 64, height: 64}}
  save: {node: save_image, from: {image: large}}
"""
    digests, end = runner(text, cluster, remote=remote)
    assert (end.status, end.ran) == ("done", 4)
    assert (machines.own / "index.sqlite").exists()
    assert digests == runner(text, cache="other")[0]
    tasks = cluster.tasks
    again, end = runner(text, cluster, remote=remote)
    assert (again, end.cached, cluster.tasks) == (digests, 4, tasks)


def test_a_remote_cache_that_can_not_be_used(runner, cluster):
    cluster.remote = "file:///proc/artgraph"
    with pytest.raises(CacheError, match=r"can't use the remote cache file:///proc.*network"):
        runner("{artgraph: 1, nodes: {n: {node: noted, with: {value: 7}}}}", cluster)
    assert runner.run.record.results == {}


def test_a_driver_that_is_killed_loses_nothing_that_was_finished(cli, machines):
    text = """
artgraph: 1
nodes:
  n: {node: noted, with: {value: 3}}
  t: {node: slow_training, from: {seed: n}, with: {steps: 150, pause: 0.02}}
  s: {node: save_table, from: {table: t}}
"""
    cli.write("g.yaml", text)
    words = ["run", "g.yaml", "--pack", PACK, "--json", "--device", "cpu", "--executor", "ray"]
    words += ["--ray-address", machines.address]
    machines.notes.unlink(missing_ok=True)
    process = cli.start(*words)
    wait_for(lambda: len(steps_of(machines.notes)) > 40)
    process.kill()
    process.communicate()
    done = cli(*words)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    last = events[-1]
    assert (last["cached"], last["extended"], last["ran"]) == (1, 1, 1)
    (started,) = [e for e in events if e["event"] == "started" and e["node"] == "t"]
    assert started["step"] > 10


def test_ctrl_c_stops_within_a_step(cli, machines):
    cli.write("g.yaml", TRAINING.format(node="slow_training", steps=900, pause=0.05))
    machines.notes.unlink(missing_ok=True)
    words = ["run", "g.yaml", "--pack", PACK, "--device", "cpu", "--executor", "ray"]
    process = cli.start(*words, "--ray-address", machines.address)
    wait_for(lambda: len(steps_of(machines.notes)) > 5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors.count("\n")) == (130, 1), errors


def test_a_training_reads_shards_on_another_machine(runner, cluster):
    write_shards(runner.folder / "d", 2, 20, size=(32, 32))
    text = """
artgraph: 1
nodes:
  pictures: {node: stream_dataset, with: {shards: d, size: 32}}
  trained:
    node: train_classifier
    from: {dataset: pictures}
    with: {steps: 2, batch: 8, method: classic}
"""
    here, _ = runner(text)
    there, end = runner(text, cluster, cache="other")
    assert (end.status, there, cluster.tasks) == ("done", here, 1)
