"""The one walk through a folder of pictures: what is read in it, and what is skipped and why.

The fingerprint of a folder and the nodes that read it use the same walk. docs/folders.md describes
what the walk decides.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from .suffixes import is_readable, says_nothing, suffix_of_content, why_not_read

Skip = Literal[
    "bomb",
    "broken link",
    "cache",
    "cloud",
    "device",
    "encrypted",
    "gone",
    "hidden",
    "library",
    "link out",
    "link to folder",
    "link to itself",
    "long path",
    "nested",
    "no label",
    "no permission",
    "output",
    "outside",
    "packed link",
    "system",
    "too large",
    "twice",
    "two labels",
]
Kind = Literal["picture", "misnamed", "file", "folder"] | Skip

# Folders that systems, network storage and sync programs create, in lower case.
_SYSTEM_FOLDERS = {
    *("#recycle", "#snapshot", "@eadir", "@recently-snapshot", "@recycle", "@sharebin", "@tmp"),
    *(".@__thumb", ".snapshot", "$recycle.bin", "recycler", "system volume information"),
    *(".appledb", ".appledesktop", ".appledouble", ".documentrevisions-v100", ".fseventsd"),
    *(".spotlight-v100", ".temporaryitems", ".trashes", "__macosx", "network trash folder"),
    *("temporary items", ".picasaoriginals", ".thumbnails", ".trash", "found.000", "lost+found"),
    "lost.dir",
}
_SYSTEM_FILES = {
    "desktop.ini",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "icon\r",
    "picasa.ini",
    "thumbs.db",
}
# Folders in which programs store their pictures, with several copies of each, by their suffixes.
_LIBRARIES = (".aplibrary", ".lrdata", ".migratedphotolibrary", ".photolibrary", ".photoslibrary")
_PLACEHOLDER = ".icloud"  # suffix of a hidden file for a file that is only in iCloud
_OWN_FILES = ".artgraph-"  # our hidden files, in the folder of a run, have names that begin with it
_START = 18  # bytes of a file that are read to recognise a picture
_MANIFEST_START = 64  # bytes at the start of an output folder's manifest that name the program
_REFUSALS: dict[int | None, Skip] = {
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.ELOOP: "link to itself",
    errno.ENAMETOOLONG: "long path",
    errno.ENOENT: "gone",
    errno.ENOTDIR: "gone",
    errno.EISDIR: "gone",
    getattr(errno, "ESTALE", errno.ENOENT): "gone",
}
_NUMBER = re.compile(r"0*([0-9]+)")
_stamp = struct.Struct("<QqqQ").pack


class Entry(NamedTuple):
    """One entry of a folder.

    path:    the path as the system knows it.
    name:    the path inside the walked folder as people read it (`printable`), with "/".
    kind:    picture, file or folder; misnamed for a picture whose name does not say that it is one;
             or why the entry is skipped, with all that it contains.
    stamp:   bytes that change if the file or folder is written to or replaced; empty if skipped.
    changed: the time of the last change in nanoseconds.
    """

    path: str
    name: str
    kind: Kind
    stamp: bytes = b""
    changed: int = 0


def walk(folder: Path) -> Iterator[Entry]:
    """Yields a folder (its name is empty) and what it contains, without what systems hide.

    The files of a folder come before its sub-folders, each in natural order. A folder is listed
    when it is reached, so one list of names is in memory at a time.

    Raises: OSError if `folder` can't be listed, or if the disk has a fault.
    """
    root = os.path.realpath(folder)
    pending = [_folder(root, "", os.stat(root))]
    while pending:
        current = pending.pop()
        try:
            names = os.listdir(current.path)
        except OSError as error:
            if not current.name:
                raise
            yield current._replace(kind=_kind_of(error), stamp=b"")
            continue
        own = _own(current.path, names) if current.name else None
        if own is not None:
            yield current._replace(kind=own, stamp=b"")
            continue
        yield current
        prefix = f"{current.name}/" if current.name else ""
        base = os.path.join(current.path, "")
        folders = []
        shown = {name: printable(name) for name in names}
        names.sort(key=lambda name: (*natural_order(shown[name]), name))
        for name in names:
            entry = _entry(base + name, prefix + shown.pop(name), name, root)
            if entry is None:
                continue
            if entry.kind == "folder":
                folders.append(entry)
            else:
                yield entry
        pending += reversed(folders)


def kind_in_archive(path: str, kind: Literal["file", "folder"] | Skip) -> tuple[Kind | None, str]:
    """Returns how a walk sees what has this path in an archive, by the names in it.

    Also returned is the path of what is meant: that of a folder if it is skipped with all that it
    contains. The kind is None for what is ignored without a word.
    """
    parts = path.split("/")
    for number, folder in enumerate(parts if kind == "folder" else parts[:-1], 1):
        if (skip := _folder_skip(folder.casefold())) is not None:
            return skip, "/".join(parts[:number])
    lower = parts[-1].casefold()
    if kind != "file":
        return kind, path
    if _is_system_file(lower):
        return None, path
    if lower.startswith("."):
        return _hidden_file(lower), path
    return "picture" if _has_picture_suffix(os.path.splitext(lower)[1]) else "file", path


def refusal(error: OSError) -> Skip | None:
    """Returns why one file can't be read; None if the error means a fault of disk or system."""
    return _REFUSALS.get(error.errno)


