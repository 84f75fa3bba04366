"""Digests of the files that graphs read, remembered as long as size and time of change stay."""

from __future__ import annotations

import json
import time
from pathlib import Path

from blake3 import blake3

from ...contract.errors import InputError
from .digests import file_digest
from .index import Index


def fingerprint(index: Index, path: Path) -> str:
    """Returns the digest of a file's content, or of the names and contents in a folder.

    Raises: InputError if something can't be read.
    """
    try:
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file())
            digests = [[str(p.relative_to(path)), _digest(index, p)] for p in files]
            return str(blake3(json.dumps(digests).encode()).hexdigest(16))
        return _digest(index, path)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}", "check it") from error


def _digest(index: Index, path: Path) -> str:
    status = path.stat()
    stamp = (str(path), status.st_size, status.st_mtime_ns, status.st_ino)
    row = index.row(
        "SELECT digest FROM files WHERE path = ? AND size = ? AND mtime = ? AND inode = ?", stamp
    )
    if row is not None:
        return str(row[0])
    digest = file_digest(path)
    if time.time_ns() - status.st_mtime_ns > 2_000_000_000:  # a newer file may still be changing
        with index.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", (*stamp, digest)
            )
    return digest
