"""The last pictures of a node's work, such as the samples of a training, and its messages.

They are stored by the key of the node's result, so that the editors also show them if the result
is reused.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from ...contract.values.files import file_stem
from ...runner.store.temporary import write_whole

SAMPLES = "samples"  # name of the folder in the cache
_MOST = 500  # stored pictures, and as many files of messages; the oldest are deleted


class Samples:
    """The pictures of one run, which are shown in the folder `shown`."""

    def __init__(self, folder: Path, shown: Path) -> None:
        self._folder, self._shown = folder, shown
        self._last: dict[str, Path] = {}  # the last picture of each node's work

    def record(self, node: str, path: str) -> None:
        """Remember the last picture of a node that runs."""
        self._last[node] = Path(path)

    def finished(self, node: str, key: str | None) -> list[str]:
        """Store the last picture of a node that has finished. Returns the names of its pictures."""
        path = self._last.pop(node, None)
        if path is None or key is None:
            return []
        with contextlib.suppress(OSError):
            self.put(key, path.read_bytes())
        return self.reused(node, key)

    def put(self, key: str, data: bytes) -> None:
        """Store the picture of a result, as a PNG file. Raises: OSError."""
        write_whole(self._folder / f"{key}.png", data)
        self._sweep()

    def reused(self, node: str, key: str | None) -> list[str]:
        """Returns the names of the pictures of a node whose result is reused."""
        path = self._folder / f"{key}.png"
        if key is None or not path.is_file():
            return []
        name = f"{file_stem(node)}-samples-{key[:8]}.png"
        with contextlib.suppress(OSError):
            link(self._shown / name, path)
            return [name]
        return []

    def put_lines(self, key: str, lines: Sequence[str]) -> None:
        """Store the messages of a node's work. Raises: OSError."""
        write_whole(self._folder / f"{key}.json", json.dumps(lines).encode())
        self._sweep()

    def lines(self, key: str) -> list[str]:
        """Returns the messages of a node whose result is reused."""
        try:
            return [str(line) for line in json.loads((self._folder / f"{key}.json").read_bytes())]
        except (OSError, ValueError):
            return []

    def _sweep(self) -> None:
        for ending in ("png", "json"):
            paths = list(self._folder.glob(f"*.{ending}"))
            if len(paths) > _MOST:
                for path in sorted(paths, key=lambda p: p.stat().st_mtime)[:-_MOST]:
                    path.unlink(missing_ok=True)


def link(target: Path, source: Path | bytes) -> None:
    """Write a file: some bytes, or another file, which shares its space on the disk if possible."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if isinstance(source, bytes):
        target.write_bytes(source)
        return
    try:
        target.hardlink_to(source)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(source, target)
