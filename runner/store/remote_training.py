"""The states of trainings in the remote cache, so that another machine can resume them.

A training has a small file that names its states, so nothing is listed. It is replaced as a whole,
and only after the state that it names was uploaded. An upload may end at any moment, for example if
a borrowed machine disconnects: then the state before it is still there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

if TYPE_CHECKING:
    from .remote import Remote

# Shortest time between uploads of states that the next one replaces. It is longer than that between
# two checkpoints, since some mounted drives store what is replaced in their bin.
UPLOAD_SECONDS = 60.0


@dataclass(frozen=True)
class Entry:
    """A file of a training in the remote cache.

    step:   number of steps after which it was saved.
    name:   of the file.
    digest: of its bytes.
    role:   "state"; "end", a state that is not replaced; or "kept", the weights of a kept step.
    """

    step: int
    name: str
    digest: str
    role: str


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
        data = self._remote.read(f"{self._folder}/{entry.name}")
        is_sound = data is not None and blake3(data).hexdigest(16) == entry.digest
        return data if is_sound else None

    def put_state(self, step: int, digest: str, path: Path, is_end: bool) -> None:
        """Upload a state in the background; soon, or when the remote cache is closed."""

        def upload() -> None:
            entries = self.entries()
            states = [entry for entry in entries if entry.role == "state"]
            if is_end:
                name, role = f"end_{step}.safetensors", "end"
            else:
                used = {entry.name for entry in states}
                names = ("state_0.safetensors", "state_1.safetensors")
                name, role = next(name for name in names if name not in used), "state"
            others = [entry for entry in entries if entry not in states and entry.name != name]
            self._put(path, Entry(step, name, digest, role), others)

        now = time.monotonic()
        due = is_end or now - self._uploaded >= UPLOAD_SECONDS
        if due:
            self._uploaded = now
        self._remote.later(upload, self._folder, due)

    def put_kept(self, step: int, digest: str, path: Path, beside: Collection[int]) -> None:
        """Upload the weights of a kept step in the background, and delete those not in `beside`."""

        def upload() -> None:
            entry = Entry(step, f"kept_{step}.safetensors", digest, "kept")
            entries = [other for other in self.entries() if other.name != entry.name]
            stays = [e for e in entries if e.role != "kept" or e.step in beside]
            self._put(path, entry, stays)
            for other in entries:
                if other not in stays:
                    self._remote.delete(f"{self._folder}/{other.name}")

        self._remote.later(upload)

    def clear(self) -> None:
        """Forget all states and kept weights."""
        self._remote.later(lambda: self._write_entries([]))

    def _put(self, path: Path, entry: Entry, others: list[Entry]) -> None:
        """Upload a file and name it beside `others`; nothing if it is not stored here any more."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:  # a later state has replaced it, and is uploaded next
            return
        self._remote.write(f"{self._folder}/{entry.name}", data)
        self._write_entries([*others, entry])

    def _write_entries(self, entries: list[Entry]) -> None:
        text = json.dumps([asdict(entry) for entry in entries])
        self._remote.write(f"{self._folder}/stored.json", text.encode())
