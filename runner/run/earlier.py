"""The output folder of a graph, and what becomes of the files that are in it already.

The files of the newest run have their plain names. A file that a newer result replaces, or that the
newest run does not make any more, is moved to `earlier/0001/`, with the manifest of the run that
made it. Nothing is deleted.

While a run changes the folder, it holds a lock, so that runs write one after the other. What it is
going to do is first written into a journal. If the run is killed, the next run learns from the
journal which files belong to which run. The journal is removed when the manifest is written.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ...contract.errors import NodeError, write_problem
from ..store.holders import Holder, describe
from ..store.locks import Locks
from ..store.temporary import write_whole

MANIFEST = "manifest.json"
EARLIER = "earlier"
OWN = ".artgraph-"  # the names of our own hidden files begin with this
JOURNAL = f"{OWN}journal"
MARK = f"{OWN}previews"  # shows that a folder contains previews: `load_dataset` skips it
ELSEWHERE = "choose another folder with --out"  # the advice if the folder can't be written
_LOCK = f"{OWN}lock"
_KEY = "0" * 16  # the lock file has one lock

# A file in a manifest: of (digest of the result), node, size, mtime, hash; and source and
# source_name (its path, and the name made of it) if the node ran for one picture of several.
Entry = dict[str, Any]
Owner = tuple[str, str | None]  # the node that made a file, and the name of the picture


@dataclass
class FileSet:
    """The files of one earlier run that were not moved aside before.

    about: the manifest of the run, without its files.
    files: the entries of the manifest, by name.
    aside: the name of the folder in `earlier/` to which files were moved.
    moved: the names of the files that were moved, and of others that were in their place.
    """

    about: dict[str, Any]
    files: dict[str, Entry]
    aside: str | None = None
    moved: list[str] = field(default_factory=list)


class OutputFolder:
    """The folder of a graph's outputs, locked for one run.

    waiting: called repeatedly while another run has the lock.

    Raises: NodeError if the folder can't be written.
    """

    def __init__(self, path: Path, about: dict[str, Any], waiting: Callable[[], None]) -> None:
        self.path = path
        self._journal: IO[str] | None = None
        with _writing(path):
            path.mkdir(parents=True, exist_ok=True)
            self._locks = _locked(path / _LOCK, waiting)
        try:
            with _writing(path):
                self.sets = self._read_sets()
                self._start_journal(about)
        except BaseException:
            self.close()
            raise
        self._of_owner: dict[Owner, list[tuple[str, Entry]]] = {}
        for name, entry in (item for files in self.sets for item in files.files.items()):
            self._of_owner.setdefault(owner(entry), []).append((name, entry))
        self._newest: dict[str, FileSet] = {}
        for files in self.sets:
            self._newest |= {name: files for name, e in files.files.items() if self.has(name, e)}
        for files in reversed(self.sets):  # files that were changed since belong to the newest run
            self._newest |= {
                name: files
                for name in files.files
                if name not in self._newest and _is_file_or_link(path / name)
            }

    def close(self) -> None:
        """Unlock the folder. The journal remains, unless `finish` was called."""
        if self._journal is not None:
            self._journal.close()
        with contextlib.suppress(OSError):  # on Windows, another run may have it open
            (self.path / _LOCK).unlink(missing_ok=True)
        self._locks.release(_KEY)
        self._locks.close()
        with contextlib.suppress(OSError):  # another run may have entries in it
            (self.path / f"{_LOCK}.holders").rmdir()

    def files_there(self) -> dict[str, Entry]:
        """Returns the entries of the files of earlier runs under their plain names."""
        return {name: files.files[name] for name, files in self._newest.items()}

    def entries_of(self, about: Entry) -> dict[str, Entry]:
        """Returns the entries of the files of this result, also of those that are not there."""
        found = self._of_owner.get(owner(about), ())
        return {n: e for n, e in found if e.get("of") == about["of"]}

    def names_of(self, about: Entry) -> list[str]:
        """Returns the names of its owner's files of earlier runs under their plain names."""
        return [
            name
            for name, entry in self._of_owner.get(owner(about), ())
            if name in self._newest and self._newest[name].files[name] is entry
        ]

    def has(self, name: str, entry: Entry) -> bool:
        """Returns whether the file is the one that the entry describes."""
        path = self.path / name
        try:
            status = path.stat()
            if (status.st_size, status.st_mtime_ns) == (entry.get("size"), entry.get("mtime")):
                return True
            return status.st_size == entry.get("size") and hash_bytes(path.read_bytes()) == (
                entry.get("hash")
            )
        except OSError:
            return False

    def nodes(self) -> dict[str, Any]:
        """Returns the entries of nodes in the manifests of earlier runs."""
        found = (files.about.get("nodes") for files in self.sets)
        return {name: e for nodes in found if isinstance(nodes, dict) for name, e in nodes.items()}

    def replace(self, staged: Mapping[str, Path], entries: Mapping[str, Entry]) -> None:
        """Give staged files their names. What has these names is moved aside first.

        entries: those of all files of the node.
        """
        self._note({"files": dict(entries)})
        for name, temporary in staged.items():
            self._clear(name)
            path = self.path / name
            with _writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    temporary.replace(path)
                except OSError as error:
                    if error.errno != errno.EXDEV:  # a sub-folder may be a link to another disk
                        raise
                    write_whole(path, temporary.read_bytes())
                    status = temporary.stat()
                    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def move_aside(self, name: str) -> None:
        """Move a file or folder into the folder of the earlier run that made it."""
        files = self._newest.pop(name, self.sets[-1])
        target = self._folder_of(files) / name
        count = 1
        while os.path.lexists(target):
            count += 1
            target = target.with_name(f"{Path(name).stem} ({count}){Path(name).suffix}")
        source = self.path / name
        with _writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(source, target)
        files.moved.append(name)
        for parent in source.parents:
            if parent == self.path or not _removed_if_empty(parent):
                break

    def move_all(self, kept: Collection[str] = ()) -> None:
        """Move everything aside but what was moved before, and the names in `kept`."""
        stays = {EARLIER, MANIFEST, *kept}
        for path in list(self.path.iterdir()):
            if path.name not in stays and not path.name.startswith(OWN):
                self.move_aside(path.name)

    def finish(self, manifest: bytes | None) -> None:
        """Write the manifest, unless it is None, and those in `earlier/`; remove the journal."""
        for files in self.sets:
            if files.aside is not None:
                self._write_earlier(files)
        with _writing(self.path / MANIFEST):
            if manifest is not None:
                write_whole(self.path / MANIFEST, manifest)
            if self._journal is not None:
                self._journal.close()
            (self.path / JOURNAL).unlink(missing_ok=True)

    def moved(self) -> dict[str, list[str]]:
        """Returns what this run has moved: the names of the files, by folder."""
        return {f"{EARLIER}/{s.aside}": sorted(s.moved) for s in self.sets if s.moved}

    def _clear(self, name: str) -> None:
        """Move aside what has this name, and a file that has the name of one of its folders."""
        above = [parent.as_posix() for parent in list(Path(name).parents)[-2::-1]]
        for folder in above:
            path = self.path / folder
            if os.path.lexists(path) and not path.is_dir():
                self.move_aside(folder)
        path = self.path / name
        if not _is_file_or_link(path):
            for inner in [n for n in self._newest if n.startswith(f"{name}/")]:
                self.move_aside(inner)
        if os.path.lexists(path):
            self.move_aside(name)

    def _folder_of(self, files: FileSet) -> Path:
        """Returns the folder in `earlier/` for the files of a run, which is made if necessary."""
        earlier = self.path / EARLIER
        if files.aside is None or not (earlier / files.aside / MANIFEST).is_file():
            with _writing(earlier):
                earlier.mkdir(exist_ok=True)
                if files.aside is None:
                    numbers = [int(p.name) for p in earlier.iterdir() if p.name.isdecimal()]
                    files.aside = f"{max(numbers, default=0) + 1:04}"
                    number = next(i for i, other in enumerate(self.sets) if other is files)
                    self._note({"aside": files.aside, "set": number})
                (earlier / files.aside).mkdir(exist_ok=True)
            self._write_earlier(files)
        return earlier / files.aside

    def _write_earlier(self, files: FileSet) -> None:
        folder = self.path / EARLIER / str(files.aside)
        there = {n: e for n, e in files.files.items() if os.path.lexists(folder / n)}
        stayed = {"not_moved": [n for n in files.files if n not in there]}
        with _writing(folder):
            data = manifest_bytes(files.about | {"files": there} | stayed)
            write_whole(folder / MANIFEST, data, folder=self.path)

    def _read_sets(self) -> list[FileSet]:
        """Returns the files of the last run that finished, and of each that was killed since."""
        data = _bytes_of(self.path / MANIFEST)
        sets = [_file_set(_json_object(data))]
        lines = [_json_object(line) for line in _bytes_of(self.path / JOURNAL).splitlines()]
        if not lines or lines[0].get("after") != hash_bytes(data):
            with contextlib.suppress(OSError):  # the run was killed after it had finished
                (self.path / JOURNAL).unlink(missing_ok=True)
            return sets
        for line in lines:
            if "after" in line:
                sets.append(FileSet(line["about"], {}))
            elif "files" in line:
                sets[-1].files |= line["files"]
            elif "aside" in line:
                sets[line["set"]].aside = line["aside"]
        return sets

    def _start_journal(self, about: dict[str, Any]) -> None:
        journal = self.path / JOURNAL
        self._journal = journal.open("a", encoding="utf-8")
        self._note({"after": hash_bytes(_bytes_of(self.path / MANIFEST)), "about": about})

    def _note(self, line: dict[str, Any]) -> None:
        assert self._journal is not None
        with _writing(self.path / JOURNAL):
            self._journal.write(json.dumps(line) + "\n")
            self._journal.flush()


