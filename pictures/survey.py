"""What a folder of pictures contains, and one line about all that is not used in it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from .beside import ARCHIVES, TABLES, beside, is_review
from .class_doubts import class_doubts, class_of, counted, first_of
from .suffixes import Unread, is_listed, why_not_read
from .walk import Entry, Skip, walk

_MOST_KINDS = 12  # kinds of files that are listed
_ALONE = {*ARCHIVES, *TABLES} - {"json"}  # suffixes of files that do not belong to one picture
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
    "library": ("library of a photo program", "libraries of photo programs"),
    "cloud": ("that is only in iCloud", "that are only in iCloud"),
    "output": ("output folder of artgraph", "output folders of artgraph"),
    "cache": ("cache of artgraph", "caches of artgraph"),
    "no label": ("without a label", "without a label"),
    "two labels": ("with different labels", "with different labels"),
    "encrypted": ("that is encrypted", "that are encrypted"),
    "outside": (
        "whose name leads out of the archive",
        "whose names lead out of the archive",
    ),
    "packed link": ("link in the archive", "links in the archive"),
    "twice": ("replaced by a later file of its name", "replaced by later files of their names"),
    "bomb": ("that unpacks to over 200 times its size", "that unpack to over 200 times their size"),
    "too large": ("larger than 256 MiB", "larger than 256 MiB"),
    "nested": ("archive in the archive", "archives in the archive"),
}
# What to do if something is skipped. The other kinds are skipped on purpose.
_ADVICE: dict[Skip, Unread] = {
    "library": Unread(
        "libraries of photo programs are not read", "export the pictures from them into the folder"
    ),
    "cloud": Unread("files that are only in iCloud can't be read", "download them"),
}
# What else to do if nothing is left.
_EMPTY_ADVICE: dict[Skip, str] = {
    "no permission": "allow yourself to read them, for example with `chmod -R u+rX`",
    "link to folder": "move these folders into the folder, or name one of them instead",
    "link out": "copy the files into the folder, or name the folder that contains them",
    "hidden": "rename them so that their names do not begin with a dot",
    "output": "name the output folder itself",
    "nested": "unpack it, and name one of the archives in it",
    "encrypted": "save the archive without a password, or unpack it",
}
_BESIDE = {
    "table": (
        "tables beside the {place} are not read",
        "put them into the {place} as CSV if they contain labels",
    ),
    "archive": ("archives beside the {place} are not read", "unpack them if pictures are missing"),
    "review": ("a review beside the {place} is not used", "set `review` to use it"),
    "part": (
        "folders beside this one look like other parts of the dataset",
        "load each with a node of its own",
    ),
}
_AGAIN = "copy the pictures again from where they came from, or choose another folder"


def words_for(why: Skip, count: int) -> str:
    """Returns how so many entries are called that are skipped for this reason."""
    return _WORDS[why][count > 1]


class Survey:
    """What is in a folder. Whoever reads its pictures adds those that can't be read.

    entries:  what is in it, if that is known; otherwise the folder is walked.
    pictures: the picture files, in order.
    moved:    names of the pictures whose class is not that of their folder.
    is_reviewed: whether a review is used, so that others are not reported.

    Raises: OSError if the folder can't be listed, or if the disk has a fault.
    """

    def __init__(
        self, folder: Path, entries: Iterable[Entry] | None = None, is_reviewed: bool = False
    ) -> None:
        self.pictures: list[Entry] = []
        self.moved: list[str] = []
        self._left_out: list[str] = []
        self._skipped: dict[Skip, list[str]] = {}
        self._files: list[str] = []
        self._misnamed: list[str] = []
        self._unreadable: list[str] = []
        self._reason = Unread("", "")  # why the first one is unreadable, and what to do
        self._notes: dict[str, list[str]] = {}  # names of pictures by what is to be said of them
        self._folders: list[str] = []
        for entry in walk(folder) if entries is None else entries:
            if entry.kind == "picture":
                self.pictures.append(entry)
            elif entry.kind == "folder":
                self._folders.append(entry.name)
            elif entry.kind == "file":
                self._files.append(entry.name)
            elif entry.kind == "misnamed":
                self._misnamed.append(entry.name)
            else:
                self.skip(entry.kind, entry.name)
        self._place = "folder" if folder.is_dir() else "archive"
        self._beside = beside(folder)
        if is_reviewed:
            self._beside = [item for item in self._beside if item.kind != "review"]
        self._is_reviewed = is_reviewed
        self._kinds = self._sorted_files()

    def leave_out(self, names: Collection[str]) -> None:
        """Remove pictures that are left out on purpose, so they are not reported."""
        self._left_out += names
        out = set(names)
        self.pictures = [entry for entry in self.pictures if entry.name not in out]

    def skip(self, why: Skip, name: str) -> None:
        """Add an entry that is skipped."""
        self._skipped.setdefault(why, []).append(name)

    def add_unreadable(self, name: str, reason: str, advice: str = "") -> None:
        """Add a picture that can't be read, because it is damaged or too large."""
        if not self._unreadable:
            self._reason = Unread(reason, advice)
        self._unreadable.append(name)

    def add_note(self, name: str, text: str) -> None:
        """Add what could not be used of a picture that is read."""
        self._notes.setdefault(text, []).append(name)

    def skipped(self) -> str:
        """Returns what is not used, as a list for people; empty if all is used."""
        found = []
        if self._unreadable:
            why, advice = self._reason
            first = f"{self._unreadable[0]}: {why}{f' - {advice}' if advice else ''}"
            shown = [first, *self._unreadable[1:]]
            found.append(f"{len(shown)} unreadable ({first_of(shown)})")
        if self._misnamed:
            number = counted(len(self._misnamed), "picture", "pictures")
            found.append(f"{number} without the suffix of one ({first_of(self._misnamed)})")
        kinds = [*self._kinds[:_MOST_KINDS]]
        rest = [name for kind in self._kinds[_MOST_KINDS:] for name in kind.names]
        for kind in [*kinds, _Kind("other files", "", False, rest)] if rest else kinds:
            beside = " beside pictures" if kind.is_beside else ""
            found.append(f"{len(kind.names)} {kind.label}{beside} ({first_of(kind.names)})")
        for why, words in _WORDS.items():
            if names := self._skipped.get(why, []):
                found.append(f"{len(names)} {words[len(names) > 1]} ({first_of(names)})")
        return ", ".join(found)

    def doubts(self, names: Sequence[str]) -> list[str]:
        """Returns what may be a mistake in the folder, as sentences with advice.

        names: the names of the pictures that are used.
        """
        return [
            *self._listed_notes(),
            *class_doubts(names),
            *self._empty_doubts(names),
            *self._twin_doubts(),
            *(f"{why} - {advice}" for why, advice in (*self.unused(), *self._beside_doubts())),
        ]

    def _listed_notes(self) -> list[str]:
        return [
            f"{counted(len(names), 'picture', 'pictures')} ({first_of(names)}): {text}"
            for text, names in self._notes.items()
        ]

    def unused(self) -> list[Unread]:
        """Returns why files are not used that the user may want to use, and what to do."""
        found = []
        if self._misnamed:
            first = self._misnamed[0].rpartition("/")[2]
            what = "pictures are only recognised by the suffix of their names"
            found.append(Unread(what, f"rename them, for example to {first}.jpg"))
        reasons: dict[Unread, list[str]] = {}
        for kind in self._kinds:
            reason = None if kind.is_beside else why_not_read(Path(f"it{kind.suffix}"))
            if reason is not None:
                reasons.setdefault(reason, []).append(kind.label)
        for (why, advice), labels in reasons.items():
            found.append(Unread(f"{' and '.join(labels)} can't be read: {why}", advice))
        for names, what, advice in (
            (
                self._names_of(TABLES),
                "these tables",
                f"put them directly into the {self._place} as CSV if they contain labels"
                if self.pictures
                else "put the pictures that they name into the folder",
            ),
            (self._names_of(ARCHIVES), "archives", "unpack them"),
        ):
            if names:
                found.append(Unread(f"{what} are not read ({first_of(names)})", advice))
        return [*found, *(reason for skip, reason in _ADVICE.items() if skip in self._skipped)]

    def when_empty(self, otherwise: str = _AGAIN) -> str:
        """Returns what to do if no picture can be read."""
        if self._reason.advice:
            return self._reason.advice
        if self._unreadable:
            return _AGAIN
        found = [advice for skip, advice in _EMPTY_ADVICE.items() if skip in self._skipped]
        return found[0] if found else otherwise

    def _names_of(self, suffixes: Collection[str]) -> list[str]:
        """Returns the names of the files with these suffixes that do not belong to a picture."""
        kinds = [k for k in self._kinds if k.suffix[1:] in suffixes and not k.is_beside]
        return [name for kind in sorted(kinds, key=lambda k: k.suffix) for name in kind.names]

    def _sorted_files(self) -> list[_Kind]:
        """Returns the files of other kinds, the most frequent ones first.

        Files with the name of a picture (a.txt or a.png.json for a.png) are a kind of their own.
        """
        known = {entry.name for entry in self.pictures}
        known |= {name for name in self._files if is_listed(os.path.splitext(name)[1].lower())}
        known |= {os.path.splitext(name)[0] for name in known}
        kinds: dict[tuple[str, bool], list[str]] = {}
        for name in self._files:
            stem, suffix = os.path.splitext(name)
            suffix = suffix.lower()
            may_belong = suffix[1:] not in _ALONE and not is_listed(suffix)
            kinds.setdefault((suffix, may_belong and stem in known), []).append(name)
        found = [
            _Kind(suffix[1:].upper() or "without a suffix", suffix, is_beside, names)
            for (suffix, is_beside), names in kinds.items()
        ]
        return sorted(found, key=lambda kind: (-len(kind.names), kind.label, kind.is_beside))

    def _empty_doubts(self, names: Iterable[str]) -> list[str]:
        used = {class_of(name) for name in names if "/" in name}
        # A folder of which something else is reported is not called empty.
        reported = [self._unreadable, self._files, self._misnamed, *self._skipped.values()]
        reported += [self._left_out, self.moved]
        full = used | {name.split("/")[0] for group in reported for name in group if "/" in name}
        empty = [name for name in self._folders if name and "/" not in name and name not in full]
        if not empty:
            return []
        what = "class folder is" if len(empty) == 1 else "class folders are"
        return [f"{len(empty)} {what} empty and not a class ({first_of(empty)})"]

    def _twin_doubts(self) -> list[str]:
        """Names that are equal in composed Unicode, although the system has two of them."""
        paths = [entry.name for entry in self.pictures] + [name for name in self._folders if name]
        twins = [name for name, count in Counter(paths).items() if count > 1]
        if not twins:
            return []
        return [f"names exist twice, written in different Unicode ({first_of(twins)}) - rename one"]

    def _beside_doubts(self) -> list[Unread]:
        found = []
        inside = [name for name in self._files if is_review(name) and not self._is_reviewed]
        if inside:
            found.append(Unread(f"the review {inside[0]} is not used", "set `review` to use it"))
        for kind, (what, advice) in _BESIDE.items():
            if names := [item.name for item in self._beside if item.kind == kind]:
                what, advice = (text.format(place=self._place) for text in (what, advice))
                found.append(Unread(f"{what} ({first_of(names)})", advice))
        return found


class _Kind(NamedTuple):
    """Files with one suffix that are not read.

    label:     how they are called.
    suffix:    in lower case, with the dot.
    is_beside: whether each has the name of a picture.
    """

    label: str
    suffix: str
    is_beside: bool
    names: list[str]
