"""The states of trainings in the store, by training and step."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from .blobs import BlobError, Blobs
from .index import Index

if TYPE_CHECKING:
    from ...models.training.loop import State


class StoredCheckpoint:
    """The states of one training by step (models.training.loop.Checkpoint).

    The state at the end of a training remains stored. Each state before the end replaces the
    previous one.

    training: the key of the training.
    total:    the number of steps that the training has this time.
    node:     the id of the node that trains.
    """

    def __init__(
        self,
        index: Index,
        blobs: Blobs,
        training: str,
        total: int,
        node: str,
        warn: Callable[[str], None],
    ) -> None:
        self._index, self._blobs, self._warn = index, blobs, warn
        self._training, self._total, self._node = training, total, node

    def longest(self, at_most: int) -> int | None:
        """Returns the largest step of at most `at_most` whose state is stored, if there is one."""
        return next((step for step, _ in self._stored(at_most)), None)

    def load(self, at_most: int) -> tuple[int, State] | None:
        """Returns the undamaged state with the largest step of at most `at_most`, with its step.

        The training counts as used now.
        """
        with self._index.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO trainings VALUES (?, ?, ?)",
                (self._training, self._node, time.time()),
            )
        for step, digest in self._stored(at_most):
            try:
                blob = self._blobs.open(digest)
            except BlobError as error:
                self._warn(f"a checkpoint is skipped: {error}")
                self._delete(step, digest)
                continue
            return step, {name: blob.tensor(name) for name in blob.names()}
        return None

    def save(self, step: int, state: State) -> None:
        digest, size = self._blobs.write(None, state)
        with self._index.writing() as connection:
            replaced = connection.execute(
                "SELECT step, digest FROM checkpoints WHERE training = ? AND step < ? AND kept = 0",
                (self._training, step),
            ).fetchall()
            connection.execute(
                "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?, ?)",
                (self._training, step, digest, size, step == self._total, time.time()),
            )
        for old_step, old_digest in replaced:
            self._delete(old_step, old_digest)

    def clear(self) -> None:
        """Delete all states, so that the training starts again from step 0."""
        for step, digest in self._stored(2**62):
            self._delete(step, digest)

    def _stored(self, at_most: int) -> list[tuple[int, str]]:
        rows = self._index.rows(
            "SELECT step, digest, size FROM checkpoints WHERE training = ? AND step <= ?"
            " ORDER BY step DESC",
            (self._training, at_most),
        )
        return [(step, d) for step, d, size in rows if self._blobs.exists(d, size)]

    def _delete(self, step: int, digest: str) -> None:
        with self._index.writing() as connection:
            connection.execute(
                "DELETE FROM checkpoints WHERE training = ? AND step = ?", (self._training, step)
            )
        if self._index.row("SELECT 1 FROM checkpoints WHERE digest = ?", (digest,)) is None:
            self._blobs.remove(digest)
