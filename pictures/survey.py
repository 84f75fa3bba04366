"""What a folder of pictures contains, and one line about all that is not used in it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from .walk import Entry, Skip, walk

LOOSE = "pictures"  # class of the pictures that are directly in the folder
_FIRST = 3  # names that are listed of each kind
_MOST_KINDS = 12  # kinds of files that are listed
_SPLITS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval"}
_ARCHIVES = {"7Z", "BZ2", "GZ", "RAR", "TAR", "TGZ", "XZ", "ZIP", "ZST"}
_TABLES = {"CSV", "JSON", "JSONL", "ODS", "PARQUET", "TSV", "XLS", "XLSX"}
_CAPTIONS = {"CAPTION", "TXT"}

# How a kind of skipped entries is called: one, several.
_WORDS: dict[Skip, tuple[str, str]] = {
    "no permission": ("without permission to read it", "without permission to read them"),
    "gone": ("that vanished", "that vanished"),
    "link out": ("link that leads out of the folder", "links that lead out of the folder"),
    "link to folder": ("link to a folder", "links to folders"),
    "link to itself": ("link to itself", "links to themselves"),
    "broken link": ("broken link", "broken links"),
    "device": ("device, pipe or socket", "devices, pipes or sockets"),
    "long path": ("whose path is too long", "whose paths are too long"),
    "hidden": ("hidden", "hidden"),
    "system": ("system folder", "system folders"),
    "output": ("output folder of artgraph", "output folders of artgraph"),
    "cache": ("cache of artgraph", "caches of artgraph"),
}


class Survey:
    """What is in a folder. Whoever reads its pictures adds those that can't be read.

    pictures: the picture files, in order.

    Raises: OSError if the folder can't be listed, or if the disk has a fault.
    """

    def __init__(self, folder: Path) -> None:
        self.pictures: list[Entry] = []
        self._skipped: dict[Skip, list[str]] = {}
        self._files: dict[str, list[str]] = {}  # names by suffix in capital letters
        self._unreadable: list[str] = []
        self._reason = ""  # why the first one is unreadable
        self._folders: list[str] = []
        for entry in walk(folder):
            if entry.kind == "picture":
                self.pictures.append(entry)
            elif entry.kind == "folder":
                self._folders.append(entry.name)
            elif entry.kind == "file":
                suffix = os.path.splitext(entry.name)[1][1:].upper()
                self._files.setdefault(suffix, []).append(entry.name)
            else:
                self.skip(entry.kind, entry.name)

    def skip(self, why: Skip, name: str) -> None:
        """Add an entry that is skipped."""
        self._skipped.setdefault(why, []).append(name)

    def add_unreadable(self, name: str, reason: str) -> None:
        """Add a picture that can't be read, because it is damaged or too large."""
        self._reason = self._reason or reason
        self._unreadable.append(name)

    def skipped(self) -> str:
        """Returns what is not used, as a list for people; empty if all is used."""
        found = []
        if self._unreadable:
            shown = [f"{self._unreadable[0]}: {self._reason}", *self._unreadable[1:]]
            found.append(f"{len(shown)} unreadable ({_first(shown)})")
        for suffix, names in self._kinds():
            found.append(f"{len(names)} {suffix} ({_first(names)})")
        for why, words in _WORDS.items():
            if names := self._skipped.get(why, []):
                found.append(f"{len(names)} {words[len(names) > 1]} ({_first(names)})")
        return ", ".join(found)

    def doubts(self, names: Sequence[str]) -> list[str]:
        """Returns what may be a mistake in the folder, as sentences with advice.

        names: the names of the pictures that are used.
        """
        counts = Counter(map(class_of, names))
        loose = sum(1 for name in names if "/" not in name)
        return [
            *_split_doubts(counts),
            *_case_doubts(counts),
            *_loose_doubts(loose, len(names)),
            *_nested_doubts(names),
            *self._empty_doubts(names),
            *self._twin_doubts(),
            *self._file_doubts(),
        ]

    def _kinds(self) -> list[tuple[str, list[str]]]:
        """Returns the files of other kinds, the most frequent ones first."""
        stems = {os.path.splitext(entry.name)[0] for entry in self.pictures}
        kinds: dict[str, list[str]] = {}
        for suffix, names in self._files.items():
            for name in names:
                kind = suffix or "without a suffix"
                if suffix in _CAPTIONS and os.path.splitext(name)[0] in stems:
                    kind = f"{suffix} beside pictures"
                kinds.setdefault(kind, []).append(name)
        ordered = sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0]))
        rest = [name for _, names in ordered[_MOST_KINDS:] for name in names]
        return [*ordered[:_MOST_KINDS], *([("other files", rest)] if rest else [])]

    def _empty_doubts(self, names: Iterable[str]) -> list[str]:
        used = {class_of(name) for name in names if "/" in name}
        # A folder of which something else is reported is not called empty.
        reported = [self._unreadable, *self._files.values(), *self._skipped.values()]
        full = used | {name.split("/")[0] for group in reported for name in group if "/" in name}
        empty = [name for name in self._folders if name and "/" not in name and name not in full]
        if not empty:
            return []
        what = "class folder is" if len(empty) == 1 else "class folders are"
        return [f"{len(empty)} {what} empty and not a class ({_first(empty)})"]

    def _twin_doubts(self) -> list[str]:
        """Names that are equal in composed Unicode, although the system has two of them."""
        paths = [entry.name for entry in self.pictures] + [name for name in self._folders if name]
        twins = [name for name, count in Counter(paths).items() if count > 1]
        if not twins:
            return []
        return [f"names exist twice, written in different Unicode ({_first(twins)}) - rename one"]

    def _file_doubts(self) -> list[str]:
        doubts = []
        kinds = {suffix: names for suffix, names in self._files.items() if names}
        tables = [name for s in sorted(_TABLES & kinds.keys()) for name in kinds[s]]
        if tables:
            doubts.append(
                f"tables are not read ({_first(tables)}) - put the pictures of each class into a"
                " folder of its own"
            )
        archives = [name for s in sorted(_ARCHIVES & kinds.keys()) for name in kinds[s]]
        if archives:
            doubts.append(f"archives are not read ({_first(archives)}) - unpack them")
        return doubts


