"""Fingerprints of the files and folders that nodes read, and how a folder has changed.

The digest of a file is remembered with the file's stamp: size, times and inode. A file whose stamp
is the same is not read again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from ...contract.errors import unreadable
from ...contract.file_kinds import beside_weights
from ...contract.shards import Shards
from ...contract.values.shard_list import list_shards
from ...pictures.beside import beside
from ...pictures.sources.names import beside_pictures, format_of
from ...pictures.suffixes import unusual_formats
from ...pictures.walk import Entry, file_stamp, last_change, printable, refusal, walk
from .digests import file_digest
from .index import Index

_SETTLED_NS = 2_000_000_000  # nanoseconds after which a file counts as completely written
_TICK_NS = 20_000_000  # two changes within so many nanoseconds may have the same time
_ROWS = 5_000  # digests that are written in one transaction
_MAX_CONTENTS = 1 << 25  # bytes of contents of folders that are stored
_INSERT = "INSERT OR REPLACE INTO stamps VALUES (?, ?, ?)"
_DIGEST = 16  # bytes of a digest


class Snapshot(NamedTuple):
    """A file or folder at one time.

    fingerprint: the digest of a file's content, or of the names and contents in a folder.
    stamps:      a digest that changes if something is replaced, also if it is put back later.
    is_settled:  whether a change from now on will change `stamps`; not if a file has just changed.
    """

    fingerprint: str
    stamps: str
    is_settled: bool


class Changes(NamedTuple):
    """How many files of a folder were added, removed and changed."""

    added: int
    removed: int
    changed: int


def snapshot(index: Index, path: Path, pictures: bool) -> Snapshot:
    """Returns what a file or folder contains now.

    pictures: only the pictures in a folder are read, and what says more about them (tables of
              labels) or contains them (archives); of other files, only the names count.

    Raises: InputError if it can't be read.
    """
    try:
        return _folder(index, path, pictures) if path.is_dir() else _file(index, path, pictures)
    except OSError as error:
        where = printable(error.filename) if isinstance(error.filename, str) else path
        raise unreadable(Path(where), error) from error


def shards_snapshot(shards: Shards) -> Snapshot:
    """Returns what a list of shards says about them now: names, sizes, and digests or times.

    No shard is read. The place of the list is remembered for the values that are made from it.

    Raises: InputError if it can't be listed.
    """
    digest = list_shards(shards).digest
    return Snapshot(digest, digest, True)


def changes(index: Index, before: str, now: str) -> Changes | None:
    """Returns how a folder changed between two fingerprints, if their contents are stored."""
    old, new = _contents(index, before), _contents(index, now)
    if old is None or new is None:
        return None
    changed = sum(1 for name in old.keys() & new.keys() if old[name] != new[name])
    return Changes(len(new.keys() - old.keys()), len(old.keys() - new.keys()), changed)


def _file(index: Index, path: Path, pictures: bool) -> Snapshot:
    digest, stamps, is_settled = _one_file(index, path)
    for other in beside_weights(path):
        more = _one_file(index, other)
        line = f"{other.name} {more.fingerprint}".encode()
        digest = str(blake3(digest.encode() + line).hexdigest(_DIGEST))
        stamps, is_settled = stamps + more.stamps, is_settled and more.is_settled
    if pictures and format_of(path.name):  # an archive of pictures
        for line in _surroundings(path):
            digest = str(blake3(digest.encode() + line).hexdigest(_DIGEST))
            stamps += line.hex()
    return Snapshot(digest, stamps, is_settled)


def _one_file(index: Index, path: Path) -> Snapshot:
    """Returns what a file contains, without what is beside it."""
    start, status = time.time_ns(), path.stat()
    entry = Entry(os.path.realpath(path), "", "file", file_stamp(status), last_change(status))
    digest = _file_digest(index, entry).hex()
    return Snapshot(digest, entry.stamp.hex(), _is_settled(entry.changed, start))


def _folder(index: Index, path: Path, pictures: bool) -> Snapshot:
    content, stamps, contents = blake3(b"pictures" if pictures else b"files"), blake3(), bytearray()
    digests, newest, start = _Digests(index), 0, time.time_ns()
    others: list[Entry] = []  # files that are not pictures
    has_pictures = False
    for entry in walk(path):
        digest, kind = b"", entry.kind
        has_pictures = has_pictures or kind == "picture"
        if kind == "folder":
            digests.enter(entry.path)
        elif kind == "picture" or (kind in ("file", "misnamed") and not pictures):
            try:
                digest = digests.of(entry)
            except OSError as error:
                skip = refusal(error)
                if skip is None:
                    raise
                kind = skip
            else:
                contents += blake3(entry.name.encode()).digest(8) + digest[:8]
        elif kind in ("file", "misnamed"):
            digests.keep(entry)
            others.append(entry)
            entry = entry._replace(stamp=b"", changed=0)
        line = f"{kind}\n{entry.name}\n".encode()
        content.update(line + digest)
        stamps.update(line + entry.stamp)
        newest = max(newest, entry.changed)
    digests.write()
    for entry in beside_pictures(others, has_pictures):
        try:
            content.update(_file_digest(index, entry))
        except OSError as error:
            if refusal(error) is None:
                raise
        stamps.update(entry.stamp)
        newest = max(newest, entry.changed)
    if pictures:
        for line in _surroundings(path):
            content.update(line)
            stamps.update(line)
    fingerprint = str(content.hexdigest(16))
    _store_contents(index, fingerprint, bytes(contents))
    return Snapshot(fingerprint, str(stamps.hexdigest()), _is_settled(newest, start))


def _surroundings(folder: Path) -> Iterator[bytes]:
    """Yields what is not in a folder or archive, but decides how it is read and what is reported.

    Nothing is yielded if the usual formats can be read and nothing beside it belongs to it.
    """
    for line in unusual_formats():
        yield f"{line}\n".encode()
    for kind, name in beside(folder):
        yield f"{kind} beside\n{name}\n".encode()


def _is_settled(changed: int, start: int) -> bool:
    """Returns whether the last change was a while before `start`.

    A time in the future is that of another clock, which cannot be compared.
    """
    return not start - _TICK_NS < changed <= time.time_ns()


class _Digests:
    """The digests of the files of a folder and its sub-folders; `write` stores the new ones."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._folder = b""
        self._known: dict[bytes, bytes] = {}  # stamp and digest, by name
        self._new: list[tuple[bytes, bytes, bytes]] = []
        self._gone: list[tuple[bytes, bytes]] = []

    def enter(self, folder: str) -> None:
        """Read what is stored about the files that are directly in a folder."""
        self._leave()
        self._folder = os.fsencode(folder)
        query = "SELECT name, file FROM stamps WHERE folder = ?"
        self._known = dict(self._index.rows(query, (self._folder,)))

    def of(self, entry: Entry) -> bytes:
        """Returns the digest of a file. Raises: OSError."""
        known = self._known.pop(_base_name(entry), b"")
        if known[:-_DIGEST] == entry.stamp:
            return known[-_DIGEST:]
        digest = bytes.fromhex(file_digest(Path(entry.path)))
        if _may_be_stored(entry):
            self._new.append((self._folder, _base_name(entry), entry.stamp + digest))
            if len(self._new) == _ROWS:
                self._write()
        return digest

    def keep(self, entry: Entry) -> None:
        """Keep what is stored about a file whose digest is not needed now."""
        self._known.pop(_base_name(entry), None)

    def write(self) -> None:
        """Store the new digests, and delete those of files that no longer exist."""
        self._leave()
        if self._new or self._gone:
            self._write()

    def _leave(self) -> None:
        self._gone += ((self._folder, name) for name in self._known)
        self._known = {}

    def _write(self) -> None:
        with self._index.writing() as connection:
            connection.executemany("DELETE FROM stamps WHERE folder = ? AND name = ?", self._gone)
            connection.executemany(_INSERT, self._new)
        self._new, self._gone = [], []


