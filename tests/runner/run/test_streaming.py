"""Graphs that stream pictures: moved folders, and addresses that the user allows."""

import os
import shutil

import yaml
from runs import run
from sharding import served, write_shards


def graph(cli, shards, steps=4, **widgets):
    nodes = {
        "pictures": {"node": "stream_dataset", "with": {"shards": shards, "size": 32, "buffer": 1}},
        "trained": {
            "node": "train_classifier",
            "from": {"dataset": "pictures"},
            "with": {"steps": steps, "batch": 16, "held_out": 0.0, "method": "classic"},
        },
    }
    cli.write("g.yaml", yaml.safe_dump({"artgraph": 1, "title": "G", "nodes": nodes}))


def test_a_moved_folder_is_the_same_dataset(cli):
    graph(cli, "one/s-{000..001}.tar")
    write_shards(cli.folder / "one", 2, 40, size=(32, 32))
    first, _ = run(cli, "g.yaml")
    assert first["trained"]["event"] == "finished"
    shutil.copytree(cli.folder / "one", cli.folder / "two")
    shutil.rmtree(cli.folder / "one")
    graph(cli, "two", steps=6)
    second, _ = run(cli, "g.yaml")
    assert second["pictures"]["event"] == "cached"
    assert second["trained"]["event"] == "finished"  # it reads the shards where they are now
    os.utime(cli.folder / "two" / "s-000.tar", (1, 1))
    third, _ = run(cli, "g.yaml")
    assert third["pictures"]["event"] == "finished"
    assert third["pictures"]["outputs"] != second["pictures"]["outputs"]


def test_an_address_in_a_graph_needs_the_consent_of_the_user(cli):
    write_shards(cli.folder / "d", 1, 20, size=(32, 32))
    with served(cli.folder / "d") as server:
        address = f"{server.address}/s-000.tar"
        graph(cli, address)
        refused = cli("run", "g.yaml", "--allow-source", server.address + "0")
        assert refused.returncode == 3, refused.stderr
        assert f"the graph wants to read '{address}', which you have not allowed" in refused.stderr
        assert f"allow it with --allow-source {server.address} " in refused.stderr
        assert server.requests == []
        done, _ = run(cli, "g.yaml", "--allow-source", server.address)
        assert done["trained"]["event"] == "finished"
        typed, _ = run(cli, "g.yaml", "--set", f"pictures.shards={address}")
        assert typed["trained"]["event"] == "cached"
