"""Remembers which files were saved for a result, so that they are not saved twice.

ComfyUI runs a node again although nothing has changed, when it has forgotten its result: after a
restart, or after another graph has run. Without this record, each such run would write copies.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

from ...runner.store.temporary import write_whole

_FOLDER = "saved"  # name of the folder in the cache
_MOST = 5000  # records; the oldest are deleted


class Saved:
    """The record of the files that were saved for one result under one choice of names.

    key:    the key of the result.
    root:   the folder in which the files are saved.
    chosen: their names, before they get numbers.
    """

    def __init__(self, cache: Path, key: str, root: Path, chosen: list[str]) -> None:
        self._root = root
        what = json.dumps([key, str(root.resolve()), *chosen])
        self._path = cache / _FOLDER / f"{hashlib.sha256(what.encode()).hexdigest()}.json"

    def unchanged(self) -> list[str] | None:
        """Returns the names of the files if all of them are still as they were saved."""
        try:
            known = json.loads(self._path.read_bytes())
            names = [str(name) for name in known]
            return names if all(self._state(name) == known[name] for name in names) else None
        except (OSError, ValueError, TypeError):
            return None

    def record(self, names: list[str]) -> None:
        """Remember the names under which the files were just saved."""
        with contextlib.suppress(OSError):  # without a record, they are saved again
            states = {name: self._state(name) for name in names}
            write_whole(self._path, json.dumps(states).encode())
            self._sweep()

    def _state(self, name: str) -> list[int]:
        """Returns what changes with a file. Raises: OSError if there is no such file."""
        state = (self._root / name).stat()
        return [state.st_size, state.st_mtime_ns]

    def _sweep(self) -> None:
        paths = list(self._path.parent.glob("*.json"))
        if len(paths) > _MOST:
            for path in sorted(paths, key=lambda p: p.stat().st_mtime)[: -_MOST // 2]:
                path.unlink(missing_ok=True)
