"""Immutable files of named buffers, each named by the digest of its own bytes.

The format is safetensors, with the JSON of a value in the header. A blob is written to a temporary
file, synced and renamed. So it exists whole or not at all, and it is never changed.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3
from safetensors import SafetensorError

from ...contract.values.pictures import read_rows
from ...contract.values.socket import Buffers, Json, Rows
from .digests import LARGE, file_digest, is_in_memory, stamp
from .index import cannot_write
from .temporary import discard, sweep, temporary_in

if TYPE_CHECKING:
    from torch import Tensor

_SUFFIX = ".safetensors"


class BlobError(Exception):
    """A blob is missing or damaged."""


class BlobFile:
    """A blob open for reading (contract.values.socket.Blob)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            self._header = json.loads(file.read(length))
            self._data_start = 8 + length
        self.meta: Json = json.loads(self._header.pop("__metadata__", {}).get("meta", "null"))

    def shape(self, name: str) -> list[int]:
        return list(self._header[name]["shape"])

    def rows(self, name: str, rows: Sequence[int]) -> Tensor:
        start, (_, *size) = self._header[name]["data_offsets"][0], self.shape(name)
        with self._path.open("rb") as file:
            return read_rows(file, self._data_start + start, size, rows)

    def names(self) -> list[str]:
        return sorted(self._header)

    def tensor(self, name: str) -> Tensor:
        from safetensors import safe_open

        with safe_open(self._path, framework="pt") as file:
            return file.get_tensor(name)  # type: ignore[no-any-return]

    def raw(self, name: str) -> bytes:
        start, end = self._header[name]["data_offsets"]
        with self._path.open("rb") as file:
            file.seek(self._data_start + start)
            return file.read(end - start)


class Blobs:
    """The blobs below one folder.

    temporary:     the folder for files that are being written.
    checked:       the stamps of large blobs when they were last verified, by digest.
    written_bytes: the number of bytes that this process wrote.
    """

    def __init__(self, folder: Path, checked: MutableMapping[str, str] | None = None) -> None:
        self._checked: MutableMapping[str, str] = {} if checked is None else checked
        self._folder, self.temporary = folder / "blobs", folder / "tmp"
        self._folder.mkdir(parents=True, exist_ok=True)
        self.temporary.mkdir(exist_ok=True)
        self._verified: set[str] = set()  # digests of blobs verified by this process
        self.written_bytes = 0
        sweep(self.temporary)

    def write(self, meta: Json, buffers: Buffers) -> tuple[str, int]:
        """Store the encoded form of a value. Returns the digest and the size in bytes.

        Raises: CacheError if the disk is full; no partial file remains.
        """
        folder = temporary_in(self.temporary)  # the library may write temporary files there, too
        path = folder / "blob"
        try:
            folder.mkdir()
            try:
                _write_safetensors(path, meta, buffers)
            except SafetensorError as error:  # raised by the library if the disk is full
                raise OSError(str(error)) from error
            path.chmod(folder.stat().st_mode & 0o666)  # the library lets only one user read them
            digest, size = file_digest(path), path.stat().st_size
            place = self.path(digest)  # a blob of the same bytes may exist already
            place.parent.mkdir(exist_ok=True)
            path.replace(place)
            self._count(digest, place, size)
        except OSError as error:
            raise cannot_write(self._folder.parent, error) from error
        finally:
            discard(folder)
        return digest, size

    def open(self, digest: str) -> BlobFile:
        """Open a blob for reading.

        A blob is verified the first time that this process opens it. A blob over 1 MiB that was
        verified before is trusted while its file is unchanged and the system still holds all of
        it in memory.

        Raises: BlobError if it is missing or damaged.
        """
        path = self.path(digest)
        try:
            if digest not in self._verified:
                now = stamp(path)
                if self._checked.get(digest) != now or not is_in_memory(path):
                    if file_digest(path) != digest:
                        raise BlobError(f"{path} is damaged")
                    self._store_stamp(digest, now, path.stat().st_size)
                self._verified.add(digest)
            return BlobFile(path)
        except (OSError, ValueError, KeyError) as error:
            raise BlobError(f"{path} can't be read: {error}") from error

    def exists(self, digest: str, size: int) -> bool:
        """Returns whether a blob of this size is stored; `open` verifies its bytes."""
        try:
            return self.path(digest).stat().st_size == size
        except OSError:
            return False

    def remove(self, digest: str) -> None:
        """Delete a blob, if it exists."""
        self.path(digest).unlink(missing_ok=True)
        self._verified.discard(digest)
        self._checked.pop(digest, None)

    def stored(self) -> Iterator[tuple[str, int, float]]:
        """Yields the digest, size in bytes and time of writing of every blob."""
        for path in self._folder.glob(f"*/*{_SUFFIX}"):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue  # deleted by another process meanwhile
            yield path.name.removesuffix(_SUFFIX), status.st_size, status.st_mtime

    def is_sound(self, digest: str) -> bool:
        """Returns whether the bytes of a blob have its digest."""
        try:
            return file_digest(self.path(digest)) == digest
        except OSError:
            return False

    def receive(self, digest: str, size: int, parts: Iterable[bytes]) -> bool:
        """Store the bytes of a blob of another cache. Returns whether they have the digest.

        Raises: CacheError if the disk is full; what reading the parts raises.
        """
        path, received = self.path(digest), temporary_in(self.temporary)
        hasher, left = blake3(), size
        try:
            with received.open("xb") as file:
                for part in parts:
                    hasher.update(part)
                    left -= len(part)
                    if left < 0:
                        break
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            if left or hasher.hexdigest(16) != digest:
                return False
            path.parent.mkdir(exist_ok=True)
            received.replace(path)
            self._count(digest, path, size)
        except OSError as error:
            raise cannot_write(self._folder.parent, error) from error
        finally:
            discard(received)
        return True

    def path(self, digest: str) -> Path:
        """Returns the path of a blob, whether it exists or not."""
        return self._folder / digest[:2] / f"{digest}{_SUFFIX}"

    def _count(self, digest: str, path: Path, size: int) -> None:
        """Count a blob that was just written, which needs no verification."""
        self._store_stamp(digest, stamp(path), size)
        self._verified.add(digest)
        self.written_bytes += size

    def _store_stamp(self, digest: str, now: str, size: int) -> None:
        if size > LARGE:
            self._checked[digest] = now


