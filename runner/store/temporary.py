"""Temporary files with the process in their name, so that those of killed ones can be removed."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

_ENDING = ".part"
_DAY = 86_400
_numbers = itertools.count()


def temporary_in(folder: Path) -> Path:
    """Returns an unused path in `folder` for a temporary file or folder of this process."""
    return folder / f".{_host()}-{os.getpid()}-{next(_numbers)}{_ENDING}"


def write_whole(path: Path, data: bytes, folder: Path | None = None, synced: bool = False) -> None:
    """Write a file whole or not at all; its folder is created if it is missing.

    folder: the folder of the temporary file; None for that of the file.
    synced: sync the bytes to the disk before the file gets its name.

    Raises: OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_in(folder or path.parent)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        discard(temporary)


def file_in_the_way(folder: Path) -> Path | None:
    """Returns the file because of which `folder` cannot be a folder: itself, or one above it."""
    places = (folder, *folder.parents)
    return next((p for p in places if os.path.isfile(p)), None)  # noqa: PTH113 - never raises


def sweep(folder: Path) -> None:
    """Remove the temporary files of killed processes.

    A file of this machine is removed if its process has ended; on Windows, after a day. Files of
    other machines are removed after a day.
    """
    for path in folder.glob(f".*-*-*{_ENDING}"):
        host, process, _ = path.name.removeprefix(".").split("-", 2)
        try:
            if host == _host() and sys.platform != "win32":  # os.kill sends Ctrl-C on Windows
                over = not is_alive(int(process))
            else:
                over = time.time() - path.stat().st_mtime > _DAY
            if over:
                discard(path)
        except (OSError, ValueError):
            continue


def discard(path: Path) -> None:
    """Remove a temporary file or folder, if it exists and can be removed.

    It never raises, so that the error because of which a file was not written remains visible.
    """
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


@cache
def _host() -> str:
    from blake3 import blake3

    return str(blake3(socket.gethostname().encode()).hexdigest(4))


def is_alive(process: int) -> bool:
    """Returns whether a process of this computer runs. Do not call it on Windows."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
