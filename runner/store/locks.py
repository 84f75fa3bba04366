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

from .holders import Holder, Holders

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


_SLOW_SECONDS = 2.0  # after which a process that waits asks who holds the lock


def _try_lock(file: int, offset: int) -> bool:
    try:
        _lock(file, offset)
    except OSError as error:
        # On a file system without locks, work may be done twice, but no process waits for ever.
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True


def _nothing(*_: object) -> None:
    """Do nothing while a lock is waited for."""


class _LockFile:
    """An open lock file, used by all threads of this process.

    The system's locks belong to a process, and closing any descriptor of the file releases all of
    them. So a process has one descriptor, and a list of the locks that it holds.
    """

    def __init__(self, file: int, holders: Holders) -> None:
        self.file, self.holders = file, holders
        self.users = 0
        self._held: set[int] = set()
        self._mutex = threading.Lock()

    def try_acquire(self, offset: int, label: str) -> bool:
        with self._mutex:
            if offset in self._held or not _try_lock(self.file, offset):
                return False
            self._held.add(offset)
            self.holders.add(offset, label)
            return True

    def release(self, offset: int) -> None:
        with self._mutex:
            with contextlib.suppress(OSError):
                _unlock(self.file, offset)
            self._held.discard(offset)
            self.holders.remove(offset)


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
                holders = Holders(path.with_name(f"{path.name}.holders"))
                _open_files[self._name] = _LockFile(os.open(path, os.O_RDWR), holders)
            self._shared = _open_files[self._name]
            self._shared.users += 1

    def close(self) -> None:
        with _opening:
            self._shared.users -= 1
            if self._shared.users == 0:
                del _open_files[self._name]
                self._shared.holders.close()
                os.close(self._shared.file)

    def is_file(self, path: Path) -> bool:
        """Returns whether the lock file is still the file at this path."""
        try:
            status = path.stat()
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._name

    def acquire(
        self,
        key: str,
        waiting: Callable[[], None] = _nothing,
        slow: Callable[[Holder | None], None] = _nothing,
        label: str = "",
    ) -> None:
        """Lock `key`.

        key:     hex digits.
        waiting: called repeatedly while another thread or process holds the lock.
        slow:    called with the holder if this takes two seconds, and if the holder changes.
        label:   what this process does while it holds the lock; other processes show it.
        """
        offset = _offset(key)
        said: Holder | bool | None = False
        due = time.monotonic() + _SLOW_SECONDS
        while not self._shared.try_acquire(offset, label):
            waiting()
            if time.monotonic() >= due:
                due += _SLOW_SECONDS
                holder = self._shared.holders.find(offset)
                if said is False or (holder is not None and holder != said):
                    slow(holder)
                    said = holder
            time.sleep(0.02)

    def holder(self, key: str) -> Holder | None:
        """Returns who holds the lock, if this is known."""
        return self._shared.holders.find(_offset(key))

    def release(self, key: str) -> None:
        """Unlock `key`; any thread of the process that locked it may call this."""
        self._shared.release(_offset(key))

    @contextmanager
    def hold(
        self,
        key: str,
        waiting: Callable[[], None] = _nothing,
        slow: Callable[[Holder | None], None] = _nothing,
        label: str = "",
    ) -> Iterator[None]:
        """Lock `key` during the block (`acquire`)."""
        self.acquire(key, waiting, slow, label)
        try:
            yield
        finally:
            self.release(key)


def _offset(key: str) -> int:
    return int(key[:15], 16) % _OFFSETS
