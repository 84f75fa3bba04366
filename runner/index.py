"""The store's index: its tables, its format version, and what to do where it is damaged."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from ..nodes.errors import CacheError
from .filesystems import network_file_system

FORMAT = 2  # of index and blobs together (BLAKE3, safetensors); a change makes a new one

_TABLES = """
CREATE TABLE IF NOT EXISTS results (
    key TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    parts TEXT NOT NULL,    -- JSON: what the key was made of
    outputs TEXT NOT NULL,  -- JSON: name to [digest, size in bytes or null, inline JSON]
    seconds REAL NOT NULL,
    created REAL NOT NULL,
    used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS results_by_node ON results (node, created);
CREATE TABLE IF NOT EXISTS checkpoints (
    training TEXT NOT NULL,
    step INTEGER NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    kept INTEGER NOT NULL,  -- 1: a length that was asked for
    created REAL NOT NULL,
    PRIMARY KEY (training, step)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    digest TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (  -- manifests, whose results are kept
    manifest TEXT PRIMARY KEY,
    finished REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (
    name TEXT PRIMARY KEY,
    value REAL NOT NULL
) WITHOUT ROWID;
"""
_NOTES = """
CREATE TABLE IF NOT EXISTS trainings (  -- whose states `checkpoints` holds
    training TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    used REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checked (  -- blobs that were found sound, as they were then
    digest TEXT PRIMARY KEY,
    stamp TEXT NOT NULL
) WITHOUT ROWID;
"""


def connect(path: Path, warn: Callable[[str], None]) -> sqlite3.Connection:
    """Open the index, making it where it is missing and setting a damaged one aside.

    Raises: CacheError where it can't be opened for writing or is of a newer format.
    """
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
    """The write-ahead log needs memory that all processes share, so all on one machine."""
    index = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    index.execute(f"PRAGMA journal_mode = {'WAL' if shared_memory else 'TRUNCATE'}")
    index.execute(f"PRAGMA synchronous = {'NORMAL' if shared_memory else 'FULL'}")
    (version,) = index.execute("PRAGMA user_version").fetchone()
    if version > FORMAT:
        raise CacheError(
            f"the cache {path.parent} is of format {version}, newer than this artgraph's {FORMAT}",
            "update artgraph, or name another folder with --cache",
        )
    if version < FORMAT:
        index.executescript(_TABLES + f"PRAGMA user_version = {FORMAT};")
    index.executescript(_NOTES)  # came later; a cache does well without what they hold
    return index
