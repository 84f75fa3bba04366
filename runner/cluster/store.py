"""The store that a worker of a cluster uses: the one of the run, or one of its own machine.

If the machine sees the cache folder of the run, that is used. Otherwise, or if ARTGRAPH_CACHE is
set there, the worker has a cache of its own, and the machines share the remote cache.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from ...contract.errors import CacheError, Cancelled
from ..run.plan import LostBlobError
from ..store.place import cache_folder
from ..store.remote import Remote
from ..store.results import Result
from ..store.store import Store
from ..store.temporary import write_whole

_THREADS = 8  # that ask the remote cache
_MOST_SECONDS = 300.0  # without a further upload, after which the remote cache counts as broken
_IDENTITY = "identity"  # a file in a cache folder, by which another machine recognises the folder


class Place(NamedTuple):
    """The place of results: the cache folder of the run, its identity, and the remote cache."""

    folder: str
    identity: str
    remote: str | None


def place_of(store: Store, remote: str | None) -> Place:
    """Returns the place of a store."""
    path = store.folder.absolute() / _IDENTITY
    if _read(path) is None:
        write_whole(path, uuid4().hex.encode())
    return Place(str(path.parent), _read(path) or "", remote)


class WorkerStore:
    """The store of a worker at a place.

    Raises: CacheError if the machine sees neither the cache folder nor a remote cache.
    """

    def __init__(self, place: Place) -> None:
        self._place, self._failures = place, list[str]()
        self._is_own = False
        folder = Path(place.folder)
        if place.remote and os.environ.get("ARTGRAPH_CACHE"):
            folder = cache_folder()
        elif _read(folder / _IDENTITY) != place.identity:
            if not place.remote:
                raise CacheError(
                    f"the machine {socket.gethostname()} does not see the cache {folder}",
                    "share the folder, or use --cache-remote",
                )
            folder = cache_folder()
        self._is_own = folder != Path(place.folder)
        self._remote = Remote(place.remote, self._failures.append) if place.remote else None
        self.store = Store(folder, lambda message: None, self._remote)
        self._index = self._stamp()

    @property
    def is_usable(self) -> bool:
        """Whether the cache is still in its folder, and the remote cache works."""
        return not self._failures and self._index == self._stamp()

    def fetch(self, results: Iterable[tuple[str, Result]]) -> None:
        """Copy what results consist of from the remote cache, as far as it is not here.

        Raises: LostBlobError, CacheError.
        """
        for name, result in results:
            if not self.store.fetch(result):
                self._check_remote()
                raise LostBlobError(name)

    def complete(self, keys: list[str], cancelled: threading.Event) -> None:
        """Wait until other machines can read the results with these keys.

        Raises: CacheError if that is not possible; Cancelled.
        """
        self.store.flush()
        if self._remote is None:
            return
        pause, changed = 0.02, time.monotonic()
        with ThreadPoolExecutor(_THREADS) as threads:
            while True:
                rows = list(threads.map(self._remote.lookup, keys))
                left = [key for key, row in zip(keys, rows, strict=True) if row is None]
                self._check_remote()
                if not left:
                    return
                now = time.monotonic()
                if len(left) < len(keys):
                    keys, changed = left, now
                elif now - changed > _MOST_SECONDS:
                    self._failures.append(
                        f"{len(left)} results were not uploaded in {now - changed:.0f} s"
                    )
                if cancelled.wait(pause):
                    raise Cancelled
                pause = min(0.5, pause * 2)

    def end_task(self) -> None:
        """Keep a cache of this machine within its limit."""
        if self._is_own:
            self.store.enforce_budget()

    def close(self) -> None:
        self.store.close()

    def _check_remote(self) -> None:
        if self._failures:
            raise CacheError(
                f"the machine {socket.gethostname()} can't use the remote cache"
                f" {self._place.remote}: {_reason(self._failures[0])}",
                "check its network and its credentials, and run again",
            )

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = (self.store.folder / "index.sqlite").stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino


_open: dict[Place, WorkerStore] = {}


def opened(place: Place) -> WorkerStore:
    """Returns the store of a place, which remains open for later tasks of this process."""
    known = _open.get(place)
    if known is not None and known.is_usable:
        return known
    for other in [p for p, store in _open.items() if p == place or not store.is_usable]:
        let_go(other)
    _open[place] = WorkerStore(place)
    return _open[place]


def let_go(place: Place) -> None:
    """Close the store of a place, after all uploads; what can't be uploaded is lost."""
    store = _open.pop(place, None)
    with suppress(CacheError, OSError):
        if store is not None:
            store.close()


def _reason(warning: str) -> str:
    """Returns the reason in a warning of the remote cache."""
    found = re.search(r"any more: (.+)|\((.+)\): ", warning)
    return next(filter(None, found.groups())) if found else warning


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
