"""Trainings on their way: their states by key and step, beside the results in the store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .blobs import BlobError

if TYPE_CHECKING:
    from ..models.training import State
    from .store import Store


class StoredCheckpoint:
    """The states of one training by step (models.training.Checkpoint).

    The state at a length that was asked for stays; on the way there, each replaces the one before.
    """

    def __init__(self, store: Store, training: str, total: int, node: str) -> None:
        self._store, self._training, self._total, self._node = store, training, total, node

    def longest(self, at_most: int) -> int | None:
        """The most stored steps that are no more than `at_most`."""
        return next((step for step, _ in self._stored(at_most)), None)

    def load(self, at_most: int) -> tuple[int, State] | None:
        """The longest sound state of at most so many steps; the training counts as used now."""
        with self._store.writing():
            self._store.index.execute(
                "INSERT OR REPLACE INTO trainings VALUES (?, ?, ?)",
                (self._training, self._node, time.time()),
            )
        for step, digest in self._stored(at_most):
            try:
                blob = self._store.blobs.open(digest)
            except BlobError as error:
                self._store.warn(f"a checkpoint is left out: {error}")
                self._delete(step, digest)
                continue
            return step, {name: blob.tensor(name) for name in blob.names()}
        return None

    def save(self, step: int, state: State) -> None:
        try:
            digest, size = self._store.blobs.write(None, state)
        except OSError as error:
            raise self._store.cannot_write(error) from error
        self._store.grown += size
        with self._store.writing():
            passed = self._store.index.execute(
                "SELECT step, digest FROM checkpoints WHERE training = ? AND step < ? AND kept = 0",
                (self._training, step),
            ).fetchall()
            self._store.index.execute(
                "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?, ?)",
                (self._training, step, digest, size, step == self._total, time.time()),
            )
        for old_step, old_digest in passed:
            self._delete(old_step, old_digest)

    def clear(self) -> None:
        """Forget all states, so that the training starts anew."""
        for step, digest in self._stored(2**62):
            self._delete(step, digest)

    def _stored(self, at_most: int) -> list[tuple[int, str]]:
        with self._store.mutex:
            rows = self._store.index.execute(
                "SELECT step, digest, size FROM checkpoints WHERE training = ? AND step <= ?"
                " ORDER BY step DESC",
                (self._training, at_most),
            ).fetchall()
        return [(step, d) for step, d, size in rows if self._store.blobs.exists(d, size)]

    def _delete(self, step: int, digest: str) -> None:
        index = self._store.index
        with self._store.writing():
            index.execute(
                "DELETE FROM checkpoints WHERE training = ? AND step = ?", (self._training, step)
            )
            shared = index.execute("SELECT 1 FROM checkpoints WHERE digest = ?", (digest,))
            if shared.fetchone() is None:
                self._store.blobs.remove(digest)
