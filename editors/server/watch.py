"""Which open graphs someone else has changed on disk: their own files, and graphs inside them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ...runner.run.publish import hash_text


class Watch:
    """Knows the digest of each file as the editor read or wrote it last."""

    def __init__(self) -> None:
        self._own: dict[Path, str] = {}  # of each graph's own file, as the editor knows it
        self._inside: dict[Path, tuple[Path, ...]] = {}  # the files of the graphs inside it
        self._seen: dict[Path, tuple[int, str]] = {}  # time and digest as last looked at

    def know(self, path: Path, text: str) -> None:
        """The editor has read or written this text."""
        self._own[path] = hash_text(text)
        self._seen[path] = (path.stat().st_mtime_ns, self._own[path])

    def know_inside(self, path: Path, files: Iterable[Path]) -> None:
        """The graph at `path` was read with the graphs in these files."""
        self._inside[path] = tuple(files)
        for file in files:
            self._look(file)

    def knows(self, path: Path, text: str) -> bool:
        """Whether this is what the editor has read or written last."""
        return self._own.get(path) == hash_text(text)

    def move(self, path: Path, new: Path) -> None:
        """The file has another name now."""
        if path in self._own:
            self._own[new] = self._own.pop(path)
            self._seen[new] = self._seen.pop(path)
            self._inside[new] = self._inside.pop(path, ())

    def changed(self) -> dict[Path, Path]:
        """The graphs that were changed since the last call, and by which file of each."""
        files = {file for inside in self._inside.values() for file in inside}
        new = {file for file in files | self._own.keys() if self._look(file)}
        found: dict[Path, Path] = {}
        for path, known in self._own.items():
            if path in new and self._seen[path][1] != known:
                found[path] = path
            elif inside := new.intersection(self._inside.get(path, ())):
                found[path] = min(inside)
        return found

    def _look(self, file: Path) -> bool:
        """Whether a file says something else than when it was last looked at."""
        before = self._seen.get(file, (0, ""))
        try:
            stamp = file.stat().st_mtime_ns
            if stamp == before[0]:
                return False
            now = hash_text(file.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError):
            return False  # gone, or being written
        self._seen[file] = (stamp, now)
        return now != before[1]
