"""The folder of graphs. They are YAML files, and the editor reads and writes them as workflows.

The YAML contains everything, including the layout. Any file that is YAML opens, and the workflow
contains what is wrong with the graph. Saving preserves the comments and the form of a file. If
something of a file would be lost, it is stored as a backup first.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from ...contract.errors import ArtgraphError, GraphError, InputError
from ...contract.spec import NodeSpec
from ...runner.graph.document import Document, parse_document
from ...runner.graph.folders import Folders
from ...runner.graph.nesting import files_inside
from ...runner.graph.yaml_mistakes import decoded
from ...runner.run.earlier import hash_bytes
from ...runner.store.temporary import write_whole
from ..formats.convert import Converted, from_comfy, read_json
from ..formats.shown import show
from ..formats.workflow_read import is_workflow
from .graph_files import is_graph, is_workflow_file, opens_as_app, text_of
from .paths import file_info, inside
from .prompts import problems_in_editor
from .saving import text_to_save
from .settings import Settings
from .watch import Watch

_BLOCK, _BLOCKS = 1_000, 1_000_000  # ids of nodes in one file, and how many files have others
_DEPTH = 3  # levels of sub-folders that are searched for graphs
_MAX_LISTED = 1_000  # largest number of graphs in the list
ANY_VERSION = "*"
_APP = ".app.json"
PROBLEMS = "artgraph_problems"  # the key in a workflow's `extra` for what is wrong with the graph


class Saved(NamedTuple):
    """The file of a saved workflow, its version, and a note for the user if something was lost."""

    path: Path
    version: str
    note: str | None = None


class Opened(NamedTuple):
    """A graph as a workflow of the editor, and the version of its file."""

    workflow: dict[str, Any]
    version: str


class StaleError(Exception):
    """The file of a graph was changed since the window that saves it has read it."""


class Graphs:
    """The graphs of a folder. The editor's workflow `name.json` is the file `name.yaml`.

    A workflow that can't be written as YAML, for example because a wire is missing or a node is
    unknown, is saved as JSON, so that no work is lost.
    """

    def __init__(self, settings: Settings, registry: Mapping[str, NodeSpec]) -> None:
        self._settings, self._folder, self._registry = settings, settings.folder, registry
        self._skip = {settings.out.resolve(), settings.input.resolve()}
        self._backups = settings.state / "backups"
        self._watch = Watch()

    def listed(self) -> list[dict[str, Any]]:
        """Returns what the editor shows of each graph in the folder."""
        found: dict[str, dict[str, Any]] = {}
        for path in self._walk(self._folder, 0):
            name = self._name(path)
            if len(found) < _MAX_LISTED and (name not in found or path.suffix == ".yaml"):
                found[name] = file_info(path, name)
        return list(found.values())

    def load(self, name: str) -> Opened:
        """Returns a graph of the folder. What is wrong with it is part of the workflow.

        Raises: HTTPNotFound; HTTPUnprocessableEntity if the file can't be read, or is not YAML or
        JSON.
        """
        path = self._existing(name)
        try:
            data = _bytes(path)
            text = decoded(data, Path(path.name))
            self._watch.record(path, text)
            if path.suffix == ".json":
                return Opened(_workflow_in(text, path), _version(data))
            document = parse_document(text, path.name, path.parent)
        except ArtgraphError as error:
            raise web.HTTPUnprocessableEntity(text=str(error)) from error
        self._watch_inside(path, document)
        return Opened(self._shown(document), _version(data))

    def workflow(self, text: str, path: Path) -> dict[str, Any]:
        """Returns a graph's YAML as a workflow of the editor, with the nodes of graphs inside it.

        Raises: GraphError if the text is not YAML.
        """
        return self._shown(parse_document(text, path.name, path.parent))

    def _shown(self, document: Document) -> dict[str, Any]:
        """Returns a document as a workflow that contains the problems of the graph."""
        folders = Folders(document.folder, self._settings.input, self._settings.out)
        workflow, problems = show(document, self._registry, folders, self._first_id(document))
        if problems:
            workflow["extra"][PROBLEMS] = problems_in_editor(problems, workflow["nodes"])
        return workflow

    def _first_id(self, document: Document) -> int:
        """Returns the id of a graph's first node, which differs between files.

        So the results of one graph do not appear on the nodes of another one.
        """
        path = os.path.relpath(document.folder / document.file, self._folder)
        return 1 + _BLOCK * (int(hash_bytes(path.encode())[:8], 16) % _BLOCKS)

    def document(self, workflow: Any, path: Path) -> Document:
        """Returns a workflow of the editor as the graph at `path`.

        Raises: GraphError.
        """
        return self.converted(workflow, path).document

    def converted(self, workflow: Any, path: Path) -> Converted:
        """Returns a workflow of the editor as a graph, with the ids of its nodes.

        Raises: GraphError.
        """
        return from_comfy(workflow, self._registry, path.name, path.parent, keeps_unknown=True)

    def save(self, name: str, workflow: Any, overwrite: bool, base: str | None = None) -> Saved:
        """Write a workflow as YAML.

        base: the version of the file that the window has read; None saves over any version, and
              ANY_VERSION too, after a backup.

        Raises: HTTPConflict if the file exists and `overwrite` is false; StaleError if the file has
        another version than `base`.
        """
        path = self._path(name).with_suffix(".yaml")
        if not path.exists() and is_graph(path.with_suffix(".yml")):
            path = path.with_suffix(".yml")
        plain = path.with_suffix(".json")
        now = next((file for file in (path, plain) if file.is_file()), None)
        if not overwrite and (path.exists() or is_workflow_file(plain)):
            raise web.HTTPConflict(text=f"{path.name} already exists")
        is_forced = base == ANY_VERSION
        if base and not is_forced and now is not None and _version(now.read_bytes()) != base:
            raise StaleError(now.name)
        if not isinstance(workflow, dict):
            raise web.HTTPBadRequest(text="the workflow is not a JSON object")
        try:
            converted = self.converted(workflow, path)
            if converted.left_out:
                what = f"artgraph does not have some of its nodes ({', '.join(converted.left_out)})"
                raise GraphError(what, "replace or remove them")
            old = text_of(path)
            text, losses = text_to_save(converted.document, old, self._registry, converted.renamed)
            document = parse_document(text, path.name, path.parent)
        except ArtgraphError as error:
            return self._save_json(path, workflow, str(error))
        backup = self._back_up(path, loses_content=is_forced or bool(losses))
        notes = [*losses, *converted.document.notes, *backup]
        if text != old:
            write_whole(path, text.encode())
        if is_workflow_file(plain):
            notes += self._back_up(plain, loses_content=is_forced)
            plain.unlink()
        self._watch.record(path, text)
        self._watch_inside(path, document)
        return Saved(path, _version(path.read_bytes()), " ".join(notes) or None)

    def _save_json(self, path: Path, workflow: dict[str, Any], why: str) -> Saved:
        """Save a workflow as it is. A YAML file of the same name becomes a backup."""
        plain = path.with_suffix(".json")
        notes = [f"It is saved as JSON, because it can't be written as YAML: {why}"]
        if isinstance(extra := workflow.get("extra"), dict):
            extra.pop(PROBLEMS, None)
        text = json.dumps(workflow, indent=1)
        notes += self._back_up(plain, loses_content=False)
        write_whole(plain, text.encode())
        if path.exists():
            notes += self._back_up(path, loses_content=True)
            path.unlink()
        self._watch.record(plain, text)
        return Saved(plain, _version(text.encode()), " ".join(notes))

    def delete(self, name: str) -> None:
        self._existing(name).unlink()

    def move(self, name: str, target: str, overwrite: bool) -> Path:
        """Rename a graph.

        Raises: HTTPConflict if a graph with the new name exists and `overwrite` is false.
        """
        path = self._existing(name)
        new = self._path(target).with_suffix(path.suffix)
        if new == path:  # only the mark of an app has changed, which is part of the file
            return path
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
                "path": self._name(path),
                "file": os.path.relpath(file, path.parent),
            }
            for path, file in self._watch.changed().items()
        ]

    def _path(self, name: str) -> Path:
        """Returns the path of a graph, with any suffix. The editor calls apps `name.app.json`."""
        path = inside(self._folder, name)
        if name.endswith(_APP) and not path.with_suffix(".yaml").exists():
            return inside(self._folder, name.removesuffix(_APP) + ".json")
        return path

    def _name(self, path: Path) -> str:
        """Returns the editor's name of a graph's file."""
        suffix = _APP if opens_as_app(path) else ".json"
        return path.relative_to(self._folder).with_suffix(suffix).as_posix()

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
            elif is_graph(path) or is_workflow_file(path):
                yield path

    def _existing(self, name: str) -> Path:
        path = self._path(name)
        for suffix, accepts in (
            (".yaml", Path.is_file),
            (".yml", is_graph),
            (".json", is_workflow_file),
        ):
            if accepts(path.with_suffix(suffix)):
                return path.with_suffix(suffix)
        raise web.HTTPNotFound(text=f"there is no graph {name!r}")

    def _back_up(self, path: Path, loses_content: bool) -> list[str]:
        """Store a copy of a file before it is replaced, if its content would be lost otherwise.

        The content is lost if someone else has changed the file since the editor read it, or if
        the new text can't contain all of it (`loses_content`). Returns a sentence for the user.
        """
        if not path.exists():
            return []
        data = path.read_bytes()
        is_recorded = self._watch.is_recorded(path, data.decode("utf-8-sig", "replace"))
        if is_recorded and not loses_content:
            return []
        stem = f"{path.stem}-{time.strftime('%Y%m%d-%H%M%S')}"
        names = [f"{stem}{path.suffix}", *(f"{stem}-{i}{path.suffix}" for i in range(2, 1_000))]
        backup = next(b for b in (self._backups / name for name in names) if not b.exists())
        write_whole(backup, data)
        return [f"The file as it was before is {os.path.relpath(backup, self._folder)}."]


def _bytes(path: Path) -> bytes:
    """Returns the content of a file. Raises: InputError if it can't be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        what = f"{path.name} can't be read: {error.strerror}"
        raise InputError(what, "check who may read this file") from error


def _version(data: bytes) -> str:
    """Returns a text that is another one if the content of a file is."""
    return hash_bytes(data)


def _workflow_in(text: str, path: Path) -> dict[str, Any]:
    """Returns the workflow in a JSON file.

    Raises: GraphError.
    """
    workflow = read_json(text, path.name)
    if not is_workflow(workflow):
        raise GraphError(f"{path.name}: not a workflow of the editor", "open another file")
    return dict(workflow)
