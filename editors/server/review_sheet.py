"""The pictures of a folder with what was decided about them, as the review sheet shows them."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import Any

from aiohttp import web

from ...pictures.class_doubts import class_of
from ...pictures.packed import Packed, SourceError
from ...pictures.reading import UnreadableError
from ...pictures.review import (
    MOST_BYTES,
    Choice,
    ReviewError,
    choice_of,
    read_review,
    review_text,
)
from ...pictures.review_writing import changed
from ...pictures.sources.source import open_source
from ...pictures.survey import Survey
from ...pictures.walk import Entry
from ...runner.store.temporary import write_whole
from .review_place import ReviewFile

MOST_PICTURES = 100_000  # pictures that a sheet shows
UNLABELLED = "without a label"


class ChangedError(Exception):
    """Someone else has changed the file of the review since the sheet read it."""


class Sheet:
    """The pictures of a folder or an archive, and the file of their review.

    entries: the pictures. A picture is asked for by its number, so no request contains a path.

    Raises: HTTPBadRequest if there are no pictures, or if something can't be read.
    """

    def __init__(self, pictures: Path, file: ReviewFile, table: str, label: str) -> None:
        self.pictures, self.file = pictures, file
        self._lock = threading.Lock()
        try:
            self.source = open_source(pictures, table, label)
            survey = Survey(pictures, map(_shown, self.source.entries), is_reviewed=True)
        except SourceError as error:
            text = f"{pictures.name!r}: {error.what} - {error.advice}"
            raise web.HTTPBadRequest(text=text) from error
        except OSError as error:
            text = f"{pictures.name!r} can't be read: {error.strerror}"
            raise web.HTTPBadRequest(text=text) from error
        self.entries: list[Entry] = survey.pictures
        if not self.entries:
            skipped = survey.skipped()
            what = f"there are no pictures in {pictures.name!r}"
            raise web.HTTPBadRequest(text=what + (f"; left out: {skipped}" if skipped else ""))
        if len(self.entries) > MOST_PICTURES:
            raise web.HTTPBadRequest(
                text=f"{pictures.name!r} contains {len(self.entries):,} pictures, and a sheet shows"
                f" at most {MOST_PICTURES:,} - review its sub-folders one after the other"
            )
        self.is_packed = not pictures.is_dir() or not Path(self.entries[0].path).is_file()
        self.stamp = pictures.stat().st_mtime_ns  # changes if an archive is replaced
        self._root = os.path.realpath(pictures)
        self._names = {entry.name for entry in self.entries}
        self.skipped = survey.skipped()
        labels = self.source.labels
        self._labels = {
            entry.name: class_of(entry.name) if labels is None else labels.get(entry.name) or ""
            for entry in self.entries
        }
        by_class = [f"{label or UNLABELLED}/picture" for label in self._labels.values()]
        names = list(self._labels) if labels is None else by_class
        self.doubts = [*self.source.notes, *survey.doubts(names)]

    def described(self) -> dict[str, Any]:
        """Returns what the page shows. Raises: HTTPUnprocessableEntity for a damaged review."""
        digest, choices = self._read()
        unknown = [name for name in choices if name not in self._names]
        return {
            "title": self.pictures.name,
            "file": self.file.text,
            "digest": digest,
            "pictures": [[entry.name, self._labels[entry.name]] for entry in self.entries],
            "choices": {name: choice.fields() for name, choice in choices.items()},
            "skipped": self.skipped,
            "doubts": self.doubts,
            "unknown": unknown[:20],
        }

    def save(self, digest: str, edits: dict[str, Any]) -> str:
        """Change the file for some pictures. Returns the digest of the new file.

        edits: by the names of the pictures; None for a picture about which nothing is decided.

        Raises: ChangedError; HTTPBadRequest if an edit is wrong; OSError.
        """
        choices = {name: self._choice(name, fields) for name, fields in edits.items()}
        with self._lock:
            data = self._bytes()
            if _digest(data) != digest:
                raise ChangedError
            try:
                text = review_text(self.file.path) if data is not None else ""
                new = changed(text, choices).encode()
            except ReviewError as error:
                raise _unusable(self.file.path, error) from error
            if new != data:
                write_whole(self.file.path.resolve(), new)
            return _digest(new)

    def read(self, numbers: list[int]) -> Any:
        """Yields the files of these pictures, each with its place in `numbers`.

        A file that a link has moved out of the folder meanwhile is not read.
        """
        wanted = [self.entries[number] for number in numbers]
        for place, file in self.source.read(wanted):
            if not isinstance(file, Packed | UnreadableError):
                real = Path(os.path.realpath(file))
                if not real.is_relative_to(self._root):
                    yield place, UnreadableError("it is now a link that leads out of the folder")
                    continue
            yield place, file

    def _choice(self, name: str, fields: Any) -> Choice | None:
        if name not in self._names:
            raise web.HTTPBadRequest(text=f"there is no picture {name[:80]!r} on the sheet")
        if fields is None:
            return None
        if not isinstance(fields, dict):
            raise web.HTTPBadRequest(text=f"the choice for {name[:80]!r} is not a JSON object")
        try:
            return choice_of(fields)
        except ReviewError as error:
            text = f"{name[:80]!r}: {error.what} - {error.advice}"
            raise web.HTTPBadRequest(text=text) from error

    def _read(self) -> tuple[str, dict[str, Choice]]:
        data = self._bytes()
        if not data:
            return _digest(data), {}
        try:
            return _digest(data), read_review(self.file.path)
        except ReviewError as error:
            if not data.strip():
                return _digest(data), {}
            raise _unusable(self.file.path, error) from error

    def _bytes(self) -> bytes | None:
        """Returns the content of the file, or None if it does not exist."""
        try:
            if self.file.path.stat().st_size > MOST_BYTES:
                text = f"{self.file.path.name!r} is too large for a review - choose another file"
                raise web.HTTPUnprocessableEntity(text=text)
            return self.file.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            text = f"{self.file.path.name!r} can't be read: {error.strerror}"
            raise web.HTTPUnprocessableEntity(text=text) from error


def _shown(entry: Entry) -> Entry:
    """Returns an entry as a picture if it only needs a class, which a review can contain."""
    return entry._replace(kind="picture") if entry.kind in ("no label", "two labels") else entry


def _digest(data: bytes | None) -> str:
    return "" if data is None else hashlib.sha256(data).hexdigest()


def _unusable(path: Path, error: ReviewError) -> web.HTTPException:
    place = "" if path.name in error.what else f"{path.name!r}: "
    return web.HTTPUnprocessableEntity(
        text=f"the review can't be used: {place}{error.what} - {error.advice}"
    )
