"""Writes finished files into the output folder, and the graph into the PNG files.

A node that saves returns `Files`, and the publisher writes them, each whole or not at all. A file
of the previous run is not written again if it would be the same and was not changed since.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from ...contract.errors import GraphError, NodeError, write_problem
from ...contract.values.files import Files, is_file_name
from ...pictures.png_text import add_text, is_png
from ..store.temporary import file_in_the_way, sweep, write_whole

GRAPH_KEY = "artgraph"  # the PNG text that holds the graph
MANIFEST = "manifest.json"


class Publisher:
    """Writes into `folder`; `graph_text` is stored in PNG files.

    Raises: GraphError if `folder` is a file; NodeError if something can't be written.
    """

    def __init__(self, folder: Path, graph_text: str) -> None:
        file = file_in_the_way(folder)
        if file is not None:
            raise GraphError(f"{file} is a file", "choose a folder with --out")
        self.folder = folder
        self._graph_text = graph_text
        self._graph_stamp = hash_text(graph_text)
        self._owners: dict[str, str] = {}
        self._files: dict[str, Any] = {}
        for place in (folder, folder / "previews"):
            sweep(place)

    @cached_property
    def _previous(self) -> dict[str, Any]:
        """The entries of the previous run's files, by name; only read if a node saves files."""
        files = _read_manifest(self.folder / MANIFEST).get("files")
        return files if isinstance(files, dict) else {}

    def publish(self, node: str, digest: str, load: Callable[[], Files]) -> list[str]:
        """Write a node's files. Returns their paths, also if nothing had to be written.

        digest: the digest of the files.
        load:   returns the files; only called if they must be written.
        """
        stamp = f"{digest} {self._graph_stamp}"
        same = {
            name: e for name, e in self._previous.items() if e["of"] == stamp and e["node"] == node
        }
        if same and all(self._is_untouched(name, entry) for name, entry in same.items()):
            for name, entry in same.items():
                self._claim(node, name, entry)
            return [str(self.folder / name) for name in same]
        paths = []
        for pattern, data in load().files.items():
            name = f"{file_stem(node)}{pattern[1:]}" if pattern.startswith("@") else pattern
            self._claim(node, name, {"of": stamp, "node": node})
            path = self.folder / name
            self.write(path, add_text(data, GRAPH_KEY, self._graph_text) if is_png(data) else data)
            status = path.stat()
            self._files[name] |= {"size": status.st_size, "mtime": status.st_mtime_ns}
            paths.append(str(path))
        return paths

    def write(self, path: Path, data: bytes) -> None:
        """Write one file, whole or not at all."""
        try:
            write_whole(path, data)
        except OSError as error:
            advice = "choose another folder with --out"
            raise NodeError(*write_problem(path, error, advice)) from error

    def write_manifest(self, run: dict[str, Any]) -> None:
        """Write the manifest: the facts about the run, the graph and the files."""
        manifest = run | {"graph": self._graph_text, "files": self._files}
        parts = (f"{json.dumps(name)}: {_json_lines(value)}" for name, value in manifest.items())
        self.write(self.folder / MANIFEST, ("{\n" + ",\n".join(parts) + "\n}\n").encode())

    def _claim(self, node: str, name: str, entry: dict[str, Any]) -> None:
        if not is_file_name(name) or name.casefold() == MANIFEST:
            raise NodeError(f"{name!r} can't be used as a file name", "choose another name")
        owner = self._owners.setdefault(name.casefold(), node)
        if owner != node:
            what = f"it would overwrite {name!r}, which node {owner!r} writes"
            raise NodeError(what, "choose another name for one of these files")
        self._files[name] = entry

    def _is_untouched(self, name: str, entry: dict[str, Any]) -> bool:
        try:
            status = (self.folder / name).stat()
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (entry.get("size"), entry.get("mtime"))


def file_stem(node: str) -> str:
    """Returns the name of a node for a file name; the slashes of inner graphs become dots."""
    return node.replace("/", ".")


def hash_text(text: str) -> str:
    """Returns a short digest of a text."""
    from blake3 import blake3

    return str(blake3(text.encode()).hexdigest(8))


def _json_lines(value: Any) -> str:
    """Returns JSON with a line for each item of a mapping (much faster than `indent`)."""
    if not isinstance(value, dict) or not value:
        return json.dumps(value)
    items = (f" {json.dumps(name)}: {json.dumps(item)}" for name, item in value.items())
    return "{\n" + ",\n".join(items) + "\n}"


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


class PreviewWriter:
    """Saves pictures of work in progress as `previews/<node>.png`, once in `seconds` at most."""

    def __init__(self, publisher: Publisher, seconds: float) -> None:
        self._publisher, self._seconds = publisher, seconds
        self._start = time.monotonic()
        self._last: dict[str, float] = {}  # the time of each node's last picture

    def is_due(self, node: str) -> bool:
        """Returns whether a picture of the node may be saved now."""
        return time.monotonic() - self._last.get(node, self._start) >= self._seconds

    def save(self, node: str, pictures: Any) -> str:
        """Save pictures, uint8 (N, H, W, 3), as one picture. Returns its path."""
        import io

        from ...pictures.tiles import tiled

        buffer = io.BytesIO()
        tiled(pictures).save(buffer, "PNG")
        path = self._publisher.folder / "previews" / f"{file_stem(node)}.png"
        self._publisher.write(path, buffer.getvalue())
        self._last[node] = time.monotonic()
        return str(path)
