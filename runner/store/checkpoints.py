"""The states of trainings in the store, and kept weights, by training and step."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Literal

from .blobs import BlobError, Blobs
from .index import Index

if TYPE_CHECKING:
    from ...models.training.loop import State
    from .remote_training import Entry, RemoteTraining


Table = Literal["checkpoints", "kept_weights"]

_INSERT: dict[Table, str] = {
    "checkpoints": "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?, ?)",
    "kept_weights": "INSERT OR REPLACE INTO kept_weights VALUES (?, ?, ?, ?, ?)",
}
_DELETE: dict[Table, str] = {
    "checkpoints": "DELETE FROM checkpoints WHERE training = ? AND step = ?",
    "kept_weights": "DELETE FROM kept_weights WHERE training = ? AND step = ?",
}
_USED = (
    "SELECT 1 FROM checkpoints WHERE digest = ?"
    " UNION ALL SELECT 1 FROM kept_weights WHERE digest = ?"
)


class StoredCheckpoint:
    """The states and the kept weights of one training by step (models.training.loop.Checkpoint).

    The state at the end of a training remains stored. Each state before the end replaces the
    previous one. The weights of each kept step are a blob of their own, so that the next checkpoint
    does not write them again.

    training: the key of the training.
    total:    the number of steps that the training has this time.
    node:     the id of the node that trains.
    remote:   the same training in the remote cache, if there is one.
    """

    def __init__(
        self,
        index: Index,
        blobs: Blobs,
        training: str,
        total: int,
        node: str,
        warn: Callable[[str], None],
        remote: RemoteTraining | None = None,
    ) -> None:
        self._index, self._blobs, self._warn, self._remote = index, blobs, warn, remote
        self._training, self._total, self._node = training, total, node

    def fetch(self) -> None:
        """Copy the longest state and all kept weights from the remote cache, if they are longer.

        If the local state is longer, it is uploaded.
        """
        if self._remote is None:
            return
        stored = self.longest(self._total) or 0
        for report in (False, True):  # another machine may replace files while they are copied
            entries = [e for e in self._remote.entries() if e.step <= self._total]
            kept = [e for e in entries if e.role == "kept"]
            states = [e for e in entries if e.role != "kept" and e.step > stored]
            if not states:
                break
            # Without the kept weights, a resumed training would have other results.
            if all(self._copy("kept_weights", entry, report) for entry in kept) and any(
                self._copy("checkpoints", state, report) for state in reversed(states)
            ):
                return
        found = next(iter(self._stored(self._total)), None)
        if found is not None and not any(e.step >= found[0] for e in entries):
            self._upload(*found, is_end=found[0] == self._total)

    def longest(self, at_most: int, far: bool = False) -> int | None:
        """Returns the largest step of at most `at_most` whose state is stored, if there is one.

        far: also look in the remote cache, without copying from it.
        """
        steps = [step for step, _ in self._stored(at_most)]
        if far and self._remote is not None:
            steps += [e.step for e in self._remote.entries() if e.role != "kept"]
        return max((step for step in steps if step <= at_most), default=None)

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
            state = self._read("checkpoints", step, digest)
            if state is not None:
                return step, state
        return None

    def save(self, step: int, state: State) -> None:
        digest, size = self._blobs.write(None, state)
        is_end = step == self._total
        self._insert("checkpoints", step, digest, size, is_end)
        replaced = self._index.rows(
            "SELECT step, digest FROM checkpoints WHERE training = ? AND step < ? AND kept = 0",
            (self._training, step),
        )
        for old_step, old_digest in replaced:
            self._delete("checkpoints", old_step, old_digest)
        self._upload(step, digest, is_end)

    def kept(self) -> list[int]:
        """Returns the steps whose weights are kept, in ascending order."""
        return [step for step, _ in self._kept()]

    def keep(self, step: int, weights: State, beside: Collection[int]) -> None:
        """Keep the weights after `step` steps, and delete those of steps not in `beside`."""
        digest, size = self._blobs.write(None, weights)
        self._insert("kept_weights", step, digest, size)
        for other, its_digest in self._kept():
            if other != step and other not in beside:
                self._delete("kept_weights", other, its_digest)

    def load_kept(self, step: int) -> State | None:
        """Returns the weights after `step` steps, or None if they are not kept or are damaged."""
        digest = dict(self._kept()).get(step)
        return None if digest is None else self._read("kept_weights", step, digest)

    def clear(self) -> None:
        """Delete all states and weights, so that the training starts again from step 0."""
        for step, digest in self._stored(2**62):
            self._delete("checkpoints", step, digest)
        for step, digest in self._kept():
            self._delete("kept_weights", step, digest)
        if self._remote is not None:
            self._remote.clear()

    def _upload(self, step: int, digest: str, is_end: bool) -> None:
        """Upload a state with all kept weights in the background."""
        if self._remote is not None:
            from .remote_training import Local

            kept = [Local(*found, self._blobs.path(found[1])) for found in self._kept()]
            self._remote.put(Local(step, digest, self._blobs.path(digest)), is_end, kept)

    def _stored(self, at_most: int) -> list[tuple[int, str]]:
        rows = self._index.rows(
            "SELECT step, digest, size FROM checkpoints WHERE training = ? AND step <= ?"
            " ORDER BY step DESC",
            (self._training, at_most),
        )
        return [(step, d) for step, d, size in rows if self._blobs.exists(d, size)]

    def _kept(self) -> list[tuple[int, str]]:
        rows = self._index.rows(
            "SELECT step, digest, size FROM kept_weights WHERE training = ? ORDER BY step",
            (self._training,),
        )
        return [(step, d) for step, d, size in rows if self._blobs.exists(d, size)]

    def _read(self, table: Table, step: int, digest: str) -> State | None:
        """Returns the tensors of a blob; if it is damaged, deletes it and returns None."""
        try:
            blob = self._blobs.open(digest)
        except BlobError as error:
            self._warn(f"a checkpoint is skipped: {error}")
            self._delete(table, step, digest)
            return None
        return {name: blob.tensor(name) for name in blob.names()}

    def _copy(self, table: Table, entry: Entry, report: bool) -> bool:
        """Copy a file from the remote cache. Returns whether it was there, and undamaged."""
        assert self._remote is not None
        is_here = self._blobs.exists(entry.digest, entry.size)
        if not is_here and not self._remote.copy(entry, self._blobs, report):
            return False
        is_end = [entry.role == "end"] if table == "checkpoints" else []
        self._insert(table, entry.step, entry.digest, entry.size, *is_end)
        return True

    def _insert(self, table: Table, step: int, digest: str, size: int, *is_end: bool) -> None:
        with self._index.writing() as connection:
            connection.execute(
                _INSERT[table], (self._training, step, digest, size, *is_end, time.time())
            )

    def _delete(self, table: Table, step: int, digest: str) -> None:
        with self._index.writing() as connection:
            connection.execute(_DELETE[table], (self._training, step))
        if self._index.row(_USED, (digest, digest)) is None:
            self._blobs.remove(digest)
