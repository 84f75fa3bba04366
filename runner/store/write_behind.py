"""Rows of results that are collected, and soon written to the index in one transaction.

A transaction costs as much as ten rows. So rows wait for up to a quarter of a second, and a killed
process loses no more than these. The row of a slow result is written at once. A key remains locked
against other processes until its row is written, so that each result is computed once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ...contract.errors import CacheError
from .durations import Duration, write_durations
from .holders import Holder
from .index import Index
from .locks import Locks
from .results import Result
from .schema import ResultRow

_SECONDS = 0.25  # for which rows wait
_SLOW_SECONDS = 0.05  # the row of a result that took longer is written at once


class WriteBehind:
    """Rows that wait to be written; its methods are safe for threads."""

    def __init__(self, index: Index, locks: Locks) -> None:
        self._index, self._locks = index, locks
        self._mutex = threading.RLock()  # acquired before the mutex of the index, never after it
        self._rows: dict[str, tuple[ResultRow, float]] = {}  # by key, with the time of storing
        self._results: dict[str, Result] = {}  # the results of these rows, by key
        self._used: list[str] = []  # keys of stored results that were used
        self._durations: list[Duration] = []
        self._shared: list[tuple[str, str, float]] = []  # rows of the table `shared`
        self._locked: list[str] = []  # keys to unlock after writing
        self._waiting = threading.Event()  # set while rows wait
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def lookup(self, key: str) -> Result | None:
        """Returns the result under `key` if its row still waits."""
        return self._results.get(key)

    def add(self, row: ResultRow, result: Result) -> None:
        """Add a row, to be written soon."""
        with self._mutex:
            self._rows[row.key] = (row, time.time())
            self._results[row.key] = result
            if result.seconds > _SLOW_SECONDS:
                self.flush()
            else:
                self._flush_soon()

    def add_duration(self, duration: Duration) -> None:
        """Store how long a node took, soon."""
        with self._mutex:
            self._durations.append(duration)
            self._flush_soon()

    def add_shared(self, remote: str, key: str) -> None:
        """Store, soon, that a result is in the remote cache with this id now."""
        with self._mutex:
            self._shared.append((remote, key, time.time()))
            self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._waiting.is_set():
            self._waiting.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._flush_repeatedly, daemon=True)
                self._thread.start()

    def use(self, key: str) -> None:
        """Store that a result is used now; this is written together with the next rows."""
        with self._mutex:
            self._used.append(key)

    def remove(self, key: str) -> None:
        """Remove the row of this key, if it waits."""
        with self._mutex:
            self._results.pop(key, None)
            self._rows.pop(key, None)

    @contextmanager
    def lock(
        self,
        key: str,
        waiting: Callable[[], None],
        slow: Callable[[Holder | None], None],
        label: str,
    ) -> Iterator[None]:
        """Lock `key` during the block, and until a row that is added in it is written."""
        self._locks.acquire(key, waiting, slow, label)
        try:
            yield
        finally:
            with self._mutex:
                if key in self._rows:
                    self._locked.append(key)
                else:
                    self._locks.release(key)

    def flush(self) -> None:
        """Write all rows that wait.

        Raises: CacheError if they can't be written; then they continue to wait.
        """
        with self._mutex:
            if self._rows or self._used or self._durations or self._shared:
                self._write()
            self._rows.clear()
            self._results.clear()
            self._used.clear()
            self._durations.clear()
            self._shared.clear()
            for key in self._locked:
                self._locks.release(key)
            self._locked.clear()

    def close(self) -> None:
        """Write all rows that wait, and end the thread."""
        self._closing.set()
        self._waiting.set()
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
            connection.executemany("INSERT OR REPLACE INTO shared VALUES (?, ?, ?)", self._shared)
            write_durations(connection, self._durations, now)

    def _flush_repeatedly(self) -> None:
        # `close` may set both events right before `_waiting` is cleared.
        while (
            not self._closing.is_set() and self._waiting.wait() and not self._closing.wait(_SECONDS)
        ):
            self._waiting.clear()
            with suppress(CacheError):  # the next call of `flush` raises it
                self.flush()
