"""The index: a cache of an earlier artgraph, writing and undoing; where the cache is."""

import json
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from artgraph.contract.errors import CacheError
from artgraph.contract.values.files import Files
from artgraph.contract.values.kinds import Number, VaeLatent, socket_of
from artgraph.runner.store import schema
from artgraph.runner.store.collection import checkpoints, results
from artgraph.runner.store.index import Index
from artgraph.runner.store.place import cache_folder, own_cache_folder
from artgraph.runner.store.results import Stored
from artgraph.runner.store.store import Store

# As the first caches of format 2 were made; never to be changed.
EARLIER = """
CREATE TABLE results (
    key TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    parts TEXT NOT NULL,
    outputs TEXT NOT NULL,
    seconds REAL NOT NULL,
    created REAL NOT NULL,
    used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX results_by_node ON results (node, created);
CREATE TABLE checkpoints (
    training TEXT NOT NULL,
    step INTEGER NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    created REAL NOT NULL,
    PRIMARY KEY (training, step)
) WITHOUT ROWID;
CREATE TABLE files (
    path TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    digest TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE runs (manifest TEXT PRIMARY KEY, finished REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 2;
"""
NUMBER, MODEL, TRAINING = "a1" * 16, "b2" * 16, "c3" * 16


def blob(folder, name, data):
    """Write a blob as safetensors has it: one float32 tensor of one number."""
    from blake3 import blake3

    facts = {"__metadata__": {"meta": "null"}}
    facts[name] = {"dtype": "F32", "shape": [1, 1, 1, 1], "data_offsets": [0, 4]}
    header = json.dumps(facts, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    whole = len(header).to_bytes(8, "little") + header + data
    digest = blake3(whole).hexdigest(16)
    path = folder / "blobs" / digest[:2] / f"{digest}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(whole)
    return digest, len(whole)


def test_an_earlier_cache_is_still_valid(tmp_path):
    latent, state = blob(tmp_path, "z", b"\0\0\x80?"), blob(tmp_path, "weight", b"\0\0\0@")
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as connection:
        connection.executescript(EARLIER)
        for key, outputs in (
            (NUMBER, {"number": ["d" * 32, None, 7], "": ["", None, ["a warning"]]}),
            (MODEL, {"latent": [*latent, None]}),
        ):
            parts = json.dumps({"node": "old", "version": 1})
            row = (key, "old", parts, json.dumps(outputs), 1.5, 100.0, 200.0)
            connection.execute("INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        row = (TRAINING, 20, *state, 1, 100.0)
        connection.execute("INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?)", row)
        connection.commit()
    store = Store(tmp_path)
    number, model = store.lookup(NUMBER), store.lookup(MODEL)
    assert store.value(socket_of(Number), number.outputs["number"]) == 7
    assert (number.seconds, number.warnings) == (1.5, ("a warning",))
    assert store.value(socket_of(VaeLatent), model.outputs["latent"]).z.item() == 1
    step, tensors = store.checkpoint(TRAINING, 50).load(50)
    assert (step, tensors["weight"].item()) == (20, 2)
    assert store.latest_parts("old") == [{"node": "old", "version": 1}] * 2
    assert [entry.created for entry in results(store.index)] == [100.0] * 2
    assert [entry.node for entry in checkpoints(store.index)] == ["training"]
    store.close()
    assert list(tmp_path.glob("*.damaged-*")) == []


def tables(connection):
    """Columns by table, without the comments that stand in the statements."""
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return {name: connection.execute(f"PRAGMA table_info({name})").fetchall() for (name,) in names}


def test_the_tables_of_format_2_are_what_they_were(tmp_path):
    assert schema.FORMAT == 2, "a new format: EARLIER and this test are about 2"
    with closing(sqlite3.connect(":memory:")) as then, closing(sqlite3.connect(":memory:")) as now:
        then.executescript(EARLIER)
        now.executescript(schema.TABLES)
        assert tables(now) == tables(then)


def test_a_remote_row_is_a_list_in_the_order_of_the_columns():
    row = schema.ResultRow("k", "n", "p", "o", 1.0)
    assert json.loads(json.dumps({"row": row})) == {"row": ["k", "n", "p", "o", 1.0]}
    columns = [line.split()[0] for line in schema.TABLES.split("(\n")[1].splitlines()[:5]]
    assert list(row._fields) == columns


@pytest.fixture
def index(tmp_path):
    index = Index(tmp_path / "index.sqlite")
    yield index
    index.close()


def test_an_error_undoes_all_that_was_written(index):
    def fail():
        with index.writing() as connection:
            connection.execute("INSERT INTO facts VALUES ('half', 1)")
            raise ValueError("half done")

    with pytest.raises(ValueError, match="half done"):
        fail()
    with index.writing() as connection:
        connection.execute("INSERT INTO facts VALUES ('whole', 1)")
    assert index.rows("SELECT name FROM facts") == [("whole",)]


def test_what_cannot_be_written_is_one_line(index, tmp_path):
    def write():
        with index.writing() as connection:
            connection.execute("INSERT INTO facts VALUES ('more', zeroblob(100000))")

    (pages,) = index.row("PRAGMA page_count")
    index.row(f"PRAGMA max_page_count = {pages}")  # the disk is full
    with pytest.raises(CacheError) as error:
        write()
    assert str(error.value) == (
        f"the cache {tmp_path} can't be written: database or disk is full - free space with"
        " `artgraph cache gc`, or choose another folder with --cache"
    )
    index.row("PRAGMA max_page_count = 1000000")
    write()


def test_values_without_a_blob_come_back(tmp_path):
    store = Store(tmp_path)
    socket = socket_of(Files)
    stored = store.put_value(socket, Files({}))
    assert stored == Stored(stored.digest, None, [])
    assert store.value(socket, stored) == Files({})
    store.close()


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("ARTGRAPH_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("platform", "place"),
    [
        ("linux", ".cache/artgraph"),
        ("freebsd14", ".cache/artgraph"),
        ("darwin", "Library/Caches/artgraph"),
        ("win32", "AppData/Local/artgraph/Cache"),
    ],
)
def test_the_cache_is_where_the_system_has_such(home, monkeypatch, platform, place):
    assert own_cache_folder(platform) == home / place
    (home / ".cache/artgraph").mkdir(parents=True)
    assert own_cache_folder(platform) == home / ".cache/artgraph", "of an earlier artgraph"
    (home / place).mkdir(parents=True, exist_ok=True)
    assert own_cache_folder(platform) == home / place
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "named"))
    assert own_cache_folder(platform) == home / "named/artgraph"


