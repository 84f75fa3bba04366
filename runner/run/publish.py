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
from ...contract.values.files import Files, file_stem, final_name, output_name_problem, same_name
from ...pictures.png_text import add_text, is_png
from ..graph.sources import Picture
from ..store.temporary import file_in_the_way, sweep, temporary_in, write_whole
from .earlier import ELSEWHERE, MARK, Entry, OutputFolder, Owner, hash_bytes, manifest_bytes, owner

Digests = Mapping[Owner, Collection[str]]
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
        self._names: dict[str, tuple[Owner, str | None]] = {}  # what has a name: owner, file
        self._files: dict[str, Entry] = {}  # the files of this run
        self._open: OutputFolder | None = None
        self._mutex = threading.Lock()
        self._has_new_result = False
        self._is_closed = False
        for place in (folder, folder / "previews"):
            sweep(place)

    def begin(self, kept: Callable[[], Collection[str]]) -> None:
        """Move aside what the folder contains, unless it is of a run with the same facts.

        kept: returns the names of files and folders that stay; called when the folder is locked.
        """
        folder = self._opened(lambda: None)
        before, names = folder.sets[-1].about, kept()
        if any(before.get(name) != value for name, value in self._about.items()):
            folder.move_all(names)

    def publish(
        self,
        node: str,
        digest: str,
        load: Callable[[], Files],
        waiting: Callable[[], None] = lambda: None,
        source: Picture | None = None,
    ) -> list[str]:
        """Write a node's files. Returns their paths, also if nothing had to be written.

        digest:  the digest of the files.
        load:    returns the files; only called if they must be written.
        waiting: called repeatedly while another run writes into the folder.
        source:  the picture that `{source}` means; its files do not replace those of others.
        """
        about: Entry = {"of": digest, "node": node}
        if source is not None:
            about |= {"source": source.path, "source_name": source.name}
        with self._mutex:
            folder = self._opened(waiting)
            known = folder.entries_of(about)
            if known and all(folder.has(name, entry) for name, entry in known.items()):
                self._claim(about, list(known))
                self._files |= {n: self._described(n, e | about) for n, e in known.items()}
                return [str(self.folder / name) for name in known]
            name = None if source is None else source.name
            files: dict[str, bytes] = {}
            for pattern, data in load().files.items():
                files[final_name(pattern, node, name)] = self._with_graph(data)
            self._claim(about, list(files))
            self._update(folder, about, files)
            return [str(self.folder / name) for name in files]

    def _update(self, folder: OutputFolder, about: Entry, files: Mapping[str, bytes]) -> None:
        """Write those files of a node that are not there yet.

        about: what the entries of the files have in common.
        """
        known = folder.entries_of(about)
        entries: dict[str, Entry] = {}
        for name, data in files.items():
            entry = about | {"size": len(data), "hash": hash_bytes(data)}
            for found in (known.get(name), entry):
                if found is not None and folder.has(name, found):
                    entries[name] = self._described(name, found | about)
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
                entries[name] = about | {
                    "state": "new",
                    "size": status.st_size,
                    "mtime": status.st_mtime_ns,
                    "hash": hash_bytes(files[name]),
                }
            self._files |= {name: entries[name] for name in files}
            self._has_new_result = self._has_new_result or not known
            for name in folder.names_of(about):
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
        current: Callable[[Digests], Collection[Owner]] = lambda digests: (),
        waiting: Callable[[], None] = lambda: None,
    ) -> dict[str, int]:
        """Move the files aside that this run does not make, and write the manifest.

        Returns the number of files that were moved into each folder of earlier files. If a run
        stops early or fails before it has a new result, the files of the run before remain, with
        its manifest.

        run:      the facts about the run.
        is_whole: whether the whole graph ran without failures; if pictures of a folder went through
                  it, all of them but those for which a node failed.
        current:  returns those owners of earlier files, of some with the digests of these files,
                  whose results with the settings of this run are stored and the same.
        waiting:  called repeatedly while another run writes into the folder; if it raises
                  Cancelled, nothing is written.
        """
        try:
            folder = self._opened(waiting)
        except Cancelled:
            return {}
        left = {n: e for n, e in folder.files_there().items() if n not in self._files}
        digests: dict[Owner, set[str]] = {}
        for entry in left.values():
            digests.setdefault(owner(entry), set()).add(str(entry.get("of")))
        kept: Collection[Owner] = () if is_whole or not left else current(digests)
        left = {name: entry for name, entry in left.items() if owner(entry) not in kept}
        if left and not is_whole and not self._has_new_result:
            if len(folder.sets) == 1:  # otherwise the journal says which files are of killed runs
                folder.finish(None)
            return {}
        for name in left:
            folder.move_aside(name)
        moved = folder.moved()
        stayed = {name: e for name, e in folder.files_there().items() if owner(e) in kept}
        _add_nodes(run["nodes"], folder.nodes(), kept)
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

    def _claim(self, about: Entry, names: Iterable[str]) -> None:
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
                other, there = self._names.setdefault(same_name(part), (owner(about), file))
                if there == file and (file is None or other == owner(about)):
                    continue
                who = f"node {other[0]!r}" + (f" for {other[1]!r}" if other[1] else "")
                if file is None or there is None:
                    what = f"{part!r} would be a file and also a folder, which {who} needs"
                else:
                    what = f"it would overwrite {name!r}, which {who} writes"
                raise NodeError(what, "choose another name for one of these files")


def _add_nodes(nodes: dict[str, Any], earlier: Mapping[str, Any], owners: Iterable[Owner]) -> None:
    """Add the entries that nodes have in manifests of earlier runs to those of this run.

    The entry of a node that ran for several pictures has an entry for each of them.
    """
    for node, picture in owners:
        found = earlier.get(node)
        if picture is None or not isinstance(found, dict):
            nodes |= {} if found is None or node in nodes else {node: found}
        elif picture in (pictures := found.get("pictures", {})):
            entry = nodes.setdefault(node, found | {"pictures": {}})
            entry.setdefault("pictures", {}).setdefault(picture, pictures[picture])


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
        """Write pictures, uint8 (N, H, W, C), as one picture. Returns its path."""
        import io

        from ...pictures.tiles import tiled

        buffer = io.BytesIO()
        tiled(pictures).save(buffer, "PNG")
        return self.write(node, buffer.getvalue())

    def write(self, node: str, data: bytes) -> str:
        """Write the bytes of a node's picture. Returns its path."""
        path = self._publisher.folder / "previews" / f"{file_stem(node)}.png"
        if not self._last:
            self._publisher.write(path.with_name(MARK), b"")
        self._publisher.write(path, data)
        self._last[node] = time.monotonic()
        return str(path)
