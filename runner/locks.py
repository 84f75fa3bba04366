"""One lock per key, held by one process at a time, in a single file.

Each key locks one byte of the file, at an offset made from its digest. The system releases the
lock when the process ends, however it ends; nothing is left to clean up.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl

    def _try_lock(file: int, offset: int) -> bool:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
        except OSError:
            return False
        return True

    def _unlock(file: int, offset: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, offset)

except ImportError:  # Windows
    import msvcrt

    def _try_lock(file: int, offset: int) -> bool:
        os.lseek(file, offset & 0x7FFFFFFF, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True

    def _unlock(file: int, offset: int) -> None:
        os.lseek(file, offset & 0x7FFFFFFF, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]


class Locks:
    """Locks in the file `path`, which is made where it is missing."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def close(self) -> None:
        os.close(self._file)

    @contextmanager
    def hold(self, key: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the lock of `key` (hex digits); `waiting` is called often while another has it."""
        offset = int(key[:15], 16)
        while not _try_lock(self._file, offset):
            waiting()
            time.sleep(0.02)
        try:
            yield
        finally:
            _unlock(self._file, offset)
