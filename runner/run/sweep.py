"""Runs every combination of some settings, one after the other, on one cache.

Nodes that do not depend on the settings are computed once, since keys do not depend on a graph. A
combination that fails does not stop the others. Only the graph of one combination is in memory.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ...contract.errors import ArtgraphError, CacheError, Cancelled, GraphError
from ...contract.problem import Problem
from ...contract.spec import NodeSpec
from ...contract.values.kinds import Table
from ...pictures.suffixes import is_displayable
from ..graph.binding import bind
from ..graph.bound import Graph
from ..graph.document import Document
from ..graph.folders import Folders
from ..graph.settings import parse_setting
from ..graph.sources import picture_folders
from ..store.blobs import BlobError
from ..store.store import Store
from .axes import Space
from .events import (
    Cached,
    CombinationFinished,
    CombinationStarted,
    Event,
    Failed,
    Finished,
    Listener,
)
from .execute import Run

_MOST_PROBLEMS = 20  # after which no more combinations are checked


@dataclass
class Combination:
    """The values of one combination, and the outcome of its run.

    number:    its place in the sweep, from 1.
    error:     why each node failed that did, in one line.
    seconds:   the time that its nodes took, without reused results.
    is_reused: whether no node had to run.
    files:     the path of the first file of each node that saves.
    digests:   the digests of the outputs of these nodes.
    numbers:   the numbers among the outputs, by `node.output`, and cells of tables.
    """

    number: int
    settings: dict[str, str]
    folder: Path = Path()
    status: Literal["waiting", "done", "failed", "interrupted"] = "waiting"
    error: str = ""
    seconds: float = 0.0
    is_reused: bool = False
    files: dict[str, Path] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return ", ".join(f"{target}={value}" for target, value in self.settings.items())

    def record(self, event: Event) -> None:
        """Record an event of the run."""
        if isinstance(event, Finished | Cached) and event.files:
            paths = list(map(Path, event.files))
            self.files[event.node] = next(filter(is_displayable, paths), paths[0])
            self.digests[event.node] = " ".join(event.outputs.values())
        if isinstance(event, Finished):
            self.seconds += event.seconds
        if isinstance(event, Failed) and event.because is None:
            self.error = "; ".join(filter(None, [self.error, event.message]))


@dataclass(frozen=True)
class Sweep:
    """A graph, and the combinations of settings with which it runs."""

    document: Document
    registry: Mapping[str, NodeSpec]
    folders: Folders
    space: Space

    def combinations(self) -> list[Combination]:
        """Returns all combinations, in order."""
        return [Combination(*item) for item in enumerate(self.space.settings(), 1)]

    def graph(self, settings: Mapping[str, str]) -> Graph:
        """Returns the graph with these settings.

        Raises: GraphError.
        """
        typed = dict(parse_setting(f"{target}={value}") for target, value in settings.items())
        return bind(self.document.copy(), self.registry, self.folders, typed)

    def check(self, combinations: Sequence[Combination], only: Collection[str] = ()) -> Graph:
        """Check all combinations. Returns the graph of the first.

        Raises: GraphError with the problems of all, or with the first of them.
        """
        problems: dict[Problem, None] = {}  # a set in order
        first: Graph | None = None
        for combination in combinations:
            try:
                graph = self.graph(combination.settings)
                first = first or graph
                graph.named(only, "--only")
                problems |= dict.fromkeys(_folder_problems(graph))
            except GraphError as error:
                problems |= dict.fromkeys(error.problems)
            if len(problems) >= _MOST_PROBLEMS and combination is not combinations[-1]:
                what = f"{len(combinations) - combination.number:,} combinations were not checked"
                problems[Problem("other", None, what, "correct these problems first")] = None
                break
        if problems or first is None:
            raise GraphError.of(problems)
        return first


def _folder_problems(graph: Graph) -> Iterator[Problem]:
    for pictures in picture_folders(graph):
        what = f"node {pictures.node!r} names a folder of pictures"
        advice = "name one picture for a sweep, or run the graph once for each setting"
        yield Problem("other", None, what, advice)


def run_all(
    combinations: Sequence[Combination],
    store: Store,
    start: Callable[[Combination, Listener], tuple[Graph, Run]],
    listener: Listener,
    only: Iterable[str] = (),
    update: Callable[[], None] = lambda: None,
) -> int:
    """Run the combinations in turn. Returns the highest exit code; an interruption ends the sweep.

    start:  returns the graph of a combination and its run, whose events go to the listener.
    update: called after each combination.

    Raises: CacheError.
    """
    code, only = 0, list(only)
    try:
        for combination in combinations:
            listener(
                CombinationStarted(
                    number=combination.number,
                    total=len(combinations),
                    settings=combination.settings,
                    folder=str(combination.folder),
                )
            )
            ended = _run(combination, store, start, listener, only)
            listener(
                CombinationFinished(
                    number=combination.number,
                    status=combination.status,
                    error=combination.error,
                    seconds=combination.seconds,
                    reused=combination.is_reused,
                )
            )
            if ended == Cancelled.exit_code:
                return ended
            code = max(code, ended)
            store.enforce_budget()  # the results of all combinations may be larger than the disk
            if combination.number == 1:
                gc.freeze()  # nodes on the device collect garbage: not torch's objects each time
            update()
    finally:
        gc.unfreeze()
    return code


def _run(
    combination: Combination,
    store: Store,
    start: Callable[[Combination, Listener], tuple[Graph, Run]],
    listener: Listener,
    only: Iterable[str],
) -> int:
    """Run one combination. Returns the exit code."""

    def record(event: Event) -> None:
        combination.record(event)
        if isinstance(event, Failed):
            event = replace(event, message=f"{combination.label}: {event.message}")
        listener(event)

    try:
        graph, run = start(combination, record)
        finished = run.execute(only)
    except (CacheError, Cancelled):
        raise
    except ArtgraphError as error:  # of the folder, or of a file that has changed since the check
        combination.status = "failed"
        record(Failed(node="", type="", message=str(error), what=error.what, advice=error.advice))
        return error.exit_code
    combination.status = finished.status
    combination.is_reused = finished.status == "done" and not (finished.ran or finished.extended)
    # Nodes end in any order, but the columns of the table have always the same one.
    files = combination.files
    combination.files = {name: files[name] for name in graph.sorted if name in files}
    combination.numbers = _numbers(graph, run, store)
    return run.exit_code


def _numbers(graph: Graph, run: Run, store: Store) -> dict[str, Any]:
    """Returns the numbers among a run's outputs, and cells of its tables.

    The cells are those of a table of one row, and the last number of each curve.
    """
    numbers: dict[str, Any] = {}
    for name in filter(run.results.__contains__, graph.sorted):
        for output, stored in run.results[name].outputs.items():
            (socket, *_) = graph.nodes[name].spec.outputs[output].sockets
            if socket.name not in ("number", "table"):
                continue
            try:
                value = store.value(socket, stored)
            except BlobError:  # the next run computes it again
                continue
            if socket.name == "number":
                numbers[f"{name}.{output}"] = value
            else:
                numbers |= {f"{name}.{output}.{k}": v for k, v in _cells(value)}
    return numbers


def _cells(table: Table) -> Iterator[tuple[str, Any]]:
    for name, column in table.columns.items():
        if len(table) == 1:
            yield name, column[0]
        elif table.x in table.columns and name != table.x:
            known = [cell for cell in column if isinstance(cell, int | float)]
            if known:
                yield name, known[-1]
