"""The store's index: one SQLite connection that the threads of a process share."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..nodes.errors import CacheError
from .filesystems import network_file_system
from .schema import FORMAT, LATER_TABLES, TABLES


class Index:
    """The index in the file `path`, created if it is missing; its methods are safe for threads.

    A damaged file is set aside, and `warn` is called.

    Raises: CacheError if it can't be opened for writing or is of a newer format.
    """

    def __init__(self, path: Path, warn: Callable[[str], None] = lambda message: None) -> None:
        self.folder = path.parent
        self._connection = _connect(path, warn)
        self._mutex = threading.RLock()
        # Without a write-ahead log, a reader would keep writers waiting.
        self._has_snapshots = self.row("PRAGMA journal_mode") == ("wal",)

    def close(self) -> None:
        self._connection.close()

    def row(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row that a query finds, if there is one."""
        with self._mutex:
            found: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
            return found

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows that a query finds."""
        with self._mutex:
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which must not be nested; other threads wait. An error undoes it.

        Raises: CacheError if the disk is full or the folder is read-only.
        """
        with self._mutex:
            try:
                self._end_transaction("COMMIT")  # of `reading`
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                self._end_transaction("ROLLBACK")
                if isinstance(error, OSError | sqlite3.OperationalError):
                    raise cannot_write(self.folder, error) from error
                raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Many queries, at half the time each, of what is there at the beginning.

        The first writing ends the snapshot.
        """
        if self._has_snapshots:
            with self._mutex:
                self._end_transaction("COMMIT")
                self._connection.execute("BEGIN")
        try:
            yield
        finally:
            with self._mutex:
                self._end_transaction("COMMIT")

    def _end_transaction(self, how: str) -> None:
        if self._connection.in_transaction:
            self._connection.execute(how)


def cannot_write(folder: Path, error: Exception) -> CacheError:
    """What to raise if something can't be written to the cache."""
    return CacheError(
        f"the cache {folder} can't be written: {error} - free space with"
        " `artgraph cache gc`, or name another folder with --cache"
    )


def _connect(path: Path, warn: Callable[[str], None]) -> sqlite3.Connection:
    kind = network_file_system(path.parent)
    if kind is not None:
        warn(
            f"the cache {path.parent} is on a network file system ({kind}), where it is slower and"
            " less safe - name a local folder with --cache, and share it with --cache-remote"
        )
    try:
        return _open(path, shared_memory=kind is None)
    except sqlite3.OperationalError as error:
        raise CacheError(
            f"the cache {path.parent} can't be used: {error}",
            "check it, or name another with --cache",
        ) from error
    except sqlite3.DatabaseError as error:
        aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
        warn(
            f"the cache's index is damaged ({error}); it is kept as {aside.name}, a new one begins"
        )
        path.replace(aside)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _open(path, shared_memory=kind is None)


def _open(path: Path, shared_memory: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path.parent, shared_memory)
    except BaseException:
        connection.close()  # Windows renames no file that is open
        raise
    return connection


def _prepare(connection: sqlite3.Connection, folder: Path, shared_memory: bool) -> None:
    """The write-ahead log needs memory that all processes share, so all on one machine."""
    connection.execute(f"PRAGMA journal_mode = {'WAL' if shared_memory else 'TRUNCATE'}")
    connection.execute(f"PRAGMA synchronous = {'NORMAL' if shared_memory else 'FULL'}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > FORMAT:
        raise CacheError(
            f"the cache {folder} is of format {version}, newer than this artgraph's {FORMAT}",
            "update artgraph, or name another folder with --cache",
        )
    if version < FORMAT:
        connection.executescript(TABLES + f"PRAGMA user_version = {FORMAT};")
    connection.executescript(LATER_TABLES)