def owner(entry: Entry) -> Owner:
    """Returns the owner of a file: other files of the owner are replaced with it."""
    source = entry.get("source_name")
    return str(entry.get("node")), source if isinstance(source, str) else None


def manifest_bytes(manifest: dict[str, Any]) -> bytes:
    """Returns a manifest as JSON with a line for each item (much faster than `indent`)."""
    parts = (f"{json.dumps(name)}: {_json_lines(value)}" for name, value in manifest.items())
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def hash_bytes(data: bytes) -> str:
    """Returns a short digest."""
    from blake3 import blake3

    return str(blake3(data).hexdigest(8))


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raise NodeError instead of OSError."""
    try:
        yield
    except OSError as error:
        raise NodeError(*write_problem(path, error, ELSEWHERE)) from error


def _locked(path: Path, waiting: Callable[[], None]) -> Locks:
    """Returns the lock file, locked. Its last user removed it, so it may have to be made anew."""

    def slow(holder: Holder | None) -> None:
        warnings.warn(f"waiting for {describe(holder)[0]}", stacklevel=2)

    while True:
        locks = Locks(path)
        try:
            locks.acquire(_KEY, waiting, slow, f"the run that writes to {path.parent}")
        except BaseException:
            locks.close()
            raise
        if locks.is_file(path):
            return locks
        locks.release(_KEY)
        locks.close()


def _is_file_or_link(path: Path) -> bool:
    return os.path.lexists(path) and (path.is_symlink() or not path.is_dir())


def _removed_if_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _file_set(manifest: dict[str, Any]) -> FileSet:
    files = manifest.pop("files", None)
    files = files if isinstance(files, dict) else {}
    return FileSet(manifest, {n: e for n, e in files.items() if isinstance(e, dict)})


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _json_object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _json_lines(value: Any) -> str:
    if not isinstance(value, dict) or not value:
        return json.dumps(value)
    items = (f" {json.dumps(name)}: {json.dumps(item)}" for name, item in value.items())
    return "{\n" + ",\n".join(items) + "\n}"
