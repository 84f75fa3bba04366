"""What is in the store; collecting it to a size, verifying and clearing it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .blobs import Blobs
from .index import Index

_GRACE_SECONDS = 60.0  # a blob this young may belong to a row that is about to be written


@dataclass(frozen=True)
class Entry:
    """A stored result or checkpoint; `size` is that of its blobs in bytes."""

    key: str
    node: str
    size: int
    created: float
    used: float
    blobs: dict[str, int]
    step: int | None = None  # of a checkpoint


def results(index: Index) -> Iterator[Entry]:
    """All stored results, the least recently used first."""
    for key, node, outputs, created, used in index.rows(
        "SELECT key, node, outputs, created, used FROM results ORDER BY used, created"
    ):
        blobs = {d: size for d, size, _ in json.loads(outputs).values() if size is not None}
        yield Entry(key, node, sum(blobs.values()), created, used, blobs)


def checkpoints(index: Index) -> Iterator[Entry]:
    """All stored states of trainings, the oldest first."""
    for training, step, digest, size, created, node, used in index.rows(
        "SELECT training, step, digest, size, created, node, used FROM checkpoints"
        " LEFT JOIN trainings USING (training) ORDER BY created"
    ):
        last = max(created, used or 0)
        yield Entry(
            f"{training} {step}", node or "training", size, created, last, {digest: size}, step
        )


def info(index: Index, blobs: Blobs) -> dict[str, Any]:
    """How much there is: counts and bytes."""
    sizes = [size for _, size, _ in blobs.stored()]
    return {
        "folder": str(index.folder),
        "results": sum(1 for _ in results(index)),
        "checkpoints": sum(1 for _ in checkpoints(index)),
        "blobs": len(sizes),
        "bytes": sum(sizes),
    }


def pin(index: Index, manifest: Path) -> None:
    """Spare the results that this file names from collection, as long as it is there."""
    with index.writing() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO runs VALUES (?, ?)", (str(manifest.absolute()), time.time())
        )


def pinned(index: Index) -> set[str]:
    """Keys of the results that pinned manifests name; lost manifests are forgotten."""
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
    """Drop what was used least recently until the blobs fit `max_bytes`.

    Blobs that nothing refers to go first; what is pinned stays unless `keep_pinned` is false.
    Returns the entries that were dropped, and the bytes freed.
    """
    entries = sorted([*results(index), *checkpoints(index)], key=lambda entry: entry.used)
    references: dict[str, int] = {}
    for entry in entries:
        for digest in entry.blobs:
            references[digest] = references.get(digest, 0) + 1
    freed = _remove_unreferenced(blobs, set(references))
    total = sum(size for digest, size, _ in blobs.stored() if digest in references)
    pins = pinned(index) if keep_pinned and total > max_bytes else set()
    dropped, unused = [], []
    for entry in entries:
        if total <= max_bytes:
            break
        if not entry.blobs or entry.key in pins:
            continue
        dropped.append(entry)
        for digest, size in entry.blobs.items():
            references[digest] -= 1
            if references[digest] == 0:
                unused.append(digest)
                total -= size
                freed += size
    _drop(index, dropped)
    for digest in unused:
        blobs.remove(digest)
    return dropped, freed


def keep_within(index: Index, blobs: Blobs, max_bytes: int) -> None:
    """Collect if the cache has grown by a twentieth of its budget since the last collection."""
    if not blobs.grown:
        return
    grown, blobs.grown = blobs.grown, 0
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
    """Check every blob's bytes; drop results and checkpoints whose blobs are damaged or lost.

    Returns how many results and checkpoints are sound, and how many were dropped.
    """
    sizes = {digest: size for digest, size, _ in blobs.stored()}
    damaged = {digest for digest in sizes if not blobs.is_sound(digest)}
    sound, dropped = 0, []
    for entry in [*results(index), *checkpoints(index)]:
        if any(digest in damaged or digest not in sizes for digest in entry.blobs):
            dropped.append(entry)
        else:
            sound += 1
    _drop(index, dropped)
    for digest in damaged:
        blobs.remove(digest)
    return sound, len(dropped)


def clear(index: Index, blobs: Blobs) -> int:
    """Drop everything. Returns the number of results and checkpoints that were there."""
    entries = [*results(index), *checkpoints(index)]
    _drop(index, entries)
    with index.writing() as connection:
        connection.execute("DELETE FROM files")
    for digest, _, _ in list(blobs.stored()):
        blobs.remove(digest)
    return len(entries)


def _drop(index: Index, entries: Sequence[Entry]) -> None:
    """Delete the rows of these results and checkpoints; their blobs stay."""
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
