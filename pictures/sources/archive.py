"""Pictures in zip and tar files, which are read one after the other and never unpacked to disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path, PurePath
from typing import Literal, NamedTuple

from ..packed import MOST_BYTES, MOST_MEMBERS, MOST_RATIO, SMALL_BYTES, Packed, SourceError
from ..reading import UnreadableError
from ..suffixes import says_nothing, suffix_of_content
from ..walk import Entry, Kind, Skip, kind_in_archive
from .choose import choose_table
from .names import common_folder, inner_name, is_table, walk_order
from .sides import Sides

_MOST_TABLES = 1 << 28  # bytes of all tables in an archive that are in memory
_NESTED = (".zip", ".7z", ".rar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".tar")


class Member(NamedTuple):
    """One file or folder in an archive.

    name:   as it is written in the archive.
    kind:   file or folder; or why it is skipped.
    size:   bytes of its content.
    packed: its size in the archive, if that is known.
    read:   returns its content; may be called until the next member is asked for.
            Raises: UnreadableError; OSError.
    offset: the place of its content in the archive, if it can be read from there.
    """

    name: str
    kind: Literal["file", "folder"] | Skip
    size: int
    packed: int | None
    read: Callable[[], bytes]
    offset: int | None = None


class Archive(ABC):
    """The pictures in one or several archives of one format.

    entries: what they contain, sorted as a walk through a folder yields it.
    labels:  the class of each picture by its name, if a table or other files contain classes;
             None if several are written.
    origin:  what contains the classes, for people.
    notes:   what can't be used, as sentences.

    Raises: SourceError if an archive is not one, or is refused; OSError.
    """

    def __init__(self, paths: Sequence[Path], table: str = "", label: str = "") -> None:
        self.paths: list[Path] = []
        self.entries: list[Entry] = []
        self.labels: dict[str, str | None] | None = None
        self.origin = ""
        self.notes: list[str] = []
        self._numbers: dict[str, int] = {}  # of the pictures, among all members
        self._tables: dict[str, bytes] = {}
        self._sides = Sides(label)
        taken: set[str] = set()  # names of pictures in the archives before
        number = 0
        for path in paths:
            start, count = number, len(self.entries)
            try:
                number = self._scan(path, number, taken, alone=len(paths) == 1)
            except SourceError as error:
                if len(paths) == 1:
                    raise
                number = start
                self._sides.assign({})
                del self.entries[count:]
                self._numbers = {name: at for name, at in self._numbers.items() if at < start}
                self.notes.append(f"{path.name} is not used: {error.what}")
            else:
                self.paths.append(path)
            taken.update(self._numbers)
        self._finish(table, label)

    @abstractmethod
    def members(self, path: Path) -> Iterator[Member]:
        """Yields what is in an archive, in the order in which it is written.

        Raises: SourceError; OSError.
        """

    def note(self, path: Path, text: str) -> None:
        """Add what is wrong with an archive, once."""
        line = f"{path.name} {text}"
        if line not in self.notes:
            self.notes.append(line)

    def read(self, wanted: Sequence[Entry]) -> Iterator[tuple[int, Packed | UnreadableError]]:
        """Yields the content of these pictures with their places in `wanted`, one after the other.

        Raises: OSError if the disk has a fault.
        """
        places = {self._numbers[entry.name]: place for place, entry in enumerate(wanted)}
        members = (member for path in self.paths for member in self.members(path))
        for number, member in enumerate(members):
            place = places.pop(number, None)
            if place is None:
                continue
            try:
                yield place, Packed(wanted[place].name, member.read())
            except UnreadableError as error:
                yield place, error
        for place in places.values():  # the archive is being changed, which is found out later
            yield place, UnreadableError("it is no longer in the archive")

    def _finish(self, table: str, label: str) -> None:
        """Find the classes when all archives are scanned, and sort the entries."""
        root = common_folder(list(self._numbers))
        self._leave_out(root)
        self._find_labels(table, label, root)
        self.entries.sort(key=lambda entry: walk_order(entry.name))

    def _scan(self, path: Path, number: int, taken: set[str], alone: bool) -> int:
        """Add what one archive contains. Returns the number of the first member of the next one.

        number: of its first member.
        taken:  names of pictures in the archives before, which are other pictures.
        alone:  whether there is only this archive. Tables are read only then.
        """
        here: dict[str, int] = {}  # the places of pictures in `entries`
        seen: set[str] = set()  # folders and skipped entries
        for member in self.members(path):
            number += 1
            if number > MOST_MEMBERS:
                what = f"it contains more than {MOST_MEMBERS:,} files"
                raise SourceError(what, "split it, and load each part with a node of its own")
            kind, name = self._kind(member, alone)
            if kind == "picture":
                if name in here:  # as after unpacking, the last one counts
                    self.entries[here[name]] = Entry("", name, "twice")
                here[name] = len(self.entries)
                while name in taken:
                    name = _other_name(name, path)
                self._numbers[name] = number - 1
            elif kind is None or name in seen:
                continue
            else:
                seen.add(name)
            self.entries.append(Entry("", name, kind))
        self._sides.assign({self.entries[at].name: name for name, at in here.items()})
        return number

    def _kind(self, member: Member, alone: bool) -> tuple[Kind | None, str]:
        """Returns what a member is, and its name. The contents of tables are kept in memory."""
        name = inner_name(member.name)
        if name is None:
            return "outside", ascii(member.name)[1:-1]
        kind, name = kind_in_archive(name, member.kind)
        if kind == "picture":
            return _limit(member) or kind, name
        if kind == "file":
            if name.lower().endswith(_NESTED):
                return "nested", name
            try:
                if self._sides.wants(name, member.size):
                    self._sides.add(name, member.read())
                elif alone and self._is_needed_table(name, member):
                    self._tables[name] = member.read()
                elif _is_misnamed(name, member):
                    return "misnamed", name
            except UnreadableError as error:
                self.notes.append(f"{name} is not used: {error}")
        return kind, name

    def _is_needed_table(self, name: str, member: Member) -> bool:
        if not is_table(name) or name.count("/") > 1:
            return False
        if _limit(member) or sum(map(len, self._tables.values())) + member.size > _MOST_TABLES:
            self.notes.append(f"{name} is not used: it is larger than 256 MiB")
            return False
        return True

    def _leave_out(self, root: str) -> None:
        """Leave out the folder around all class folders in all names."""
        if not root:
            return
        self.entries = [
            entry._replace(name=entry.name.removeprefix(root))
            for entry in self.entries
            if entry.name != root[:-1]
        ]
        self._numbers = {n.removeprefix(root): number for n, number in self._numbers.items()}
        self._tables = {name.removeprefix(root): data for name, data in self._tables.items()}

    def _find_labels(self, wanted: str, label: str, root: str) -> None:
        """Find the classes in a table in the archive, or else from files beside pictures."""
        tables = {
            name: partial(BytesIO, data) for name, data in self._tables.items() if "/" not in name
        }
        self._tables = {}
        names = [entry.name for entry in self.entries if entry.kind == "picture"]
        found, reasons = choose_table(tables, names, wanted, label)
        used = set(tables)
        self.notes += reasons
        if found is not None:
            self.labels, self.origin = found.labels, f"{found.table} ({found.column})"
            self.notes += found.notes
        elif not wanted and (sides := self._sides.labels(names, root)) is not None:
            self.labels, used_sides, self.origin = sides
            used |= used_sides
        self.entries = [entry for entry in self.entries if entry.name not in used]


def _is_misnamed(name: str, member: Member) -> bool:
    """Returns whether a file is a picture whose name does not say that it is one."""
    if not member.size or _limit(member) or not says_nothing(PurePath(name).suffix.lower()):
        return False
    return suffix_of_content(member.read()) is not None


def _limit(member: Member) -> Skip | None:
    """Returns why a file is too large to be read, or None if it is not."""
    if member.size > MOST_BYTES:
        return "too large"
    if member.packed is not None and member.size > max(SMALL_BYTES, MOST_RATIO * member.packed):
        return "bomb"
    return None


def _other_name(name: str, path: Path) -> str:
    """Returns a name for a picture whose name exists in another archive too."""
    folder, slash, base = name.rpartition("/")
    return f"{folder}{slash}{path.name.partition('.')[0]}-{base}"
