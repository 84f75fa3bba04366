"""What the commands share: options, the registry, the open store."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..nodes.errors import CacheError
from .place import cache_folder

if TYPE_CHECKING:
    from .store import Store

GraphArgument = Annotated[
    str,
    typer.Argument(help="A YAML file, a shipped graph's name, or a PNG that carries its graph."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NODE.WIDGET=VALUE", help="Also knobs.NAME=VALUE; repeatable."),
]
SweepOption = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="NODE.WIDGET=VALUE,VALUE,...",
        help="Each value in turn, also of knobs.NAME; repeat it for all combinations.",
    ),
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NODE", help="This node and what it needs; repeatable."),
]
ForceOption = Annotated[
    list[str] | None,
    typer.Option("--force", metavar="NODE", help="Run it though it is stored; repeatable."),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(help="The cache's folder.", show_default="$ARTGRAPH_CACHE or your own"),
]
RemoteOption = Annotated[
    str | None,
    typer.Option(
        "--cache-remote",
        metavar="URL",
        envvar="ARTGRAPH_CACHE_REMOTE",
        help="A cache that machines share, such as s3://bucket/folder or sftp://host/folder.",
    ),
]
OutOption = Annotated[
    Path, typer.Option(help="Where outputs go, each graph's in a folder of its name.")
]
InputOption = Annotated[
    Path, typer.Option("--input", help="A folder that graphs may read, besides their own.")
]
DeviceOption = Annotated[
    str,
    typer.Option(
        help="auto, cpu, cuda, cuda:1 or mps; cuda+compile to compile what is trained for long."
    ),
]
PackOption = Annotated[
    list[str] | None,
    typer.Option("--pack", metavar="MODULE", help="Nodes of this module or .py file; repeatable."),
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs", min=1, max=256, help="Nodes at a time.", show_default="one a core, at most 4"
    ),
]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="What the inputs of nodes that run side by side may take, such as 2GB.",
        show_default="half of it all",
    ),
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Neither use nor keep results.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Say nothing but what failed.")]
EventsOption = Annotated[bool, typer.Option("--json", help="One event a line on standard output.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@contextmanager
def open_store(folder: Path | None, remote: str | None = None) -> Iterator[Store]:
    """The store in this folder, closed again at the end."""
    from .store import Store

    second = None
    if remote:
        from .remote import Remote

        second = Remote(remote, warn)
    store = Store(cache_folder(folder), warn, second)
    try:
        yield store
    finally:
        store.close()


def open_there(folder: Path | None) -> AbstractContextManager[Store]:
    """The store in a folder that was named, which must be there: a slip makes no new one.

    Raises: CacheError.
    """
    if folder is not None and not (folder / "index.sqlite").is_file():
        raise CacheError(f"there is no cache in {folder}", "name its folder with --cache")
    return open_store(folder)


def warn(message: str) -> None:
    """One line on standard error."""
    print(f"warning: {message}", file=sys.stderr)


def default_jobs() -> int:
    """Nodes to run at a time: one a core that we may use, at most 4."""
    try:
        return min(4, len(os.sched_getaffinity(0)))
    except AttributeError:  # not on macOS and Windows
        return min(4, os.cpu_count() or 1)


def collect_rarely() -> None:
    """Look for cycles of garbage less often: a large graph's objects all live to the end.

    A fifth of the time of a cached run of 10,000 nodes went into that.
    """
    import gc

    gc.set_threshold(100_000, 50, 50)
