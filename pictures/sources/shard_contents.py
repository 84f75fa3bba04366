"""What the shards of a dataset contain, read one by one. No picture is decoded."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from ..class_doubts import first_of
from ..packed import SourceError
from ..survey import words_for
from ..walk import Kind, printable
from .archive import Member
from .names import format_of
from .parquet import Parquet, group_sizes
from .sides import SUFFIXES
from .tars import Tar

_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")  # how packed files begin
SHOWN = 3  # names that are stored of each kind of what is left out
_LABELS = ("column", *SUFFIXES)  # what may contain the classes; the first one that fits
NO_CLASS = -1


class _ShardTar(Tar):
    """One shard; `spans` are the offsets and sizes of its pictures by name."""

    def __init__(self, path: Path, label: str) -> None:
        self.spans: dict[str, tuple[int, int]] = {}
        super().__init__([path], "", label)

    def members(self, path: Path) -> Iterator[Member]:
        with path.open("rb") as file:
            if file.read(6).startswith(_PACKED):
                what = "it is packed, so its pictures can't be read one by one"
                raise SourceError(what, "unpack it (as with gunzip), or use load_dataset")
        return super().members(path)

    def _kind(self, member: Member, alone: bool) -> tuple[Kind | None, str]:
        kind, name = super()._kind(member, False)
        if kind == "picture":
            if member.offset is None:
                return "device", name
            self.spans[name] = member.offset, member.size
        return kind, name

    def _finish(self, table: str, label: str) -> None:
        """Leave the classes for when all shards are known."""

    @property
    def sides(self) -> dict[str, dict[str, str]]:
        """Labels by the suffix of their files and by picture."""
        return self._sides.found()


class Texts:
    """Texts that are mostly the same, as numbers."""

    def __init__(self) -> None:
        self.numbers = array("q")
        self.texts: dict[str, int] = {}
        self.is_used = False

    def add(self, text: str | None) -> None:
        self.numbers.append(
            NO_CLASS if text is None else self.texts.setdefault(text, len(self.texts))
        )
        self.is_used = self.is_used or text is not None


class LeftOut:
    """What is not used: how much of each kind, and the first names."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._names: dict[str, list[str]] = {}

    def add(self, kind: str, name: str, count: int = 1) -> None:
        """Add one thing of a kind, or several, of which the first has this name."""
        self._counts[kind] += count
        names = self._names.setdefault(kind, [])
        if len(names) <= SHOWN:
            names.append(name)

    def remove(self, kind: str, count: int) -> None:
        """Remove things that are used after all."""
        self._counts[kind] -= count

    def __bool__(self) -> bool:
        return any(count > 0 for count in self._counts.values())

    def __str__(self) -> str:
        parts = []
        for kind, count in self._counts.most_common():
            if count > 0:
                parts.append(f"{count} {_called(kind, count)} ({first_of(self._names[kind])})")
        return ", ".join(parts)


def _called(kind: str, count: int) -> str:
    if kind.startswith(("unreadable", ".")):
        return kind.removeprefix(".").upper() if kind.startswith(".") else kind
    if kind == "misnamed":
        return "picture without the suffix of one" if count == 1 else "pictures without a suffix"
    return words_for(cast("Any", kind), count)


class ShardContents:
    """What is known of the shards that were read so far."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.places, self.starts, self.ends = array("q"), array("q", [0]), array("q")
        self.names = bytearray()
        self.folders = Texts()
        self.labels = {kind: Texts() for kind in _LABELS}
        self.origin = ""
        self.left_out = LeftOut()
        self.notes: list[str] = []
        self.empty: list[str] = []

    def __len__(self) -> int:
        return len(self.ends)

    def add(self, name: str, first: int, second: int, labels: dict[str, str | None]) -> None:
        """Add a picture: its name, its place, and its class in each kind of label."""
        self.places.append(first)
        self.places.append(second)
        self.names += name.encode(errors="backslashreplace")
        self.ends.append(len(self.names))
        self.folders.add("/".join(name.split("/")[:-1][:2]))
        for kind, texts in self.labels.items():
            texts.add(labels.get(kind))

    def add_shard(self, file: Any) -> None:
        """Add the pictures of a shard. Raises: SourceError, OSError."""
        before = len(self)
        if format_of(file.name) == "tar":
            self._add_tar(file)
        else:
            self._add_parquet(file)
        if len(self) == before:
            self.empty.append(printable(file.name))

    def _add_tar(self, file: Any) -> None:
        tar = _ShardTar(file, self.label)
        self.notes += tar.notes
        for entry in tar.entries:
            if entry.kind == "file":
                suffix = entry.name.rpartition("/")[2].rpartition(".")[2].lower()
                self.left_out.add(f".{suffix}", entry.name)
            elif entry.kind not in ("picture", "folder"):
                self.left_out.add(entry.kind, entry.name)
        for name, span in sorted(tar.spans.items(), key=lambda item: item[1]):
            labels = {kind: found.get(name) for kind, found in tar.sides.items()}
            self.add(name, *span, labels)

    def _add_parquet(self, file: Any) -> None:
        table = Parquet([file], "", self.label)
        self.notes += table.notes
        self.origin = table.origin
        names = iter(table.names())
        for group, count in enumerate(group_sizes(file)):
            for row in range(count):
                name = next(names)
                self.add(name, row, group, {"column": (table.labels or {}).get(name)})

    def end_shard(self) -> None:
        """Note that the next picture is that of another shard."""
        self.starts.append(len(self))
