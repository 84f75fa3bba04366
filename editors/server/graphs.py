"""The folder of graphs: YAML files, shown to the editor as its workflows.

The YAML is the truth, its layout a part of it. Saving leaves a file's comments and form alone
where it says the same; what someone else wrote into it meanwhile is noticed, and kept.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from ...nodes.contract import NodeSpec
from ...nodes.errors import ArtgraphError
from ...runner.document import Document, parse_document
from ...runner.folders import Folders
from ...runner.leftovers import write_whole
from ...runner.nesting import files_inside
from ..convert import check, from_comfy
from ..workflow_write import to_workflow
from .paths import file_info, inside
from .saving import text_to_save
from .settings import Settings
from .watch import Watch

_DEPTH = 3  # folders below the user's that are looked through
_MOST = 1_000  # graphs listed


class Saved(NamedTuple):
    """Where a workflow was written, and what its user should know of that."""

    path: Path
    note: str | None = None


class Graphs:
    """The editor's workflows `name.json` are the files `name.yaml` of the folder.

    A workflow that can't be said in YAML yet, such as one with another pack's nodes, stays JSON:
    no work is lost.
    """

    def __init__(self, settings: Settings, registry: Mapping[str, NodeSpec]) -> None:
        self._folder, self._registry = settings.folder, registry
        self._skip = {settings.out.resolve(), settings.input.resolve()}
        self._backups = settings.state / "backups"
        self._watch = Watch()

    def listed(self) -> list[dict[str, Any]]:
        """All graphs of the folder."""
        found: dict[str, dict[str, Any]] = {}
        for path in self._walk(self._folder, 0):
            name = path.relative_to(self._folder).with_suffix(".json").as_posix()
            if len(found) < _MOST and (name not in found or path.suffix == ".yaml"):
                found[name] = file_info(path, name)
        return list(found.values())

    def load(self, name: str) -> dict[str, Any]:
        """A graph as the editor's workflow.

        Raises: HTTPNotFound; HTTPUnprocessableEntity where it is no graph.
        """
        path = self._existing(name)
        text = path.read_text(encoding="utf-8-sig")
        self._watch.know(path, text)
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
        """A graph's YAML as the editor's workflow, with the nodes of graphs inside it.

        Raises: GraphError.
        """
        document = parse_document(text, path.name, path.parent)
        return to_workflow(check(document, self._registry), self._registry)

    def document(self, workflow: Any, path: Path) -> Document:
        """A workflow of the editor as the graph at `path`.

        Raises: GraphError.
        """
        return from_comfy(workflow, self._registry, path.name, path.parent).document

    def save(self, name: str, workflow: Any, overwrite: bool) -> Saved:
        """Write a workflow as YAML.

        Raises: HTTPConflict where the file is there and may not be replaced.
        """
        path = inside(self._folder, name).with_suffix(".yaml")
        plain = path.with_suffix(".json")
        if not overwrite and (path.exists() or _is_workflow(plain)):
            raise web.HTTPConflict(text=f"{path.name} is there already")
        if not isinstance(workflow, dict):
            raise web.HTTPBadRequest(text="a workflow is a JSON object")
        try:
            document = self.document(workflow, path)
        except ArtgraphError as error:
            write_whole(plain, json.dumps(workflow, indent=1).encode())
            return Saved(plain, f"It is kept as JSON, since it can't be said in YAML: {error}")
        there = _text(path)
        text, note = text_to_save(document, there, self._registry)
        self._back_up(path, is_lost=note is not None)
        if text != there:
            write_whole(path, text.encode())
        if _is_workflow(plain):
            plain.unlink()
        self._watch.know(path, text)
        self._watch_inside(path, parse_document(text, path.name, path.parent))
        return Saved(path, note)

    def delete(self, name: str) -> None:
        self._existing(name).unlink()

    def move(self, name: str, target: str, overwrite: bool) -> Path:
        """Rename a graph.

        Raises: HTTPConflict where the new name is taken.
        """
        path = self._existing(name)
        new = inside(self._folder, target).with_suffix(path.suffix)
        if new.exists() and not overwrite:
            raise web.HTTPConflict(text=f"{new.name} is there already")
        new.parent.mkdir(parents=True, exist_ok=True)
        path.replace(new)
        self._watch.move(path, new)
        return new

    def changed(self) -> list[dict[str, str]]:
        """Graphs that the editor has read and that someone else has changed since the last call.

        Each with the name of the file that was changed, its own or that of a graph inside it.
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
        self._watch.know_inside(path, files_inside(document, self._registry, folders))

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

    def _back_up(self, path: Path, is_lost: bool) -> None:
        """Keep what is not the editor's own, before it is replaced.

        That is what someone else wrote since the editor read the file, and what it can't say.
        """
        if not path.exists():
            return
        data = path.read_bytes()
        if is_lost or not self._watch.knows(path, data.decode("utf-8-sig", "replace")):
            stamp = time.strftime("%Y%m%d-%H%M%S")
            write_whole(self._backups / f"{path.stem}-{stamp}.yaml", data)


def _text(path: Path) -> str | None:
    """A file's text, None where there is none to read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None


def _is_graph(path: Path) -> bool:
    """Whether a file is a graph of ours, by its first line that says something."""
    if path.suffix not in (".yaml", ".yml"):
        return False
    try:
        with path.open("rb") as file:
            return b"artgraph:" in file.read(4_096)
    except OSError:
        return False


def _is_workflow(path: Path) -> bool:
    """Whether a file is a workflow of the editor."""
    if path.suffix != ".json":
        return False
    try:
        data = path.read_bytes() if path.stat().st_size < 5 * 2**20 else b""
        return b'"nodes"' in data and b'"links"' in data
    except OSError:
        return False
