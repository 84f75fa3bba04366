"""Lists and evicts the contents of a remote cache, while other machines use it.

Results and trainings that were used least recently are deleted first, then the blobs that no result
refers to. A blob younger than a day is never deleted, since another machine may be about to write
the result that refers to it. Files that artgraph did not write are neither counted nor deleted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

from ...contract.errors import CacheError
from ...contract.registry import load_nodes
from .remote import GRACE_SECONDS, blob_name, is_newer, parsed_row
from .remote_files import PARTLY, RemoteError, RemoteFile, RemoteFiles
from .remote_training import LIST, parsed_list
from .results import unpacked

_THREADS = 16
_PART = 500  # results that are read at a time
_CLOCK_SECONDS = 2.0  # some servers report the times of files in whole seconds
_HEX = "[0-9a-f]"
_RESULT = re.compile(rf"results/{_HEX}{{2}}/({_HEX}{{32}})\.json")
_BLOB = re.compile(rf"blobs/{_HEX}{{2}}/({_HEX}{{32}})\.safetensors")
_TRAINING = re.compile(
    rf"(trainings/{_HEX}{{2}}/{_HEX}{{32}})/"
    rf"({re.escape(LIST)}|(?:state|end|kept)_[0-9]+_{_HEX}{{32}}\.safetensors)"
)
T = TypeVar("T")
_LEFTOVER = re.compile(rf"(.*)\.{_HEX}{{32}}{re.escape(PARTLY)}")


@dataclass(frozen=True)
class RemoteEntry:
    """A result, or the states and kept weights of a training.

    name:    of the file that is written last and deleted first.
    node:    the id of the node; empty if the file is damaged.
    used:    when it was last used, in seconds since 1970, as far as other machines reported it.
    size:    the bytes of its own files.
    blobs:   the digests of the blobs that it refers to.
    files:   the names of its other files.
    is_trained: whether it took a training.
    """

    name: str
    node: str
    used: float
    size: int
    blobs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    is_trained: bool = False


@dataclass
class Contents:
    """All files of a remote cache.

    began:     when the first file was listed, in seconds since 1970.
    blobs:     by digest.
    leftovers: of uploads that did not end, and files of trainings that no list names.
    """

    began: float = field(default_factory=time.time)
    entries: list[RemoteEntry] = field(default_factory=list)
    blobs: dict[str, RemoteFile] = field(default_factory=dict)
    leftovers: list[RemoteFile] = field(default_factory=list)

    @property
    def size(self) -> int:
        """The number of bytes."""
        entries = sum(entry.size for entry in self.entries)
        return entries + sum(f.size for f in [*self.blobs.values(), *self.leftovers])


class RemoteEviction(NamedTuple):
    """What is evicted.

    entries: results and trainings, in this order.
    unused:  files that nothing refers to afterwards.
    young:   such files that are not deleted yet.
    """

    entries: list[RemoteEntry]
    unused: list[RemoteFile]
    young: list[RemoteFile]

    @property
    def freed(self) -> int:
        """The number of bytes that this frees."""
        return sum(e.size for e in self.entries) + sum(f.size for f in self.unused)


def contents(files: RemoteFiles) -> Contents:
    """Returns what is stored. Every file of a result and list of a training is read.

    Raises: CacheError.
    """
    found = Contents()
    results: list[RemoteFile] = []
    trainings: dict[str, list[RemoteFile]] = {}

    def read_list(training: str) -> bytes | None:
        return files.read(f"{training}/{LIST}")

    with _errors(files):
        files.read("results/none")  # if the bucket does not exist, it is this that fails
        for file in files.list("results"):
            _sort_in(file, _RESULT, lambda match, f: results.append(f), found)
        for file in files.list("trainings"):
            _sort_in(file, _TRAINING, lambda m, f: trainings.setdefault(m[1], []).append(f), found)
        # Blobs are listed after the results that refer to them were listed, not before.
        with ThreadPoolExecutor(_THREADS) as pool:
            for part in _parts(results):
                for file, data in zip(
                    part, pool.map(lambda f: files.read(f.name), part), strict=True
                ):
                    _add_result(file, data, found)
            for some in _parts(list(trainings)):
                for folder, data in zip(some, pool.map(read_list, some), strict=True):
                    _add_training(folder, trainings[folder], data, found)
        for file in files.list("blobs"):
            _sort_in(file, _BLOB, lambda m, f: found.blobs.__setitem__(m[1], f), found)
    if not (found.entries or found.blobs or found.leftovers):
        raise CacheError(f"there is no remote cache at {files.url}", "check the address")
    found.entries = _with_trained(found.entries)
    return found


def choose(
    found: Contents, max_bytes: int | None = None, max_age: float | None = None
) -> RemoteEviction:
    """Returns what to evict. Nothing is deleted yet.

    max_bytes: what remains takes at most so many bytes; None for any number.
    max_age:   what was not used for so many seconds is evicted; None for any time.

    Results without blobs, which are small, come after the others, and trained models and
    trainings last. Damaged files are always evicted.
    """
    entries = sorted(
        found.entries, key=lambda entry: (entry.is_trained, not entry.blobs, entry.used)
    )
    references: dict[str, int] = {}
    for entry in entries:
        for digest in entry.blobs:
            references[digest] = references.get(digest, 0) + 1
    total = sum(e.size for e in entries)
    total += sum(f.size for digest, f in found.blobs.items() if digest in references)
    evicted = []
    for entry in entries:
        is_old = max_age is not None and found.began - entry.used > max_age
        is_damaged = not entry.node
        if not (is_old or is_damaged) and (max_bytes is None or total <= max_bytes):
            continue
        evicted.append(entry)
        total -= entry.size
        for digest in entry.blobs:
            references[digest] -= 1
            if references[digest] == 0 and digest in found.blobs:
                total -= found.blobs[digest].size
    unused = [f for digest, f in found.blobs.items() if not references.get(digest)]
    unused += found.leftovers
    young = [f for f in unused if f.written is None or found.began - f.written < GRACE_SECONDS]
    are_young = {file.name for file in young}
    return RemoteEviction(evicted, [f for f in unused if f.name not in are_young], young)


def evict(files: RemoteFiles, eviction: RemoteEviction) -> int:
    """Delete what `choose` has chosen. Returns how many files were used meanwhile, and remain.

    Raises: CacheError.
    """

    def delete_entry(entry: RemoteEntry) -> int:
        if not _is_unchanged(files, entry.name, entry.used):
            return 1
        for name in (entry.name, *entry.files):
            files.delete(name)
        return 0

    def delete_file(file: RemoteFile) -> int:
        if not _is_unchanged(files, file.name, file.written):
            return 1
        files.delete(file.name)
        return 0

    with _errors(files), ThreadPoolExecutor(_THREADS) as pool:
        remain = list(pool.map(delete_entry, eviction.entries))
        needed = {
            blob_name(digest)
            for entry, remains in zip(eviction.entries, remain, strict=True)
            if remains
            for digest in entry.blobs
        }
        unused = [file for file in eviction.unused if file.name not in needed]
        return sum(remain) + sum(pool.map(delete_file, unused))


def _is_unchanged(files: RemoteFiles, name: str, written: float | None) -> bool:
    """Returns whether a file was not written again, as far as whole seconds can show this."""
    found = files.find(name)
    return (
        found is None or written is None or abs((found.written or 0.0) - written) < _CLOCK_SECONDS
    )


def _parts(items: list[T]) -> Iterator[list[T]]:
    """Yields the items in parts, so that not all that is read is in memory at once."""
    for start in range(0, len(items), _PART):
        yield items[start : start + _PART]


def _sort_in(
    file: RemoteFile,
    pattern: re.Pattern[str],
    add: Callable[[re.Match[str], RemoteFile], object],
    found: Contents,
) -> None:
    """Count a file if artgraph wrote it."""
    leftover = _LEFTOVER.fullmatch(file.name)
    match = pattern.fullmatch(leftover[1] if leftover else file.name)
    if match is not None and leftover is not None:
        found.leftovers.append(file)
    elif match is not None:
        add(match, file)


def _add_result(file: RemoteFile, data: bytes | None, found: Contents) -> None:
    """Add a result. Raises: CacheError if a newer artgraph has written it."""
    if is_newer(data):
        raise CacheError("a newer artgraph has written this remote cache", "update artgraph")
    match = _RESULT.fullmatch(file.name)
    row = parsed_row(match[1] if match else "", data)
    try:
        outputs = unpacked(row[0].outputs, 0.0).outputs.values() if row else ()
    except (ValueError, TypeError, AttributeError):
        row, outputs = None, ()
    blobs = tuple({s.digest for s in outputs if s.size is not None})
    used = found.began if file.written is None else file.written
    node = row[0].node if row else ""
    found.entries.append(RemoteEntry(file.name, node, used, file.size, blobs))


def _add_training(
    folder: str, files: Sequence[RemoteFile], data: bytes | None, found: Contents
) -> None:
    """Add a training, and its files that no list names to the leftovers."""
    node, listed = parsed_list(data)
    names = {f"{folder}/{entry.file}" for entry in listed}
    named = [f for f in files if f.name in names]
    found.leftovers += [f for f in files if f.name not in names and not f.name.endswith(LIST)]
    lists = [f for f in files if f.name.endswith(LIST)]
    if lists:
        used = found.began if lists[0].written is None else lists[0].written
        size = sum(file.size for file in [*lists, *named])
        others = tuple(file.name for file in named)
        entry = RemoteEntry(lists[0].name, node, used, size, files=others, is_trained=True)
        found.entries.append(entry)


def _with_trained(entries: Iterable[RemoteEntry]) -> list[RemoteEntry]:
    """Returns the entries, with the results of nodes that train marked as such."""
    entries = list(entries)
    train = {entry.node for entry in entries if entry.is_trained}
    train |= {name for name, spec in load_nodes().items() if spec.length is not None}
    return [replace(e, is_trained=e.is_trained or e.node in train) for e in entries]


@contextmanager
def _errors(files: RemoteFiles) -> Iterator[None]:
    """Raise a RemoteError of the block as a CacheError."""
    try:
        yield
    except RemoteError as error:
        raise CacheError(
            f"the remote cache {files.url} can't be used ({error.reason})",
            "check the address and your credentials (docs/scale.md)",
        ) from error
