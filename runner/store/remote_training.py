"""The states of trainings in the remote cache, so that another machine can resume them.

A training has a small file that names its states, so nothing is listed. It is replaced as a whole,
and only after the files that it names were uploaded. An upload may end at any moment, for example
if a borrowed machine disconnects: then the state before it is still there. The names of the files
contain their digests, so two machines with the same training never write different bytes into one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .blobs import Blobs
    from .remote import Remote

# Shortest time between uploads of states that the next one replaces. It is longer than that between
# two checkpoints, since some mounted drives store what is replaced in their bin.
UPLOAD_SECONDS = 60.0

LIST = "stored.json"
_ROLES = {"state", "end", "kept"}


@dataclass(frozen=True)
class Entry:
    """A file of a training in the remote cache.

    step:   number of steps after which it was saved.
    digest: of its bytes.
    size:   the number of its bytes.
    role:   "state", which a later one replaces; "end", a state that is not replaced; or "kept", the
            weights of a step.
    """

    step: int
    digest: str
    size: int
    role: str

    def __post_init__(self) -> None:
        """Raises: ValueError if it cannot be an entry: the list may be damaged."""
        are_numbers = type(self.step) is int and type(self.size) is int
        if not are_numbers or self.role not in _ROLES or not str(self.digest).isalnum():
            raise ValueError("this is not an entry")

    @property
    def file(self) -> str:
        """The name of the file."""
        return f"{self.role}_{self.step}_{self.digest}.safetensors"


class Local(NamedTuple):
    """A file of a training in the local cache."""

    step: int
    digest: str
    path: Path

    def entry(self, role: str) -> Entry | None:
        """Returns what the remote cache calls it; None if it is not stored any more."""
        try:
            return Entry(self.step, self.digest, self.path.stat().st_size, role)
        except FileNotFoundError:
            return None


class RemoteTraining:
    """The states and kept weights of the training with this key.

    node: the id of the node that trains.
    """

    def __init__(self, remote: Remote, training: str, node: str) -> None:
        self._remote, self._node = remote, node
        self._folder = f"trainings/{training[:2]}/{training}"
        self._uploaded = -UPLOAD_SECONDS

    def entries(self) -> list[Entry]:
        """Returns what is stored, in the order of the steps."""
        name = f"{self._folder}/{LIST}"
        data = self._remote.read(name)
        node, entries = parsed_list(data)
        if data is not None and not node:
            self._remote.report_damage(name)
        return entries

    def copy(self, entry: Entry, blobs: Blobs, report: bool) -> bool:
        """Copy a file to the local blobs. Returns whether it was there and undamaged.

        report: warn if it was not.
        """
        name = f"{self._folder}/{entry.file}"
        return self._remote.copy(name, entry.digest, entry.size, blobs, report)

    def put(self, state: Local, is_end: bool, kept: Collection[Local]) -> None:
        """Upload a state in the background; soon, or when the remote cache is closed.

        kept: all weights of earlier steps that are kept beside it.
        """

        def upload() -> None:
            entry = state.entry("end" if is_end else "state")
            if entry is not None:  # otherwise a later state has replaced it, and is uploaded next
                weights = {local.entry("kept"): local.path for local in kept}
                self._upload(entry, {e: path for e, path in weights.items() if e}, state.path)

        now = time.monotonic()
        due = is_end or now - self._uploaded >= UPLOAD_SECONDS
        if due:
            self._uploaded = now
        self._remote.later(upload, self._folder, due)

    def clear(self) -> None:
        """Delete all states and kept weights."""

        def forget() -> None:
            entries = self._entries_now()
            if entries:
                self._write_list([])
            self._delete(entries)

        self._remote.later(forget, self._folder)

    def _upload(self, state: Entry, kept: Mapping[Entry, Path], path: Path) -> None:
        """Upload what is missing, and name it; nothing if a machine has trained further.

        Raises: FileNotFoundError if a file is not stored here any more.
        """
        entries = self._entries_now()
        if state.role == "state" and any(
            e.role == "state" and e.step >= state.step for e in entries
        ):
            return
        files = {**kept, state: path}
        unnamed: list[Entry] = []
        try:
            for entry, file in files.items():
                name = f"{self._folder}/{entry.file}"
                if entry not in entries or self._remote.is_damaged(name):
                    self._remote.upload_file(name, file)
                    unnamed.append(entry)
        except FileNotFoundError:
            self._delete([entry for entry in unnamed if entry not in entries])
            raise
        stays = [e for e in entries if e not in files and (e.role == "end" or e.step > state.step)]
        self._write_list([*files, *stays])
        self._delete([e for e in entries if e not in files and e not in stays])

    def _entries_now(self) -> list[Entry]:
        return parsed_list(self._remote.read_now(f"{self._folder}/{LIST}"))[1]

    def _delete(self, entries: Collection[Entry]) -> None:
        for entry in entries:
            self._remote.delete(f"{self._folder}/{entry.file}")

    def _write_list(self, entries: Collection[Entry]) -> None:
        text = json.dumps({"node": self._node, "files": [asdict(entry) for entry in entries]})
        self._remote.write(f"{self._folder}/{LIST}", text.encode())


def parsed_list(data: bytes | None) -> tuple[str, list[Entry]]:
    """Returns the node of a training and its files, in the order of the steps.

    They are empty if the list is missing or damaged.
    """
    try:
        found = json.loads(data or b"")
        entries = [Entry(**entry) for entry in found["files"]]
        return str(found["node"]), sorted(entries, key=lambda entry: entry.step)
    except (ValueError, TypeError, KeyError):
        return "", []
