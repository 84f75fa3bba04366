"""What must not get lost: processes killed, many at once, full and read-only disks, wrong clocks.

Damaged blobs, a damaged or newer index and a moved cache: test_store.py. Training: killed and
interrupted: test_training_runs.py. Each test here fails where its protection is taken out.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from runs import TREE, last

from artgraph.contract.errors import GraphError, NodeError
from artgraph.contract.values.files import Files
from artgraph.runner.run.publish import Publisher
from artgraph.runner.store import temporary as leftovers
from artgraph.runner.store.blobs import Blobs
from artgraph.runner.store.collection import checkpoints, results, verify
from artgraph.runner.store.store import Store

# A child that has everything imported and forks for each run, so that fifty runs take seconds.
FORKER = """
import os, sys
from artgraph.cli.main import main
from artgraph.contract.registry import load_nodes
load_nodes()
import numpy, artgraph.runner.run.execute, artgraph.cli.progress
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        sys.argv = ["artgraph", *line.split()]
        try:
            main()
        except SystemExit as end:
            os._exit(end.code or 0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


# A tree of numbers and files: inline values, blobs, and files in the output folder.
def run(cli, pack, *words, **environment):
    done = cli("run", "g.yaml", "--pack", pack, "--json", *words, **environment)
    assert done.returncode == 0, done.stderr
    return last(done.stdout)


class Forker:
    """Runs the tree in forks of one process; kills them where asked to."""

    def __init__(self, cli, pack):
        options = cli.options(NOTES=str(cli.folder / "notes")) | {"stdin": subprocess.PIPE}
        self.pack = pack
        self.process = subprocess.Popen([sys.executable, "-c", FORKER], **options)

    def run(self, salt, kill_after=None, kill_when=lambda: True):
        """What the run ended with."""
        words = f"run g.yaml --pack {self.pack} --quiet --set knobs.salt={salt}\n"
        self.process.stdin.write(words)
        self.process.stdin.flush()
        child = int(self.process.stdout.readline())
        if kill_after is not None:
            until = time.monotonic() + 10
            while not kill_when() and time.monotonic() < until:
                time.sleep(0.001)
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return int(self.process.stdout.readline())


def test_fifty_kills_at_random_moments(cli, pack):
    cli.write("g.yaml", TREE)
    chance = random.Random(0)
    forker = Forker(cli, pack)
    kills = salt = 0
    while kills < 50:
        if forker.run(salt, chance.uniform(0, 0.4)) == signal.SIGKILL:
            kills += 1
        else:
            salt += 1  # it got through: another tree
    for number in range(salt + 1):
        assert forker.run(number) == 0
    assert forker.process.communicate()[1] == "", "nobody was warned of anything"

    for number in (0, salt):
        setting = ("--set", f"knobs.salt={number}")
        digests, end = run(cli, pack, *setting)
        assert (end["status"], end["failed"], end["ran"]) == ("done", 0, 0)
        assert digests == run(cli, pack, *setting, "--cache", "other", "--out", "other")[0]
    assert not list((cli.folder / "cache/tmp").iterdir())
    outputs = {path.name for path in (cli.folder / "out/g").iterdir() if path.is_file()}
    assert outputs == {"manifest.json", *(f"f{i}.txt" for i in range(0, 40, 2))}
    store = Store(cli.folder / "cache", warn=pytest.fail)
    assert verify(store.index, store.blobs)[1] == 0
    referenced = {
        d for entry in [*results(store.index), *checkpoints(store.index)] for d in entry.blobs
    }
    assert {digest for digest, _, _ in store.blobs.stored()} == referenced
    store.close()


def test_a_kill_leaves_no_half_file(cli, pack):
    """Killed while 48 MiB are written, to the store and then to the output folder."""
    cli.write(
        "g.yaml",
        "artgraph: 1\nknobs: {salt: 0}\nnodes: {big: {node: big_file, from: {salt: knobs.salt}}}",
    )
    forker = Forker(cli, pack)
    chance = random.Random(0)
    file = cli.folder / "out/g/big.bin"

    def writing(pattern):
        return lambda: any(True for _ in cli.folder.glob(pattern))

    for salt in range(12):
        place = "cache/tmp/.*" if salt % 2 else "out/g/*"
        forker.run(salt, chance.uniform(0, 0.06), writing(place))
        blobs = Blobs(cli.folder / "cache")
        assert all(blobs.is_sound(digest) for digest, _, _ in blobs.stored())
        assert not file.exists() or file.stat().st_size == 48 << 20
        for path in [*cli.folder.glob("cache/blobs/*/*"), *cli.folder.glob("out/g/*")]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    forker.process.communicate()


@pytest.mark.parametrize("count", [2, 8])
def test_many_processes_compute_each_result_once(cli, pack, count):
    cli.write("g.yaml", TREE.replace("0.01", "0.02"))
    notes = cli.folder / "notes"
    words = ["run", "g.yaml", "--pack", pack, "--json"]
    processes = [cli.start(*words, "--out", f"o{i}", NOTES=str(notes)) for i in range(count)]
    said = [process.communicate() for process in processes]
    assert [errors for _, errors in said] == [""] * count
    ends = [last(output) for output, _ in said]
    ran = notes.read_text().split()
    assert sorted(ran) == sorted({f"n{i}" for i in range(40)})
    assert all(digests == ends[0][0] for digests, _ in ends)
    store = Store(cli.folder / "cache")
    assert sum(end["ran"] for _, end in ends) == len(list(results(store.index)))
    store.close()


OPENERS = """
import os, sys
from pathlib import Path
from artgraph.runner.store.store import Store
for number in range(40):
    folder = Path(f"fresh{number}")
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            try:
                Store(folder).close()
            except Exception as error:
                print(error, flush=True)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
"""


def test_many_processes_make_one_cache(cli):
    done = subprocess.run([sys.executable, "-c", OPENERS], **cli.options(), check=True)
    assert done.stdout == ""


@contextlib.contextmanager
def small_disk(folder, size):
    """A disk of its own for `folder`, where this user may mount one."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(words, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip("may not mount here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


IMAGES = "artgraph: 1\nnodes:\n" + "".join(
    f"  g{i}: {{node: grey, with: {{level: 0.{i}, count: 1000}}}}\n"
    f"  m{i}: {{node: mean, from: {{image: g{i}}}}}\n"
    for i in range(1, 9)
)


def test_a_full_disk_in_the_midst_of_blobs(cli, pack):
    cli.write("g.yaml", IMAGES)  # 8 values of 192 kB
    with small_disk(cli.folder / "cache", "1m") as disk:
        done = cli("run", "g.yaml", "--pack", pack, "--json")
        assert done.returncode == 4, done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert "can't be written" in done.stderr
        assert not list((disk / "tmp").iterdir())
        plan = json.loads(cli("plan", "g.yaml", "--pack", pack, "--json").stdout)
        assert "cached" in {row["action"] for row in plan}, "what was finished stays"
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        _, end = run(cli, pack)
        assert end["cached"] >= 2
        assert (end["cached"] + end["ran"], end["failed"]) == (16, 0)


def test_a_full_disk_in_the_midst_of_a_stream(cli, pack):
    """Pictures that are written as they come: what is there of them goes."""
    cli.write(
        "g.yaml",
        "artgraph: 1\nnodes:\n  g: {node: grey, with: {count: 3000}}\n"
        "  p: {node: pick_images, from: {image: g}, with: {start: 1, count: 0}}\n",
    )
    with small_disk(cli.folder / "cache", "1m") as disk:
        done = cli("run", "g.yaml", "--pack", pack, "--quiet")
        assert done.returncode == 4, done.stderr
        assert "can't be written" in done.stderr
        assert not list((disk / "tmp").iterdir())
        assert len(list(disk.glob("blobs/*/*"))) == 1


def test_a_full_disk_under_the_index(cli, pack):
    chain = "".join(
        f"  t{i}: {{node: text, with: {{text: {'x' * 9000}{i}}}}}\n" for i in range(100)
    )
    cli.write("g.yaml", "artgraph: 1\nnodes:\n" + chain)
    with small_disk(cli.folder / "cache", "500k"):
        done = cli("run", "g.yaml", "--pack", pack, "--quiet")
        assert done.returncode == 4, done.stderr
        assert "can't be written" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_cache_on_a_read_only_disk(cli, pack):
    cli.write("g.yaml", IMAGES)
    with small_disk(cli.folder / "cache", "8m") as disk:
        run(cli, pack)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for words in (["run", "g.yaml", "--pack", pack], ["plan", "g.yaml", "--pack", pack]):
            done = cli(*words)
            assert done.returncode == 4, done.stderr
            assert "can't be" in done.stderr
            assert len(done.stderr.splitlines()) == 1
        assert cli("run", "g.yaml", "--pack", pack, "--no-cache", "--quiet").returncode == 0


def test_interrupted_twice_it_stops_at_once(cli, pack):
    nodes = "  a: {node: nap}\n  b: {node: nap, with: {seconds: 60, name: b}, from: {value: a}}\n"
    cli.write("g.yaml", "artgraph: 1\nnodes:\n" + nodes)
    process = cli.start("run", "g.yaml", "--pack", pack, "--json")
    for line in process.stdout:
        if json.loads(line)["event"] == "started" and json.loads(line)["node"] == "b":
            break
    process.send_signal(signal.SIGINT)
    assert "press Ctrl-C again" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert json.loads(output.splitlines()[-1])["status"] == "interrupted"
    assert not errors.strip()
    plan = json.loads(cli("plan", "g.yaml", "--pack", pack, "--json").stdout)
    assert [row["action"] for row in plan] == ["cached", "run"]


def test_a_clock_that_jumps(cli, pack):
    cli.write("g.yaml", TREE)
    year = 365 * 86_400
    first, _ = run(cli, pack, CLOCK=str(10 * year))
    for clock in (0, -20 * year, 5 * year):
        digests, end = run(cli, pack, CLOCK=str(clock))
        assert (digests, end["ran"]) == (first, 0)
    store = Store(cli.folder / "cache")
    ahead = [entry for entry in results(store.index) if entry.used > time.time() + 6 * year]
    store.close()
    assert not ahead, "a use in the far future is put right by the next one"


LEAVER = """
from pathlib import Path
from artgraph.runner.store.temporary import temporary_in
temporary_in(Path("tmp")).write_bytes(b"half")
folder = temporary_in(Path("tmp"))
folder.mkdir()
(folder / ".tmpX").write_bytes(b"half")
"""


def test_what_a_killed_process_left_is_swept_up(cli):
    Blobs(cli.folder)
    subprocess.run([sys.executable, "-c", LEAVER], **cli.options(), check=True)
    assert len(list((cli.folder / "tmp").iterdir())) == 2
    Blobs(cli.folder)
    assert not list((cli.folder / "tmp").iterdir())


def test_a_jump_of_the_clock_takes_no_living_process_its_file(tmp_path, monkeypatch):
    Blobs(tmp_path)
    mine = leftovers.temporary_in(tmp_path / "tmp")
    mine.write_bytes(b"being written")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 10**8)
    Blobs(tmp_path)
    assert mine.exists()


def test_what_can_not_be_written_leaves_nothing_behind(tmp_path):
    file, folder = tmp_path / "new" / "file", tmp_path / "folder"
    leftovers.write_whole(file, b"whole")
    assert file.read_bytes() == b"whole"
    (folder / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"):
        leftovers.write_whole(folder, b"a file can't replace a folder")
    assert {path.name for path in tmp_path.rglob("*")} == {"new", "file", "folder", "inside"}


def test_a_blob_has_its_name_only_when_it_is_whole(tmp_path):
    """So that whatever kills a process, no other one finds half a blob."""
    size = 256 << 20
    write = (
        "import torch; from pathlib import Path; from artgraph.runner.store.blobs import Blobs;"
        f"x = torch.zeros({size}, dtype=torch.uint8);"
        f"Blobs(Path({str(tmp_path)!r})).write({{}}, {{'x': x}})"
    )
    seen, beside = set(), set()
    with subprocess.Popen([sys.executable, "-c", write]) as child:
        while child.poll() is None:
            for blob in (tmp_path / "blobs").glob("*/*"):
                seen.add(blob.stat().st_size)
            beside |= {path.suffix for path in (tmp_path / "tmp").glob("*")}
    assert child.returncode == 0
    assert beside == {".part"}, "what a kill leaves there is swept up"
    assert not list((tmp_path / "tmp").iterdir())
    (whole,) = (blob.stat().st_size for blob in (tmp_path / "blobs").glob("*/*"))
    assert whole > size
    assert seen <= {whole}


@pytest.mark.parametrize("value", [b"bytes", torch.zeros(4)])
def test_a_blob_may_be_read_by_whom_the_umask_lets(tmp_path, value):
    before = os.umask(0o027)
    try:
        blobs = Blobs(tmp_path)
        digest, _ = blobs.write({}, {"x": value})
    finally:
        os.umask(before)
    assert blobs.path(digest).stat().st_mode & 0o777 == 0o640


def test_a_full_disk_under_the_output_folder(tmp_path):
    """The earlier set remains whole; with more space, the run goes on."""

    def publish(text):
        publisher = Publisher(tmp_path / "out/g", "")
        try:
            files = {f"{i}.txt": text.encode() * 8_000 for i in range(10)}
            publisher.publish("a", text, lambda: Files(files))
            publisher.finish({"nodes": {}}, True)
        except NodeError:
            publisher.finish({"nodes": {}}, False)
            raise
        finally:
            publisher.close()

    with small_disk(tmp_path / "out", "128k") as disk:
        publish("1")
        for _ in range(2):
            with pytest.raises(NodeError, match="can't be written: No space left on device"):
                publish("2")
            names = {path.name for path in (disk / "g").iterdir()}
            assert names >= {f"{i}.txt" for i in range(10)}
            assert not (disk / "g/earlier").exists()
            assert (disk / "g/9.txt").read_text() == "1" * 8_000
        subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
        publish("2")
        assert (disk / "g/9.txt").read_text() == "2" * 8_000
        assert (disk / "g/earlier/0001/9.txt").read_text() == "1" * 8_000
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(GraphError, match="is read-only - choose another folder with --out"):
            publish("3")
