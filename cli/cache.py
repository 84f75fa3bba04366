"""`artgraph cache ...`: the commands that show, check and clean the cache."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ..contract.errors import GraphError
from ..contract.quantities import ago, counted, duration, size_text
from ..runner.store.place import age_of, size_of
from .options import CacheOption, JsonOption, open_existing_store

if TYPE_CHECKING:
    from ..runner.store.collection import Entry

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be deleted, and delete nothing.")
]
FarOption = Annotated[
    str | None,
    typer.Option(
        "--remote",
        metavar="URL",
        help="Instead of the local cache, one that computers share (--cache-remote of `run`).",
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]

USUAL_SIZE = 20 << 30  # bytes that `gc` leaves if no size is named

app = typer.Typer(
    help="Show, check and clean the cache.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("info")
def info_command(
    remote: FarOption = None, cache: CacheOption = None, as_json: JsonOption = False
) -> None:
    """Show where the cache is and how much it contains."""
    from ..runner.store.collection import info

    if remote is not None:
        from .cache_remote import info as remote_info

        remote_info(remote, as_json)
        return
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
            typer.echo(_line(entry) + ("  pinned" if entry.key in pins else ""))


@app.command("gc")
def collect_command(
    max_size: Annotated[
        str | None,
        typer.Option(
            "--max-size",
            metavar="SIZE",
            help="Allowed size of the cache, such as 10GB or 500MB; 0 deletes all that is not"
            " protected.",
            show_default="20GB for the local cache",
        ),
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than",
            metavar="AGE",
            help="With --remote: delete what was not used for so long, such as 30d or 8w.",
        ),
    ] = None,
    pins: Annotated[
        bool, typer.Option(help="Protect the results of existing output folders.")
    ] = True,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    remote: FarOption = None,
    cache: CacheOption = None,
) -> None:
    """Delete the least recently used results, and trained models and checkpoints last.

    Before it deletes trained models or checkpoints, it asks for confirmation. A run does the same
    at its end, without a question, if the cache is larger than $ARTGRAPH_CACHE_MAX (50GB). Nothing
    but this command deletes results from a remote cache.
    """
    from ..runner.store.collection import choose, evict, trained_words

    limit, age = size_of("--max-size ", max_size), age_of("--older-than ", older_than)
    if remote is not None:
        from .cache_remote import collect

        collect(remote, limit, age, dry_run, (lambda question: None) if yes else confirm)
        return
    if age is not None:
        raise GraphError("--older-than is for a remote cache", "name it with --remote")
    limit = USUAL_SIZE if limit is None else limit
    with open_existing_store(cache) as store:
        eviction = choose(store.index, store.blobs, limit, pins)
        what = _counts(eviction.entries)
        if dry_run:
            for entry in eviction.entries:
                typer.echo(_line(entry))
            typer.echo(f"would delete {what}, and free {size_text(eviction.freed)}")
            return
        if eviction.trained and not yes:
            models = f"{_trained_count(eviction.trained)}: {trained_words(eviction.trained)}"
            confirm(f"this deletes {what}, among them {models}")
        evict(store.index, store.blobs, eviction)
    typer.echo(f"deleted {what}, freed {size_text(eviction.freed)}")


@app.command("verify")
def verify_command(cache: CacheOption = None) -> None:
    """Check every stored result, and delete the damaged ones."""
    from ..runner.store.collection import checkpoints, results, verify

    with open_existing_store(cache) as store:
        intact, deleted = verify(store.index, store.blobs)
        left = _counts([*results(store.index), *checkpoints(store.index)])
    if not intact and not deleted:
        typer.echo("the cache is empty")
        return
    damaged = f"; damaged and deleted: {deleted}" if deleted else ""
    typer.echo(f"intact: {left}{damaged}")


@app.command("clear")
def clear_command(
    cache: CacheOption = None, dry_run: DryRunOption = False, yes: YesOption = False
) -> None:
    """Delete everything in the cache, after a confirmation."""
    from ..runner.store.collection import checkpoints, clear, info, results

    with open_existing_store(cache) as store:
        entries = [*results(store.index), *checkpoints(store.index)]
        size = size_text(info(store.index, store.blobs)["bytes"])
        what = _counts(entries)
        trained = [entry for entry in entries if entry.is_trained]
        among = f", among them {_trained_count(trained)}" if trained else ""
        if dry_run:
            typer.echo(f"would delete {what}{among}, and free {size}")
            return
        if not yes:
            confirm(f"this deletes everything in {store.folder}: {what}{among}, {size}")
        typer.echo(f"deleted {_counts(clear(store.index, store.blobs))}")


def confirm(question: str) -> None:
    """Ask whether to delete something.

    Raises: GraphError if nobody can answer; typer.Abort if the answer is no.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise GraphError(question, "nothing was deleted; add --yes if you want this")
    typer.confirm(f"{question}. Delete?", abort=True, err=True)


def _counts(entries: Sequence[Entry]) -> str:
    """Returns how many results and how many checkpoints these are."""
    states = sum(entry.step is not None for entry in entries)
    return f"{counted(len(entries) - states, 'result')} and {counted(states, 'checkpoint')}"


def _trained_count(entries: Sequence[Entry]) -> str:
    """Returns how many models and checkpoints these are, and how long the models took."""
    models = [entry for entry in entries if entry.step is None]
    took = duration(sum(entry.seconds for entry in models))
    states = counted(len(entries) - len(models), "checkpoint")
    if not models:
        return states
    return f"{counted(len(models), 'trained model')} ({took} of training) and {states}"


def _line(entry: Entry) -> str:
    """Returns one line about a result or checkpoint."""
    created = datetime.fromtimestamp(entry.created).isoformat(" ", "minutes")
    name = entry.node if entry.step is None else f"{entry.node}, step {entry.step}"
    if entry.is_kept:
        name += ", kept"
    return (
        f"{name:30} {size_text(entry.size):>9}  created {created}  used {ago(entry.used)}"
        f"  {entry.key}"
    )
