"""`artgraph cache ... --remote URL`: the same for a cache that computers share."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import typer

from ..contract.errors import GraphError
from ..contract.quantities import ago, counted, size_text

if TYPE_CHECKING:
    from ..runner.store.remote_collection import RemoteEntry


def info(url: str, as_json: bool) -> None:
    """Show how much a remote cache contains."""
    from ..runner.store.remote_collection import contents
    from ..runner.store.remote_files import RemoteFiles

    files = RemoteFiles(url, "--remote ")
    found = contents(files)
    results, trainings = _numbers(found.entries)
    if as_json:
        facts = {
            "remote": files.url,
            "results": results,
            "trainings": trainings,
            "blobs": len(found.blobs),
            "leftovers": len(found.leftovers),
            "bytes": found.size,
        }
        typer.echo(json.dumps(facts))
        return
    typer.echo(f"{files.url}: {size_text(found.size)} in {counted(len(found.blobs), 'blob')},")
    left = len(found.leftovers)
    more = f", {counted(left, 'leftover')} of uploads that did not end" if left else ""
    typer.echo(f"{_counts(found.entries)}{more}")


def collect(
    url: str,
    max_bytes: int | None,
    max_age: float | None,
    dry_run: bool,
    confirm: Callable[[str], None],
) -> None:
    """Delete what was used least recently from a remote cache.

    confirm: called with a question before trained models or trainings are deleted.

    Raises: GraphError if neither a size nor an age is named; CacheError.
    """
    from ..runner.store.remote_collection import choose, contents, evict
    from ..runner.store.remote_files import RemoteFiles

    if max_bytes is None and max_age is None:
        what = "--remote: nothing says what to delete"
        raise GraphError(what, "add --max-size, --older-than or both")
    files = RemoteFiles(url, "--remote ")
    eviction = choose(contents(files), max_bytes, max_age)
    what, freed = _counts(eviction.entries), size_text(eviction.freed)
    if dry_run:
        for entry in eviction.entries:
            typer.echo(_line(entry))
        typer.echo(f"would delete {what}, and free {freed}{_later(eviction.young)}")
        return
    trained = [entry for entry in eviction.entries if entry.is_trained]
    if trained:
        confirm(f"this deletes {what} from {files.url}, among them {_trained(trained)}")
    used = evict(files, eviction)
    typer.echo(f"deleted {what}, freed {freed}{_later(eviction.young)}")
    if used:
        typer.echo(f"{counted(used, 'file')} of these remained, because a machine used them now")


def _later(young: Sequence[object]) -> str:
    """Returns what a later collection will delete."""
    if not young:
        return ""
    files = counted(len(young), "unused file")
    return f"; {files} remain until they are a day old, since a machine may need them now"


def _numbers(entries: Sequence[RemoteEntry]) -> tuple[int, int]:
    trainings = sum(entry.name.startswith("trainings/") for entry in entries)
    return len(entries) - trainings, trainings


def _counts(entries: Sequence[RemoteEntry]) -> str:
    results, trainings = _numbers(entries)
    return f"{counted(results, 'result')} and {counted(trainings, 'training')}"


def _trained(entries: Sequence[RemoteEntry], limit: int = 5) -> str:
    words = [f"{entry.node} (used {ago(entry.used)})" for entry in entries[:limit]]
    more = f" and {len(entries) - limit} more" if len(entries) > limit else ""
    return ", ".join(words) + more


def _line(entry: RemoteEntry) -> str:
    """Returns one line about a result or training."""
    name = entry.node or "damaged"
    return f"{name:30} {size_text(entry.size):>9}  used {ago(entry.used)}  {entry.name}"
