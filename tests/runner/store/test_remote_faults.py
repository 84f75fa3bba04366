"""A remote cache that is slow, dies, is full, or may not be used: the run goes on without it."""

import os
import signal
import subprocess
import sys
import time

import pytest
from object_store import get, put
from s3_server import SECRET

from artgraph.runner.store import availability, remote, remote_files, uploads
from artgraph.runner.store.deadlines import Deadlines

DATA = b"some bytes" * 100


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Pauses that a test can wait for."""
    monkeypatch.setattr(uploads, "_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(remote, "_SLOW_SECONDS", 60.0)


def test_a_call_without_progress_is_given_up_and_one_with_progress_is_not():
    calls = Deadlines()

    def steps(beat, pause):
        for _ in range(4):
            time.sleep(pause)
            beat()
        return "done"

    assert calls.call(lambda beat: steps(beat, 0.1), 0.3) == "done"
    with pytest.raises(TimeoutError, match="no answer within 0 s"):
        calls.call(lambda beat: steps(beat, 0.6), 0.2)
    with pytest.raises(ZeroDivisionError):
        calls.call(lambda beat: 1 / 0, 1)


def test_a_slow_remote_does_not_hold_up_what_is_computed(machine, s3):
    s3.proxy.delay = 1.0
    first, messages = machine("first", s3.url)
    start = time.monotonic()
    for number in range(24):
        put(first, number)
    assert time.monotonic() - start < 8, "24 seconds of uploads are done in the background"
    first.close()
    assert len(s3.names("results")) == 24
    assert messages == []


def test_a_remote_without_results_costs_little_time_in_all(machine, s3, monkeypatch):
    first, messages = machine("first", s3.url)
    start = time.monotonic()
    assert get(first, 99) is None  # this connects
    monkeypatch.setattr(availability, "PATIENCE_SECONDS", time.monotonic() - start + 1.5)
    s3.proxy.delay = 0.5
    assert [get(first, number) for number in range(20)] == [None] * 20
    assert 2 <= len(s3.proxy.requests) < 10
    put(first, 1)
    first.close()
    (message,) = messages
    assert "is too slow" in message
    assert len(s3.names("results")) == 1, "it still receives results"


def test_uploads_that_do_not_end_in_time_are_left_to_the_next_run(machine, s3, monkeypatch):
    monkeypatch.setattr(remote, "_LEAST_WAIT", 0.5)
    s3.proxy.delay = 3.0
    first, messages = machine("first", s3.url)
    start = time.monotonic()
    put(first, 1)
    first.close()
    assert time.monotonic() - start < 2.5
    (message,) = messages
    assert "is slow: 1 upload did not end in time and is only in the local cache" in message
    s3.proxy.delay = 0.0
    again, _ = machine("first", s3.url)
    assert get(again, 1) == 1
    monkeypatch.setattr(remote, "_LEAST_WAIT", 60.0)
    again.close()
    assert len(s3.names("results")) == 1


def test_the_uploads_that_wait_are_bounded(machine, s3, monkeypatch):
    monkeypatch.setattr(uploads, "_MOST_BYTES", 4_000)
    s3.proxy.delay = 0.5
    first, messages = machine("first", s3.url)
    for number in range(50):
        put(first, number)
    first.close()
    (message,) = messages
    assert "did not end in time and are only in the local cache" in message
    assert 0 < len(s3.names("results")) < 20


@pytest.mark.parametrize("how", ["cut", "gone", "silent"])
def test_a_remote_that_dies_costs_one_warning(machine, s3, how, monkeypatch):
    data = os.urandom(1 << 20) * 24
    first, messages = machine("first", s3.url)
    put(first, 1)
    while not s3.names("results"):
        time.sleep(0.02)
    if how == "cut":
        s3.proxy.cut = 5 << 20  # in the middle of each part
    elif how == "gone":
        s3.proxy.stop()
    else:
        s3.proxy.silent = True
        monkeypatch.setattr(remote_files, "SECONDS", 1.0)
    put(first, 2, data)
    assert get(first, 3) is None
    first.close()
    (message,) = messages
    assert "does not work now (" in message
    assert "only in the local cache - the next run with this address uploads them" in message
    assert "\n" not in message
    assert SECRET not in message
    assert len(s3.names()) == 1, "nobody sees a part of a result"
    if how == "gone":
        s3.proxy.start()
    s3.proxy.cut, s3.proxy.silent = None, False
    monkeypatch.setattr(remote_files, "SECONDS", 30.0)
    again, messages = machine("first", s3.url)
    assert get(again, 2) == data
    again.close()
    second, _ = machine("second", s3.url)
    assert get(second, 2) == data
    assert messages == []


def test_it_is_tried_again_after_a_while(machine, s3, monkeypatch):
    monkeypatch.setattr(availability, "RETRY_SECONDS", 0.3)
    first, messages = machine("first", s3.url)
    s3.proxy.stop()
    put(first, 1)
    while not messages:
        time.sleep(0.02)
    s3.proxy.start()
    while not s3.names("results"):
        time.sleep(0.05)
    put(first, 2)
    first.close()
    assert len(s3.names("results")) == 2
    assert len(messages) == 1


def test_a_bucket_that_does_not_exist_is_reported_at_once(machine, s3):
    first, messages = machine("first", s3.url.replace("bucket", "nobucket"))
    assert get(first, 1) is None
    put(first, 1)
    first.close()
    (message,) = messages
    assert "can't be used (The specified bucket does not exist)" in message
    assert len(s3.proxy.requests) == 1, "it is not tried again"


def test_without_credentials_one_line_says_so(machine, s3, monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    first, messages = machine("first", s3.url)
    assert get(first, 1) is None
    (message,) = messages
    assert "redentials" in message


FULL = """
import resource, sys
from pathlib import Path
from artgraph.runner.store.remote import Remote
from artgraph.runner.store.schema import ResultRow
remote = Remote(sys.argv[1], print)
if sys.argv[3] == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
row = ResultRow("ab" * 16, "test", "{}", "{}", 1.0)
remote.put(row, {"cd" * 16: Path(sys.argv[2])}, lambda: print("done", flush=True))
remote.close()
print("closed")
"""


def upload(share, blob, *words):
    command = [sys.executable, "-c", FULL, str(share), str(blob), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_full_disk_leaves_nothing_behind_and_is_reported(tmp_path):
    (tmp_path / "blob").write_bytes(os.urandom(1 << 20) * 20)
    process = upload(tmp_path / "share", tmp_path / "blob", "full")
    lines = process.communicate()[0].splitlines()
    assert process.returncode == 0
    assert "can't be written ([Errno 27] File too large): it is only read" in lines[0]
    assert "free space with `artgraph cache gc --remote" in lines[0]
    assert lines[1:] == ["closed"]
    assert [path for path in (tmp_path / "share").rglob("*") if path.is_file()] == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_killed_in_mid_upload_nobody_sees_a_part(s3, tmp_path, machine):
    (tmp_path / "blob").write_bytes(os.urandom(1 << 20) * 30)
    s3.proxy.delay = 0.3
    process = upload(s3.url, tmp_path / "blob", "")
    while sum("partNumber" in request for request in s3.proxy.requests) < 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert s3.names() == []
    second, messages = machine("second", s3.url)
    assert second.lookup("ab" * 16) is None
    assert messages == []


def test_a_read_only_remote_is_read(machine, s3):
    first, _ = machine("first", s3.url)
    put(first, 1, DATA)
    first.close()
    s3.proxy.denied = {"PUT", "POST"}
    second, messages = machine("second", s3.url)
    assert get(second, 1) == DATA
    put(second, 2)
    second.close()
    (message,) = messages
    assert "can't be written (Access Denied): it is only read" in message
    assert len(s3.names("results")) == 1


def test_a_remote_that_may_not_be_used_is_reported_once(machine, s3):
    s3.proxy.denied = {"PUT", "POST", "GET", "HEAD"}
    first, messages = machine("first", s3.url)
    assert [get(first, number) for number in range(3)] == [None] * 3
    put(first, 1)
    first.close()
    (message,) = messages
    assert "can't be used (Access Denied)" in message
    assert SECRET not in message


@pytest.mark.skipif(sys.platform != "linux", reason="no folder in which root may not write")
def test_a_share_that_may_only_be_read_is_read(machine):
    first, messages = machine("first", "/sys/kernel/artgraph")
    assert get(first, 1) is None
    put(first, 1)
    first.close()
    (message,) = messages
    assert "can't be written ([Errno 1] Operation not permitted" in message
