"""Results on their way into the index: written soon, and locked until they are."""

import threading
import time

import pytest

from artgraph.contract.values.kinds import Number, socket_of
from artgraph.runner.store import write_behind
from artgraph.runner.store.keys import Key
from artgraph.runner.store.store import Store

KEYS = ["1" * 32, "2" * 32, "3" * 32]


@pytest.fixture
def two(tmp_path):
    """Two stores in one folder, as two processes have them."""
    stores = Store(tmp_path / "cache"), Store(tmp_path / "cache")
    yield stores
    for store in stores:
        store.close()


def compute(store, key, seconds=0.0):
    with store.lock(key):
        return store.put(Key(key, {"node": "test"}), {"out": (socket_of(Number), 1)}, seconds)


def wait_for(condition):
    until = time.monotonic() + 60
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    assert condition()


def test_rows_are_written_soon_though_nothing_follows(two):
    compute(two[0], KEYS[0])
    compute(two[0], KEYS[1])
    wait_for(lambda: two[1].lookup(KEYS[1]) is not None)
    compute(two[0], KEYS[2])
    wait_for(lambda: two[1].lookup(KEYS[2]) is not None)


@pytest.fixture
def idle(monkeypatch):
    """Nothing is written by itself."""
    monkeypatch.setattr(write_behind, "_SECONDS", 1000.0)


def test_what_took_long_is_written_at_once(idle, two):
    compute(two[0], KEYS[0], seconds=1.0)
    assert two[1].lookup(KEYS[0]) is not None


def test_a_key_is_locked_until_its_row_is_written(idle, two):
    compute(two[0], KEYS[0])
    waited = threading.Event()
    found = []

    def other():
        with two[1].lock(KEYS[0], waited.set):
            found.append(two[1].lookup(KEYS[0]))

    thread = threading.Thread(target=other)
    thread.start()
    assert waited.wait(60)
    assert not found
    two[0].flush()
    thread.join(60)
    assert found[0] is not None


def test_who_waits_for_each_other_goes_on(two):
    compute(two[0], KEYS[0])
    compute(two[1], KEYS[1])
    threads = [
        threading.Thread(target=compute, args=(store, key), daemon=True)
        for store, key in zip(two, (KEYS[1], KEYS[0]), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_what_fails_keeps_no_lock(two):
    def fail():
        with two[0].lock(KEYS[0]):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    compute(two[1], KEYS[0])


def test_an_interrupted_writing_is_taken_back(two):
    def interrupted():
        with two[0].index.writing() as connection:
            connection.execute("INSERT INTO facts VALUES ('half', 1)")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    compute(two[0], KEYS[0], seconds=1.0)
    assert two[1].lookup(KEYS[0]) is not None
    assert two[1].index.row("SELECT 1 FROM facts WHERE name = 'half'") is None


def test_writing_ends_a_snapshot(two):
    """A transaction that has read can't write where another process wrote meanwhile."""
    with two[0].reading():
        assert two[0].lookup(KEYS[0]) is None
        compute(two[1], KEYS[0], seconds=1.0)
        assert two[0].lookup(KEYS[0]) is None
        two[0].forget(KEYS[1])
        assert two[0].lookup(KEYS[0]) is not None
