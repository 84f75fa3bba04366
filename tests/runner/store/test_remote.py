"""The remote cache on a real S3 server and on a share: what machines see of each other."""

import json
import os
import sqlite3
import sys
import threading
import time
import tracemalloc

import pytest
from object_store import get, key_of, put
from s3_server import SECRET

from artgraph.contract.errors import GraphError
from artgraph.runner.store import remote, store
from artgraph.runner.store.remote_address import shown, without_secrets
from artgraph.runner.store.remote_files import PART, RemoteFiles

DATA = b"some bytes" * 100


@pytest.fixture(params=["s3", "share"])
def url(request, tmp_path):
    """The address of a remote cache: on an S3 server, and a folder."""
    if request.param == "s3":
        return request.getfixturevalue("s3").url
    return str(tmp_path / "share")


def test_what_one_machine_computes_the_others_have(machine, url):
    first, warned = machine("first", url)
    put(first, 1)
    put(first, 2, DATA)
    first.close()
    second, warned_too = machine("second", url)
    assert [get(second, number) for number in (1, 2, 3)] == [1, DATA, None]
    assert (warned, warned_too) == ([], [])


def test_a_hit_costs_one_get_and_one_for_each_blob_and_nothing_is_listed(machine, s3):
    first, _ = machine("first", s3.url)
    put(first, 1)
    put(first, 2, DATA)
    first.close()
    verbs = sorted(request.split()[0] for request in s3.proxy.requests)
    assert verbs == ["PUT"] * 3, "two results and a blob"
    second, _ = machine("second", s3.url)
    for number, gets in ((1, 1), (2, 2), (3, 1), (2, 0)):
        s3.proxy.requests.clear()
        get(second, number)
        assert [request.split()[0] for request in s3.proxy.requests] == ["GET"] * gets, number
        assert not any("list-type" in request for request in s3.proxy.requests)
    second.close()
    assert s3.proxy.requests == [], "nor in the background, after the last hit"


def test_the_number_of_requests_does_not_depend_on_what_is_stored(machine, s3):
    first, _ = machine("first", s3.url)
    for number in range(50):
        put(first, number)
    first.close()
    second, _ = machine("second", s3.url)
    s3.proxy.requests.clear()
    assert get(second, 49) == 49
    assert len(s3.proxy.requests) == 1


def test_large_blobs_travel_in_parts(machine, url):
    data = os.urandom(1 << 20) * 46
    first, _ = machine("first", url)
    put(first, 1, data)
    first.close()
    second, _ = machine("second", url)
    tracemalloc.start()
    found = second.lookup(key_of(1).digest)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found is not None
    assert peak < 5.5 * PART
    assert get(second, 1) == data


