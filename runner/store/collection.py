"""Lists, evicts, verifies and clears the contents of the store."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .blobs import Blobs
from .index import Index

_GRACE_SECONDS = 60.0  # the row of a younger blob may not be written yet


@dataclass(frozen=True)
class Entry:
    """A stored result or checkpoint.

    node:    the id of the node.
    size:    the size of its blobs in bytes.
    created: the time at which it was stored, in seconds since 1970.
    used:    the time at which it was last used, in seconds since 1970.
    blobs:   the sizes of its blobs in bytes, by digest.
    step:    the step of a checkpoint; None for a result.
    """

    key: str
    node: str
    size: int
    created: float
    used: float
    blobs: dict[str, int]
    step: int | None = None


def results(index: Index) -> Iterator[Entry]:
    """Yields all stored results, the least recently used first."""
    for key, node, outputs, created, used in index.rows(
        "SELECT key, node, outputs, created, used FROM results ORDER BY used, created"
    ):
        blobs = {d: size for d, size, _ in json.loads(outputs).values() if size is not None}
        yield Entry(key, node, sum(blobs.values()), created, used, blobs)


def checkpoints(index: Index) -> Iterator[Entry]:
    """Yields all stored states of trainings, the oldest first."""
    for training, step, digest, size, created, node, used in index.rows(
        "SELECT training, step, digest, size, created, node, used FROM checkpoints"
        " LEFT JOIN trainings USING (training) ORDER BY created"
    ):
        last = max(created, used or 0)
        yield Entry(
            f"{training} {step}", node or "training", size, created, last, {digest: size}, step
        )


def info(index: Index, blobs: Blobs) -> dict[str, Any]:
    """Returns the folder, the numbers of results, checkpoints and blobs, and their bytes."""
    sizes = [size for _, size, _ in blobs.stored()]
    return {
        "folder": str(index.folder),
        "results": sum(1 for _ in results(index)),
        "checkpoints": sum(1 for _ in checkpoints(index)),
        "blobs": len(sizes),
        "bytes": sum(sizes),
    }


def pin(index: Index, manifest: Path) -> None:
    """Exclude the results that this manifest names from collection, as long as it exists."""
    with index.writing() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO runs VALUES (?, ?)", (str(manifest.absolute()), time.time())
        )


def pinned(index: Index) -> set[str]:
    """Returns the keys of the results that pinned manifests name.

    Manifests that no longer exist are removed from the index.
    """
    keys: set[str] = set()
    lost = []
    for (manifest,) in index.rows("SELECT manifest FROM runs"):
        try:
            nodes = json.loads(Path(manifest).read_bytes())["nodes"]
            keys.update(str(node["key"]) for node in nodes.values())
        except FileNotFoundError:
            lost.append((manifest,))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue
    if lost:
        with index.writing() as connection:
            connection.executemany("DELETE FROM runs WHERE manifest = ?", lost)
    return keys


def collect(
    index: Index, blobs: Blobs, max_bytes: int, keep_pinned: bool = True
) -> tuple[list[Entry], int]:
    """Evict what was used least recently until the blobs take at most `max_bytes`.

    Blobs that no result or checkpoint refers to are removed first. Pinned results remain unless
    `keep_pinned` is false. Returns the evicted entries, and the number of bytes freed.
    """
    entries = sorted([*results(index), *checkpoints(index)], key=lambda entry: entry.used)
    references: dict[str, int] = {}
    for entry in entries:
        for digest in entry.blobs:
            references[digest] = references.get(digest, 0) + 1
    freed = _remove_unreferenced(blobs, set(references))
    total = sum(size for digest, size, _ in blobs.stored() if digest in references)
    pins = pinned(index) if keep_pinned and total > max_bytes else set()
    evicted, unused = [], []
    for entry in entries:
        if total <= max_bytes:
            break
        if not entry.blobs or entry.key in pins:
            continue
        evicted.append(entry)
        for digest, size in entry.blobs.items():
            references[digest] -= 1
            if references[digest] == 0:
                unused.append(digest)
                total -= size
                freed += size
    _delete_rows(index, evicted)
    for digest in unused:
        blobs.remove(digest)
    return evicted, freed


def collect_if_due(index: Index, blobs: Blobs, max_bytes: int) -> None:
    """Collect if the cache has grown by a twentieth of its budget since the last collection."""
    if not blobs.written_bytes:
        return
    grown, blobs.written_bytes = blobs.written_bytes, 0
    with index.writing() as connection:
        (total,) = connection.execute(
            "INSERT INTO facts VALUES ('grown', ?)"
            " ON CONFLICT DO UPDATE SET value = value + excluded.value RETURNING value",
            (grown,),
        ).fetchone()
        is_due = total >= max_bytes / 20
        if is_due:
            connection.execute("UPDATE facts SET value = 0 WHERE name = 'grown'")
    if is_due:
        collect(index, blobs, max_bytes)


def verify(index: Index, blobs: Blobs) -> tuple[int, int]:
    """Verify every blob; delete results and checkpoints whose blobs are damaged or lost.

    Returns the number of undamaged results and checkpoints, and the number of deleted ones.
    """
    digests = {digest for digest, _, _ in blobs.stored()}
    sound = {digest for digest in digests if blobs.is_sound(digest)}
    entries = [*results(index), *checkpoints(index)]
    damaged = [entry for entry in entries if not sound.issuperset(entry.blobs)]
    _delete_rows(index, damaged)
    for digest in digests - sound:
        blobs.remove(digest)
    return len(entries) - len(damaged), len(damaged)


def clear(index: Index, blobs: Blobs) -> int:
    """Delete everything. Returns the number of results and checkpoints that were stored."""
    entries = [*results(index), *checkpoints(index)]
    _delete_rows(index, entries)
    with index.writing() as connection:
        connection.execute("DELETE FROM files")
    for digest, _, _ in list(blobs.stored()):
        blobs.remove(digest)
    return len(entries)


def _delete_rows(index: Index, entries: Sequence[Entry]) -> None:
    """Delete the rows of these results and checkpoints, but not their blobs."""
    states = [(entry.key.split()[0], entry.step) for entry in entries if entry.step is not None]
    keys = [(entry.key,) for entry in entries if entry.step is None]
    if not states and not keys:
        return
    with index.writing() as connection:
        connection.executemany("DELETE FROM checkpoints WHERE training = ? AND step = ?", states)
        connection.executemany("DELETE FROM results WHERE key = ?", keys)


def _remove_unreferenced(blobs: Blobs, referenced: set[str]) -> int:
    freed = 0
    for digest, size, written in list(blobs.stored()):
        if digest not in referenced and time.time() - written > _GRACE_SECONDS:
            blobs.remove(digest)
            freed += size
    return freed
