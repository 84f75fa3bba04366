"""Lists, evicts, verifies and clears the contents of the store."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...contract.quantities import ago, duration, size_text
from ...contract.registry import load_nodes
from .blobs import Blobs
from .durations import prune_durations
from .index import Index
from .place import is_utf8

_GRACE_SECONDS = 60.0  # the row of a younger blob may not be written yet
_SEEN_SECONDS = 86_400.0  # after which it is looked up again whether a result is shared


@dataclass(frozen=True)
class Entry:
    """A stored result or checkpoint.

    node:    the id of the node.
    size:    the size of its blobs in bytes.
    created: the time at which it was stored, in seconds since 1970.
    used:    the time at which it was last used, in seconds since 1970.
    blobs:   the sizes of its blobs in bytes, by digest.
    seconds: the time in seconds that the node took; 0 for a checkpoint.
    is_trained: whether it took a training: the result of a node that trains, or a checkpoint.
    step:    the step of a checkpoint or of kept weights; None for a result.
    is_kept: whether these are the kept weights of a training that has gone on since.
    """

    key: str
    node: str
    size: int
    created: float
    used: float
    blobs: dict[str, int]
    seconds: float
    is_trained: bool
    step: int | None = None
    is_kept: bool = False


def results(index: Index) -> Iterator[Entry]:
    """Yields all stored results, the least recently used first."""
    train = _kinds_that_train(index)
    for key, node, outputs, created, used, seconds in index.rows(
        "SELECT key, node, outputs, created, used, seconds FROM results ORDER BY used, created"
    ):
        blobs = {d: size for d, size, _ in json.loads(outputs).values() if size is not None}
        size = sum(blobs.values())
        yield Entry(key, node, size, created, used, blobs, seconds, node in train)


def checkpoints(index: Index) -> Iterator[Entry]:
    """Yields all stored states and kept weights of trainings, the oldest first."""
    for training, step, digest, size, created, is_kept, node, used in index.rows(
        "SELECT training, step, digest, size, created, is_kept, node, used FROM ("
        "SELECT training, step, digest, size, created, 0 AS is_kept FROM checkpoints UNION ALL"
        " SELECT training, step, digest, size, created, 1 AS is_kept FROM kept_weights)"
        " LEFT JOIN trainings USING (training) ORDER BY created"
    ):
        last = max(created, used or 0)
        key, blobs = f"{training} {step}" + (" kept" if is_kept else ""), {digest: size}
        yield Entry(
            key, node or "training", size, created, last, blobs, 0.0, True, step, bool(is_kept)
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
    path = str(manifest.absolute())
    # SQLite stores only text that is UTF-8, and not all paths are.
    stored = path if is_utf8(path) else os.fsencode(path)
    with index.writing() as connection:
        connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?)", (stored, time.time()))


def pinned(index: Index) -> set[str]:
    """Returns the keys of the results that pinned manifests name.

    Manifests that no longer exist are removed from the index.
    """
    keys: set[str] = set()
    lost = []
    for (manifest,) in index.rows("SELECT manifest FROM runs"):
        try:
            nodes = json.loads(Path(os.fsdecode(manifest)).read_bytes())["nodes"]
            for node in nodes.values():  # of a node that ran for many pictures, those of each
                keys.update(str(r["key"]) for r in node.get("pictures", {"": node}).values())
        except FileNotFoundError:
            lost.append((manifest,))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue
    if lost:
        with index.writing() as connection:
            connection.executemany("DELETE FROM runs WHERE manifest = ?", lost)
    return keys


@dataclass(frozen=True)
class Eviction:
    """What is evicted so that the blobs take at most the allowed bytes.

    entries: the results and checkpoints, in this order.
    unused:  the sizes of the blobs that nothing refers to afterwards, by digest.
    """

    entries: list[Entry]
    unused: dict[str, int]

    @property
    def freed(self) -> int:
        """The number of bytes that this frees."""
        return sum(self.unused.values())

    @property
    def trained(self) -> list[Entry]:
        """Those entries that took a training: models and checkpoints."""
        return [entry for entry in self.entries if entry.is_trained]


def choose(index: Index, blobs: Blobs, max_bytes: int, keep_pinned: bool = True) -> Eviction:
    """Returns what to evict until the blobs take at most `max_bytes`. Nothing is deleted yet.

    Blobs that no result or checkpoint refers to come first, then what was used least recently.
    Results of trainings, and checkpoints, come last. Of one training, its kept weights come before
    its state. Pinned results remain unless `keep_pinned` is false.
    """
    entries = sorted(
        [*results(index), *checkpoints(index)],
        key=lambda entry: (entry.is_trained, entry.used, not entry.is_kept),
    )
    references: dict[str, int] = {}
    for entry in entries:
        for digest in entry.blobs:
            references[digest] = references.get(digest, 0) + 1
    unused = _unreferenced(blobs, references)
    total = sum(size for digest, size, _ in blobs.stored() if digest in references)
    pins = pinned(index) if keep_pinned and total > max_bytes else set()
    evicted = []
    for entry in entries:
        if total <= max_bytes:
            break
        if not entry.blobs or entry.key in pins:
            continue
        evicted.append(entry)
        for digest, size in entry.blobs.items():
            references[digest] -= 1
            if references[digest] == 0:
                unused[digest] = size
                total -= size
    return Eviction(evicted, unused)


def evict(index: Index, blobs: Blobs, eviction: Eviction) -> None:
    """Delete what `choose` has chosen."""
    _delete_rows(index, eviction.entries)
    for digest in eviction.unused:
        blobs.remove(digest)


def collect_if_due(index: Index, blobs: Blobs, max_bytes: int, warn: Callable[[str], None]) -> None:
    """Evict if the cache has grown by a twentieth of its budget since the last time.

    warn: called with one line if this deletes trained models or checkpoints.
    """
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
            prune_durations(connection)
            connection.execute("DELETE FROM shared WHERE seen < ?", (time.time() - _SEEN_SECONDS,))
    if not is_due:
        return
    eviction = choose(index, blobs, max_bytes)
    evict(index, blobs, eviction)
    if eviction.trained:
        warn(
            f"the cache was over its limit of {size_text(max_bytes)}, and nothing but trainings was"
            f" left to delete; deleted: {trained_words(eviction.trained)} - raise"
            " ARTGRAPH_CACHE_MAX, and save models with save_model"
        )


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


def clear(index: Index, blobs: Blobs) -> list[Entry]:
    """Delete everything. Returns the results and checkpoints that were stored."""
    entries = [*results(index), *checkpoints(index)]
    _delete_rows(index, entries)
    with index.writing() as connection:
        connection.execute("DELETE FROM stamps")
        connection.execute("DELETE FROM contents")
        connection.execute("DELETE FROM durations")
        connection.execute("DELETE FROM shared")
    for digest, _, _ in list(blobs.stored()):
        blobs.remove(digest)
    return entries


def _delete_rows(index: Index, entries: Sequence[Entry]) -> None:
    """Delete the rows of these results and checkpoints, but not their blobs."""
    keys = [(entry.key,) for entry in entries if entry.step is None]
    states, kept = (
        [
            (entry.key.split()[0], entry.step)
            for entry in entries
            if entry.step is not None and entry.is_kept == is_kept
        ]
        for is_kept in (False, True)
    )
    if not states and not kept and not keys:
        return
    with index.writing() as connection:
        connection.executemany("DELETE FROM checkpoints WHERE training = ? AND step = ?", states)
        connection.executemany("DELETE FROM kept_weights WHERE training = ? AND step = ?", kept)
        connection.executemany("DELETE FROM results WHERE key = ?", keys)


def _unreferenced(blobs: Blobs, references: Mapping[str, int]) -> dict[str, int]:
    """Returns the sizes of the blobs that nothing refers to, except new ones, by digest."""
    return {
        digest: size
        for digest, size, written in blobs.stored()
        if digest not in references and time.time() - written > _GRACE_SECONDS
    }


def trained_words(entries: Sequence[Entry], limit: int = 5) -> str:
    """Returns what identifies these models and checkpoints: node, age, and seconds of training."""
    words = []
    for entry in entries[:limit]:
        facts = [f"created {ago(entry.created)}"]
        if entry.step is None:
            facts.append(f"trained in {duration(entry.seconds)}")
            name = entry.node
        else:
            what = "kept weights" if entry.is_kept else "checkpoint"
            name = f"the {what} of {entry.node} at step {entry.step}"
        words.append(f"{name} ({', '.join(facts)})")
    more = f" and {len(entries) - limit} more" if len(entries) > limit else ""
    return ", ".join(words) + more


def _kinds_that_train(index: Index) -> set[str]:
    """Returns the ids of the nodes that train: those that are known, and those that did so here."""
    here = {node for (node,) in index.rows("SELECT DISTINCT node FROM trainings")}
    return here | {name for name, spec in load_nodes().items() if spec.length is not None}
