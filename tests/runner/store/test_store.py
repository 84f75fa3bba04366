"""The store: damage, disk full, locks, collecting; and that values come back as they went in."""

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from artgraph.contract.errors import CacheError, NodeError
from artgraph.contract.values.dataset import Dataset
from artgraph.contract.values.files import Files
from artgraph.contract.values.kinds import (
    GanLatent,
    Image,
    Number,
    Table,
    Text,
    VaeLatent,
    socket_of,
)
from artgraph.contract.values.socket import Socket, SocketError
from artgraph.runner.store.collection import (
    checkpoints,
    choose,
    clear,
    evict,
    info,
    results,
    verify,
)
from artgraph.runner.store.keys import Key
from artgraph.runner.store.store import Store


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "cache")
    yield store
    store.close()


def put(store, key, value, kind):
    socket = socket_of(kind)
    return store.put(Key(key * 8, {"node": "test"}), {"out": (socket, value)}, 1.0).outputs["out"]


def samples():
    import torch

    draw = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (3, 8, 8, 3), generator=draw, dtype=torch.uint8)
    return [
        (pictures.float() / 255, Image),
        (Dataset(pictures, torch.tensor([0, 1, 0]), ("a", "ü b"), ("1", "2", "3")), Dataset),
        (GanLatent(torch.randn(2, 5, generator=draw), torch.ones(2, 1)), GanLatent),
        (VaeLatent(torch.randn(2, 1, 2, 2, generator=draw)), VaeLatent),
        (Table({"step": [1, 2], "loss": [0.1, None], "name": ["x", "y"]}), Table),
        (Table({"long": list(range(20_000))}), Table),
        (3, Number),
        (2.5, Number),
        ("a text", Text),
        (Files({"@.png": b"\x00\x01", "empty.txt": b""}), Files),
    ]


def same(one, other):
    import torch

    if isinstance(one, torch.Tensor):
        return torch.equal(one, other) and one.dtype == other.dtype
    if hasattr(one, "__dataclass_fields__"):
        return all(same(v, vars(other)[k]) for k, v in vars(one).items())
    return type(one) is type(other) and one == other


@pytest.mark.parametrize(("value", "kind"), samples(), ids=lambda x: getattr(x, "__name__", ""))
def test_values_come_back(store, value, kind):
    socket = socket_of(kind)
    stored = put(store, "abcd", value, kind)
    store.flush()
    found = store.lookup("abcd" * 8).outputs["out"]
    assert found == stored
    assert same(store.value(socket, found), value)
    assert put(store, "beef", value, kind).digest == stored.digest


def test_a_consumer_changes_only_its_own(store):
    import torch

    stored = put(store, "abcd", VaeLatent(torch.zeros(1, 1, 2, 2)), VaeLatent)
    socket = socket_of(VaeLatent)
    store.value(socket, stored).z.add_(1)
    assert store.value(socket, stored).z.sum() == 0
    assert verify(store.index, store.blobs) == (1, 0)


def test_what_is_no_such_value_is_refused(store):
    import torch

    for value, kind in (
        (torch.zeros(1, 4, 4), Image),
        (torch.zeros(1, 4, 4, 3).double(), Image),
        (torch.full((1, 4, 4, 3), torch.nan), Image),
        (float("inf"), Number),
        (True, Number),
        (Files({"../x": b""}), Files),
        (Files({"a//b": b""}), Files),
        (Files({"con.txt": b""}), Files),
        (Table({"a": [1], "b": []}), Table),
        (Dataset(torch.zeros(1, 4, 4, 3).byte(), torch.tensor([1]), ("a",), ("n",)), Dataset),
        (GanLatent(torch.zeros(1, 2, 3), torch.zeros(1, 1)), GanLatent),
    ):
        with pytest.raises((SocketError, NodeError)):
            put(store, "abcd", value, kind)
    assert info(store.index, store.blobs)["blobs"] == 0


