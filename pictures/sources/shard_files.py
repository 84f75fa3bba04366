"""The files of a dataset in shards, in a folder or at an address: their list, and reading them."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit, urlunsplit

from ..packed import SourceError
from ..walk import natural_order, printable
from .names import PACKAGES, format_of, one_line
from .shard_beside import beside_shards

MANIFEST = "shards.json"  # name of the list of shards beside them
_FORMATS = ("tar", "parquet")
_TRIES = (0.5, 2.0, 5.0)  # seconds between attempts to read over a network
_MOST_MANIFEST = 1 << 26  # bytes of a list of shards
_MOST_WHOLE = 1 << 28  # bytes of a shard of a server that sends only whole files
_BLOCK = 1 << 20  # bytes that are read ahead
_FEW = 16  # requests at the same time
_CHECKED = 5.0  # seconds for which a shard at an address counts as unchanged
# What file systems of fsspec say that changes with a file, the most exact first.
_STAMPS = (
    *("ETag", "etag", "md5Hash", "content_hash", "LastModified", "Last-Modified"),
    *("last_modified", "mtime", "updated", "modified", "created"),
)
_GONE = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)

_SECRETS = re.compile(r"\?[^\s'\"]+|(?<=://)[^\s/@]*@")  # in an address that an error shows

Result = TypeVar("Result")


class Shard(NamedTuple):
    """A file that contains a part of a dataset.

    size:  bytes.
    stamp: a text that changes if the file is replaced; the digest of its content if it is known.
    """

    name: str
    size: int
    stamp: str


class ChangedError(SourceError):
    """A shard is no longer the one of the list."""


class UnreachableError(SourceError):
    """A file is missing, or can't be read after some attempts."""


