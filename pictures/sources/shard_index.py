"""The place of each picture in the shards of a dataset, and its class. No picture is decoded."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ..class_doubts import LOOSE, class_doubts, counted, first_of
from ..packed import SourceError
from ..survey import words_for
from ..walk import Kind, natural_order, printable
from .archive import Member
from .names import format_of
from .parquet import Parquet, group_sizes
from .shard_files import ChangedError, Shard, ShardFiles, UnreachableError
from .sides import SUFFIXES, are_captions
from .tars import Tar

CHUNK = 64  # pictures that are together in the order of a training
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")  # how packed files begin
_SHOWN = 3  # names that are stored of each kind of what is left out
_LABELS = ("column", *SUFFIXES)  # what may contain the classes; the first one that fits
_NO_CLASS = -1

Numbers = NDArray[np.int64]
Found = Literal["unpacked"] | Kind


class ShardIndex(NamedTuple):
    """The pictures of all shards, shard after shard.

    starts:   the first picture of each shard, and their number at the end.
    places:   (N, 2): offset and size of its bytes in a tar file, or row and group in a Parquet
              file.
    labels:   the numbers of their classes.
    chunks:   the first picture of each chunk: pictures that are beside each other in a shard.
    names:    uint8, their names, one after the other as UTF-8.
    ends:     the end of each name.
    line:     what is used, for people.
    doubts:   what is left out or may be a mistake, as sentences.
    """

    starts: Numbers
    places: Numbers
    labels: Numbers
    chunks: Numbers
    names: NDArray[np.uint8]
    ends: Numbers
    classes: tuple[str, ...]
    line: str
    doubts: list[str]


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


class _Texts:
    """Texts that are mostly the same, as numbers."""

    def __init__(self) -> None:
        self.numbers = array("q")
        self.texts: dict[str, int] = {}
        self.is_used = False

    def add(self, text: str | None) -> None:
        self.numbers.append(
            _NO_CLASS if text is None else self.texts.setdefault(text, len(self.texts))
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
        if len(names) <= _SHOWN:
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


class _Building:
    """An index while the shards are read one by one."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.places, self.starts, self.ends = array("q"), array("q", [0]), array("q")
        self.names = bytearray()
        self.folders = _Texts()
        self.labels = {kind: _Texts() for kind in _LABELS}
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


def index_shards(
    files: ShardFiles,
    shards: Sequence[Shard],
    label: str,
    part: tuple[int, int],
    progress: Callable[[int, int], None],
) -> ShardIndex:
    """Returns the places of the pictures.

    label: the column or the field of the classes, or "" for the usual ones.
    part:  (n, of): only the pictures of this part, which are about as many as in each other part.

    Raises: SourceError if there is no picture or a shard has changed; OSError.
    """
    building = _Building(label)
    for number, shard in enumerate(shards):
        try:
            add = partial(building.add_shard, files.file(shard))
            files.tried(add, shard.name)
        except (ChangedError, UnreachableError):
            raise
        except SourceError as error:
            if len(shards) == 1:
                raise
            building.notes.append(f"{printable(shard.name)} is not used: {error.what}")
        building.end_shard()
        progress(number + 1, len(shards))
    return _finished(building, label, part)


def _finished(found: _Building, label: str, part: tuple[int, int]) -> ShardIndex:
    numbers, texts, origin = _classes(found)
    kept = numbers != _NO_CLASS
    names, ends = bytes(found.names), np.frombuffer(found.ends, np.int64)
    for row in np.flatnonzero(~kept)[: _SHOWN + 1].tolist():
        found.left_out.add("no label", name_of(names, ends, row), 0)
    found.left_out.remove("no label", -int((~kept).sum()))
    if label and origin == "":
        found.notes.append(f"`label` is {label}, but no picture has this field")
    starts = np.concatenate([[0], np.cumsum(kept)])[np.frombuffer(found.starts, np.int64)]
    chunks = _chunks(starts)
    order = np.flatnonzero(kept)
    if part[1] > 1:
        sizes = np.diff(np.append(chunks, len(order)))
        mine = _chunks_of_part(sizes, part)
        own = np.flatnonzero(np.repeat(mine, sizes))
        starts = np.searchsorted(own, starts)
        chunks, order = np.cumsum(sizes[mine]) - sizes[mine], order[own]
    if not len(order):
        raise _nothing(found, part)
    used = sorted(set(np.unique(numbers[kept]).tolist()), key=lambda n: natural_order(texts[n]))
    classes = tuple(texts[number] for number in used)
    remap = np.zeros(len(texts), np.int64)
    remap[used] = np.arange(len(used))
    packed, own_ends = _names_of(names, ends, order)
    places = np.frombuffer(found.places, np.int64).reshape(-1, 2)[order]
    line, doubts = _summary(found, len(order), classes, origin)
    labels = remap[numbers[order]]
    return ShardIndex(starts, places, labels, chunks, packed, own_ends, classes, line, doubts)


