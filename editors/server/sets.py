"""Sets of pictures in the input folder: each is uploaded whole, or not at all.

The files of an upload are received into a hidden folder beside the sets. At the end, this folder
takes the place of the set. If the upload is cancelled or broken, the set stays as it was.
"""

from __future__ import annotations

import errno
import filecmp
import os
import secrets
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from ...contract.values.files import same_name
from ...pictures.walk import walk
from ...runner.store.temporary import discard, sweep, temporary_in
from .set_names import Chosen, choose, free_name, set_name, unused_name

How = Literal["new", "replace", "add", "both"]
_MOST_UPLOADS = 8  # uploads at a time; the one that was not used for the longest time is discarded
_IDLE = 3600.0  # seconds after which an upload that is not used is discarded
_ASIDE = ".replaced"  # suffix of the hidden folder of a set while another one takes its place
_REVIEW = "review.yaml"  # the review in a set


class ExistsError(Exception):
    """There is a set of this name already, so it must be decided what to do with it."""


class Existing(NamedTuple):
    """What has the name of a set already.

    pictures: number of pictures in it.
    is_set:   whether it can be replaced and added to; a file or a link can't.
    free:     a name that is not in use.
    """

    name: str
    pictures: int
    is_set: bool
    free: str


@dataclass
class Upload:
    """An upload that is not finished.

    name:  the name of the set.
    place: the hidden folder with all that has arrived.
    """

    name: str
    place: Path
    chosen: Chosen
    arrived: set[int] = field(default_factory=set)
    used: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def files(self) -> Path:
        """The folder that becomes the set."""
        return self.place / "set"

    def waiting(self) -> set[int]:
        """Returns the numbers of the files that have not arrived."""
        return self.chosen.names.keys() - self.arrived


class Stored(NamedTuple):
    """A set that is stored.

    pictures: number of pictures in it, with those of before.
    same:     number of files that were there already, with the same content.
    renamed:  new names of files whose names other files have.
    kept:     what was kept of the set that was replaced, for people.
    """

    name: str
    pictures: int
    same: int = 0
    renamed: tuple[str, ...] = ()
    kept: str = ""