def damage(store, how):
    (path,) = store.folder.glob("blobs/*/*")
    data = bytearray(path.read_bytes())
    if how == "cut":
        path.write_bytes(data[:-3])
    elif how == "flip":
        data[-1] ^= 1
        path.write_bytes(data)
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["cut", "flip", "delete"])
def test_verify_finds_damage(tmp_path, how):
    import torch

    store = Store(tmp_path / "cache")
    put(store, "abcd", torch.zeros(1, 4, 4, 3), Image)
    put(store, "beef", 3, Number)
    store.close()
    damage(store, how)
    warnings = []
    store = Store(tmp_path / "cache", warnings.append)
    assert verify(store.index, store.blobs) == (1, 1)
    assert store.lookup("abcd" * 8) is None
    assert store.lookup("beef" * 8) is not None
    store.close()


@pytest.mark.parametrize("how", ["cut", "delete"])
def test_the_plan_sees_a_blob_that_is_not_whole(cli, pack, how):
    cli.write("g.yaml", "artgraph: 1\nnodes: {g: {node: grey}}\n")
    assert cli("run", "g.yaml", "--pack", pack).returncode == 0
    store = Store(cli.folder / "cache")
    damage(store, how)
    store.close()
    done = cli("plan", "g.yaml", "--pack", pack)
    assert done.stdout == "g  run     its stored result is lost or damaged\n"


GRAPH = "artgraph: 1\nnodes:\n  g: {node: grey}\n  m: {node: mean, from: {image: g}}\n"


@pytest.mark.parametrize("how", ["cut", "flip", "delete"])
def test_a_damaged_blob_is_made_again(cli, pack, how):
    cli.write("g.yaml", GRAPH)
    assert cli("run", "g.yaml", "--pack", pack).returncode == 0
    store = Store(cli.folder / "cache")
    (key,) = [entry.key for entry in results(store.index) if entry.node == "mean"]
    store.forget(key)
    store.close()
    damage(store, how)
    done = cli("run", "g.yaml", "--pack", pack)
    assert done.returncode == 0
    assert "warning: a stored result is lost or damaged; it is computed again" in done.stderr
    assert "2 ran" in done.stdout
    assert "2 reused" in cli("run", "g.yaml", "--pack", pack).stdout


@pytest.mark.parametrize("how", ["cut", "flip", "delete"])
def test_a_damaged_file_is_made_again(cli, pack, how):
    """Files for the output folder, where that is gone and the cache is to give them."""
    cli.write(
        "g.yaml", "artgraph: 1\nnodes: {t: {node: save_text, with: {text: words, name: t}}}\n"
    )
    assert cli("run", "g.yaml", "--pack", pack).returncode == 0
    shutil.rmtree(cli.folder / "out")
    store = Store(cli.folder / "cache")
    damage(store, how)
    store.close()
    done = cli("run", "g.yaml", "--pack", pack)
    assert done.returncode == 0, done.stderr
    assert "warning: a stored result is lost or damaged; it is computed again" in done.stderr
    assert (cli.folder / "out/g/t.txt").read_text() == "words"


def test_a_disk_that_loses_all_ends_the_run(cli, pack):
    cli.write("g.yaml", GRAPH)
    cli.write(
        "forgetful.py",
        "from artgraph.runner.store.blobs import BlobError, Blobs\n"
        "def lost(self, digest):\n    raise BlobError('an error of the disk')\n"
        "Blobs.open = lost\n",
    )
    done = cli("run", "g.yaml", "--pack", pack, "--pack", "forgetful.py")
    assert done.returncode == 4
    assert "has lost the result of 'g' 4 times - check its disk" in done.stderr.splitlines()[-1]


