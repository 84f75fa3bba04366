"""Who holds a lock: each process writes what it locks into a file of its own in one folder.

The locks themselves do not depend on these files. A file may be lost, damaged or left behind by a
killed process; then a process that waits says less about the one that it waits for.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .temporary import discard, is_alive, sweep, temporary_in

_BYTES = 1024  # length of one entry
_LABEL = 150  # longest label in characters, so that an entry fits


class Holder(NamedTuple):
    """The holder of a lock.

    process: the id of its process.
    host:    the name of its computer.
    since:   the time at which it got the lock, in seconds since 1970; None if it is unknown.
    label:   what it does, such as "node 'vae' of cats.yaml".
    """

    process: int
    host: str
    since: float | None
    label: str

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this computer."""
        return self.host == socket.gethostname()

    @property
    def has_ended(self) -> bool:
        """Whether it is known that the process has ended."""
        return self.is_here and sys.platform != "win32" and not is_alive(self.process)

    @property
    def is_stopped(self) -> bool:
        """Whether the process was stopped, for example with Ctrl-Z. Only Linux reports it."""
        try:
            status = Path(f"/proc/{self.process}/stat").read_text()
        except OSError:
            return False
        return self.is_here and status.rpartition(")")[2].split()[0] in "Tt"


class Holders:
    """The entries in `folder`, of this and other processes. No method raises an OSError.

    Calls of `add` and `remove` must exclude each other.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._file: int | None = None
        self._places: dict[int, int] = {}  # the number of the entry of each lock that is held
        self._free: list[int] = []

    def add(self, offset: int, label: str) -> None:
        """Write that this process holds the lock at `offset`."""
        place = self._free.pop() if self._free else len(self._places)
        self._places[offset] = place
        label = " ".join(label.split())[:_LABEL]
        entry = [offset, os.getpid(), socket.gethostname()[:100], time.time(), label]
        text = json.dumps(entry, ensure_ascii=False).encode(errors="replace")
        with contextlib.suppress(OSError):
            file = self._opened()
            os.lseek(file, place * _BYTES, os.SEEK_SET)
            os.write(file, text.ljust(_BYTES - 1)[: _BYTES - 1] + b"\n")

    def remove(self, offset: int) -> None:
        """Let the entry of a lock be overwritten, since the lock is released."""
        place = self._places.pop(offset, None)
        if place is not None:
            self._free.append(place)

    def find(self, offset: int) -> Holder | None:
        """Returns the holder of the lock at `offset`, if its entry is there and readable."""
        found = [holder for place, holder in self._entries() if place == offset]
        return max(found, key=lambda holder: holder.since or 0, default=None)

    def close(self) -> None:
        """Delete the file of this process."""
        if self._file is not None and self._path is not None:
            os.close(self._file)
            with contextlib.suppress(OSError):
                discard(self._path)
        self._file = self._path = None

    def _opened(self) -> int:
        if self._file is None:
            self._folder.mkdir(exist_ok=True)
            sweep(self._folder)
            self._path = temporary_in(self._folder)
            flags = os.O_CREAT | os.O_RDWR | getattr(os, "O_BINARY", 0)  # only Windows has it
            self._file = os.open(self._path, flags, 0o666)
        return self._file

    def _entries(self) -> Iterator[tuple[int, Holder]]:
        """Yields the readable entries of all processes, without those of processes that ended."""
        for path in self._folder.glob(".*"):
            with contextlib.suppress(OSError):
                for line in path.read_bytes().splitlines():
                    with contextlib.suppress(ValueError, TypeError, OverflowError):
                        offset, process, host, since, label = json.loads(line)
                        holder = Holder(int(process), str(host), float(since), str(label))
                        if not holder.has_ended:
                            yield int(offset), holder


def owner(*paths: Path) -> Holder | None:
    """Returns the process that has locked one of these files for writing. Only Linux reports it."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        inodes = [str(path.stat().st_ino) for path in paths if path.exists()]
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()  # such as "1: POSIX ADVISORY WRITE 4242 fd:01:123456 120 120"
            process = int(words[4]) if words[1] != "->" and words[3] == "WRITE" else 0
            if process > 0 and words[5].rpartition(":")[2] in inodes:
                return Holder(process, socket.gethostname(), None, "")
    return None


def describe(holder: Holder | None) -> tuple[str, str]:
    """Returns words for who holds a lock, and what a person who waits for it can do."""
    if holder is None:
        return "another process", "wait for it, or end it"
    facts = [holder.label] if holder.label else []
    if holder.since is not None:
        facts.append(time.strftime("since %Y-%m-%d %H:%M:%S", time.localtime(holder.since)))
    rest = f" ({', '.join(facts)})" if facts else ""
    if not holder.is_here:
        who = f"process {holder.process} of the computer {holder.host}{rest}"
        return who, "wait for it, or end it there"
    if holder.process == os.getpid():
        return f"this process{rest}", "wait for it"
    who = f"process {holder.process}{rest}"
    if holder.is_stopped:
        return f"{who}, which is stopped", (
            f"continue it with `kill -CONT {holder.process}`, or end it with"
            f" `kill -KILL {holder.process}`"
        )
    return who, f"wait for it, or end process {holder.process}"
