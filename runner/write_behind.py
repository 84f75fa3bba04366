"""Rows of results on their way into the index: gathered, and written together soon.

A transaction costs as much as ten rows. So rows wait for a quarter of a second at most, that of
a result that took long not at all; a killed process loses no more than that. Until its row is
written, a key stays locked against other processes, so that each result is computed once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ..nodes.errors import CacheError
from .index import Index
from .locks import Locks
from .results import Result
from .schema import ResultRow

_SECONDS = 0.25
_SLOW_SECONDS = 0.05  # a result that took longer is written at once


class WriteBehind:
    """Rows that wait to be written; its methods are safe for threads."""

    def __init__(self, index: Index, locks: Locks) -> None:
        self._index, self._locks = index, locks
        self._mutex = threading.RLock()  # taken before the index's own, never while holding that
        self._rows: dict[str, tuple[ResultRow, float]] = {}  # by key, with the time of storing
        self._results: dict[str, Result] = {}  # of those rows
        self._used: list[str] = []  # keys of stored results
        self._locked: list[str] = []  # keys to be unlocked
        self._some = threading.Event()  # set while rows wait
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def lookup(self, key: str) -> Result | None:
        """The result under `key` if its row still waits."""
        return self._results.get(key)

    def add(self, row: ResultRow, result: Result) -> None:
        """Have a row written soon."""
        with self._mutex:
            self._rows[row.key] = (row, time.time())
            self._results[row.key] = result
            if result.seconds > _SLOW_SECONDS:
                self.flush()
            elif not self._some.is_set():
                self._some.set()
                if self._thread is None:
                    self._thread = threading.Thread(target=self._write_now_and_then, daemon=True)
                    self._thread.start()

    def use(self, key: str) -> None:
        """Have the time of a result's last use written, when something is."""
        with self._mutex:
            self._used.append(key)

    def drop(self, key: str) -> None:
        """Write no row for this key."""
        with self._mutex:
            self._results.pop(key, None)
            self._rows.pop(key, None)

    @contextmanager
    def lock(self, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold `key` until what is added meanwhile is written."""
        self._locks.take(key, waiting)
        try:
            yield
        finally:
            with self._mutex:
                if key in self._rows:
                    self._locked.append(key)
                else:
                    self._locks.give(key)

    def flush(self) -> None:
        """Write all that waits.

        Raises: CacheError if it can't be written; it waits on then.
        """
        with self._mutex:
            if self._rows or self._used:
                self._write()
            self._rows.clear()
            self._results.clear()
            self._used.clear()
            for key in self._locked:
                self._locks.give(key)
            self._locked.clear()

    def close(self) -> None:
        """Write all that waits, for good."""
        self._over.set()
        self._some.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def _write(self) -> None:
        now = time.time()
        with self._index.writing() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(*row, stored, stored) for row, stored in self._rows.values()],
            )
            connection.executemany(
                "UPDATE results SET used = ? WHERE key = ?", [(now, key) for key in self._used]
            )

    def _write_now_and_then(self) -> None:
        while self._some.wait() and not self._over.wait(_SECONDS):
            self._some.clear()
            with suppress(CacheError):  # whoever writes next gets the error
                self.flush()