def test_a_damaged_index_is_set_aside(cli, pack):
    cli.write("g.yaml", GRAPH)
    cli("run", "g.yaml", "--pack", pack)
    index = cli.folder / "cache/index.sqlite"
    index.write_bytes(b"no database at all" * 1000)
    done = cli("run", "g.yaml", "--pack", pack)
    assert done.returncode == 0
    assert "the index of the cache is damaged" in done.stderr
    assert list(cli.folder.glob("cache/index.sqlite.damaged-*"))


def test_a_newer_cache_and_one_that_is_no_folder(cli, pack):
    cli.write("g.yaml", GRAPH)
    store = Store(cli.folder / "cache")
    store.close()
    with closing(sqlite3.connect(cli.folder / "cache/index.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 99")
    done = cli("run", "g.yaml", "--pack", pack)
    assert done.returncode == 4
    assert "of format 99, newer than" in done.stderr
    cli.write("file", "")
    done = cli("run", "g.yaml", "--pack", pack, "--cache", "file")
    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 1


def test_a_moved_cache_still_hits(cli, pack):
    cli.write("g.yaml", GRAPH)
    cli("run", "g.yaml", "--pack", pack)
    shutil.move(cli.folder / "cache", cli.folder / "moved")
    assert "2 reused" in cli("run", "g.yaml", "--pack", pack, "--cache", "moved").stdout


def test_a_full_disk(cli, pack):
    """A quota on the size of files stands for the full disk."""
    import resource

    cli.write("g.yaml", GRAPH.replace("{node: grey}", "{node: grey, with: {count: 20000}}"))
    options = cli.options()
    done = subprocess.run(
        cli.command("run", "g.yaml", "--pack", pack),
        **options,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6)),
    )
    assert done.returncode == 4, done.stderr
    assert "can't be written" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list((cli.folder / "cache/tmp").iterdir())
    assert cli("run", "g.yaml", "--pack", pack).returncode == 0