def _write_safetensors(path: Path, meta: Json, buffers: Buffers) -> None:
    metadata = {"meta": json.dumps(meta, sort_keys=True, separators=(",", ":"))}
    if any(isinstance(data, Rows) for data in buffers.values()):
        _write_parts(path, metadata, buffers)
        return
    raw = {name: data for name, data in buffers.items() if isinstance(data, bytes)}
    if len(raw) == len(buffers):  # needs no torch
        import numpy as np
        from safetensors.numpy import save_file as save_arrays

        save_arrays({name: np.frombuffer(d, np.uint8) for name, d in raw.items()}, path, metadata)
    else:
        from safetensors.torch import save_file

        save_file({name: _as_tensor(data) for name, data in buffers.items()}, path, metadata)
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _write_parts(path: Path, metadata: dict[str, str], buffers: Buffers) -> None:
    """Write tensors part by part, as the same bytes that safetensors would write."""
    facts: dict[str, object] = {"__metadata__": metadata}
    end, ordered = 0, []
    for name, data in sorted(buffers.items(), key=lambda item: (_kind(item[1])[0], item[0])):
        assert not isinstance(data, bytes)
        _, kind, size = _kind(data)
        start, end = end, end + size * math.prod(data.shape)
        facts[name] = {"dtype": kind, "shape": list(data.shape), "data_offsets": [start, end]}
        ordered.append(data.parts if isinstance(data, Rows) else (_as_tensor(data),))
    header = json.dumps(facts, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for parts in ordered:
            for part in parts:
                file.write(part.contiguous().numpy().data)
        file.flush()
        os.fsync(file.fileno())


def _kind(data: Tensor | bytes | Rows) -> tuple[int, str, int]:
    """Returns the place of a buffer's type in a file, its name there, and its bytes a number."""
    name = "uint8" if isinstance(data, bytes | Rows) else str(data.dtype).removeprefix("torch.")
    kinds = {"int64": ("I64", 8), "uint8": ("U8", 1), "bool": ("BOOL", 1)}
    return (list(kinds).index(name), *kinds[name])


def _as_tensor(data: Tensor | bytes | Rows) -> Tensor:
    """Returns a buffer as a contiguous CPU tensor that shares no memory with another."""
    import torch

    assert not isinstance(data, Rows)
    if isinstance(data, bytes):
        return torch.tensor(list(data), dtype=torch.uint8)
    tensor = data.detach().cpu().contiguous()
    alone = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return tensor if alone else tensor.clone()
