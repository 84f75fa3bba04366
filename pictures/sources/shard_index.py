"""The place of each picture in the shards of a dataset, and its class. No picture is decoded."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..class_doubts import LOOSE, class_doubts, counted, first_of
from ..packed import SourceError
from ..walk import natural_order, printable
from .shard_contents import NO_CLASS, SHOWN, ShardContents, Texts
from .shard_files import ChangedError, Shard, ShardFiles, UnreachableError
from .sides import SUFFIXES, are_captions

CHUNK = 64  # pictures that are together in the order of a training

Numbers = NDArray[np.int64]


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
    contents = ShardContents(label)
    for number, shard in enumerate(shards):
        try:
            add = partial(contents.add_shard, files.file(shard))
            files.tried(add, shard.name)
        except (ChangedError, UnreachableError):
            raise
        except SourceError as error:
            if len(shards) == 1:
                raise
            contents.notes.append(f"{printable(shard.name)} is not used: {error.what}")
        contents.end_shard()
        progress(number + 1, len(shards))
    return _finished(contents, label, part)


def _finished(found: ShardContents, label: str, part: tuple[int, int]) -> ShardIndex:
    numbers, texts, origin = _classes(found)
    kept = numbers != NO_CLASS
    names, ends = bytes(found.names), np.frombuffer(found.ends, np.int64)
    for row in np.flatnonzero(~kept)[: SHOWN + 1].tolist():
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


def _classes(found: ShardContents) -> tuple[Numbers, list[str], str]:
    """Returns the number of each picture's class, the classes, and what contains them.

    A picture without a label of its own has the class of its folder, unless pictures with labels
    are in this folder, too.
    """
    numbers = np.full(len(found), NO_CLASS, np.int64)
    classes: dict[str, int] = {}
    origins: list[tuple[str, int]] = []

    def use(origin: str, own: Numbers, texts: Sequence[str]) -> int:
        rows = (numbers == NO_CLASS) & (own != NO_CLASS)
        to = np.array([classes.setdefault(text, len(classes)) for text in texts], np.int64)
        numbers[rows] = to[own[rows]]
        if rows.any():
            origins.append((origin, int(rows.sum())))
        return int(rows.sum())

    for kind, texts, own in _labels(found):
        name = f".{kind} files" if kind in SUFFIXES else found.origin
        used = use(name, own, list(texts.texts))
        if kind in SUFFIXES:
            found.left_out.remove(f".{kind}", used)
    if not origins or not (found.label or found.labels["column"].is_used):
        use("folders", *_folders(found, numbers != NO_CLASS))
    if len(origins) > 1:
        several = ", ".join(f"{name} ({count})" for name, count in origins)
        found.notes.append(f"the classes are from several sources: {several}")
    names = [name for name, _ in origins]
    return numbers, list(classes), "" if names == ["folders"] else " and ".join(names)


def _labels(found: ShardContents) -> list[tuple[str, Texts, Numbers]]:
    """Returns the kinds of labels of which there are any; first those of most pictures."""
    kinds = []
    for kind, texts in found.labels.items():
        own = np.frombuffer(texts.numbers, np.int64)
        labelled = int((own != NO_CLASS).sum())
        if labelled and not (kind == "txt" and are_captions(texts.texts, labelled)):
            kinds.append((labelled * 2 < len(found), kind, texts, own))
    return [(kind, texts, own) for _, kind, texts, own in sorted(kinds, key=lambda k: k[0])]


def _folders(found: ShardContents, labelled: NDArray[np.bool_]) -> tuple[Numbers, list[str]]:
    """Returns the number of each picture's folder, if it is a class, and the classes."""
    own = np.array(found.folders.numbers, np.int64)
    texts = list(found.folders.texts)
    mixed = set(np.unique(own[labelled]).tolist())
    used = [n for n, text in enumerate(texts) if n not in mixed and (text or not labelled.any())]
    own[~np.isin(own, used)] = NO_CLASS
    firsts = {texts[number].partition("/")[0] for number in used}
    is_around = len(firsts) == 1 and "" not in firsts and any("/" in texts[n] for n in used)
    parts = [text.split("/")[is_around:] for text in texts]
    return own, [names[0] if names and names[0] else LOOSE for names in parts]


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


def _nothing(found: ShardContents, part: tuple[int, int]) -> SourceError:
    if len(found):
        what = f"part {part[0]} of {part[1]} contains no picture"
        return SourceError(what, "set `parts` to a smaller number")
    parts = ["it contains no pictures", *found.notes]
    if found.left_out:
        parts.append(f"left out: {found.left_out}")
    return SourceError("; ".join(parts), "choose other shards")


def _summary(
    found: ShardContents, count: int, classes: tuple[str, ...], origin: str
) -> tuple[str, list[str]]:
    starts = found.starts
    used = sum(first < last for first, last in itertools.pairwise(starts))
    shards = counted(used, "shard", "shards")
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
