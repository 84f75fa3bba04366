"""`artgraph cache ...`: the commands that keep the store."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Annotated

import typer

from .options import CacheOption, JsonOption, open_there
from .sizes import size_of

app = typer.Typer(help="Look after the cache.", no_args_is_help=True, rich_markup_mode=None)


@app.command("info")
def info_command(cache: CacheOption = None, as_json: JsonOption = False) -> None:
    """Say where the cache is and how much is in it."""
    from .keeping import info

    with open_there(cache) as store:
        facts = info(store.index, store.blobs)
    if as_json:
        typer.echo(json.dumps(facts))
        return
    typer.echo(f"{facts['folder']}: {_size(facts['bytes'])} in {facts['blobs']} files,")
    typer.echo(f"{facts['results']} results and {facts['checkpoints']} checkpoints")


@app.command("ls")
def list_command(cache: CacheOption = None, as_json: JsonOption = False) -> None:
    """List results and checkpoints: node, size, age, last use; whether a run's manifest pins it."""
    from .keeping import checkpoints, pinned, results

    with open_there(cache) as store:
        pins = pinned(store.index)
        for entry in [*results(store.index), *checkpoints(store.index)]:
            if as_json:
                typer.echo(json.dumps(vars(entry) | {"pinned": entry.key in pins}))
                continue
            made = datetime.fromtimestamp(entry.created).isoformat(" ", "minutes")
            name = entry.node if entry.step is None else f"{entry.node}, step {entry.step}"
            typer.echo(
                f"{name:30} {_size(entry.size):>9}  made {made}"
                f"  used {_ago(time.time() - entry.used)}  {entry.key}"
                f"{'  pinned' if entry.key in pins else ''}"
            )


@app.command("gc")
def collect_command(
    max_size: Annotated[
        str, typer.Option("--max-size", help="What may stay, such as 10GB or 500MB.")
    ] = "20GB",
    pins: Annotated[
        bool, typer.Option(help="Keep the results of runs whose output folder is still there.")
    ] = True,
    cache: CacheOption = None,
) -> None:
    """Drop what was used least recently, until the cache fits a size.

    This happens by itself after a run where the cache is over $ARTGRAPH_CACHE_MAX (50GB).
    """
    from .keeping import collect

    limit = size_of("--max-size", max_size)
    with open_there(cache) as store:
        dropped, freed = collect(store.index, store.blobs, limit or 0, pins)
    states = sum(entry.step is not None for entry in dropped)
    typer.echo(
        f"dropped {len(dropped) - states} results and {states} checkpoints, freed {_size(freed)}"
    )


@app.command("verify")
def verify_command(cache: CacheOption = None) -> None:
    """Read every stored value and drop those that are damaged."""
    from .keeping import verify

    with open_there(cache) as store:
        sound, dropped = verify(store.index, store.blobs)
    typer.echo(f"{sound} results and checkpoints are sound, {dropped} were damaged and dropped")


@app.command("clear")
def clear_command(
    cache: CacheOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Drop everything."""
    from .keeping import clear

    with open_there(cache) as store:
        if not yes:
            typer.confirm(f"Drop everything in {store.folder}, trained models too?", abort=True)
        typer.echo(f"dropped {clear(store.index, store.blobs)} results and checkpoints")


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def _ago(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now"