@pytest.mark.parametrize("size", [1_000, 9 << 20])
@pytest.mark.parametrize("how", ["flip", "cut", "longer", "delete", "row"])
def test_damage_is_a_miss_that_is_reported_and_replaced(machine, tmp_path, how, size):
    share, data = tmp_path / "share", os.urandom(1_000) * (size // 1_000)
    first, _ = machine("first", str(share))
    put(first, 1, data)
    first.close()
    (blob,), (row,) = (share / "blobs").glob("*/*"), (share / "results").glob("*/*")
    good = blob.read_bytes()
    bad = {"flip": good[:-1] + bytes([good[-1] ^ 1]), "cut": good[:-1], "longer": good + b"?"}
    if how == "delete":
        blob.unlink()
    elif how == "row":
        row.write_bytes(row.read_bytes()[:-9])
    else:
        blob.write_bytes(bad[how])
    second, messages = machine("second", str(share))
    assert get(second, 1) is None
    (message,) = messages
    assert "is damaged or lost - what it contained is computed again" in message
    put(second, 1, data)
    second.close()
    assert blob.read_bytes() == good
    third, messages = machine("third", str(share))
    assert (get(third, 1), messages) == (data, [])


def test_two_machines_that_compute_one_key_leave_one_whole_result(machine, url):
    stores = [machine(f"m{number}", url)[0] for number in range(3)]
    ready = threading.Barrier(3)

    def work(number):
        ready.wait()
        for key in range(5):
            put(stores[number], key, bytes([number]) * 1000)
        stores[number].close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reader, messages = machine("reader", url)
    for key in range(5):
        found = get(reader, key)
        assert found in [bytes([number]) * 1000 for number in range(3)]
    assert messages == []


def test_a_local_result_is_uploaded_when_it_is_used(machine, url, tmp_path):
    alone = store.Store(tmp_path / "first")
    put(alone, 1, DATA)
    alone.close()
    first, _ = machine("first", url)
    assert get(first, 1) == DATA
    first.close()
    second, _ = machine("second", url)
    assert get(second, 1) == DATA


def test_a_local_result_is_looked_up_there_once_a_day(machine, s3, tmp_path):
    for requests in (2, 0):  # at first, the upload of the result
        first, _ = machine("first", s3.url)
        s3.proxy.requests.clear()
        if requests:
            put(first, 1, DATA)
        get(first, 1)
        first.close()
        assert len(s3.proxy.requests) == requests
    connection = sqlite3.connect(tmp_path / "first" / "index.sqlite")
    with connection:
        connection.execute("UPDATE shared SET seen = seen - ?", (store.SHARED_SECONDS,))
    connection.close()
    s3.client.delete_object(Bucket=s3.name, Key=f"shared/{s3.names('results')[0]}")
    first, _ = machine("first", s3.url)
    get(first, 1)
    first.close()
    assert len(s3.names("results")) == 1, "it was collected, and is there again"


def test_what_was_not_used_for_long_counts_as_used_again(machine, s3):
    first, _ = machine("first", s3.url)
    put(first, 1)
    first.close()
    (name,) = s3.names("results")
    row = json.loads(s3.get(name))
    s3.put(name, json.dumps(row | {"stored": row["stored"] - 2 * remote.DAY}).encode())
    second, _ = machine("second", s3.url)
    assert get(second, 1) == 1
    second.close()
    assert time.time() - json.loads(s3.get(name))["stored"] < 60


def test_a_plan_uploads_nothing(machine, s3, tmp_path):
    alone = store.Store(tmp_path / "first")
    put(alone, 1)
    alone.close()
    first, _ = machine("first", s3.url, writes=False)
    assert get(first, 1) == 1
    first.close()
    assert s3.names() == []


def test_secrets_are_not_shown(monkeypatch, s3):
    assert shown("ftp://me:pass@host/x?sig=abc") == "ftp://me:***@host/x?***"
    monkeypatch.setenv("FSSPEC_FTP_PASSWORD", "another-secret")
    text = f"{SECRET} and another-secret in x://me:word@host"
    assert without_secrets(text) == "*** and *** in x://me:***@host"


def test_an_address_with_a_password_is_refused_without_it(cli, pack):
    with pytest.raises(GraphError, match="must not contain a password"):
        RemoteFiles("sftp://me:hidden-word@host/x")
    cli.write("g.yaml", "artgraph: 1\nnodes:\n  a: {node: noted}\n")
    done = cli("run", "g.yaml", "--pack", pack, ARTGRAPH_CACHE_REMOTE="ftp://me:hidden-word@h/x")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "hidden-word" not in done.stderr
    assert "me:***@h/x" in done.stderr


@pytest.mark.parametrize("missing", ["paramiko", "fsspec"])
def test_the_packages_that_an_address_needs_are_named(monkeypatch, missing):
    for name in [name for name in sys.modules if name.startswith("fsspec.implementations.sftp")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(GraphError) as error:
        RemoteFiles("sftp://host/folder")
    assert error.value.advice == "run pip install 'artgraph[remote]' paramiko"
