"""What is deleted from a remote cache, and what is not, while other machines use it."""

import json
import os
import time

import pytest
import torch
from object_store import get, put

from artgraph.contract.errors import CacheError
from artgraph.runner.store.remote import DAY
from artgraph.runner.store.remote_collection import choose, contents, evict
from artgraph.runner.store.remote_files import RemoteFiles

SIZE = 3_000
LEFT = f"blobs/ab/{'ab' * 16}.safetensors.{'cd' * 16}.partly"


@pytest.fixture
def share(tmp_path):
    """A folder that machines share."""
    return tmp_path / "share"


def blob(number, size=SIZE):
    return bytes([number]) * size


def fill(machine, share, numbers, name="first"):
    store, messages = machine(name, str(share))
    for number in numbers:
        put(store, number, blob(number))
    store.close()
    assert messages == []


def age(share, days, *, of="*"):
    """Say that files were written so many days ago."""
    then = time.time() - days * DAY
    for path in share.rglob(of):
        if path.is_file():
            os.utime(path, (then, then))


def names(share, kind):
    return sorted(path.name.partition(".")[0] for path in (share / kind).rglob("*.*"))


def collect(share, **limits):
    files = RemoteFiles(str(share))
    eviction = choose(contents(files), **limits)
    return eviction, evict(files, eviction)


def row(share, number):
    return share / "results" / "00" / f"{number:032x}.json"


