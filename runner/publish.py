"""Putting finished files into the output folder, and the graph into its pictures.

A node that saves returns `Files`; here they reach the disk, each whole or not at all. What lies
there already, untouched since, is left alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..nodes.errors import NodeError
from ..nodes.sockets import Files, is_file_name
from .leftovers import sweep, write_whole
from .png import add_text, is_png

if TYPE_CHECKING:
    from PIL.Image import Image as PictureFile

GRAPH_KEY = "artgraph"  # the PNG text that holds the graph
MANIFEST = "manifest.json"


class Publisher:
    """Writes into `folder`; `graph_text` is put into PNG files.

    Raises: NodeError where something can't be written.
    """

    def __init__(self, folder: Path, graph_text: str) -> None:
        self.folder = folder
        self._graph_text = graph_text
        self._graph_stamp = hash_text(graph_text)
        self._owners: dict[str, str] = {}
        self._files: dict[str, Any] = {}
        for place in (folder, folder / "previews"):
            sweep(place)

    @cached_property
    def _before(self) -> dict[str, Any]:
        """The files of the run before; read where a node saves any."""
        files = _read_manifest(self.folder / MANIFEST).get("files")
        return files if isinstance(files, dict) else {}

    def publish(self, node: str, digest: str, load: Callable[[], Files]) -> list[str]:
        """Write a node's files; `digest` is that of their contents. The paths written or kept."""
        stamp = f"{digest} {self._graph_stamp}"
        kept = {
            name: e for name, e in self._before.items() if e["of"] == stamp and e["node"] == node
        }
        if kept and all(self._is_untouched(name, entry) for name, entry in kept.items()):
            for name, entry in kept.items():
                self._claim(node, name, entry)
            return [str(self.folder / name) for name in kept]
        paths = []
        for given, data in load().files.items():
            name = f"{file_stem(node)}{given[1:]}" if given.startswith("@") else given
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
            raise NodeError(
                f"{path} can't be written: {error.strerror}",
                "free space, or name another folder with --out",
            ) from error

    def write_manifest(self, run: dict[str, Any]) -> None:
        """Write what was run, with what and how, beside the files."""
        manifest = run | {"graph": self._graph_text, "files": self._files}
        parts = (f"{json.dumps(name)}: {_json_lines(value)}" for name, value in manifest.items())
        self.write(self.folder / MANIFEST, ("{\n" + ",\n".join(parts) + "\n}\n").encode())

    def _claim(self, node: str, name: str, entry: dict[str, Any]) -> None:
        if not is_file_name(name) or name.casefold() == MANIFEST:
            raise NodeError(f"{name!r} is no name for a file here", "choose another name")
        owner = self._owners.setdefault(name.casefold(), node)
        if owner != node:
            raise NodeError(f"writes {name!r}, as node {owner!r} does", "give one another name")
        self._files[name] = entry

    def _is_untouched(self, name: str, entry: dict[str, Any]) -> bool:
        try:
            status = (self.folder / name).stat()
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (entry.get("size"), entry.get("mtime"))


def file_stem(node: str) -> str:
    """A node's name as a file's: that of an inner graph's node has a slash."""
    return node.replace("/", ".")


def hash_text(text: str) -> str:
    """A short digest of a text."""
    from blake3 import blake3

    return str(blake3(text.encode()).hexdigest(8))


def _json_lines(value: Any) -> str:
    """JSON with a line for each item of a mapping (much faster than `indent`)."""
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
    """Saves pictures of work in progress as `previews/<node>.png`, every few seconds."""

    def __init__(self, publisher: Publisher, seconds: float) -> None:
        self._publisher, self._seconds = publisher, seconds
        self._last = time.monotonic()

    def is_due(self) -> bool:
        return time.monotonic() - self._last >= self._seconds

    def save(self, node: str, pictures: Any) -> str:
        """`pictures` is uint8 (N, H, W, 3); they are tiled. The path."""
        import io

        buffer = io.BytesIO()
        tiled(pictures).save(buffer, "PNG")
        path = self._publisher.folder / "previews" / f"{file_stem(node)}.png"
        self._publisher.write(path, buffer.getvalue())
        self._last = time.monotonic()
        return str(path)


def tiled(pictures: Any) -> PictureFile:
    """Pictures, uint8 (N, H, W, 3), as one, near a square."""
    from PIL import Image

    count, height, width, _ = pictures.shape
    columns = max(1, round(count**0.5))
    sheet = Image.new("RGB", (columns * width, -(-count // columns) * height), "white")
    for i, picture in enumerate(pictures.numpy()):
        sheet.paste(Image.fromarray(picture), (i % columns * width, i // columns * height))
    return sheet