def test_windows_says_where_local_data_goes(home, monkeypatch):
    monkeypatch.setenv("LOCALAPPDATA", str(home / "local"))
    assert own_cache_folder("win32") == home / "local/artgraph/Cache"


def test_a_cache_that_is_named_comes_first(home, monkeypatch):
    assert cache_folder().is_relative_to(home)
    monkeypatch.setenv("ARTGRAPH_CACHE", "named")
    assert cache_folder() == Path("named")
    assert cache_folder(Path("given")) == Path("given")
    monkeypatch.setenv("ARTGRAPH_CACHE", "")
    assert cache_folder().is_relative_to(home)
    assert list(home.iterdir()) == []


LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_locked_index_names_the_process_that_locked_it(tmp_path):
    path, warned = tmp_path / "index.sqlite", threading.Event()
    lines = []

    def warn(line):
        lines.append(line)
        warned.set()

    with closing(Index(path, warn)) as index:
        words = [sys.executable, "-c", LOCK, str(path)]
        pipe = subprocess.PIPE
        with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as other:
            assert other.stdout.readline() == "locked\n"

            def end_it():
                warned.wait(60)
                other.kill()

            threading.Thread(target=end_it).start()
            with index.writing() as connection:
                connection.execute("INSERT INTO facts VALUES ('x', 1)")
        assert index.row("SELECT value FROM facts WHERE name = 'x'") == (1,)
    (line,) = lines
    assert line.startswith(f"the cache {tmp_path} is locked by ")
    if Path("/proc/locks").exists():
        assert f"process {other.pid} - wait for it, or end process {other.pid}" in line
