"""States of trainings in the remote cache: another machine resumes what the first one began."""

import json
import time

import pytest
import torch

from artgraph.runner.store import remote_training
from artgraph.runner.store.remote import Remote
from artgraph.runner.store.store import Store

TRAINING = "ab" * 16


@pytest.fixture
def machine(tmp_path):
    """Opens the cache of a machine, beside the remote one that all share."""
    stores = []

    def opened(name):
        messages = []
        remote = Remote(str(tmp_path / "remote"), messages.append)
        store = Store(tmp_path / name, remote=remote)
        stores.append(store)
        return store, messages

    yield opened
    for store in stores:
        store.close()


def state(step):
    return {"weights": torch.full((50,), float(step))}


def checkpoint(store, total=100):
    found = store.checkpoint(TRAINING, total)
    found.fetch()
    return found


def resumed(machine, name, total=100):
    """Returns the step and the state from which another machine resumes."""
    found = checkpoint(machine(name)[0], total).load(total)
    return found and (found[0], float(found[1]["weights"][0]))


def test_another_machine_resumes_the_training_and_has_its_kept_steps(machine):
    first, messages = machine("first")
    training = checkpoint(first)
    for step in (10, 20):
        training.keep(step, state(step), beside=[10])
        training.save(step, state(step))
    training.keep(30, state(30), beside=[20])
    first.close()
    assert messages == []
    second = checkpoint(machine("second")[0])
    assert second.longest(100) == 20
    assert second.kept() == [20], "a resumed training has the weights of step 30 again"
    assert float(second.load_kept(20)["weights"][0]) == 20
    assert messages == []


def test_the_last_state_is_uploaded_at_the_end_if_it_was_not_due(machine):
    first, _ = machine("first")
    training = checkpoint(first)
    for step in (10, 20, 30):
        training.save(step, state(step))
    first.close()
    assert resumed(machine, "second") == (30, 30.0)


def test_a_machine_that_disconnects_loses_what_was_not_due(machine, tmp_path, monkeypatch):
    first, _ = machine("first")
    training = checkpoint(first)
    for step in (10, 20):
        training.save(step, state(step))
    remote = tmp_path / "remote"
    while not [*remote.rglob("stored.json")]:
        time.sleep(0.01)
    assert resumed(machine, "second") == (10, 10.0)
    monkeypatch.setattr(remote_training, "UPLOAD_SECONDS", 0.0)
    training.save(30, state(30))
    first.close()
    (name,) = (file.name for file in remote.rglob("state_*"))
    assert name.startswith("state_30_"), "what it replaces is deleted"
    assert resumed(machine, "third") == (30, 30.0)


@pytest.mark.parametrize("damage", ["flip", "cut", "delete", "list", "roles"])
def test_damage_costs_that_state_only(machine, tmp_path, damage):
    first, _ = machine("first")
    training = checkpoint(first, total=20)
    training.save(20, state(20))
    longer = checkpoint(first, total=60)
    longer.save(60, state(60))
    first.close()
    (file,) = (tmp_path / "remote").rglob("end_60_*.safetensors")
    (entries,) = (tmp_path / "remote").rglob("stored.json")
    data = bytearray(file.read_bytes())
    if damage == "flip":
        data[-1] ^= 1
    if damage == "delete":
        file.unlink()
    elif damage == "roles":  # such as one that names a file elsewhere
        entries.write_text(entries.read_text().replace('"end"', '"../end"'))
    elif damage == "list":
        entries.write_text(entries.read_text()[:-5])
    else:
        file.write_bytes(data[:-1] if damage == "cut" else data)
    expected = None if damage in ("list", "roles") else (20, 20.0)
    assert resumed(machine, "second") == expected


def test_force_begins_again_for_all_machines(machine):
    first, _ = machine("first")
    training = checkpoint(first)
    training.save(50, state(50))
    training.clear()
    training.save(10, state(10))
    first.close()
    assert resumed(machine, "second") == (10, 10.0)


def test_force_deletes_the_files(machine, tmp_path):
    first, _ = machine("first")
    training = checkpoint(first, total=50)
    training.keep(10, state(10), beside=[])
    training.save(50, state(50))
    training.clear()
    first.close()
    assert [file.name for file in (tmp_path / "remote").rglob("*.safetensors")] == []


def test_a_shorter_training_does_not_use_a_longer_state(machine):
    first, _ = machine("first")
    checkpoint(first, total=60).save(60, state(60))
    first.close()
    assert resumed(machine, "second", total=40) is None


GRAPH = """
artgraph: 1
nodes:
  art: {node: procedural_art, with: {count: 32, size: 32}}
  gan: {node: train_gan, from: {dataset: art}, with: {method: r3, steps: 2, batch: 4}}
"""


def test_a_longer_training_resumes_on_another_machine(cli, tmp_path):
    cli.write("g.yaml", GRAPH)

    def run(*words):
        done = cli("run", "g.yaml", "--json", *words)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    remote = ("--cache-remote", str(tmp_path / "remote"))
    run(*remote)
    events = run(*remote, "--cache", "other", "--set", "gan.steps=3")
    (begun,) = [e for e in events if e["event"] == "started" and e["node"] == "gan"]
    assert begun["step"] == 2
    whole = run("--cache", "alone", "--set", "gan.steps=3")

    def digests(events):
        return [e["outputs"] for e in events if e["event"] == "finished" and e["node"] == "gan"]

    assert digests(events) == digests(whole)
