"""One lock per key, held by one thread of one process at a time, in a single file.

Each key locks one byte of the file, at an offset made from its digest; two keys that share a byte
exclude each other. The system releases the lock when the process ends, however it ends; nothing is
left to clean up.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl

    _OFFSETS = 1 << 60

    def _lock(file: int, offset: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)

    def _unlock(file: int, offset: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, offset)

except ImportError:  # Windows
    import msvcrt

    _OFFSETS = 1 << 31  # a position in a file is a C long there, of 32 bits

    def _lock(file: int, offset: int) -> None:
        os.lseek(file, offset, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]

    def _unlock(file: int, offset: int) -> None:
        os.lseek(file, offset, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]


def _try_lock(file: int, offset: int) -> bool:
    try:
        _lock(file, offset)
    except OSError as error:
        # On a file system without locks, work may be done twice, but nobody waits for ever.
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True


class _LockFile:
    """An open lock file, shared by all of this process.

    The system's locks are a process', and closing any descriptor of the file drops them all; so
    there is one descriptor, and a list of what this process holds.
    """

    def __init__(self, file: int) -> None:
        self.file = file
        self.users = 0
        self._held: set[int] = set()
        self._mutex = threading.Lock()

    def take(self, offset: int) -> bool:
        with self._mutex:
            if offset in self._held or not _try_lock(self.file, offset):
                return False
            self._held.add(offset)
            return True

    def give(self, offset: int) -> None:
        with self._mutex:
            with contextlib.suppress(OSError):
                _unlock(self.file, offset)
            self._held.discard(offset)


_open_files: dict[tuple[int, int], _LockFile] = {}
_opening = threading.Lock()


class Locks:
    """Locks in the file `path`, which is created if it is missing."""

    def __init__(self, path: Path) -> None:
        with _opening:
            path.touch()  # opens it only if it is missing, and then nobody can hold a lock in it
            status = path.stat()
            self._name = (status.st_dev, status.st_ino)
            if self._name not in _open_files:
                _open_files[self._name] = _LockFile(os.open(path, os.O_RDWR))
            self._shared = _open_files[self._name]
            self._shared.users += 1

    def close(self) -> None:
        with _opening:
            self._shared.users -= 1
            if self._shared.users == 0:
                del _open_files[self._name]
                os.close(self._shared.file)

    def take(self, key: str, waiting: Callable[[], None] = lambda: None) -> None:
        """Lock `key` (hex digits); `waiting` is called often while another has it."""
        offset = _offset(key)
        while not self._shared.take(offset):
            waiting()
            time.sleep(0.02)

    def give(self, key: str) -> None:
        """Unlock `key`; any thread of the process that took it may."""
        self._shared.give(_offset(key))

    @contextmanager
    def hold(self, key: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Have `key` locked meanwhile."""
        self.take(key, waiting)
        try:
            yield
        finally:
            self.give(key)


def _offset(key: str) -> int:
    return int(key[:15], 16) % _OFFSETS
