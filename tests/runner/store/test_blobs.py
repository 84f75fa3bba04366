"""When a blob's bytes are compared with its digest, and when that is known from before."""

import os
import sys

import pytest
import torch

from artgraph.contract.values.kinds import Image, socket_of
from artgraph.runner.store import blobs
from artgraph.runner.store import digests as checks
from artgraph.runner.store.blobs import BlobError
from artgraph.runner.store.collection import verify
from artgraph.runner.store.keys import Key
from artgraph.runner.store.store import Store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each is read again")


@pytest.fixture
def read(monkeypatch):
    """The files that are digested."""
    paths = []

    def digest(path):
        paths.append(path)
        return checks.file_digest(path)

    monkeypatch.setattr(blobs, "file_digest", digest)
    return paths


@pytest.fixture
def large(tmp_path):
    """A stored picture of 3 MB, as another process left it: the cache's folder, digest, path."""
    store = Store(tmp_path / "cache")
    value = {"out": (socket_of(Image), torch.rand(1, 1000, 1000, 3))}
    digest = store.put(Key("ab" * 16, {"node": "test"}), value, 1.0).outputs["out"].digest
    path = store.blobs.path(digest)
    store.close()
    return tmp_path / "cache", digest, path


def opened(folder, digest):
    store = Store(folder)
    try:
        store.blobs.open(digest)
    finally:
        store.close()


def flip(path):
    """Change one bit in place; the time of the last writing is set back."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def believe(folder, digest, path):
    """Make the store think that it checked the file as it is now: a bit that rotted by itself."""
    store = Store(folder)
    checks.CheckedStamps(store.index)[digest] = checks.stamp(path)
    store.close()


def leave_memory(path):
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if checks.is_in_memory(path):
        pytest.skip("this file system keeps files in memory")


def test_what_is_in_memory_and_unchanged_is_not_read_again(large, read):
    folder, digest, path = large
    opened(folder, digest)
    assert read == []
    path.touch()
    for _ in range(2):
        opened(folder, digest)
    assert read == [path], "read once after it was touched"


def test_what_comes_from_the_disk_is_read_again(large, read):
    folder, digest, path = large
    leave_memory(path)
    opened(folder, digest)
    assert read == [path]


def test_a_flipped_bit_is_found_though_the_time_was_set_back(large):
    folder, digest, path = large
    flip(path)
    with pytest.raises(BlobError, match="damaged"):
        opened(folder, digest)


def test_a_bit_that_rots_on_the_disk_is_found(large):
    folder, digest, path = large
    flip(path)
    believe(folder, digest, path)
    leave_memory(path)
    with pytest.raises(BlobError, match="damaged"):
        opened(folder, digest)


def test_verify_trusts_nothing(large):
    folder, digest, path = large
    flip(path)
    believe(folder, digest, path)
    store = Store(folder)
    assert verify(store.index, store.blobs) == (0, 1)
    assert not path.exists()
    store.close()


def test_writing_again_mends(large):
    folder, digest, path = large
    pixels = Store(folder)
    meta, buffers = None, {"image": pixels.blobs.open(digest).tensor("image").clone()}
    flip(path)
    assert pixels.blobs.write(meta, buffers)[0] == digest
    pixels.close()
    assert checks.file_digest(path) == digest


def test_both_ways_to_tell_what_is_in_memory_agree(large):
    _, _, path = large
    size = path.stat().st_size
    pages = checks._pages_in_memory(path, size)
    if pages is None:
        pytest.skip("this system has no cachestat")
    assert pages == -(-size // os.sysconf("SC_PAGE_SIZE"))
    assert checks._all_mapped(path, size)
    leave_memory(path)
    assert checks._pages_in_memory(path, size) < pages
    assert not checks._all_mapped(path, size)


@pytest.mark.parametrize("size", [0, 5, checks.LARGE, checks.LARGE + 5, 3 * checks.LARGE])
def test_digests_in_windows(tmp_path, monkeypatch, size):
    from blake3 import blake3

    monkeypatch.setattr(checks, "_WINDOW", checks.LARGE)
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    assert checks.file_digest(path) == blake3(path.read_bytes()).hexdigest(16)
