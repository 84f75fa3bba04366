"""The store's index: one SQLite connection that the threads of a process share."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...contract.errors import CacheError
from .filesystems import network_file_system
from .holders import Holder, describe, owner
from .schema import FORMAT, LATER_TABLES, TABLES

_SHORT_WAIT = 2_000  # milliseconds for which a locked index is waited for without a word
_LONG_WAIT = 58_000  # milliseconds after that, until it is an error


class Index:
    """The index in the file `path`, created if it is missing; its methods are safe for threads.

    A damaged file is renamed, and `warn` is called.

    Raises: CacheError if it can't be opened for writing or is of a newer format.
    """

    def __init__(self, path: Path, warn: Callable[[str], None] = lambda message: None) -> None:
        self.folder, self._warn = path.parent, warn
        self._connection = _connect(path, warn)
        self._connection.execute(f"PRAGMA busy_timeout = {_SHORT_WAIT}")
        self._mutex = threading.RLock()
        # Without a write-ahead log, writers would have to wait for a reader.
        self._has_snapshots = self.row("PRAGMA journal_mode") == ("wal",)

    def close(self) -> None:
        self._connection.close()

    def row(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Returns the first row that a query finds, if there is one."""
        with self._mutex:
            rows = self._patiently(query, values)
            return rows[0] if rows else None

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Returns all rows that a query finds."""
        with self._mutex:
            return self._patiently(query, values)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run the block in one transaction, which must not be nested. Other threads wait.

        An error rolls the transaction back.

        Raises: CacheError if the disk is full or the folder is read-only.
        """
        with self._mutex:
            try:
                self._end_transaction("COMMIT")  # the transaction of `reading`, if one is open
                self._patiently("BEGIN IMMEDIATE", ())
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                self._end_transaction("ROLLBACK")
                if isinstance(error, OSError | sqlite3.OperationalError):
                    raise cannot_write(self.folder, error) from error
                raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Run the queries of the block on a snapshot, which takes half the time per query.

        The first transaction of `writing` ends the snapshot.
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

    def _patiently(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Returns the rows of a query. Warn if another process holds the index for two seconds."""
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
        what, advice = describe(_writer(self.folder))
        self._warn(f"the cache {self.folder} is locked by {what} - {advice}")
        self._connection.execute(f"PRAGMA busy_timeout = {_LONG_WAIT}")
        try:
            return self._connection.execute(query, values).fetchall()
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {_SHORT_WAIT}")

    def _end_transaction(self, statement: str) -> None:
        if self._connection.in_transaction:
            self._connection.execute(statement)


def cannot_write(folder: Path, error: Exception) -> CacheError:
    """Returns the error to raise if something can't be written to the cache."""
    if _is_busy(error):
        what, advice = describe(_writer(folder))
        return CacheError(f"the cache {folder} is locked by {what}", advice)
    return CacheError(
        f"the cache {folder} can't be written: {error}",
        "free space with `artgraph cache gc`, or choose another folder with --cache",
    )


def _is_busy(error: Exception) -> bool:
    """Returns whether SQLite failed because another process has locked the index."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _writer(folder: Path) -> Holder | None:
    """Returns the process that has locked the index, if the system reports it."""
    return owner(folder / "index.sqlite-shm", folder / "index.sqlite")


def _connect(path: Path, warn: Callable[[str], None]) -> sqlite3.Connection:
    kind = network_file_system(path.parent)
    if kind is not None:
        warn(
            f"the cache {path.parent} is on a network file system ({kind}), which is slower and"
            " less safe - choose a local folder with --cache, and share results with --cache-remote"
        )
    try:
        return _open(path, shared_memory=kind is None)
    except sqlite3.OperationalError as error:
        if _is_busy(error):
            raise cannot_write(path.parent, error) from error
        raise CacheError(
            f"the cache {path.parent} can't be used: {error}",
            "allow yourself to write there, or choose another folder with --cache",
        ) from error
    except sqlite3.DatabaseError as error:
        renamed = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
        warn(
            f"the index of the cache is damaged ({error}); it is renamed to {renamed.name}, and a"
            " new index is created"
        )
        path.replace(renamed)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _open(path, shared_memory=kind is None)


def _open(path: Path, shared_memory: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path.parent, shared_memory)
    except BaseException:
        connection.close()  # Windows does not rename open files
        raise
    return connection


def _prepare(connection: sqlite3.Connection, folder: Path, shared_memory: bool) -> None:
    """Set the connection up and create the tables that are missing.

    The write-ahead log requires memory that all processes share, so they must be on one machine.
    """
    connection.execute(f"PRAGMA journal_mode = {'WAL' if shared_memory else 'TRUNCATE'}")
    connection.execute(f"PRAGMA synchronous = {'NORMAL' if shared_memory else 'FULL'}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > FORMAT:
        raise CacheError(
            f"the cache {folder} is of format {version}, newer than this artgraph's {FORMAT}",
            "update artgraph, or choose another folder with --cache",
        )
    if version < FORMAT:
        connection.executescript(TABLES + f"PRAGMA user_version = {FORMAT};")
    connection.executescript(LATER_TABLES)
