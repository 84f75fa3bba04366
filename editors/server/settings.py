"""The settings of the server, from the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

START = "draw"  # the shipped graph that the editor opens at its start


@dataclass(frozen=True)
class Settings:
    """What has the name of an option means the same as for `artgraph run`."""

    folder: Path  # contains the graphs
    out: Path
    input: Path
    cache: Path
    device: str = "auto"
    executor: str = "local"
    ray_address: str | None = None
    remote: str | None = None  # the remote cache
    packs: tuple[str, ...] = ()
    graph: str | None = None  # the graph that the editor opens at its start
    host: str = "127.0.0.1"
    port: int = 0  # 0 is any free port
    token: str | None = None  # required in requests if other computers can reach the server
    max_upload: int = 100 * 2**20  # largest size of an uploaded picture in bytes
    max_file: int = 4 * 2**30  # largest size of an uploaded archive or film in bytes
    history: int = 200  # largest number of finished runs in the history

    @property
    def state(self) -> Path:
        """Folder with the server's own files: queue, history, settings, backups."""
        return self.folder / ".artgraph"