class ShardFile:
    """One shard, for the readers of archives: it can be opened like a path."""

    def __init__(self, files: ShardFiles, shard: Shard) -> None:
        self._files, self._shard = files, shard
        self.name = shard.name

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Returns the content as a file that can be read forwards quickly."""
        return self._files.open(self._shard)

    def stat(self) -> os.stat_result:
        """Returns a status of which only the size is known."""
        return os.stat_result((0, 0, 0, 0, 0, 0, self._shard.size, 0, 0, 0))


class ShardFiles:
    """The files in a folder or at an address. Errors of a network are tried again.

    Raises: SourceError if the package for the address is missing.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self._files: Any = None
        self._folder, self._root = Path(place), place
        self._stamps: dict[str, tuple[str, float]] = {}  # of the shards that were read, and when
        self.notes: list[str] = []  # what is beside the shards and not used
        self._whole: dict[str, bytes] = {}  # shards of a server that does not send parts
        if "://" not in place:
            return
        try:
            from fsspec.core import url_to_fs

            self._files, self._root = url_to_fs(place)
        except ImportError as error:
            scheme = place.partition("://")[0]
            advice = f"run pip install fsspec {PACKAGES.get(scheme, '')}".rstrip()
            raise SourceError(f"{scheme}:// needs another package", advice) from error
        except Exception as error:
            raise self._failed(error) from error
        self._root = self._root.rstrip("/")

    def listed(self, names: Sequence[str] | None, manifest: str = MANIFEST) -> list[Shard]:
        """Returns the shards with these names, or all of one format, in natural order.

        The sizes and digests of a list of shards beside them are used if there is one.

        manifest: the name of that list.

        Raises: SourceError if one is missing, has another size than in the list, or can't be read.
        """
        known = self._read_manifest(manifest)
        self.notes = [] if names or manifest != MANIFEST else self._beside(known)
        if names is None and known is not None:
            names = list(known)
        if names is not None:
            for name in names:
                if format_of(name) not in _FORMATS:
                    raise SourceError(
                        f"{printable(name)} is not a tar or Parquet file",
                        "name files that end in .tar or .parquet",
                    )
            found = self._named(names)
        else:
            found = self._all()
        found.sort(key=lambda shard: natural_order(shard.name))
        return [self._as_listed(shard, (known or {}).get(shard.name), manifest) for shard in found]

    def file(self, shard: Shard) -> ShardFile:
        """Returns a shard as a file that the readers of archives can open."""
        return ShardFile(self, shard)

    def open(self, shard: Shard) -> IO[bytes]:
        """Opens a shard. Raises: SourceError, OSError."""
        self.check(shard)
        if self._files is None:
            return (self._folder / shard.name).open("rb")
        path = self._path(shard.name)
        options = {"block_size": _BLOCK, "cache_type": "readahead"}
        file: Any = self.tried(lambda: self._files.open(path, "rb", **options), shard.name)
        if not file.seekable():
            file.close()
            return BytesIO(self._whole_file(shard))
        return BufferedReader(file, _BLOCK)

    def part(self, shard: Shard, start: int, end: int) -> bytes:
        """Returns the bytes from `start` to `end` of a shard.

        Raises: SourceError if the shard has changed or can't be read.
        """
        if self._files is None:
            try:
                with (self._folder / shard.name).open("rb") as file:
                    file.seek(start)
                    data = file.read(end - start)
            except OSError as error:
                raise self._failed(error, shard.name) from error
        elif shard.name in self._whole:
            data = self._whole[shard.name][start:end]
        else:
            path = self._path(shard.name)
            read = lambda: self._files.cat_file(path, start=start, end=end)  # noqa: E731
            data = bytes(self.tried(read, shard.name))
            if len(data) == shard.size != end - start:  # the server sends only whole files
                self._remember_whole(shard, data)
                data = data[start:end]
        self.check(shard)
        if len(data) != end - start:
            raise self._changed(shard)
        return data

    def check(self, shard: Shard) -> None:
        """Raise ChangedError if a shard is not the one of the list, or was replaced meanwhile."""
        before, when = self._stamps.get(shard.name, (None, 0.0))
        if self._files is not None and before is not None and time.monotonic() - when < _CHECKED:
            return
        now = self._info(shard.name)
        is_listed = now.stamp == shard.stamp or shard.stamp.startswith("md5 ")
        if now.size != shard.size or not is_listed or before not in (None, now.stamp):
            raise self._changed(shard)
        self._stamps[shard.name] = now.stamp, time.monotonic()

    def _changed(self, shard: Shard) -> ChangedError:
        what = f"the shard {printable(shard.name)} has changed since the dataset was listed"
        return ChangedError(what, "run the graph again when the shards are complete")

    def _beside(self, known: Collection[str] | None) -> list[str]:
        """Returns what is in the folder and not used, as sentences; nothing if it can't be listed.

        known: the shards in the list beside them, if there is one.
        """
        try:
            if self._files is None:
                entries = [(path.name, path.is_dir()) for path in self._folder.iterdir()]
            else:
                found = self._files.ls(self._root, detail=True, refresh=True)
                entries = [
                    (_last(str(entry["name"])), entry.get("type") == "directory") for entry in found
                ]
        except Exception:  # many servers do not list their files
            return []
        return beside_shards(entries, known, MANIFEST)

    def _all(self) -> list[Shard]:
        """Returns all shards in the folder."""
        if self._files is None:
            names = [path.name for path in self._folder.iterdir()]
            shards = [n for n in names if format_of(n) in _FORMATS and not n.startswith(".")]
            found = [self._info(name) for name in shards]
        else:
            entries = self.tried(lambda: self._files.ls(self._root, detail=True, refresh=True))
            names = [_last(str(entry["name"])) for entry in entries]
            chosen = [
                (name, entry)
                for name, entry in zip(names, entries, strict=True)
                if format_of(name) in _FORMATS and entry.get("type") != "directory"
            ]
            is_full = all(entry.get("size") and _stamp(entry) for _, entry in chosen)
            if is_full:
                found = [Shard(name, int(e["size"]), _stamp(e)) for name, e in chosen]
            else:
                found = self._named([name for name, _ in chosen])
        if not found:
            advice = "choose the folder of shards"
            if self._root.startswith(("http://", "https://")):
                advice = "if the server does not list its files, name them: shards-{000..099}.tar"
            raise SourceError("it contains no tar or Parquet files", advice)
        if len({format_of(shard.name) for shard in found}) > 1:
            what = "it contains both tar and Parquet files"
            raise SourceError(what, "name some of them, as in shards-{000..099}.tar")
        return found

    def _named(self, names: Sequence[str]) -> list[Shard]:
        if self._files is None:
            return [self._info(name) for name in names]
        with ThreadPoolExecutor(min(_FEW, max(1, len(names)))) as pool:
            return list(pool.map(self._info, names))

    def _info(self, name: str) -> Shard:
        """Returns a shard as it is now. Raises: SourceError."""
        if self._files is None:
            path = self._folder / name
            try:
                status = path.stat()
                inside = path.resolve().is_relative_to(self._folder.resolve())
            except OSError as error:
                raise self._failed(error, name) from error
            if not stat.S_ISREG(status.st_mode) or not inside:
                what = f"{printable(name)} is not a file in this folder"
                raise SourceError(what, "copy the shards into one folder")
            return Shard(name, status.st_size, f"time {status.st_mtime_ns}")
        address = self._path(name)

        def info() -> dict[str, Any]:
            self._files.invalidate_cache(self._files._parent(address))
            return dict(self._files.info(address))

        found = self.tried(info, name)
        if found.get("size") is None:
            what = f"the server does not say how large {printable(name)} is"
            raise SourceError(what, "copy the shards to another server")
        return Shard(name, int(found["size"]), _stamp(found))

    def _path(self, name: str) -> str:
        if not self._root.startswith(("http://", "https://")):
            return f"{self._root}/{name}"
        parts = urlsplit(self._root)  # a query, such as a key, belongs to the end
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}"))

    def _read_manifest(self, name: str) -> dict[str, Shard] | None:
        """Returns the shards of a list by name, with sizes and digests; None if there is no list.

        It has the form of the index of wids, the library of WebDataset.

        Raises: SourceError if it can't be used.
        """
        try:
            if self._files is None:
                with (self._folder / name).open("rb") as file:
                    data = file.read(_MOST_MANIFEST + 1)
            else:
                path = self._path(name)
                data = bytes(self.tried(lambda: self._files.cat_file(path), name))
        except FileNotFoundError:
            self._need_no_manifest(name)
            return None
        except OSError as error:
            raise self._failed(error, name) from error
        except SourceError as error:
            if not isinstance(error.__cause__, _GONE):
                raise
            self._need_no_manifest(name)  # some servers hide what is missing
            return None
        if len(data) > _MOST_MANIFEST:
            raise SourceError(f"{name} is larger than 64 MiB", "list fewer shards")
        try:
            rows = json.loads(data)["shardlist"]
            shards = [
                Shard(
                    str(row["url"]).rpartition("/")[2],
                    int(row.get("filesize", -1)),
                    f"md5 {row['md5sum']}" if row.get("md5sum") else "",
                )
                for row in rows
            ]
        except (ValueError, TypeError, KeyError, RecursionError, AttributeError) as error:
            what = f"{name} is not a list of shards, as the index of wids is"
            raise SourceError(
                what, f"write `shardlist` with url and filesize, or remove {name}"
            ) from error
        return {shard.name: shard for shard in shards}

    def _need_no_manifest(self, name: str) -> None:
        """Raises SourceError if the list that is missing was named."""
        if name != MANIFEST:
            raise SourceError(f"there is no {printable(name)}", "check the name")

    def _as_listed(self, shard: Shard, listed: Shard | None, manifest: str) -> Shard:
        """Returns a shard with the digest of the list, if its size is the listed one."""
        if listed is None:
            return shard
        if listed.size not in (-1, shard.size):
            raise SourceError(
                f"{printable(shard.name)} has {shard.size} bytes, and {listed.size} in {manifest}",
                f"copy the shards again, or remove {manifest} if they were changed on purpose",
            )
        return shard._replace(stamp=listed.stamp or shard.stamp)

    def _remember_whole(self, shard: Shard, data: bytes) -> None:
        if shard.size > _MOST_WHOLE:
            what = f"the server does not send parts of files, and {shard.name} is large"
            raise SourceError(what, "copy the shards to another server, or make smaller ones")
        while self._whole and sum(map(len, self._whole.values())) + shard.size > _MOST_WHOLE:
            self._whole.pop(next(iter(self._whole)), None)
        self._whole[shard.name] = data

    def _whole_file(self, shard: Shard) -> bytes:
        if shard.size > _MOST_WHOLE:
            self._remember_whole(shard, b"")
        path = self._path(shard.name)
        return bytes(self.tried(lambda: self._files.cat_file(path), shard.name))

    def tried(self, call: Callable[[], Result], name: str = "") -> Result:
        """Returns what a call returns; if a network fails, it is tried again some times.

        Raises: SourceError, after which a file is known to be bad or can't be reached.
        """
        for seconds in _TRIES if self._files is not None else ():
            try:
                return call()
            except (ChangedError, UnreachableError):
                raise
            except _GONE as error:
                raise self._failed(error, name) from error
            except Exception as error:  # every file system has its own kinds of errors
                if _lacks_credentials(error):
                    raise self._failed(error, name) from error
                if isinstance(error, SourceError) and seconds > _TRIES[0]:
                    raise  # it is not the network
                time.sleep(seconds)
        try:
            return call()
        except SourceError:
            raise
        except Exception as error:
            raise self._failed(error, name) from error

    def _failed(self, error: Exception, name: str = "") -> UnreachableError:
        what = printable(name) if name else "it"
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            what = f"there is no {what}" if name else "it does not exist"
            return UnreachableError(what, "check the path or address")
        reason = getattr(error, "strerror", None) or one_line(error) or type(error).__name__
        reason = _SECRETS.sub("", reason)
        advice = "check the network and your access; a training continues from its last checkpoint"
        if _lacks_credentials(error):
            advice = "set them in the environment, such as AWS_ACCESS_KEY_ID (docs/scale.md)"
        if self._files is None:
            advice = "check the disk, and who may read the files"
        return UnreachableError(f"{what} can't be read: {reason}", advice)


def _lacks_credentials(error: Exception) -> bool:
    return "credentials" in str(error).lower()


def _last(address: str) -> str:
    """Returns the name of a file at the end of its address."""
    return address.partition("?")[0].rpartition("/")[2]


def _stamp(info: dict[str, Any]) -> str:
    """Returns what changes with a file, from what a file system says about it; "" if nothing."""
    found = next((name for name in _STAMPS if info.get(name)), None)
    return "" if found is None else f"{found.lower()} {info[found]}"


def digest_of_list(shards: Iterable[Shard]) -> str:
    """Returns the digest of a list of shards: of their names, sizes and stamps."""
    from hashlib import blake2b

    text = json.dumps([list(shard) for shard in shards], separators=(",", ":"))
    return blake2b(text.encode(errors="surrogateescape"), digest_size=16).hexdigest()
