"""Runs every combination of some settings, one after the other, on one cache.

Nodes that do not depend on the settings are computed once, since keys do not depend on a graph. At
the end, a table of the combinations is written, and a sheet for each node that saves pictures: the
values of the first setting across, those of the others down.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ...contract.errors import GraphError
from ...contract.problem import Problem
from ...contract.spec import NodeSpec
from ...contract.values.files import Files, file_stem
from ...pictures.suffixes import is_displayable
from ..graph.binding import bind
from ..graph.bound import Graph
from ..graph.document import Document
from ..graph.folders import Folders
from ..graph.settings import parse_setting
from ..graph.sources import picture_folders
from ..store.store import Store
from .earlier import hash_bytes
from .events import Cached, CombinationStarted, Event, Failed, Finished, Listener
from .execute import Run
from .publish import Publisher

MAX_COMBINATIONS = 1_000


@dataclass(frozen=True)
class Axis:
    """One setting and its values in a sweep."""

    target: str
    values: tuple[str, ...]


@dataclass
class Combination:
    """One value of each axis, and the outcome of its run.

    seconds: the time that its nodes took, without reused results.
    files:   the paths of the saved files, by node.
    digests: the digests of the outputs, by node and output.
    numbers: the numbers among the outputs, by `node.output`, and the cells of tables of one row.
    """

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

    def record(self, event: Event) -> None:
        """Record an event of the run."""
        if isinstance(event, Finished | Cached):
            self.digests[event.node] = event.outputs
            if event.files:
                self.files[event.node] = event.files
        if isinstance(event, Finished):
            self.seconds += event.seconds
        if isinstance(event, Failed):
            self.status = "failed"


def parse_axes(settings: Iterable[str]) -> list[Axis]:
    """Returns an axis for each setting `a.b=1,2,3`. A value with a comma is in double quotes.

    Raises: GraphError.
    """
    axes: list[Axis] = []
    for text in settings:
        target, equals, values = text.partition("=")
        if not equals:
            raise GraphError(f"--set {text}: not a setting", "write node.widget=value,value,...")
        if any(axis.target == target for axis in axes):
            raise GraphError(f"--set {target}: set twice", "write all its values in one --set")
        try:
            (row,) = csv.reader([values], strict=True) if values else ([""],)
        except csv.Error as error:
            raise GraphError(
                f"--set {text}: {error}",
                "put a value with a comma in double quotes, and double the quotes in it",
            ) from error
        axes.append(Axis(target, tuple(row)))
    count = math.prod(len(axis.values) for axis in axes)
    if count > MAX_COMBINATIONS:
        what = f"--set: {count} combinations are more than {MAX_COMBINATIONS}"
        raise GraphError(what, "use fewer values")
    return axes


def combine(
    document: Document,
    registry: Mapping[str, NodeSpec],
    folders: Folders,
    axes: Sequence[Axis],
    folder: Path,
) -> list[Combination]:
    """Returns all combinations, checked, with the values of the first axis next to each other.

    Raises: GraphError with the problems of all.
    """
    combinations: list[Combination] = []
    problems: dict[Problem, None] = {}  # a set in order
    down = list(itertools.product(*(axis.values for axis in axes[1:])))
    rows = [(across, *rest) for rest in down for across in axes[0].values]
    for number, values in enumerate(rows, 1):
        settings = {axis.target: value for axis, value in zip(axes, values, strict=True)}
        typed = dict(parse_setting(f"{target}={value}") for target, value in settings.items())
        try:
            graph = bind(document.copy(), registry, folders, typed)
            for pictures in picture_folders(graph):
                what = f"node {pictures.node!r} names a folder of pictures"
                advice = "name one picture for a sweep, or run the graph once for each setting"
                problems[Problem("other", None, what, advice)] = None
            own_folder = folder / f"{number:0{len(str(len(rows)))}}"
            combinations.append(Combination(settings, graph, own_folder))
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
    """Run the combinations in turn. Returns the highest exit code; an interruption ends the sweep.

    start: returns the run of a combination; its events go to the listener.
    """
    code, only = 0, list(only)
    for number, combination in enumerate(combinations, 1):

        def record(event: Event, combination: Combination = combination) -> None:
            combination.record(event)
            listener(event)

        listener(
            CombinationStarted(
                number=number,
                total=len(combinations),
                settings=combination.settings,
                folder=str(combination.folder),
            )
        )
        run = start(combination, record)
        combination.status = run.execute(only).status
        combination.numbers = _numbers(combination.graph, run, store)
        if run.exit_code == 130:
            return 130
        code = max(code, run.exit_code)
    return code


def _numbers(graph: Graph, run: Run, store: Store) -> dict[str, Any]:
    """Returns the numbers among a run's outputs, and the cells of its tables of one row."""
    numbers: dict[str, Any] = {}
    for name, result in run.results.items():
        for output, stored in result.outputs.items():
            (socket, *_) = graph.nodes[name].spec.outputs[output].sockets
            if socket.name == "number":
                numbers[f"{name}.{output}"] = store.value(socket, stored)
            elif socket.name == "table":
                table = store.value(socket, stored)
                if len(table) == 1:
                    cells = {f"{name}.{output}.{k}": v[0] for k, v in table.columns.items()}
                    numbers |= cells
    return numbers