def _file_digest(index: Index, entry: Entry) -> bytes:
    """Returns the digest of one file. Raises: OSError."""
    place = os.fsencode(os.path.dirname(entry.path)), _base_name(entry)
    row = index.row("SELECT file FROM stamps WHERE folder = ? AND name = ?", place)
    if row is not None and row[0][:-_DIGEST] == entry.stamp:
        return bytes(row[0][-_DIGEST:])
    digest = bytes.fromhex(file_digest(Path(entry.path)))
    if _may_be_stored(entry):
        with index.writing() as connection:
            connection.execute(_INSERT, (*place, entry.stamp + digest))
    return digest


def _base_name(entry: Entry) -> bytes:
    return os.fsencode(os.path.basename(entry.path))


def _may_be_stored(entry: Entry) -> bool:
    """Returns whether a file has not changed for a while; a newer one may still be changing."""
    return time.time_ns() - entry.changed > _SETTLED_NS


def _contents(index: Index, fingerprint: str) -> dict[bytes, bytes] | None:
    """Returns what a folder contained: short digests of contents by short digests of names."""
    row = index.row("SELECT files FROM contents WHERE fingerprint = ?", (fingerprint,))
    if row is None:
        return None
    files = row[0]
    return {files[i : i + 8]: files[i + 8 : i + 16] for i in range(0, len(files), 16)}


def _store_contents(index: Index, fingerprint: str, files: bytes) -> None:
    """Store what a folder contained, and delete the oldest contents if they take too much."""
    known = index.row("SELECT 1 FROM contents WHERE fingerprint = ?", (fingerprint,))
    if known is not None or len(files) > _MAX_CONTENTS:
        return
    with index.writing() as connection:
        row = (fingerprint, files, time.time())
        connection.execute("INSERT OR REPLACE INTO contents VALUES (?, ?, ?)", row)
        connection.execute(
            "DELETE FROM contents WHERE fingerprint IN (SELECT fingerprint FROM (SELECT"
            " fingerprint, sum(length(files) + 100) OVER (ORDER BY created DESC, fingerprint)"
            " AS total FROM contents) WHERE total > ?)",
            (_MAX_CONTENTS + 100,),
        )
