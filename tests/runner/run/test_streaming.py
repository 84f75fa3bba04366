"""Graphs that stream pictures: consent, moved folders, web servers and S3, and what they report."""

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


def test_a_server_that_fails_for_a_moment_and_one_that_sends_only_whole_files(cli):
    write_shards(cli.folder / "d", 2, 20, size=(32, 32))
    digests = []
    for sends_parts in (True, False):
        with served(cli.folder / "d", sends_parts) as server:
            server.failures = 1
            graph(cli, f"{server.address}/s-{{000..001}}.tar")
            done, _ = run(cli, "g.yaml", "--no-cache", "--allow-source", server.address)
            assert server.failures == 0
            digests.append(done["trained"]["outputs"])
    assert digests[0] == digests[1]


def test_a_training_goes_on_after_the_network_failed(cli):
    write_shards(cli.folder / "d", 4, 200, size=(32, 32))
    with served(cli.folder / "d") as server:
        graph(cli, f"{server.address}/s-{{000..003}}.tar", steps=10)
        options = ("--allow-source", server.address)
        run(cli, "g.yaml", *options)
        graph(cli, f"{server.address}/s-{{000..003}}.tar", steps=60)
        server.failures = 1000
        failed = cli("run", "g.yaml", *options)
        assert failed.returncode == 3
        assert "node 'trained': s-00" in failed.stderr
        assert "can't be read: 503" in failed.stderr
        assert "a training continues from its last checkpoint" in failed.stderr
        server.failures = 0
        done, _ = run(cli, "g.yaml", *options)
        assert done["trained"]["action"] == "extend"


def test_shards_in_s3(cli):
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    try:
        folder = write_shards(cli.folder / "d", 2, 20, size=(32, 32))
        put = (
            "import s3fs; fs = s3fs.S3FileSystem(); fs.mkdir('pictures');"
            f"fs.put({str(folder)!r}, 'pictures/set', recursive=True); print(fs.ls('pictures/set'))"
        )
        import subprocess
        import sys

        done = subprocess.run(
            [sys.executable, "-c", put], env=os.environ | keys, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        graph(cli, "s3://pictures/set")
        allowed = ("--allow-source", "s3://pictures")
        first, _ = run(cli, "g.yaml", *allowed, **keys)
        assert first["trained"]["event"] == "finished"
        again, _ = run(cli, "g.yaml", *allowed, **keys)
        assert again["trained"]["event"] == "cached"
        graph(cli, "s3://pictures/nothing")
        missing = cli("run", "g.yaml", *allowed, **keys)
        assert missing.returncode == 3
        assert (
            "'s3://pictures/nothing': it does not exist - check the path or address"
            in missing.stderr
        )
    finally:
        server.stop()
