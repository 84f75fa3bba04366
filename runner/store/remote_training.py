"""The states of trainings in the remote cache, so that another machine can resume them.

A training has a small file that names its states, so nothing is listed. It is replaced as a whole,
and only after the state that it names was uploaded. An upload may end at any moment, for example if
a borrowed machine disconnects: then the state before it is still there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .remote import Remote

# Shortest time between uploads of states that the next one replaces. It is longer than that between
# two checkpoints, since some mounted drives store what is replaced in their bin.
UPLOAD_SECONDS = 60.0


_STATES = "state_0", "state_1"  # the roles of states before the end, used in turn
_ROLES = {*_STATES, "end", "kept"}


@dataclass(frozen=True)
class Entry:
    """A file of a training in the remote cache.

    step:   number of steps after which it was saved.
    digest: of its bytes.
    role:   one of `_STATES`; "end", a state that is not replaced; or "kept", the weights of a step.
    """

    step: int
    digest: str
    role: str

    def __post_init__(self) -> None:
        """Raises: ValueError if it cannot be an entry: the list may be damaged."""
        if type(self.step) is not int or self.role not in _ROLES:
            raise ValueError("this is not an entry")

    @property
    def file(self) -> str:
        """The name of the file."""
        return f"{self.role if self.role in _STATES else f'{self.role}_{self.step}'}.safetensors"


class RemoteTraining:
    """The states and kept weights of the training with this key.

    The states before the end use two files in turn: the one that is written is not in use.
    """

    def __init__(self, remote: Remote, training: str) -> None:
        self._remote, self._folder = remote, f"trainings/{training[:2]}/{training}"
        self._uploaded = -UPLOAD_SECONDS

    def entries(self) -> list[Entry]:
        """Returns what is stored, in the order of the steps."""
        data = self._remote.read(f"{self._folder}/stored.json")
        try:
            found = [Entry(**entry) for entry in json.loads(data or b"[]")]
        except (ValueError, TypeError):
            return []
        return sorted(found, key=lambda entry: entry.step)

    def load(self, entry: Entry) -> bytes | None:
        """Returns the bytes of a file if they are undamaged."""
        return self._remote.read_sound(f"{self._folder}/{entry.file}", entry.digest)

    def put_state(self, step: int, digest: str, path: Path, is_end: bool) -> None:
        """Upload a state in the background; soon, or when the remote cache is closed."""

        def upload() -> None:
            entries = self.entries()
            used = {entry.role for entry in entries}
            free = next(role for role in _STATES if role not in used)
            new = Entry(step, digest, "end" if is_end else free)
            stays = [e for e in entries if e.role not in _STATES and e.file != new.file]
            self._put(path, new, stays)

        now = time.monotonic()
        due = is_end or now - self._uploaded >= UPLOAD_SECONDS
        if due:
            self._uploaded = now
        self._remote.later(upload, self._folder, due)

    def put_kept(self, step: int, digest: str, path: Path, beside: Collection[int]) -> None:
        """Upload the weights of a kept step in the background, and delete those not in `beside`."""

        def upload() -> None:
            new = Entry(step, digest, "kept")
            entries = [entry for entry in self.entries() if entry.file != new.file]
            stays = [e for e in entries if e.role != "kept" or e.step in beside]
            self._put(path, new, stays)
            self._delete(entry for entry in entries if entry not in stays)

        self._remote.later(upload)

    def clear(self) -> None:
        """Delete all states and kept weights."""

        def forget() -> None:
            entries = self.entries()
            self._write_entries([])
            self._delete(entries)

        self._remote.later(forget, self._folder)

    def _put(self, path: Path, entry: Entry, others: list[Entry]) -> None:
        """Upload a file and name it beside `others`; nothing if it is not stored here any more."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:  # a later state has replaced it, and is uploaded next
            return
        self._remote.write(f"{self._folder}/{entry.file}", data)
        self._write_entries([*others, entry])

    def _delete(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._remote.delete(f"{self._folder}/{entry.file}")

    def _write_entries(self, entries: list[Entry]) -> None:
        text = json.dumps([asdict(entry) for entry in entries])
        self._remote.write(f"{self._folder}/stored.json", text.encode())