def _classes(found: _Building) -> tuple[Numbers, list[str], str]:
    """Returns the number of each picture's class, the classes, and what contains them."""
    count = len(found)
    for kind, texts in found.labels.items():
        numbers = np.frombuffer(texts.numbers, np.int64)
        labelled = int((numbers != _NO_CLASS).sum())
        if not texts.is_used or labelled * 2 < count:
            continue
        if kind == "txt" and are_captions(texts.texts, labelled):
            continue
        if kind in SUFFIXES:
            found.left_out.remove(f".{kind}", labelled)
        return numbers, list(texts.texts), found.origin or f".{kind} files"
    texts = found.folders
    firsts = {text.partition("/")[0] for text in texts.texts}
    is_around = len(firsts) == 1 and "" not in firsts and any("/" in t for t in texts.texts)
    folders = [text.split("/")[is_around:] for text in texts.texts]
    names = [parts[0] if parts and parts[0] else LOOSE for parts in folders]
    unique = list(dict.fromkeys(names))
    of = np.array([unique.index(name) for name in names], np.int64)
    numbers = np.frombuffer(texts.numbers, np.int64)
    return of[numbers] if count else numbers, unique, ""


def _chunks(starts: Numbers) -> Numbers:
    """Returns the first picture of each chunk; a chunk is in one shard."""
    parts = [
        np.arange(first, last, CHUNK)
        for first, last in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    ]
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _chunks_of_part(sizes: Numbers, part: tuple[int, int]) -> NDArray[np.bool_]:
    """Returns which chunks are in a part: each is in the one that is the smallest so far."""
    parts = [(0, number) for number in range(1, part[1] + 1)]  # a heap
    mine = np.zeros(len(sizes), np.bool_)
    for chunk, size in enumerate(sizes.tolist()):
        count, number = parts[0]
        mine[chunk] = number == part[0]
        heapq.heapreplace(parts, (count + size, number))
    return mine


def _nothing(found: _Building, part: tuple[int, int]) -> SourceError:
    if len(found):
        what = f"part {part[0]} of {part[1]} contains no picture"
        return SourceError(what, "set `parts` to a smaller number")
    parts = ["it contains no pictures", *found.notes]
    if found.left_out:
        parts.append(f"left out: {found.left_out}")
    return SourceError("; ".join(parts), "choose other shards")


def _summary(
    found: _Building, count: int, classes: tuple[str, ...], origin: str
) -> tuple[str, list[str]]:
    shards = counted(len(found.starts) - 1, "shard", "shards")
    line = f"{counted(count, 'picture', 'pictures')} of {shards} in "
    line += counted(len(classes), "class", "classes") + (f" from {origin}" if origin else "")
    doubts = [f"left out: {found.left_out}"] if found.left_out else []
    doubts += list(dict.fromkeys(found.notes))
    if found.empty:
        empty = counted(len(found.empty), "shard contains", "shards contain")
        doubts.append(f"{empty} no pictures ({first_of(found.empty)})")
    doubts += class_doubts([f"{name.replace('/', ' ')}/a" for name in classes])
    if origin and len(classes) * 2 > count >= 8:
        doubts.append("most pictures have a class of their own - check the column of the labels")
    return line, doubts


def _names_of(names: bytes, ends: Numbers, rows: Numbers) -> tuple[NDArray[np.uint8], Numbers]:
    """Returns the names of some pictures, one after the other, and the end of each."""
    data = np.frombuffer(names, np.uint8)
    if len(rows) == len(ends):
        return data, ends
    starts = np.concatenate([[0], ends[:-1]])
    lengths = (ends - starts)[rows]
    own = np.cumsum(lengths)
    at = np.arange(own[-1] if len(own) else 0) + np.repeat(starts[rows] - own + lengths, lengths)
    return data[at], own


def name_of(names: Any, ends: Any, row: int) -> str:
    """Returns the name of a picture."""
    start = int(ends[row - 1]) if row else 0
    return bytes(names[start : int(ends[row])]).decode(errors="replace")
