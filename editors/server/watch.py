"""Notices open graphs that someone else changes on disk, and changes of the graphs inside them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ...runner.run.earlier import hash_bytes


class Watch:
    """Compares files on disk with what the editor read or wrote last."""

    def __init__(self) -> None:
        self._own: dict[Path, str] = {}  # digest of each graph's file when last read or written
        self._inside: dict[Path, tuple[Path, ...]] = {}  # files of the graphs inside each graph
        self._seen: dict[Path, tuple[int, str]] = {}  # (mtime, digest) of each file when checked

    def record(self, path: Path, text: str) -> None:
        """Record the text that the editor has read from, or written to, a graph's file."""
        self._own[path] = hash_bytes(text.encode())
        self._seen[path] = (path.stat().st_mtime_ns, self._own[path])

    def record_inside(self, path: Path, files: Iterable[Path]) -> None:
        """Record the files of the graphs inside the graph at `path`."""
        self._inside[path] = tuple(files)
        for file in files:
            self._has_new_text(file)

    def is_recorded(self, path: Path, text: str) -> bool:
        """Returns whether the editor has read or written this text last."""
        return self._own.get(path) == hash_bytes(text.encode())

    def move(self, path: Path, new: Path) -> None:
        """Record that a file was renamed."""
        if path in self._own:
            self._own[new] = self._own.pop(path)
            self._seen[new] = self._seen.pop(path)
            self._inside[new] = self._inside.pop(path, ())

    def changed(self) -> dict[Path, Path]:
        """Returns the graphs that were changed since the last call, each with a changed file."""
        files = {file for inside in self._inside.values() for file in inside}
        new = {file for file in files | self._own.keys() if self._has_new_text(file)}
        found: dict[Path, Path] = {}
        for path, recorded in self._own.items():
            if path in new and self._seen[path][1] != recorded:
                found[path] = path
            elif inside := new.intersection(self._inside.get(path, ())):
                found[path] = min(inside)
        return found

    def _has_new_text(self, file: Path) -> bool:
        """Check a file. Returns whether its text differs from that at the previous check."""
        before = self._seen.get(file, (0, ""))
        try:
            stamp = file.stat().st_mtime_ns
            if stamp == before[0]:
                return False
            now = hash_bytes(file.read_text(encoding="utf-8-sig").encode())
        except (OSError, UnicodeDecodeError):
            return False  # deleted, or being written
        self._seen[file] = (stamp, now)
        return now != before[1]
