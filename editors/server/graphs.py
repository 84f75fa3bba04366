"""The folder of graphs. They are YAML files, and the editor reads and writes them as workflows.

The YAML contains everything, including the layout. If only the layout changes, saving preserves
the comments and the form of a file. If someone else has changed the file meanwhile, that version
is stored as a backup.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from ...contract.errors import ArtgraphError
from ...contract.spec import NodeSpec
from ...runner.graph.document import Document, parse_document
from ...runner.graph.folders import Folders
from ...runner.graph.nesting import files_inside
from ...runner.store.temporary import write_whole
from ..formats.convert import check, from_comfy
from ..formats.workflow_write import to_workflow
from .paths import file_info, inside
from .saving import text_to_save
from .settings import Settings
from .watch import Watch

_DEPTH = 3  # levels of sub-folders that are searched for graphs
_MAX_LISTED = 1_000  # largest number of graphs in the list


class Saved(NamedTuple):
    """The file of a saved workflow, and a note for the user if it was not saved as usual."""

    path: Path
    note: str | None = None


class Graphs:
    """The graphs of a folder. The editor's workflow `name.json` is the file `name.yaml`.

    A workflow that can't be written as YAML, for example because a wire is missing or a node is
    unknown, is saved as JSON, so that no work is lost.
    """

    def __init__(self, settings: Settings, registry: Mapping[str, NodeSpec]) -> None:
        self._folder, self._registry = settings.folder, registry
        self._skip = {settings.out.resolve(), settings.input.resolve()}
        self._backups = settings.state / "backups"
        self._watch = Watch()

    def listed(self) -> list[dict[str, Any]]:
        """Returns what the editor shows of each graph in the folder."""
        found: dict[str, dict[str, Any]] = {}
        for path in self._walk(self._folder, 0):
            name = path.relative_to(self._folder).with_suffix(".json").as_posix()
            if len(found) < _MAX_LISTED and (name not in found or path.suffix == ".yaml"):
                found[name] = file_info(path, name)
        return list(found.values())

    def load(self, name: str) -> dict[str, Any]:
        """Returns a graph of the folder as a workflow of the editor.

        Raises: HTTPNotFound; HTTPUnprocessableEntity if the file is not a valid graph.
        """
        path = self._existing(name)
        text = path.read_text(encoding="utf-8-sig")
        self._watch.record(path, text)
        if path.suffix == ".json":
            workflow: dict[str, Any] = json.loads(text)
            return workflow
        try:
            document = parse_document(text, path.name, path.parent)
            self._watch_inside(path, document)
            return to_workflow(check(document, self._registry), self._registry)
        except ArtgraphError as error:
            raise web.HTTPUnprocessableEntity(text=str(error)) from error

    def workflow(self, text: str, path: Path) -> dict[str, Any]:
        """Returns a graph's YAML as a workflow of the editor, with the nodes of graphs inside it.

        Raises: GraphError.
        """
        document = parse_document(text, path.name, path.parent)
        return to_workflow(check(document, self._registry), self._registry)

    def document(self, workflow: Any, path: Path) -> Document:
        """Returns a workflow of the editor as the graph at `path`.

        Raises: GraphError.
        """
        return from_comfy(workflow, self._registry, path.name, path.parent).document

    def save(self, name: str, workflow: Any, overwrite: bool) -> Saved:
        """Write a workflow as YAML.

        Raises: HTTPConflict if the file exists and `overwrite` is false.
        """
        path = inside(self._folder, name).with_suffix(".yaml")
        plain = path.with_suffix(".json")
        if not overwrite and (path.exists() or _is_workflow(plain)):
            raise web.HTTPConflict(text=f"{path.name} already exists")
        if not isinstance(workflow, dict):
            raise web.HTTPBadRequest(text="the workflow is not a JSON object")
        try:
            document = self.document(workflow, path)
        except ArtgraphError as error:
            write_whole(plain, json.dumps(workflow, indent=1).encode())
            return Saved(
                plain, f"It is saved as JSON, because it can't be written as YAML: {error}"
            )
        old = _text(path)
        text, note = text_to_save(document, old, self._registry)
        self._back_up(path, loses_content=note is not None)
        if text != old:
            write_whole(path, text.encode())
        if _is_workflow(plain):
            plain.unlink()
        self._watch.record(path, text)
        self._watch_inside(path, parse_document(text, path.name, path.parent))
        return Saved(path, note)

    def delete(self, name: str) -> None:
        self._existing(name).unlink()

    def move(self, name: str, target: str, overwrite: bool) -> Path:
        """Rename a graph.

        Raises: HTTPConflict if a graph with the new name exists and `overwrite` is false.
        """
        path = self._existing(name)
        new = inside(self._folder, target).with_suffix(path.suffix)
        if new.exists() and not overwrite:
            raise web.HTTPConflict(text=f"{new.name} already exists")
        new.parent.mkdir(parents=True, exist_ok=True)
        path.replace(new)
        self._watch.move(path, new)
        return new

    def changed(self) -> list[dict[str, str]]:
        """Returns the open graphs that someone else has changed on disk since the last call.

        `file` is the changed file: that of the graph itself, or that of a graph inside it.
        """
        return [
            {
                "path": path.relative_to(self._folder).with_suffix(".json").as_posix(),
                "file": os.path.relpath(file, path.parent),
            }
            for path, file in self._watch.changed().items()
        ]

    def _watch_inside(self, path: Path, document: Document) -> None:
        folders = Folders(path.parent, path.parent, path.parent)
        self._watch.record_inside(path, files_inside(document, self._registry, folders))

    def _walk(self, folder: Path, depth: int) -> Iterator[Path]:
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            return
        for path in entries:
            if path.name.startswith(".") or path.is_symlink():
                continue
            if path.is_dir():
                if depth < _DEPTH and path.resolve() not in self._skip:
                    yield from self._walk(path, depth + 1)
            elif _is_graph(path) or _is_workflow(path):
                yield path

    def _existing(self, name: str) -> Path:
        path = inside(self._folder, name)
        for suffix, accepts in (
            (".yaml", Path.is_file),
            (".yml", _is_graph),
            (".json", _is_workflow),
        ):
            if accepts(path.with_suffix(suffix)):
                return path.with_suffix(suffix)
        raise web.HTTPNotFound(text=f"there is no graph {name!r}")

    def _back_up(self, path: Path, loses_content: bool) -> None:
        """Store a copy of a file before it is replaced, if its content would be lost otherwise.

        The content is lost if someone else has changed the file since the editor read it, or if
        the new text can't contain all of it (`loses_content`).
        """
        if not path.exists():
            return
        data = path.read_bytes()
        if loses_content or not self._watch.is_recorded(path, data.decode("utf-8-sig", "replace")):
            stamp = time.strftime("%Y%m%d-%H%M%S")
            write_whole(self._backups / f"{path.stem}-{stamp}.yaml", data)


def _text(path: Path) -> str | None:
    """Returns a file's text, or None if it can't be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None


def _is_graph(path: Path) -> bool:
    """Returns whether a YAML file is a graph: it has the key `artgraph` near its beginning."""
    if path.suffix not in (".yaml", ".yml"):
        return False
    try:
        with path.open("rb") as file:
            return b"artgraph:" in file.read(4_096)
    except OSError:
        return False


def _is_workflow(path: Path) -> bool:
    """Returns whether a JSON file is a workflow of the editor."""
    if path.suffix != ".json":
        return False
    try:
        data = path.read_bytes() if path.stat().st_size < 5 * 2**20 else b""
        return b'"nodes"' in data and b'"links"' in data
    except OSError:
        return False
