"""The store's keeping: pins, collection by itself, and a second level that machines share."""

import json
import shutil

import pytest

from artgraph.runner.store.collection import results
from artgraph.runner.store.store import Store

GRAPH = """
artgraph: 1
knobs: {level: 0.5}
nodes:
  g: {node: grey, from: {level: knobs.level}, with: {count: 500}}
  m: {node: mean, from: {image: g}}
"""


@pytest.fixture
def run(cli, pack):
    cli.write("g.yaml", GRAPH)

    def call(*words, **environment):
        done = cli("run", "g.yaml", "--pack", pack, "--json", *words, **environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]), done.stderr

    return call


def stored(cli, node):
    store = Store(cli.folder / "cache")
    count = sum(entry.node == node for entry in results(store.index))
    store.close()
    return count


def test_what_a_kept_run_names_is_pinned(cli, run):
    run("--out", "kept", "--set", "knobs.level=0")
    run("--set", "knobs.level=1")
    shutil.rmtree(cli.folder / "out")
    lines = cli("cache", "ls", "--json").stdout.splitlines()
    assert sorted(json.loads(line)["pinned"] for line in lines) == [False, False, True, True]
    assert cli("cache", "gc", "--max-size", "0").stdout.startswith("deleted 1 result and")
    assert run("--out", "kept", "--set", "knobs.level=0")[0]["cached"] == 2
    assert cli("cache", "gc", "--max-size", "0", "--no-pins").returncode == 0
    assert stored(cli, "grey") == 0


def test_the_cache_keeps_within_its_budget(cli, run):
    for level in range(3, 10):
        run("--set", f"knobs.level=0.{level}", ARTGRAPH_CACHE_MAX="300KB")  # 96 kB each
        shutil.rmtree(cli.folder / "out")
    assert 2 <= stored(cli, "grey") <= 4
    assert run("--set", "knobs.level=0.9")[0]["cached"] == 2, "the newest stays"
    done = cli("cache", "info", ARTGRAPH_CACHE_MAX="lots")
    assert done.returncode == 2
    assert done.stderr.startswith("ARTGRAPH_CACHE_MAX=lots: not a size")


def test_a_folder_without_a_cache_is_told(cli):
    done = cli("cache", "gc", "--cache", "cahce")
    assert done.returncode == 4
    assert done.stderr == "there is no cache in cahce - choose its folder with --cache\n"
    assert not (cli.folder / "cahce").exists()


def test_the_plan_knows_what_other_machines_made(cli, pack, run, tmp_path):
    remote = f"file://{tmp_path}/remote"
    run("--cache-remote", remote)
    words = ["plan", "g.yaml", "--pack", pack, "--json", "--cache", "other"]
    done = cli(*words, "--cache-remote", remote)
    assert [row["action"] for row in json.loads(done.stdout)] == ["cached", "cached"]


COUNTED = """
from fsspec import register_implementation
from fsspec.implementations.memory import MemoryFileSystem

class Counted(MemoryFileSystem):
    protocol = "counted"
    def cat_file(self, path, **options):
        with open("asked", "a") as file:
            file.write(path.rsplit("/", 1)[1] + "\\n")
        return super().cat_file(path, **options)

register_implementation("counted", Counted)
"""


def test_a_remote_is_asked_once_for_each_result(cli, run):
    cli.write("counted.py", COUNTED)
    assert run("--pack", "counted.py", "--cache-remote", "counted://x")[0]["ran"] == 2
    asked = (cli.folder / "asked").read_text().split()
    assert len(asked) == len(set(asked)) == 2


def test_machines_share_a_remote_cache(cli, run, tmp_path):
    remote = f"file://{tmp_path}/remote"
    run("--cache-remote", remote)
    end, warnings = run("--cache-remote", remote, "--cache", "other")
    assert (end["cached"], warnings) == (2, "")
    assert run("--cache", "other")[0]["cached"] == 2, "what was fetched is here now"


@pytest.mark.parametrize("how", ["flip", "cut", "delete", "record"])
def test_a_damaged_remote_is_a_miss(cli, run, tmp_path, how):
    remote = f"file://{tmp_path}/remote"
    run("--cache-remote", remote)
    (blob,) = (tmp_path / "remote/blobs").glob("*/*")
    data = bytearray(blob.read_bytes())
    if how == "flip":
        data[-1] ^= 1
        blob.write_bytes(data)
    elif how == "cut":
        blob.write_bytes(data[:-1])
    elif how == "delete":
        blob.unlink()
    else:
        for record in (tmp_path / "remote/results").glob("*/*"):
            record.write_text('{"row": [1, 2]}')
    end, _ = run("--cache-remote", remote, "--cache", "other")
    assert end["ran"] >= 1
    assert end["failed"] == 0


def test_a_remote_that_is_down_costs_a_warning(cli, pack, run, tmp_path):
    (tmp_path / "file").write_text("")
    end, warnings = run("--cache-remote", f"file://{tmp_path}/file/below")
    assert end["ran"] == 2
    assert warnings.count("the remote cache") == 1
    end, warnings = run("--cache-remote", "ftp://localhost:1/x", "--cache", "other")
    assert end["ran"] == 2
    assert (
        warnings.count("\n") == warnings.count("the remote cache ftp://localhost:1/x does not") == 1
    )
    done = cli("run", "g.yaml", "--pack", pack, "--cache-remote", "nowhere://x")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_for_the_remote_is_only_created_in_one_that_exists(cli, pack, tmp_path):
    cli.write("g.yaml", GRAPH)
    words = ("run", "g.yaml", "--pack", pack, "--quiet", "--cache-remote")
    for address in (f"{tmp_path}/mnt/share", f"file://{tmp_path}/mnt/share"):
        done = cli(*words, address)
        assert done.returncode == 2
        assert f"there is no folder {tmp_path}/mnt - mount the share" in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "mnt").exists()
    line = f"the folder of the remote cache {tmp_path}/far is new\n"
    assert cli(*words, f"{tmp_path}/far").stderr == line
    assert cli(*words, f"{tmp_path}/far").stderr == ""


def test_a_cluster_needs_its_remote_before_any_work(cli, pack):
    pytest.importorskip("ray")
    cli.write("g.yaml", GRAPH)
    words = ("run", "g.yaml", "--pack", pack, "--device", "cpu", "--executor", "ray")
    done = cli(*words, "--cache-remote", "/proc/x")
    assert done.returncode == 4
    assert done.stderr.startswith("the remote cache /proc/x can't be used: ")
    assert (done.stderr.count("\n"), done.stdout) == (1, "")
