"""Writes finished files into the output folder, and the graph into the PNG files.

A node that saves returns `Files`, and the publisher writes them, each whole or not at all. The
files of an unchanged result are not written again. The files of an earlier result are moved aside.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ...contract.errors import Cancelled, GraphError, NodeError, write_problem
from ...contract.values.files import Files, file_stem, output_name_problem, same_name
from ...pictures.png_text import add_text, is_png
from ..store.temporary import file_in_the_way, sweep, temporary_in, write_whole
from .earlier import ELSEWHERE, MARK, Entry, OutputFolder, hash_bytes, manifest_bytes

Digests = Mapping[str, Collection[str]]
GRAPH_KEY = "artgraph"  # the PNG text that holds the graph


class Publisher:
    """Writes into `folder`; `graph_text` is stored in PNG files, unless it is empty.

    about: more facts about the run, for the manifest.

    Raises: GraphError if `folder` is a file; NodeError if something can't be written.
    """

    def __init__(
        self, folder: Path, graph_text: str, about: Mapping[str, Any] | None = None
    ) -> None:
        file = file_in_the_way(folder)
        if file is not None:
            raise GraphError(f"{file} is a file", "choose a folder with --out")
        there = next(p for p in (folder, *folder.absolute().parents) if os.path.exists(p))  # noqa: PTH110
        if not os.access(there, os.W_OK):
            raise GraphError(f"{there} is read-only", "choose another folder with --out")
        self.folder = folder
        self._graph_text = graph_text
        self._about = about or {}
        self._names: dict[str, tuple[str, str | None]] = {}  # what has a name: its node, its file
        self._files: dict[str, Entry] = {}  # the files of this run
        self._open: OutputFolder | None = None
        self._mutex = threading.Lock()
        self._has_new_result = False
        self._is_closed = False
        for place in (folder, folder / "previews"):
            sweep(place)

    def begin(self) -> None:
        """Move aside all that the folder contains, unless it is of a run with the same facts."""
        folder = self._opened(lambda: None)
        before = folder.sets[-1].about
        if any(before.get(name) != value for name, value in self._about.items()):
            folder.move_all()

    def publish(
        self,
        node: str,
        digest: str,
        load: Callable[[], Files],
        waiting: Callable[[], None] = lambda: None,
    ) -> list[str]:
        """Write a node's files. Returns their paths, also if nothing had to be written.

        digest:  the digest of the files.
        load:    returns the files; only called if they must be written.
        waiting: called repeatedly while another run writes into the folder.
        """
        with self._mutex:
            folder = self._opened(waiting)
            known = folder.entries_of(node, digest)
            if known and all(folder.has(name, entry) for name, entry in known.items()):
                self._claim(node, list(known))
                self._files |= {n: self._described(n, e) for n, e in known.items()}
                return [str(self.folder / name) for name in known]
            files = {
                f"{file_stem(node)}{name[1:]}" if name.startswith("@") else name: (
                    self._with_graph(data)
                )
                for name, data in load().files.items()
            }
            self._claim(node, list(files))
            self._update(folder, node, digest, files)
            return [str(self.folder / name) for name in files]

    def _update(
        self, folder: OutputFolder, node: str, digest: str, files: Mapping[str, bytes]
    ) -> None:
        """Write those files of a node that are not there yet."""
        known = folder.entries_of(node, digest)
        entries: dict[str, Entry] = {}
        for name, data in files.items():
            entry = {"of": digest, "node": node, "size": len(data), "hash": hash_bytes(data)}
            for found in (known.get(name), entry):
                if found is not None and folder.has(name, found):
                    entries[name] = self._described(name, found | {"of": digest, "node": node})
        if len(entries) == len(files):
            self._files |= entries
            return
        if not known:  # a new result: all its files are new, and all earlier ones move
            entries = {}
        staged: dict[str, Path] = {}
        try:
            for name in [name for name in files if name not in entries]:
                staged[name] = temporary_in(self.folder)
                staged[name].write_bytes(files[name])
                status = staged[name].stat()
                entries[name] = {
                    "of": digest,
                    "node": node,
                    "state": "new",
                    "size": status.st_size,
                    "mtime": status.st_mtime_ns,
                    "hash": hash_bytes(files[name]),
                }
            self._files |= {name: entries[name] for name in files}
            self._has_new_result = self._has_new_result or not known
            for name in folder.names_of(node):
                if name not in entries:
                    folder.move_aside(name)
            folder.replace(staged, entries)
        except OSError as error:
            raise NodeError(*write_problem(self.folder, error, ELSEWHERE)) from error
        finally:
            for temporary in staged.values():
                temporary.unlink(missing_ok=True)

    def _with_graph(self, data: bytes) -> bytes:
        has_place = bool(self._graph_text) and is_png(data)
        return add_text(data, GRAPH_KEY, self._graph_text) if has_place else data

    def _described(self, name: str, entry: Entry) -> Entry:
        """Returns the entry of a file that is there already."""
        status = (self.folder / name).stat()
        return entry | {
            "state": "unchanged",
            "size": status.st_size,
            "mtime": status.st_mtime_ns,
        }

    def write(self, path: Path, data: bytes) -> None:
        """Write one file, whole or not at all."""
        try:
            write_whole(path, data)
        except OSError as error:
            raise NodeError(*write_problem(path, error, ELSEWHERE)) from error

    def finish(
        self,
        run: dict[str, Any],
        is_whole: bool,
        current: Callable[[Digests], Collection[str]] = lambda digests: (),
        waiting: Callable[[], None] = lambda: None,
    ) -> dict[str, int]:
        """Move the files aside that this run does not make, and write the manifest.

        Returns the number of files that were moved into each folder of earlier files. If a run
        stops early or fails before it has a new result, the files of the run before remain, with
        its manifest.

        run:      the facts about the run.
        is_whole: whether the whole graph ran without failures.
        current:  returns the nodes, of some with the digests of their earlier files, whose results
                  with the settings of this run are stored and the same.
        waiting:  called repeatedly while another run writes into the folder; if it raises
                  Cancelled, nothing is written.
        """
        try:
            folder = self._opened(waiting)
        except Cancelled:
            return {}
        left = {n: e for n, e in folder.files_there().items() if n not in self._files}
        digests: dict[str, set[str]] = {}
        for entry in left.values():
            digests.setdefault(str(entry.get("node")), set()).add(str(entry.get("of")))
        kept: Collection[str] = () if is_whole or not left else current(digests)
        left = {name: entry for name, entry in left.items() if entry.get("node") not in kept}
        if left and not is_whole and not self._has_new_result:
            if len(folder.sets) == 1:  # otherwise the journal says which files are of killed runs
                folder.finish(None)
            return {}
        for name in left:
            folder.move_aside(name)
        moved = folder.moved()
        stayed = {name: e for name, e in folder.files_there().items() if e.get("node") in kept}
        nodes = folder.nodes()
        run["nodes"] = {name: nodes[name] for name in kept if name in nodes} | run["nodes"]
        files = {name: e | {"state": "unchanged"} for name, e in stayed.items()} | self._files
        manifest = run | {"moved_aside": moved, "graph": self._graph_text, "files": files}
        folder.finish(manifest_bytes(manifest))
        return {str(self.folder / name): len(names) for name, names in moved.items()}

    def close(self) -> None:
        """Unlock the folder for other runs. Nothing can be published after this."""
        self._is_closed = True
        if self._open is not None:
            self._open.close()
            self._open = None

    def _opened(self, waiting: Callable[[], None]) -> OutputFolder:
        if self._is_closed:  # a node that did not stop has ended after its run
            raise Cancelled
        if self._open is None:
            about = {**self._about, "status": "killed", "process": os.getpid()}
            about["graph"] = self._graph_text
            self._open = OutputFolder(self.folder, about, waiting)
        return self._open

    def _claim(self, node: str, names: Iterable[str]) -> None:
        """Reserve the names of a node's files.

        Raises: NodeError if one is not allowed, or is the name of another file or folder.
        """
        for name in names:
            problem = output_name_problem(name)
            if problem is not None:
                raise NodeError(*problem)
            parts = name.split("/")
            for count in range(1, len(parts) + 1):
                part = "/".join(parts[:count])
                file = name if count == len(parts) else None
                owner, other = self._names.setdefault(same_name(part), (node, file))
                if other == file and (file is None or owner == node):
                    continue
                if file is None or other is None:
                    what = f"{part!r} would be a file and also a folder, which node {owner!r} needs"
                else:
                    what = f"it would overwrite {name!r}, which node {owner!r} writes"
                raise NodeError(what, "choose another name for one of these files")


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
        """Save pictures, uint8 (N, H, W, C), as one picture. Returns its path."""
        import io

        from ...pictures.tiles import tiled

        buffer = io.BytesIO()
        tiled(pictures).save(buffer, "PNG")
        path = self._publisher.folder / "previews" / f"{file_stem(node)}.png"
        if not self._last:
            self._publisher.write(path.with_name(MARK), b"")
        self._publisher.write(path, buffer.getvalue())
        self._last[node] = time.monotonic()
        return str(path)