def natural_order(name: str) -> tuple[str, str]:
    """Returns a key to sort names by: frame2 before frame10, and b between A and C.

    Names that differ only in upper and lower case, or in zeros before numbers, are in the order of
    their characters.
    """
    return _NUMBER.sub(_with_length, name.casefold()), name


def printable(name: str) -> str:
    r"""Returns a file name as text on one line, in Unicode's composed form (NFC).

    Bytes that are not UTF-8 and control characters are written as in `caf\xe9`.
    """
    if name.isascii() and name.isprintable():
        return name
    text = os.fsencode(name).decode(errors="backslashreplace")
    text = "".join(_escaped(c) for c in text)
    return unicodedata.normalize("NFC", text)


def file_stamp(status: os.stat_result) -> bytes:
    """Returns bytes that change if a file is written to, renamed or replaced.

    They contain the time of the last change of the inode (ctime), too, which can't be set back.
    """
    return _stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def last_change(status: os.stat_result) -> int:
    """Returns the time of the last change of a file, in nanoseconds.

    On Windows, ctime is the time of creation, so the time of the last writing is returned.
    """
    return status.st_mtime_ns if os.name == "nt" else status.st_ctime_ns


def _entry(path: str, shown: str, name: str, root: str) -> Entry | None:
    """Returns an entry, or None for one that is ignored without a word."""
    lower = name.casefold()
    if _is_system_file(lower):
        return None
    try:
        status = os.lstat(path)
        if stat.S_ISDIR(status.st_mode):
            skip = _folder_skip(lower)
            return Entry(path, shown, skip) if skip else _folder(path, shown, status)
        suffix = os.path.splitext(lower)[1]
        is_picture = _has_picture_suffix(suffix)
        if name.startswith("."):
            skip = _hidden_file(lower)
            return Entry(path, shown, skip) if skip else None
        stamp = file_stamp(status)
        if stat.S_ISLNK(status.st_mode):
            status = os.stat(path)
            if stat.S_ISDIR(status.st_mode):
                return Entry(path, shown, "link to folder")
            if not Path(os.path.realpath(path)).is_relative_to(root):
                return Entry(path, shown, "link out")
            stamp += file_stamp(status)
    except OSError as error:
        kind = _kind_of(error)
        is_broken = kind == "gone" and os.path.islink(path)
        return Entry(path, shown, "broken link" if is_broken else kind)
    if not stat.S_ISREG(status.st_mode):
        return Entry(path, shown, "device")
    is_misnamed = status.st_size and says_nothing(suffix) and _starts_like_picture(path)
    file: Kind = "picture" if is_picture else "misnamed" if is_misnamed else "file"
    return Entry(path, shown, file, stamp, last_change(status))


def _is_system_file(lower: str) -> bool:
    return lower in _SYSTEM_FILES or lower.startswith("._") or lower.endswith("@synoeastream")


def _folder_skip(lower: str) -> Skip | None:
    """Returns why a folder of this name, in lower case, is skipped; None if it is not."""
    if lower in _SYSTEM_FOLDERS or lower.startswith(".trash-"):
        return "system"
    if lower.endswith(_LIBRARIES):
        return "library"
    return "hidden" if lower.startswith(".") else None


def _hidden_file(lower: str) -> Skip | None:
    """Returns how a hidden file of this name is reported; None if it is ignored without a word."""
    of = Path(lower.removesuffix(_PLACEHOLDER))
    if of.name != lower and (is_readable(of) or why_not_read(of)):
        return "cloud"
    return "hidden" if _has_picture_suffix(os.path.splitext(lower)[1]) else None


def _starts_like_picture(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return suffix_of_content(file.read(_START)) is not None
    except OSError:  # such a file is not needed
        return False


def _folder(path: str, shown: str, status: os.stat_result) -> Entry:
    return Entry(path, shown, "folder", file_stamp(status), last_change(status))


def _own(folder: str, names: list[str]) -> Skip | None:
    """Returns what a folder is if artgraph wrote it: the output of a run, or a cache."""
    if "index.sqlite" in names and "blobs" in names:
        return "cache"
    if any(name.startswith(_OWN_FILES) for name in names):  # of a run that was killed
        return "output"
    if "manifest.json" not in names:
        return None
    try:
        with open(os.path.join(folder, "manifest.json"), "rb") as file:
            return "output" if b'"artgraph"' in file.read(_MANIFEST_START) else None
    except OSError:
        return None


def _kind_of(error: OSError) -> Skip:
    """Raises: the error itself if it means a fault of the disk or of the system."""
    kind = refusal(error)
    if kind is None:
        raise error
    return kind


@cache
def _has_picture_suffix(suffix: str) -> bool:
    return is_readable(Path(f"name{suffix}"))


def _with_length(number: re.Match[str]) -> str:
    """Returns a number with its length in front, so that the longer of two comes later."""
    return f"0{chr(len(number[1]))}{number[1]}"


def _escaped(character: str) -> str:
    """Returns a character, escaped if it would end the line or can't be seen."""
    if unicodedata.category(character) in ("Cc", "Zl", "Zp"):
        return character.encode("unicode_escape").decode()
    return character
