"""The tables of the store's index, and the row that several files pass on."""

from __future__ import annotations

from typing import NamedTuple

FORMAT = 2  # version of index and blobs together (BLAKE3, safetensors); each change raises it

TABLES = """
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
CREATE TABLE IF NOT EXISTS files (  -- of earlier versions of artgraph; `stamps` replaces it
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

# Tables that were added under the same format: created in every cache that does not have them.
LATER_TABLES = """
CREATE TABLE IF NOT EXISTS trainings (  -- whose states `checkpoints` holds
    training TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    used REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept_weights (  -- of models at earlier steps of their trainings
    training TEXT NOT NULL,
    step INTEGER NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    created REAL NOT NULL,
    PRIMARY KEY (training, step)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS durations (  -- of nodes that ran, for estimates (see `Duration`)
    node TEXT NOT NULL,
    place TEXT NOT NULL,
    widgets TEXT NOT NULL,
    device TEXT NOT NULL,
    resumed INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    step_seconds REAL NOT NULL,
    seconds REAL NOT NULL,
    created REAL NOT NULL,
    PRIMARY KEY (node, place, widgets, device, resumed)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shared (  -- results that were seen in a remote cache
    remote TEXT NOT NULL,  -- a digest of its address
    key TEXT NOT NULL,
    seen REAL NOT NULL,
    PRIMARY KEY (remote, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checked (  -- blobs that were found sound, as they were then
    digest TEXT PRIMARY KEY,
    stamp TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stamps (  -- digests of files that nodes read, as the files were then
    folder BLOB NOT NULL,  -- paths are bytes, because they may not be UTF-8
    name BLOB NOT NULL,
    file BLOB NOT NULL,  -- the stamp, then 16 bytes of the digest
    PRIMARY KEY (folder, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contents (  -- what folders with these fingerprints contained
    fingerprint TEXT PRIMARY KEY,
    files BLOB NOT NULL,  -- 8 bytes of the digest of each name, 8 of the digest of its content
    created REAL NOT NULL
);
"""


class ResultRow(NamedTuple):
    """The first columns of `results`, which do not depend on the time of storing.

    The file of a result in a remote cache contains them as a JSON list in this order.
    """

    key: str
    node: str
    parts: str
    outputs: str
    seconds: float
