"""`artgraph cache ...`: the commands that show, check and clean the cache."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Annotated

import typer

from ..runner.store.place import size_of
from .options import CacheOption, JsonOption, open_existing_store, size_text

app = typer.Typer(
    help="Show, check and clean the cache.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("info")
def info_command(cache: CacheOption = None, as_json: JsonOption = False) -> None:
    """Show where the cache is and how much it contains."""
    from ..runner.store.collection import info

    with open_existing_store(cache) as store:
        facts = info(store.index, store.blobs)
    if as_json:
        typer.echo(json.dumps(facts))
        return
    typer.echo(f"{facts['folder']}: {size_text(facts['bytes'])} in {facts['blobs']} files,")
    typer.echo(f"{facts['results']} results and {facts['checkpoints']} checkpoints")


@app.command("ls")
def list_command(cache: CacheOption = None, as_json: JsonOption = False) -> None:
    """List the stored results and checkpoints.

    A result is pinned, and stays in the cache, while the output folder of its run exists.
    """
    from ..runner.store.collection import checkpoints, pinned, results

    with open_existing_store(cache) as store:
        pins = pinned(store.index)
        for entry in [*results(store.index), *checkpoints(store.index)]:
            if as_json:
                typer.echo(json.dumps(vars(entry) | {"pinned": entry.key in pins}))
                continue
            created = datetime.fromtimestamp(entry.created).isoformat(" ", "minutes")
            name = entry.node if entry.step is None else f"{entry.node}, step {entry.step}"
            typer.echo(
                f"{name:30} {size_text(entry.size):>9}  created {created}"
                f"  used {_ago(time.time() - entry.used)}  {entry.key}"
                f"{'  pinned' if entry.key in pins else ''}"
            )


@app.command("gc")
def collect_command(
    max_size: Annotated[
        str, typer.Option("--max-size", help="Allowed size of the cache, such as 10GB or 500MB.")
    ] = "20GB",
    pins: Annotated[
        bool, typer.Option(help="Protect the results of existing output folders.")
    ] = True,
    cache: CacheOption = None,
) -> None:
    """Delete the least recently used results and checkpoints.

    A run does so at its end if the cache is larger than $ARTGRAPH_CACHE_MAX (50GB).
    """
    from ..runner.store.collection import collect

    limit = size_of("--max-size ", max_size)
    with open_existing_store(cache) as store:
        deleted, freed = collect(store.index, store.blobs, limit or 0, pins)
    states = sum(entry.step is not None for entry in deleted)
    typer.echo(
        f"deleted {len(deleted) - states} results and {states} checkpoints, "
        f"freed {size_text(freed)}"
    )


@app.command("verify")
def verify_command(cache: CacheOption = None) -> None:
    """Check every stored result, and delete the damaged ones."""
    from ..runner.store.collection import verify

    with open_existing_store(cache) as store:
        intact, deleted = verify(store.index, store.blobs)
    if not intact and not deleted:
        typer.echo("the cache is empty")
        return
    damaged = f"; damaged and deleted: {deleted}" if deleted else ""
    typer.echo(f"intact: {intact} results and checkpoints{damaged}")


@app.command("clear")
def clear_command(
    cache: CacheOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete everything in the cache."""
    from ..runner.store.collection import clear

    with open_existing_store(cache) as store:
        if not yes:
            question = f"Delete everything in {store.folder}, including trained models?"
            typer.confirm(question, abort=True)
        typer.echo(f"deleted {clear(store.index, store.blobs)} results and checkpoints")


def _ago(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now"
