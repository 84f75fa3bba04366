"""A cache on a network file system: no write-ahead log, a warning, and the same results."""

import errno
import subprocess
import sys

import pytest

from artgraph.contract.values.kinds import Number, socket_of
from artgraph.runner.store import filesystems, locks
from artgraph.runner.store.filesystems import network_file_system
from artgraph.runner.store.keys import Key
from artgraph.runner.store.store import Store

LINE = "36 35 98:0 /all {place} rw,noatime master:1 - {kind} server:/all rw\n"


@pytest.fixture
def mounted(tmp_path, monkeypatch):
    """Say what is mounted: {folder: kind}."""

    def mount(**kinds):
        lines = [LINE.format(place="/", kind="ext4")]
        lines += [
            LINE.format(place=str(tmp_path / name).replace(" ", r"\040"), kind=kind)
            for name, kind in kinds.items()
        ]
        (tmp_path / "mounts").write_text("".join(lines) + "nonsense\n")
        monkeypatch.setattr(filesystems, "MOUNTS", tmp_path / "mounts")
        return tmp_path / "mounts"

    return mount


def test_the_mount_that_counts_is_the_deepest(tmp_path, mounted):
    mounted(a="nfs4", **{"a/local": "xfs", "with space": "fuse.sshfs", "ab": "fuse.gvfsd"})
    for name, kind in {
        "a": "nfs4",
        "a/deep/er": "nfs4",
        "a/local/x": None,
        "with space/y": "fuse.sshfs",
        "ab": None,
        "elsewhere": None,
    }.items():
        assert network_file_system(tmp_path / name) == kind, name
    (tmp_path / "b").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert network_file_system(tmp_path / "link") == "nfs4"


def test_without_the_list_of_mounts_nothing_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(filesystems, "MOUNTS", tmp_path / "nowhere")
    assert network_file_system(tmp_path) is None


def test_no_write_ahead_log_there(tmp_path, mounted):
    warnings = []
    mode = "PRAGMA journal_mode"
    store = Store(tmp_path / "cache", warnings.append)
    assert (store.index.row(mode), warnings) == (("wal",), [])
    store.put(Key("ab" * 16, {"node": "test"}), {"out": (socket_of(Number), 3)}, 1.0)
    store.close()
    mounted(cache="nfs4")
    store = Store(tmp_path / "cache", warnings.append)
    assert store.index.row(mode) == ("truncate",)
    assert store.lookup("ab" * 16).outputs["out"].inline == 3
    assert len(warnings) == 1
    assert "network file system (nfs4)" in warnings[0]
    assert "--cache-remote" in warnings[0]
    store.close()
    assert not list((tmp_path / "cache").glob("index.sqlite-wal"))


RUN = """
import pathlib, sys
from artgraph.runner.store import filesystems
from artgraph.cli import main as cli
filesystems.MOUNTS = pathlib.Path(sys.argv.pop(1))
cli.main()
"""


def test_processes_share_it_and_compute_each_result_once(cli, pack, tmp_path, mounted):
    mounts, notes = mounted(cache="cifs"), tmp_path / "notes"
    nodes = "".join(f"  n{i}: {{node: nap, with: {{name: n{i}, salt: {i}}}}}\n" for i in range(12))
    cli.write("g.yaml", "artgraph: 1\nnodes:\n" + nodes)
    words = [sys.executable, "-c", RUN, str(mounts), "run", "g.yaml", "--pack", str(pack)]
    options = cli.options(NOTES=str(notes))
    running = [subprocess.Popen([*words, "--out", f"o{i}"], **options) for i in range(3)]
    for process in running:
        errors = process.communicate()[1]
        assert process.returncode == 0, errors
        assert "network file system (cifs)" in errors
        assert len(errors.splitlines()) == 1
    assert sorted(notes.read_text().split()) == sorted(f"n{i}" for i in range(12))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows locks otherwise")
def test_where_there_are_no_locks_nobody_waits_for_ever(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "lockf", refuse)
    held = locks.Locks(tmp_path / "locks")
    with held.hold("ab" * 16):
        pass
    held.close()
