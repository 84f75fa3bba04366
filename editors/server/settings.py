"""What the command line decides about a server, and where it keeps things."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """folder: graphs live there; out, input, cache, device and packs are the runner's."""

    folder: Path
    out: Path
    input: Path
    cache: Path
    device: str = "auto"
    packs: tuple[str, ...] = ()
    graph: str | None = None  # opened at the start
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    token: str | None = None  # asked of everyone where the server can be reached from outside
    max_upload: int = 100 * 2**20
    history: int = 200  # finished runs that are kept

    @property
    def state(self) -> Path:
        """The server's own folder: queue, history, settings, layouts."""
        return self.folder / ".artgraph"
