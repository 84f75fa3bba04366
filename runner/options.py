"""What the commands share: options, the registry, the open store."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    typer.Option(help="The cache's folder.", show_default="$ARTGRAPH_CACHE or ~/.cache/artgraph"),
]
OutOption = Annotated[
    Path, typer.Option(help="Where outputs go, each graph's in a folder of its name.")
]
InputOption = Annotated[
    Path, typer.Option("--input", help="A folder that graphs may read, besides their own.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
PackOption = Annotated[
    list[str] | None,
    typer.Option("--pack", metavar="MODULE", help="Nodes of this module or .py file; repeatable."),
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Neither use nor keep results.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Say nothing but what failed.")]
EventsOption = Annotated[bool, typer.Option("--json", help="One event a line on standard output.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def cache_folder(given: Path | None) -> Path:
    """The cache's folder: as given, by environment, or the user's own."""
    if given is not None:
        return given
    if os.environ.get("ARTGRAPH_CACHE"):
        return Path(os.environ["ARTGRAPH_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "artgraph"


@contextmanager
def open_store(folder: Path | None) -> Iterator[Store]:
    """The store in this folder, closed again at the end."""
    from .store import Store

    store = Store(cache_folder(folder), warn=warn)
    try:
        yield store
    finally:
        store.close()


def warn(message: str) -> None:
    """One line on standard error."""
    print(f"warning: {message}", file=sys.stderr)
