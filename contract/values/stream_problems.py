"""What is noticed while pictures are read from shards: some can't be read, others have remarks."""

from __future__ import annotations

import threading
from collections.abc import Callable

_SHOWN = 3  # names in a message
# Why pictures can't be read, by row, and other notes with some of the rows that they are about.
Found = tuple[dict[int, str], dict[str, list[int]]]


class Problems:
    """What was noticed about the pictures of a dataset; its methods are safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bad: dict[int, str] = {}
        self._notes: dict[str, list[int]] = {}

    def add_bad(self, row: int, reason: str) -> None:
        """Note that a picture can't be read."""
        with self._lock:
            self._bad[row] = reason

    def add_note(self, row: int, text: str) -> None:
        """Note something about a picture that could be read."""
        with self._lock:
            rows = self._notes.setdefault(text, [])
            if len(rows) <= _SHOWN and row not in rows:
                rows.append(row)

    def found(self) -> Found:
        """Returns all of it, for another process."""
        with self._lock:
            return dict(self._bad), {text: list(rows) for text, rows in self._notes.items()}

    def add(self, found: Found) -> None:
        """Accept what another process noticed about the same pictures."""
        bad, notes = found
        for row, reason in bad.items():
            self.add_bad(row, reason)
        for text, rows in notes.items():
            for row in rows:
                self.add_note(row, text)

    def bad_rows(self) -> list[int]:
        """Returns the rows of the pictures that can't be read, in ascending order."""
        with self._lock:
            return sorted(self._bad)

    def report(self, what: str, name: Callable[[int], str]) -> str:
        """Returns all of it as a text for people; empty if there is nothing.

        what: what is done about pictures that can't be read.
        name: returns the name of the picture in a row.
        """
        bad, notes = self.found()
        parts = []
        if bad:
            shown = [f"{name(row)}: {bad[row]}" for row in sorted(bad)[:_SHOWN]]
            more = ", ..." if len(bad) > _SHOWN else ""
            one, several = "1 picture can't be read, and is", "pictures can't be read, and are"
            count = one if len(bad) == 1 else f"{len(bad)} {several}"
            parts.append(f"{count} {what} ({', '.join(shown)}{more})")
        for text, rows in notes.items():
            names = ", ".join(name(row) for row in sorted(rows)[:_SHOWN])
            parts.append(f"{text} ({names}{', ...' if len(rows) > _SHOWN else ''})")
        return "; ".join(parts)
