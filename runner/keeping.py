"""Keeping the store: what is in it, collecting to a size, checking, clearing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .store import Store

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


def results(store: Store) -> Iterator[Entry]:
    """All stored results, the least recently used first."""
    rows = store.index.execute(
        "SELECT key, node, outputs, created, used FROM results ORDER BY used, created"
    )
    for key, node, outputs, created, used in rows.fetchall():
        blobs = {d: size for d, size, _ in json.loads(outputs).values() if size is not None}
        yield Entry(key, node, sum(blobs.values()), created, used, blobs)


def checkpoints(store: Store) -> Iterator[Entry]:
    """All stored states of trainings, the oldest first."""
    rows = store.index.execute(
        "SELECT training, step, digest, size, created, node, used FROM checkpoints"
        " LEFT JOIN trainings USING (training) ORDER BY created"
    )
    for training, step, digest, size, created, node, used in rows.fetchall():
        last = max(created, used or 0)
        yield Entry(
            f"{training} {step}", node or "training", size, created, last, {digest: size}, step
        )


def info(store: Store) -> dict[str, Any]:
    """How much there is: counts and bytes."""
    blobs = list(store.blobs.stored())
    return {
        "folder": str(store.folder),
        "results": sum(1 for _ in results(store)),
        "checkpoints": sum(1 for _ in checkpoints(store)),
        "blobs": len(blobs),
        "bytes": sum(size for _, size, _ in blobs),
    }


def pinned(store: Store) -> set[str]:
    """Keys of the results that the manifests of kept runs name; lost manifests are forgotten."""
    keys: set[str] = set()
    for (manifest,) in store.index.execute("SELECT manifest FROM runs").fetchall():
        try:
            nodes = json.loads(Path(manifest).read_bytes())["nodes"]
            keys.update(str(node["key"]) for node in nodes.values())
        except FileNotFoundError:
            store.index.execute("DELETE FROM runs WHERE manifest = ?", (manifest,))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue
    return keys


def collect(store: Store, max_bytes: int, keep_pinned: bool = True) -> tuple[list[Entry], int]:
    """Drop what was used least recently until the blobs fit `max_bytes`; that, and bytes freed.

    Blobs that nothing refers to go first; what is pinned stays, unless it is not to be kept.
    """
    entries = sorted([*results(store), *checkpoints(store)], key=lambda entry: entry.used)
    references: dict[str, int] = {}
    for entry in entries:
        for digest in entry.blobs:
            references[digest] = references.get(digest, 0) + 1
    freed = _remove_unreferenced(store, set(references))
    total = sum(size for digest, size, _ in store.blobs.stored() if digest in references)
    pins = pinned(store) if keep_pinned and total > max_bytes else set()
    dropped = []
    for entry in entries:
        if total <= max_bytes:
            break
        if not entry.blobs or entry.key in pins:
            continue
        _drop(store, entry)
        dropped.append(entry)
        for digest, size in entry.blobs.items():
            references[digest] -= 1
            if references[digest] == 0:
                store.blobs.remove(digest)
                total -= size
                freed += size
    return dropped, freed


def keep_within(store: Store, max_bytes: int) -> None:
    """Collect where the cache has grown by a twentieth of its budget since the last time."""
    grown = store.index.execute(
        "INSERT INTO facts VALUES ('grown', ?)"
        " ON CONFLICT DO UPDATE SET value = value + excluded.value RETURNING value",
        (store.grown,),
    ).fetchone()[0]
    if grown < max_bytes / 20:
        return
    store.index.execute("UPDATE facts SET value = 0 WHERE name = 'grown'")
    collect(store, max_bytes)


def verify(store: Store) -> tuple[int, int]:
    """Check every blob's bytes; damaged and lost ones are dropped, to be made again.

    Returns how many results and checkpoints are sound, and how many were dropped.
    """
    sizes = {digest: size for digest, size, _ in store.blobs.stored()}
    damaged = {digest for digest in sizes if not store.blobs.is_sound(digest)}
    sound = dropped = 0
    for entry in [*results(store), *checkpoints(store)]:
        if any(digest in damaged or digest not in sizes for digest in entry.blobs):
            _drop(store, entry)
            dropped += 1
        else:
            sound += 1
    for digest in damaged:
        store.blobs.remove(digest)
    return sound, dropped


def clear(store: Store) -> int:
    """Drop everything; the number of results and checkpoints that were there."""
    entries = [*results(store), *checkpoints(store)]
    for entry in entries:
        _drop(store, entry)
    store.index.execute("DELETE FROM files")
    for digest, _, _ in list(store.blobs.stored()):
        store.blobs.remove(digest)
    return len(entries)


def _drop(store: Store, entry: Entry) -> None:
    if entry.step is not None:
        training, _ = entry.key.split()
        store.index.execute(
            "DELETE FROM checkpoints WHERE training = ? AND step = ?", (training, entry.step)
        )
    else:
        store.index.execute("DELETE FROM results WHERE key = ?", (entry.key,))


def _remove_unreferenced(store: Store, referenced: set[str]) -> int:
    freed = 0
    for digest, size, written in list(store.blobs.stored()):
        if digest not in referenced and time.time() - written > _GRACE_SECONDS:
            store.blobs.remove(digest)
            freed += size
    return freed
