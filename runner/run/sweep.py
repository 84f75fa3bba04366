"""Every combination of some settings, run one after the other on one cache.

What the combinations have in common is computed once, since keys know nothing of a graph. The end
is a table of the combinations, and for each node that saves pictures a sheet of them: the values
of the first setting across, those of the others down.
"""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...contract.errors import GraphError
from ...contract.problem import Problem
from ...contract.spec import NodeSpec
from ...pictures.suffixes import is_displayable
from ..graph.binding import bind
from ..graph.bound import Graph
from ..graph.document import Document
from ..graph.folders import Folders
from ..graph.settings import parse_setting
from ..store.store import Store
from .events import Cached, CombinationStarted, Event, Failed, Finished, Listener
from .execute import Run
from .publish import file_stem

MOST = 1_000


@dataclass(frozen=True)
class Axis:
    """One setting and the values it takes."""

    target: str
    values: tuple[str, ...]


@dataclass
class Combination:
    """One value of each axis, and what came of it: files and digests by node."""

    settings: dict[str, str]
    graph: Graph
    folder: Path
    status: str = ""
    seconds: float = 0.0
    files: dict[str, list[str]] = field(default_factory=dict)
    digests: dict[str, dict[str, str]] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return ", ".join(f"{target}={value}" for target, value in self.settings.items())

    def hear(self, event: Event) -> None:
        """Take in what a run says of its nodes."""
        if isinstance(event, Finished | Cached):
            self.digests[event.node] = event.outputs
            if event.files:
                self.files[event.node] = event.files
        if isinstance(event, Finished):
            self.seconds += event.seconds
        if isinstance(event, Failed):
            self.status = "failed"


def parse_axes(settings: Iterable[str]) -> list[Axis]:
    """`a.b=1,2,3` as an axis; a value with a comma stands in double quotes.

    Raises: GraphError.
    """
    axes: list[Axis] = []
    for text in settings:
        target, equals, values = text.partition("=")
        if not equals:
            raise GraphError(f"--set {text}: not of the form node.widget=value,value,...")
        if any(axis.target == target for axis in axes):
            raise GraphError(f"--set {target}: given twice", "write all its values after one")
        try:
            (row,) = csv.reader([values], strict=True) if values else ([""],)
        except csv.Error as error:
            raise GraphError(
                f"--set {text}: {error}",
                "put a value with a comma in double quotes, and double the quotes in it",
            ) from error
        axes.append(Axis(target, tuple(row)))
    count = math.prod(len(axis.values) for axis in axes)
    if count > MOST:
        raise GraphError(f"--set: {count} combinations", f"the most is {MOST}")
    return axes


def combine(
    document: Document,
    registry: Mapping[str, NodeSpec],
    folders: Folders,
    axes: Sequence[Axis],
    folder: Path,
) -> list[Combination]:
    """All combinations, checked before any runs, the first axis' values next to each other.

    Raises: GraphError with the problems of all.
    """
    combinations: list[Combination] = []
    problems: dict[Problem, None] = {}  # in order, each once
    down = list(itertools.product(*(axis.values for axis in axes[1:])))
    rows = [(across, *rest) for rest in down for across in axes[0].values]
    for number, values in enumerate(rows, 1):
        settings = {axis.target: value for axis, value in zip(axes, values, strict=True)}
        typed = dict(parse_setting(f"{target}={value}") for target, value in settings.items())
        try:
            graph = bind(document.copy(), registry, folders, typed)
            where = folder / f"{number:0{len(str(len(rows)))}}"
            combinations.append(Combination(settings, graph, where))
        except GraphError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise GraphError.of(problems)
    return combinations


def run_all(
    combinations: Sequence[Combination],
    store: Store,
    start: Callable[[Combination, Listener], Run],
    listener: Listener,
    only: Iterable[str] = (),
) -> int:
    """Run them in turn; the exit code, the highest of all but for an interruption's, which ends."""
    code, only = 0, list(only)
    for combination in combinations:
        combination.graph.named(only, "--only")
    for number, combination in enumerate(combinations, 1):

        def hear(event: Event, combination: Combination = combination) -> None:
            combination.hear(event)
            listener(event)

        listener(
            CombinationStarted(
                number=number,
                total=len(combinations),
                settings=combination.settings,
                folder=str(combination.folder),
            )
        )
        run = start(combination, hear)
        combination.status = run.execute(only).status
        combination.numbers = _numbers(combination.graph, run, store)
        if run.exit_code == 130:
            return 130
        code = max(code, run.exit_code)
    return code


def _numbers(graph: Graph, run: Run, store: Store) -> dict[str, Any]:
    """The numbers that a run gave, and the cells of its tables of one row."""
    found: dict[str, Any] = {}
    for name, result in run.results.items():
        for output, stored in result.outputs.items():
            (socket, *_) = graph.nodes[name].spec.outputs[output].sockets
            if socket.name == "number":
                found[f"{name}.{output}"] = store.value(socket, stored)
            elif socket.name == "table":
                table = store.value(socket, stored)
                if len(table) == 1:
                    cells = {f"{name}.{output}.{k}": v[0] for k, v in table.columns.items()}
                    found |= cells
    return found


def write_summary(
    combinations: Sequence[Combination], axes: Sequence[Axis], folder: Path
) -> list[str]:
    """Write the table, and a sheet for each node whose pictures differ; the paths."""
    from ...pictures.encoding import encode_table
    from ...pictures.xy_sheet import xy_sheet

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "table.csv"
    path.write_bytes(encode_table(_table(combinations), "csv"))
    written = [str(path)]
    across, rest = axes[0], axes[1:]
    down = [", ".join(values) for values in itertools.product(*(axis.values for axis in rest))]
    titles = (across.target, ", ".join(axis.target for axis in rest))
    for name, paths in _pictures(combinations).items():
        path = folder / f"{file_stem(name)}.png"
        xy_sheet(paths, across.values, down, titles).save(path)
        written.append(str(path))
    return written


def _table(combinations: Sequence[Combination]) -> dict[str, list[Any]]:
    """The combinations as columns: settings, status, seconds computed, varying numbers, folder."""
    columns: dict[str, list[Any]] = {
        target: [c.settings[target] for c in combinations] for target in combinations[0].settings
    }
    columns["status"] = [c.status for c in combinations]
    columns["seconds"] = [round(c.seconds, 3) for c in combinations]
    for name in dict.fromkeys(name for c in combinations for name in c.numbers):
        values = [c.numbers.get(name) for c in combinations]
        if any(value != values[0] for value in values):
            columns[name] = values
    columns["folder"] = [str(c.folder) for c in combinations]
    return columns


def _pictures(combinations: Sequence[Combination]) -> dict[str, list[Path | None]]:
    """The first picture of every node whose pictures differ, in the order of the combinations."""
    found: dict[str, list[Path | None]] = {}
    for name in dict.fromkeys(name for c in combinations for name in c.files):
        if len({str(c.digests.get(name)) for c in combinations}) > 1:
            paths = [Path(c.files[name][0]) if name in c.files else None for c in combinations]
            if any(path is not None and is_displayable(path) for path in paths):
                found[name] = paths
    return found