class Sets:
    """The uploads, and the sets in the input folder.

    replaced: the folder in which the set that was replaced last is kept.
    """

    def __init__(self, folder: Path, replaced: Path) -> None:
        self.folder, self.replaced = folder, replaced
        self._uploads: dict[str, Upload] = {}
        self._lock = threading.Lock()  # of the table of uploads
        self._storing = threading.Lock()
        self._recover()

    def begin(self, root: str, paths: Sequence[str]) -> tuple[str, Upload]:
        """Prepare an upload of these files. Returns its id, which is secret. Raises: OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        place = temporary_in(self.folder)
        upload = Upload(set_name(root), place, Chosen({}, "", []), used=time.monotonic())
        upload.files.mkdir(parents=True)
        upload.chosen = choose(paths, upload.files)
        with self._lock:
            old = sorted(self._uploads, key=lambda name: self._uploads[name].used)
            idle = [n for n in old if upload.used - self._uploads[n].used > _IDLE]
            gone = {*idle, *old[: max(0, len(old) + 1 - _MOST_UPLOADS)]}
            discarded = [self._uploads.pop(name) for name in gone]
            name = secrets.token_urlsafe(12)
            self._uploads[name] = upload
        for one in discarded:
            discard(one.place)
        return name, upload

    def find(self, name: object) -> Upload | None:
        """Returns an upload that is not finished, or None."""
        with self._lock:
            upload = self._uploads.get(name) if isinstance(name, str) else None
            if upload is not None:
                upload.used = time.monotonic()
            return upload

    def receive(self, upload: Upload, number: int, temporary: Path) -> None:
        """Take a file that has arrived whole into the set. Raises: OSError."""
        path = upload.files / upload.chosen.names[number]
        with upload.lock:
            if not upload.files.is_dir():
                raise FileNotFoundError(errno.ENOENT, "the upload is over")
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(path)
            upload.arrived.add(number)

    def cancel(self, name: object) -> None:
        """Discard an upload."""
        with self._lock:
            upload = self._uploads.pop(name, None) if isinstance(name, str) else None
        if upload is not None:
            discard(upload.place)

    def close(self) -> None:
        for name in list(self._uploads):
            self.cancel(name)

    def existing(self, name: str) -> Existing | None:
        """Returns what has this name in the input folder, or None. Raises: OSError."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        found = next((n for n in names if same_name(n) == same_name(name)), None)
        if found is None:
            return None
        path = self.folder / found
        is_set = path.is_dir() and not path.is_symlink()
        return Existing(found, _count(path) if is_set else 0, is_set, free_name(name, names))

    def finish(self, key: str, upload: Upload, how: How) -> Stored:
        """Store the set.

        Raises: ExistsError if there is one of its name and `how` does not say what to do, or if
        it can't be replaced; OSError. The upload is not over then.
        """
        with self._storing, upload.lock:
            there = self.existing(upload.name)
            if there is not None and (how == "new" or (how != "both" and not there.is_set)):
                raise ExistsError
            stored = self._store(upload, how, there)
        self.cancel(key)
        return stored

    def _store(self, upload: Upload, how: How, there: Existing | None) -> Stored:
        if there is None or how == "both":
            path = self.folder / (upload.name if there is None else there.free)
            stored = Stored(path.name, _count(upload.files))
            upload.files.rename(path)
            return stored
        old = self.folder / there.name
        if how == "add":
            merged = upload.place / "merged"
            discard(merged)
            shutil.copytree(old, merged, symlinks=True, copy_function=_link)
            same, renamed = _added(upload.files, merged)
            stored = Stored(old.name, _count(merged), same, tuple(renamed))
            self._swap(merged, old, keep=False)
            return stored
        review, new_review = old / _REVIEW, upload.files / _REVIEW
        has_review = review.is_file() and not review.is_symlink() and not new_review.exists()
        if has_review:
            shutil.copy2(review, new_review)
        stored = Stored(old.name, _count(upload.files), kept=_REVIEW if has_review else "")
        self._swap(upload.files, old, keep=True)
        return stored

    def _swap(self, new: Path, old: Path, keep: bool) -> None:
        """Replace a folder by another one. If the process ends meanwhile, `_recover` ends it.

        keep: keep the old folder until another one is replaced.
        """
        aside = self.folder / f".{old.name}{_ASIDE}"
        discard(aside)
        old.rename(aside)
        try:
            new.rename(old)
        except OSError:
            aside.rename(old)
            raise
        if keep:
            discard(self.replaced)
            with suppress(OSError):  # it is on another disk, and would be copied
                self.replaced.mkdir(parents=True)
                aside.rename(self.replaced / old.name)
        discard(aside)

    def _recover(self) -> None:
        """Remove what an editor has left behind that was killed."""
        if not self.folder.is_dir():
            return
        sweep(self.folder)
        for aside in self.folder.glob(f".*{_ASIDE}"):
            old = self.folder / aside.name.removeprefix(".").removesuffix(_ASIDE)
            with suppress(OSError):
                if not old.exists():
                    aside.rename(old)
            discard(aside)


def _count(folder: Path) -> int:
    """Returns the number of pictures in a folder, as the node that loads them counts."""
    return sum(entry.kind == "picture" for entry in walk(folder))


def _added(new: Path, merged: Path) -> tuple[int, list[str]]:
    """Move the files of a set into another one. A number is added if another file has their name.

    Returns how many were there already, and the new names.
    """
    taken: dict[str, str] = {}  # the names in the set, by their form in which they are compared
    for path in merged.rglob("*"):
        name = path.relative_to(merged).as_posix()
        taken[same_name(name)] = name
    same, renamed = 0, []
    for path in sorted(p for p in new.rglob("*") if p.is_file()):
        name = path.relative_to(new).as_posix()
        other = merged / taken.get(same_name(name), name)
        if other.is_file() and filecmp.cmp(path, other, shallow=False):
            same += 1
            continue
        unused = unused_name(name, {*taken})
        taken[same_name(unused)] = unused
        target = merged / unused
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        if unused != name:
            renamed.append(unused)
    return same, renamed


def _link(source: str, target: str) -> None:
    """Let a file have a second name, or copy it if the disk can't do that."""
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(source, target, follow_symlinks=False)
