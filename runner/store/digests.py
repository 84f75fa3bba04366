"""Digests of files, and whether a blob that was verified before must be verified again."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator, MutableMapping
from functools import cache
from pathlib import Path
from typing import Any

from blake3 import blake3

from .index import Index

LARGE = 1 << 20  # bytes of a blob that is worth remembering; smaller ones are read quickly
_CACHESTAT = 451  # number of the system call, the same on all processors except Alpha
_WINDOW = 1 << 26  # bytes of a file that are mapped at a time


def file_digest(path: Path) -> str:
    """Returns the BLAKE3 digest of a file's bytes. Large files are mapped, not loaded.

    Raises: OSError.
    """
    hasher = blake3(max_threads=blake3.AUTO)
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= LARGE:
            hasher.update(file.read())
        else:
            for start in range(0, size, _WINDOW):
                length = min(_WINDOW, size - start)
                with mmap.mmap(
                    file.fileno(), length, access=mmap.ACCESS_READ, offset=start
                ) as part:
                    hasher.update(part)
    return str(hasher.hexdigest(16))


def stamp(path: Path) -> str:
    """Returns a text that changes whenever a file is written to or replaced.

    It contains the time of the last change of the inode (ctime), too: unlike the time of the last
    writing (mtime), ctime can't be set back.
    """
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"


def is_in_memory(path: Path) -> bool:
    """Returns whether the system holds the whole file in memory; False if unknown."""
    size = path.stat().st_size
    if size == 0:
        return False
    cached = _pages_in_memory(path, size)
    return _all_mapped(path, size) if cached is None else cached >= -(-size // mmap.PAGESIZE)


def _pages_in_memory(path: Path, size: int) -> int | None:
    """Returns the number of pages of a file in memory by cachestat(2) of Linux 6.5, or None.

    The call takes no time, while querying each page takes as long as reading half of them.
    """
    import ctypes

    if sys.platform != "linux":
        return None
    span, counts = (ctypes.c_uint64 * 2)(0, size), (ctypes.c_uint64 * 5)()
    with path.open("rb") as file:
        failed = ctypes.CDLL(None).syscall(
            ctypes.c_long(_CACHESTAT), ctypes.c_uint(file.fileno()), span, counts, ctypes.c_uint(0)
        )
    return None if failed else int(counts[0])


def _all_mapped(path: Path, size: int) -> bool:
    """Returns whether all pages of a file are in memory, by mincore(2)."""
    import ctypes

    mincore = _mincore()
    if mincore is None:
        return False
    pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        first = ctypes.c_char.from_buffer(mapped)
        failed = mincore(ctypes.addressof(first), ctypes.c_size_t(size), pages)
        del first  # or the mapping can't be closed
    return failed == 0 and b"\0" not in bytes(pages)


@cache
def _mincore() -> Any:
    """Returns mincore(2) of Linux, which reports the pages in memory; None on other systems."""
    import ctypes

    if sys.platform != "linux":
        return None
    call = ctypes.CDLL(None).mincore
    call.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    return call


class CheckedStamps(MutableMapping[str, str]):
    """The stamps of verified blobs, by digest; they are in the index, for all processes."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def __getitem__(self, digest: str) -> str:
        row = self._index.row("SELECT stamp FROM checked WHERE digest = ?", (digest,))
        if row is None:
            raise KeyError(digest)
        return str(row[0])

    def __setitem__(self, digest: str, stamp: str) -> None:
        with self._index.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO checked VALUES (?, ?)", (digest, stamp))

    def __delitem__(self, digest: str) -> None:
        with self._index.writing() as connection:
            connection.execute("DELETE FROM checked WHERE digest = ?", (digest,))

    def __iter__(self) -> Iterator[str]:
        return iter([str(digest) for (digest,) in self._index.rows("SELECT digest FROM checked")])

    def __len__(self) -> int:
        return sum(1 for _ in self)