class Summary:
    """The table and the sheets of a sweep, in the folder that contains those of its combinations.

    If the folder contains another sweep, that one is moved aside.
    """

    def __init__(
        self, combinations: Sequence[Combination], axes: Sequence[Axis], folder: Path
    ) -> None:
        self._combinations, self._axes = combinations, axes
        settings = {axis.target: list(axis.values) for axis in axes}
        self._publisher = Publisher(folder, "", {"settings": settings})
        self._about = {"settings": settings, "nodes": {}}
        self.moved: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._publisher.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._publisher.close()

    def write(self) -> list[str]:
        """Write the table, and a sheet for each node whose pictures differ. Returns the paths."""
        from ...pictures.encoding import encode_table

        columns = _table(self._combinations)
        lasting = {name: cells for name, cells in columns.items() if name != "seconds"}
        table = encode_table(columns, "csv")
        written = self._publish("table.csv", encode_table(lasting, "csv"), table)
        for name, paths in _pictures(self._combinations).items():
            sheet = self._sheet(paths)
            written += self._publish(f"{file_stem(name)}.png", sheet, sheet)
        self.moved = self._publisher.finish(self._about, True)
        return written

    def _publish(self, name: str, content: bytes, data: bytes) -> list[str]:
        return self._publisher.publish(name, hash_bytes(content), lambda: Files({name: data}))

    def _sheet(self, paths: list[Path | None]) -> bytes:
        """Returns a sheet of the pictures as PNG: the values of the first setting go across it."""
        from ...pictures.xy_sheet import xy_sheet

        across, rest = self._axes[0], self._axes[1:]
        down = [", ".join(values) for values in itertools.product(*(axis.values for axis in rest))]
        titles = (across.target, ", ".join(axis.target for axis in rest))
        buffer = io.BytesIO()
        xy_sheet(paths, across.values, down, titles).save(buffer, "PNG")
        return buffer.getvalue()


def _table(combinations: Sequence[Combination]) -> dict[str, list[Any]]:
    """Returns the columns of the table: settings, status, seconds, numbers that vary, folder."""
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
    """Returns the first picture of each combination, for every node whose pictures differ."""
    pictures: dict[str, list[Path | None]] = {}
    for name in dict.fromkeys(name for c in combinations for name in c.files):
        if len({str(c.digests.get(name)) for c in combinations}) > 1:
            paths = [Path(c.files[name][0]) if name in c.files else None for c in combinations]
            if any(path is not None and is_displayable(path) for path in paths):
                pictures[name] = paths
    return pictures