def class_of(name: str) -> str:
    """Returns the class of a picture: its outermost sub-folder, or "pictures" if it has none.

    The name of the folder itself must not matter for the results.
    """
    first, slash, _ = name.partition("/")
    return first if slash else LOOSE


def counted(number: int, one: str, several: str) -> str:
    """Returns a number with the word for so many things."""
    return f"{number} {one if number == 1 else several}"


def _split_doubts(classes: Iterable[str]) -> list[str]:
    splits = [name for name in classes if name.casefold() in _SPLITS]
    if len(splits) < 2:
        return []
    return [
        f"the folders {_quoted(splits)} look like parts of one dataset, but each is a class - load"
        " each with a node of its own"
    ]


def _case_doubts(classes: Iterable[str]) -> list[str]:
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(name.casefold().strip(), []).append(name)
    return [
        f"the classes {_quoted(names)} differ only in case or spaces - rename one of them"
        for names in alike.values()
        if len(names) > 1
    ]


def _loose_doubts(loose: int, count: int) -> list[str]:
    if not 0 < loose < count:
        return []
    number = counted(loose, "picture beside the class folders is", "pictures beside them are")
    return [f"{number} the class {LOOSE!r}"]


def _nested_doubts(names: Iterable[str]) -> list[str]:
    deeper = dict.fromkeys(name.rpartition("/")[0] for name in names if name.count("/") > 1)
    if not deeper:
        return []
    return [f"folders inside class folders are not classes of their own ({_first(list(deeper))})"]


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:-1])) + f" and {names[-1]!r}"


def _first(names: Sequence[str]) -> str:
    """Returns the first names of a list."""
    return ", ".join(names[:_FIRST]) + (", ..." if len(names) > _FIRST else "")
