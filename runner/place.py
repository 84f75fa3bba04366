"""Where the cache is, and how large it may grow."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .sizes import size_of


def cache_folder(given: Path | None = None) -> Path:
    """The cache's folder: `given`, or `$ARTGRAPH_CACHE`, or the user's own."""
    if given is not None:
        return given
    named = os.environ.get("ARTGRAPH_CACHE")
    return Path(named) if named else own_cache_folder(sys.platform)


def own_cache_folder(platform: str) -> Path:
    """The folder for the user's cache by the custom of the system `platform` (sys.platform).

    On macOS and Windows, an existing `~/.cache/artgraph` of an earlier artgraph remains in use as
    long as the customary folder does not exist.
    """
    home = Path.home()
    if os.environ.get("XDG_CACHE_HOME"):  # one who sets it elsewhere than on Linux means it, too
        return Path(os.environ["XDG_CACHE_HOME"]) / "artgraph"
    earlier = home / ".cache" / "artgraph"
    if platform == "darwin":
        folder = home / "Library" / "Caches" / "artgraph"
    elif platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local"
        folder = Path(base) / "artgraph" / "Cache"
    else:
        return earlier
    return earlier if earlier.is_dir() and not folder.is_dir() else folder


def cache_budget() -> int:
    """The bytes that the cache may take, by `$ARTGRAPH_CACHE_MAX`; 50 GB if it is not set.

    Raises: GraphError.
    """
    name = "ARTGRAPH_CACHE_MAX"
    return size_of(name, os.environ.get(name) or "50GB") or 0
