"""The files and folders that a node reads: whether they change while it runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...contract.errors import InputError
from ...contract.shards import Shards
from ...contract.spec import NodeSpec
from ..store.fingerprints import Snapshot
from ..store.store import Store

_WAIT_SECONDS = 0.03  # after which a further change has another time
_MOST_WAITS = 3  # how often `take` waits for a folder that has just changed


class FilesRead:
    """The files and folders that the widgets of a node name; false if there are none."""

    def __init__(self, spec: NodeSpec, widgets: Mapping[str, Any], store: Store) -> None:
        self._store = store
        self._paths = {
            name: (path, spec.widgets[name].is_picture)
            for name in spec.paths
            if isinstance(path := widgets[name], Path | Shards)
        }
        self._taken: dict[str, Snapshot] = {}

    def __bool__(self) -> bool:
        return bool(self._paths)

    @property
    def names(self) -> str:
        """The last parts of the paths; the whole path of the root of a disk."""
        return " or ".join(repr(path.name or str(path)) for path, _ in self._paths.values())

    def take(self) -> dict[str, str]:
        """Returns the fingerprints as they are now, by widget.

        Waits for a moment if something has just changed, because a further change could have the
        same time.

        Raises: InputError if a path can't be read.
        """
        for wait in range(_MOST_WAITS + 1):
            self._taken = self._snapshots()
            if all(taken.is_settled for taken in self._taken.values()):
                break
            if wait < _MOST_WAITS:
                time.sleep(_WAIT_SECONDS)
        return {name: taken.fingerprint for name, taken in self._taken.items()}

    def are_unchanged(self) -> bool:
        """Returns whether nothing has changed since `take`, not even for a moment."""
        if not self._paths:
            return True
        try:
            now = self._snapshots()
        except InputError:  # something is gone; `take` reports it if it stays away
            return False
        return all(
            taken.is_settled
            and taken.fingerprint == now[name].fingerprint
            # Stamps differ also if a file was replaced and put back.
            and taken.stamps == now[name].stamps
            for name, taken in self._taken.items()
        )

    def _snapshots(self) -> dict[str, Snapshot]:
        return {name: self._store.snapshot(*path) for name, path in self._paths.items()}