def test_the_least_recently_used_are_deleted_with_their_blobs(machine, share):
    fill(machine, share, range(1, 6))
    age(share, 3)
    for number in range(1, 6):
        then = time.time() - (10 - number) * DAY
        os.utime(row(share, number), (then, then))
    size = sum(path.stat().st_size for path in share.rglob("*") if path.is_file())
    eviction, used = collect(share, max_bytes=size * 2 // 3)
    assert (len(eviction.entries), used, eviction.young) == (2, 0, [])
    assert eviction.freed >= 2 * SIZE
    assert names(share, "results") == [f"{number:032x}" for number in (3, 4, 5)]
    assert len(names(share, "blobs")) == 3
    reader, messages = machine("reader", str(share))
    assert [get(reader, n) for n in (1, 3, 5)] == [None, blob(3), blob(5)]
    assert messages == []


def test_what_was_not_used_for_long_is_deleted(machine, share):
    fill(machine, share, [1, 2])
    age(share, 40)
    fill(machine, share, [3], "second")
    collect(share, max_age=30 * DAY)
    assert names(share, "results") == [f"{3:032x}"]


def test_a_blob_that_two_results_need_remains(machine, share):
    first, _ = machine("first", str(share))
    put(first, 1, blob(7))
    first.close()
    age(share, 40)
    second, _ = machine("second", str(share))
    put(second, 2, blob(7))
    second.close()
    collect(share, max_age=30 * DAY)
    reader, _ = machine("reader", str(share))
    assert (get(reader, 1), get(reader, 2)) == (None, blob(7))


def test_young_blobs_remain_for_the_results_that_come(machine, share):
    fill(machine, share, [1])
    row(share, 1).unlink()
    eviction, _ = collect(share, max_bytes=0)
    assert len(eviction.young) == len(names(share, "blobs")) == 1
    age(share, 2)
    collect(share, max_bytes=0)
    assert names(share, "blobs") == []


def test_a_large_blob_that_is_used_again_is_young_again(machine, share):
    data = os.urandom(1 << 20) * 9
    first, _ = machine("first", str(share))
    put(first, 1, data)
    first.close()
    age(share, 0.6)
    row(share, 1).unlink()
    second, _ = machine("second", str(share))
    put(second, 2, data)
    second.close()
    (path,) = (share / "blobs").rglob("*.safetensors")
    assert time.time() - path.stat().st_mtime < 600


def test_what_is_used_between_choice_and_deletion_remains(machine, share):
    fill(machine, share, [1, 2])
    age(share, 3)
    files = RemoteFiles(str(share))
    eviction = choose(contents(files), max_bytes=0)
    assert len(eviction.entries) == 2
    fill(machine, share, [1], "second")
    assert evict(files, eviction) >= 1
    reader, messages = machine("reader", str(share))
    assert (get(reader, 1), get(reader, 2), messages) == (blob(1), None, [])


def test_files_that_are_not_ours_are_neither_counted_nor_deleted(machine, share):
    fill(machine, share, [1])
    others = ["notes.txt", "results/notes.txt", "results/00/mine.json", "blobs/ab/x.safetensors"]
    others += ["trainings/ab/photo.png", f"blobs/ab/{'z' * 32}.safetensors", "blobs/x.partly"]
    for name in others:
        (share / name).parent.mkdir(parents=True, exist_ok=True)
        (share / name).write_bytes(b"x" * 10_000)
    (share / LEFT).write_bytes(b"x")
    age(share, 90)
    assert contents(RemoteFiles(str(share))).size < 10_000
    collect(share, max_bytes=0)
    left = {path.relative_to(share).as_posix() for path in share.rglob("*") if path.is_file()}
    assert left == set(others)


def test_leftovers_of_killed_uploads_are_deleted_when_they_are_old(machine, share):
    fill(machine, share, [1])
    (share / LEFT).parent.mkdir(parents=True, exist_ok=True)
    (share / LEFT).write_bytes(b"x")
    collect(share, max_bytes=1 << 30)
    assert (share / LEFT).exists()
    age(share, 2)
    collect(share, max_bytes=1 << 30)
    assert not (share / LEFT).exists()
    assert len(names(share, "results")) == len(names(share, "blobs")) == 1


def test_trainings_are_deleted_last_and_whole(machine, share):
    store, _ = machine("first", str(share))
    training = store.checkpoint("ab" * 16, 20, "test_training")
    training.keep(10, {"w": torch.ones(50)}, beside=[10])
    training.save(20, {"w": torch.ones(60)})
    put(store, 1, blob(1))
    store.close()
    age(share, 5)
    (share / f"trainings/ab/{'ab' * 16}/state_3_{'cd' * 16}.safetensors").write_bytes(b"orphan")
    age(share, 5, of="state_3*")
    found = contents(RemoteFiles(str(share)))
    assert len(found.leftovers) == 1
    eviction = choose(found, max_bytes=0)
    assert [entry.is_trained for entry in eviction.entries] == [False, True]
    assert eviction.entries[1].node == "test_training"
    collect(share, max_bytes=0)
    assert [path for path in share.rglob("*") if path.is_file()] == []


def test_a_damaged_record_is_deleted(machine, share):
    fill(machine, share, [1, 2])
    row(share, 2).write_text("nonsense")
    eviction, _ = collect(share)
    assert [entry.name for entry in eviction.entries] == [f"results/00/{2:032x}.json"]


def test_what_a_newer_artgraph_has_written_is_not_touched(machine, share):
    fill(machine, share, [1])
    record = json.loads(row(share, 1).read_text())
    row(share, 1).write_text(json.dumps({"format": record["format"] + 1, "new": "form"}))
    age(share, 90)
    with pytest.raises(CacheError, match="a newer artgraph has written"):
        collect(share, max_bytes=0)
    reader, _ = machine("reader", str(share))
    assert get(reader, 1) is None
    reader.close()
    assert json.loads(row(share, 1).read_text())["new"] == "form"


def test_an_address_with_nothing_is_an_error(share):
    with pytest.raises(CacheError, match="there is no remote cache at"):
        contents(RemoteFiles(str(share)))


def test_it_works_on_an_s3_server(machine, s3):
    store, _ = machine("first", s3.url)
    for number in (1, 2):
        put(store, number, blob(number))
    store.close()
    s3.put("results/mine.json", b"{}")
    files = RemoteFiles(s3.url)
    eviction = choose(contents(files), max_bytes=0)
    assert (len(eviction.entries), len(eviction.unused), len(eviction.young)) == (2, 0, 2)
    assert evict(files, eviction) == 0
    assert s3.names("results") == ["results/mine.json"]


def test_commands(cli, machine, share):
    fill(machine, share, [1, 2])
    done = cli("cache", "info", "--remote", share)
    assert done.stdout.splitlines()[1] == "2 results and 0 trainings"
    facts = json.loads(cli("cache", "info", "--remote", share, "--json").stdout)
    assert (facts["results"], facts["blobs"], facts["leftovers"]) == (2, 2, 0)
    done = cli("cache", "gc", "--remote", share)
    assert (done.returncode, done.stdout) == (2, "")
    assert "add --max-size, --older-than or both" in done.stderr
    age(share, 40)
    done = cli("cache", "gc", "--remote", share, "--older-than", "30d", "--dry-run")
    assert "would delete 2 results and 0 trainings, and free" in done.stdout
    done = cli("cache", "gc", "--remote", share, "--older-than", "30d")
    assert "deleted 2 results and 0 trainings, freed" in done.stdout
    assert names(share, "results") == names(share, "blobs") == []


def test_a_wrong_bucket_is_an_error_of_one_line(cli, s3):
    done = cli("cache", "gc", "--remote", "s3://nobucket-at-all/x", "--max-size", "1GB")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("the remote cache s3://nobucket-at-all/x can't be used (")
    assert done.stderr.count("\n") == 1
    with pytest.raises(CacheError):
        contents(RemoteFiles("s3://nobucket-at-all/x"))
