"""One lock per key, held by one thread of one process at a time, in a single file.

Each key locks one byte of the file, at an offset made from its digest. Two keys that share a byte
exclude each other. The system releases the lock when the process ends, however it ends, so nothing
has to be cleaned up.
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

    _OFFSETS = 1 << 31  # a position in a file is a C long, which has 32 bits on Windows

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
        # On a file system without locks, work may be done twice, but no process waits for ever.
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True


class _LockFile:
    """An open lock file, used by all threads of this process.

    The system's locks belong to a process, and closing any descriptor of the file releases all of
    them. So a process has one descriptor, and a list of the locks that it holds.
    """

    def __init__(self, file: int) -> None:
        self.file = file
        self.users = 0
        self._held: set[int] = set()
        self._mutex = threading.Lock()

    def try_acquire(self, offset: int) -> bool:
        with self._mutex:
            if offset in self._held or not _try_lock(self.file, offset):
                return False
            self._held.add(offset)
            return True

    def release(self, offset: int) -> None:
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
            path.touch()  # opens the file only if it is missing; then it contains no locks yet
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

    def acquire(self, key: str, waiting: Callable[[], None] = lambda: None) -> None:
        """Lock `key` (hex digits); `waiting` is called repeatedly while another holds it."""
        offset = _offset(key)
        while not self._shared.try_acquire(offset):
            waiting()
            time.sleep(0.02)

    def release(self, key: str) -> None:
        """Unlock `key`; any thread of the process that locked it may call this."""
        self._shared.release(_offset(key))

    @contextmanager
    def hold(self, key: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Lock `key` during the block."""
        self.acquire(key, waiting)
        try:
            yield
        finally:
            self.release(key)


def _offset(key: str) -> int:
    return int(key[:15], 16) % _OFFSETS
