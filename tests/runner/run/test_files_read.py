"""A result is stored only under the key of the files that the node has really read."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from artgraph.contract.context import Context
from artgraph.contract.errors import InputError, NodeError
from artgraph.contract.spec import NodeSpec
from artgraph.contract.values.kinds import Image as Pictures
from artgraph.contract.values.kinds import Text
from artgraph.contract.values.pictures import PictureBatch
from artgraph.contract.widgets import InputFile, InputFolder
from artgraph.models.training.numerics import Numerics
from artgraph.runner.run.compute import find_or_compute
from artgraph.runner.store.keys import make_key
from artgraph.runner.store.store import Store

ROOT = next(p for p in Path(__file__).parents if (p / "pyproject.toml").is_file())


class Host:
    """A program that runs nodes without inputs, and notes what it is told."""

    def __init__(self):
        self.numerics = Numerics()
        self.lines, self.warnings, self.starts = [], [], 0

    def inputs(self):
        return {}

    def progress(self, done, total, preview=None):
        pass

    def stages(self, stages):
        pass

    def log(self, message):
        self.lines.append(message)

    def warn(self, message):
        self.warnings.append(message)

    label = "a test"

    def waiting(self, holder):
        pass

    def check_cancelled(self):
        pass

    def started(self, step):
        self.starts += 1

    def computed(self):
        pass

    def switches(self):
        return contextlib.nullcontext()


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "cache")
    yield store
    store.close()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("one")
    return path


def compute(store, function, path, host=None):
    """Returns the outcome and the host."""
    spec, host = NodeSpec(function.__name__, "Title", "test", 1, function, False), host or Host()
    widgets = {"path": path}
    key = make_key(spec, widgets, {}, store.fingerprint, Numerics())
    return find_or_compute(spec, widgets, key, store, host), host


def text_of(store, outcome):
    (stored,) = outcome.result.outputs.values()
    return stored.inline


def reading(*changes):
    """A node that reads a file; after each reading, the next of `changes` is called."""
    waiting = list(changes)

    def read(*, path: InputFile) -> Text:
        """Read a text."""
        text = path.read_text()
        if waiting:
            waiting.pop(0)()
        return text

    return read


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(store, path):
    node = reading(lambda: path.write_text("two"))
    outcome, host = compute(store, node, path)
    assert text_of(store, outcome) == "two"
    assert host.starts == 2
    assert host.lines == ["'words.txt' changed while it was read, and is read again"]
    assert outcome.key.parts["widget path"] == store.fingerprint(path)
    path.write_text("one")
    assert text_of(store, compute(store, reading(), path)[0]) == "one", "nothing wrong is stored"


@pytest.mark.skipif(os.name == "nt", reason="ctime is the time of creation there")
def test_a_file_that_is_replaced_and_put_back_is_read_again(store, path):
    status, seen = path.stat(), []

    def node(*, path: InputFile) -> Text:
        """Read a text that another program replaces for a moment, the first time."""
        if not seen:
            path.write_text("two")
        seen.append(path.read_text())
        if len(seen) == 1:
            path.write_text("one")
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        return seen[-1]

    outcome, _ = compute(store, node, path)
    assert seen == ["two", "one"]
    assert text_of(store, outcome) == "one"


def test_a_file_that_changes_each_time_is_an_error(store, path):
    changes = [lambda n=n: path.write_text(f"text {n}") for n in range(5)]
    host = Host()
    with pytest.raises(InputError, match=r"'words.txt' changed each time.*wait until it is comple"):
        compute(store, reading(*changes), path, host)
    assert host.starts == 3
    assert store.index.rows("SELECT * FROM results") == []


def test_a_folder_that_was_filled_since_the_plan_has_the_key_of_what_is_read(store, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()

    def names(*, path: InputFolder) -> Text:
        """Returns the names in a folder."""
        return " ".join(sorted(entry.name for entry in path.iterdir()))

    spec = NodeSpec("names", "Title", "test", 1, names, False)
    key = make_key(spec, {"path": folder}, {}, store.fingerprint, Numerics())
    (folder / "late.txt").write_text("x")
    outcome = find_or_compute(spec, {"path": folder}, key, store, Host())
    assert text_of(store, outcome) == "late.txt"
    assert outcome.key != key
    assert store.lookup(key.digest) is None


def test_an_error_while_a_file_is_written_is_not_the_last_word(store, path):
    def whole(*, path: InputFile) -> Text:
        """Read a text, which must have two lines."""
        text = path.read_text()
        if "\n" not in text:
            if is_written:
                path.write_text("one\ntwo")
            raise NodeError("it is cut off", "copy it again")
        return text

    is_written = True
    assert text_of(store, compute(store, whole, path)[0]) == "one\ntwo"
    is_written = False
    path.write_text("one")
    with pytest.raises(NodeError, match="cut off"):
        compute(store, whole, path)


def test_warnings_are_shown_once_and_are_those_of_the_result(store, path):
    def doubtful(*, path: InputFile, ctx: Context) -> Text:
        """Warn of a text."""
        text = path.read_text()
        ctx.warn(f"the text is {text}")
        if text == "one":
            path.write_text("two")
        return text

    outcome, host = compute(store, doubtful, path)
    assert host.warnings == ["the text is two"]
    assert outcome.result.warnings == ("the text is two",)


def test_what_changes_while_a_batch_is_stored_counts_too(store, path):
    import torch

    def lazy(*, path: InputFile) -> Pictures:
        """Pictures that are read when they are stored."""

        def read(rows):
            level = len(path.read_text()) / 10
            if level < 0.5:
                path.write_text("a longer text"[:5])
            return torch.full((len(rows), 8, 8, 3), level)

        return PictureBatch((8, 8, 3), range(2), read)

    outcome, host = compute(store, lazy, path)
    assert host.starts == 2
    assert outcome.key.parts["widget path"] == store.fingerprint(path)


GRAPH = """
artgraph: 1
nodes:
  art: {node: load_dataset, with: {folder: pictures, size: 8}}
"""


def test_a_plan_counts_what_changed_in_a_folder(cli):
    cli.write("g.yaml", GRAPH)
    folder = cli.folder / "pictures"
    folder.mkdir()

    def save(name, colour):
        Image.new("RGB", (8, 8), colour).save(folder / name)

    def why():
        (row,) = json.loads(cli("plan", "g.yaml", "--json").stdout)
        return row["why"]

    for number in range(5):
        save(f"{number}.png", "red")
    cli("run", "g.yaml")
    assert why() == "its result is stored"
    for name in ("5.png", "6.png"):
        save(name, "blue")
    assert why() == "folder: 2 pictures added"
    (folder / "0.png").unlink()
    for number in (1, 2, 3):
        save(f"{number}.png", "lime")
    assert why() == "folder: 2 pictures added, 1 removed, 3 changed"
    cli("run", "g.yaml")
    (folder / "labels.csv").write_text("a,b")
    assert why() == "folder: no picture was changed, but what is skipped in it has"


def test_a_folder_that_another_process_changes_all_the_time():
    words = [sys.executable, str(ROOT / "benchmarks/changing_folder.py"), "6"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