def test_locks_exclude_other_processes(tmp_path):
    store = Store(tmp_path / "cache")
    code = (
        "import sys, pathlib\n"
        "from artgraph.runner.store.store import Store\n"
        "store = Store(pathlib.Path(sys.argv[1]))\n"
        "with store.lock('ab' * 16):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "cache")]
    other = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    waited = []
    threading.Timer(0.3, other.kill).start()  # the system lets go of a killed process's lock
    with store.lock("ab" * 16, lambda: waited.append(1)):
        assert waited
    other.communicate()
    store.close()


def test_collecting_keeps_what_was_used_last(store):
    import torch

    for number, key in enumerate(("aaaa", "bbbb", "cccc")):
        put(store, key, torch.full((1, 64, 64, 3), number / 2), Image)
    store.flush()
    sizes = [entry.size for entry in results(store.index)]
    with store.index.writing() as connection:
        connection.execute("UPDATE results SET used = 1 WHERE key = ?", ("bbbb" * 8,))
    eviction = choose(store.index, store.blobs, sum(sizes) - 1)
    assert store.lookup("bbbb" * 8) is not None, "nothing is deleted yet"
    evict(store.index, store.blobs, eviction)
    assert (len(eviction.entries), eviction.freed) == (1, sizes[0])
    assert store.lookup("bbbb" * 8) is None
    assert store.lookup("aaaa" * 8) is not None
    assert len(clear(store.index, store.blobs)) == 2
    assert info(store.index, store.blobs)["blobs"] == 0


def test_checkpoints_on_the_way_replace_each_other(store):
    import torch

    way = store.checkpoint("f" * 32, 100)
    for step in (10, 20, 100):
        way.save(step, {"w": torch.full((3,), float(step))})
    longer = store.checkpoint("f" * 32, 200)
    longer.save(150, {"w": torch.zeros(3)})
    longer.save(170, {"w": torch.ones(3)})
    assert [entry.key.split()[1] for entry in checkpoints(store.index)] == ["100", "170"]
    assert longer.load(160)[0] == 100
    step, state = longer.load(200)
    assert (step, state["w"].tolist()) == (170, [1, 1, 1])
    assert info(store.index, store.blobs)["blobs"] == 2


def test_kept_weights_are_beside_the_states_of_a_training(store):
    import torch

    training = store.checkpoint("f" * 32, 300)
    for step in (100, 200, 300):
        training.keep(step, {"w": torch.full((3,), step).half()}, [100, 200, 300])
        training.save(step, {"w": torch.full((3,), float(step))})
    assert training.kept() == [100, 200, 300]
    assert training.load_kept(200)["w"].tolist() == [200, 200, 200]
    assert training.load_kept(150) is None
    training.keep(400, {"w": torch.zeros(3)}, [200, 400])
    assert training.kept() == [200, 400]
    assert (training.longest(300), store.checkpoint("e" * 32, 300).kept()) == (300, [])
    listed = [(entry.step, entry.is_kept) for entry in checkpoints(store.index)]
    assert listed == [(200, True), (300, False), (400, True)]
    assert info(store.index, store.blobs)["blobs"] == 3
    training.clear()
    assert training.kept() == []
    assert info(store.index, store.blobs)["blobs"] == 0


def test_kept_weights_are_evicted_before_the_state_and_damaged_ones_are_skipped(tmp_path):
    import torch

    said = []
    with closing(Store(tmp_path / "cache", said.append)) as store:
        training = store.checkpoint("f" * 32, 200)
        training.load(0)  # both count as used at one time
        for step in (100, 200):
            training.keep(step, {"w": torch.full((99,), step)}, [100, 200])
        training.save(200, {"w": torch.ones(99)})
        with store.index.writing() as connection:
            connection.execute("UPDATE trainings SET used = ?", (time.time() + 60,))
        size = info(store.index, store.blobs)["bytes"]
        eviction = choose(store.index, store.blobs, size - 1)
        assert [(entry.step, entry.is_kept) for entry in eviction.entries] == [(100, True)]
        evict(store.index, store.blobs, eviction)
        assert training.kept() == [200]
        (kept,) = [entry for entry in checkpoints(store.index) if entry.is_kept]
        store.blobs.path(next(iter(kept.blobs))).write_bytes(b"x" * kept.size)
        assert verify(store.index, store.blobs) == (1, 1)
        assert training.load_kept(200) is None
        assert training.longest(200) == 200


def test_a_cache_whose_index_can_not_be_opened(tmp_path):
    (tmp_path / "cache" / "index.sqlite").mkdir(parents=True)
    with pytest.raises(CacheError, match="can't be used"):
        Store(tmp_path / "cache")


def test_the_list_tells_whose_states_are_kept(cli, pack):
    cli.write("g.yaml", "artgraph: 1\nnodes: {t: {node: slow_training, with: {steps: 4}}}\n")
    assert cli("run", "g.yaml", "--pack", pack).returncode == 0
    lines = cli("cache", "ls").stdout.splitlines()
    (state,) = [line for line in lines if line.startswith("slow_training, step 4 ")]
    assert " B  created " in state
    assert "used just now" in state
    done = cli("cache", "gc", "--max-size", "0", "--no-pins", "--yes")
    assert "deleted 0 results and 1 checkpoint, freed" in done.stdout


def test_a_value_may_have_tensors_and_bytes_or_neither(tmp_path):
    import torch

    mixed = Socket(
        "mixed",
        "",
        lambda value: (None, {"numbers": value[0], "text": value[1]}),
        lambda _, blob: (blob.tensor("numbers"), blob.raw("text")),
    )
    long = Socket("long", "", lambda value: (value, {}), lambda meta, blob: (meta, blob))
    store = Store(tmp_path)
    for text in (b"abc", b""):
        numbers, again = store.value(mixed, store.put_value(mixed, (torch.arange(3), text)))
        assert (numbers.tolist(), again) == ([0, 1, 2], text)
    stored = store.put_value(long, "x" * 100_000)  # too long for the index
    assert store.value(long, stored) == ("x" * 100_000, None)
    store.close()
