"""The plan of a graph as a table: what a run would do with each node, and why.

If a folder of pictures goes through the graph, a node has one row for all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from ...models.training.numerics import Numerics
from ..graph.bound import Graph
from ..graph.sources import PictureFolder, picture_folders, with_picture
from ..store.store import Store
from .estimate import Estimator, Seconds, Total
from .events import Action
from .pictures import find_pictures
from .plan import Step, make_plan, why


@dataclass(frozen=True)
class PlanRow:
    """What a run would do with a node.

    from_step: the step at which its training resumes.
    why:       the reason for the action, in one line.
    key:       the key of its result, if it is known.
    order:     its place among the nodes that run; None if its result is reused.
    seconds:   the range in which its duration is expected; None if it is unknown.
    pictures:  for a node that runs for each picture of a folder, how many there are (`total`), and
               for how many its result is stored (`cached`).
    """

    node: str
    type: str
    action: Action
    from_step: int | None
    why: str
    key: str | None
    order: int | None = None
    seconds: Seconds | None = None
    pictures: dict[str, int] | None = None

    @property
    def time(self) -> str:
        """How long it takes, as a text; empty if its result is reused."""
        if self.action == "cached":
            return ""
        return "unknown" if self.seconds is None else self.seconds.words

    def plain(self) -> dict[str, Any]:
        """Returns the row as data for JSON."""
        return asdict(self)


def plan_table(
    graph: Graph,
    store: Store,
    numerics: Numerics,
    only: Iterable[str] = (),
    force: Collection[str] = (),
) -> list[PlanRow]:
    """Returns a row for each node, in the order of execution.

    Raises: GraphError for a name in `only` or `force` that does not exist; InputError if a folder
    has no picture.
    """
    only = list(only)
    folders = picture_folders(graph)
    through = graph.dependents(folders[0].node) if folders else set()
    steps = make_plan(graph, store, numerics, only, force)
    estimator = Estimator(graph, store, numerics)
    each = {step.node.name: estimator.of(step) for step in steps if step.node.name in through}
    rows = [_row(step, store, estimator) for step in steps if step.node.name not in through]
    if not each:
        return _ordered(rows)
    shared = {s.node.name: s.result for s in steps if s.result and s.node.name not in through}
    stored, total, complete = dict.fromkeys(each, 0), 0, 0
    for file in find_pictures(folders[0].path).files:
        picture = with_picture(graph, folders[0], file)
        actions = {
            step.node.name: step.action
            for step in make_plan(picture, store, numerics, each, force, shared)
        }
        total += 1
        complete += all(actions[name] == "cached" for name in each)
        for name in each:
            stored[name] += actions[name] == "cached"
    return _ordered(
        rows
        + [
            _row_of_pictures(graph, folders[0], name, seconds, stored[name], total, complete)
            for name, seconds in each.items()
        ]
    )


def _ordered(rows: list[PlanRow]) -> list[PlanRow]:
    """Returns the rows with the order of those that run."""
    numbers = iter(range(1, len(rows) + 1))
    return [row if row.action == "cached" else replace(row, order=next(numbers)) for row in rows]


def total_of(rows: list[PlanRow], graph: Graph, jobs: int, devices: int) -> Total:
    """Returns how long a run takes that has these rows (see `Total`)."""
    specs = {row.node: graph.nodes[row.node].spec for row in rows}
    known = [(specs[row.node].device, row.seconds) for row in rows if row.seconds is not None]
    return Total.of(known, [row.node for row in rows if row.seconds is None], jobs, devices)


def _row(step: Step, store: Store, estimator: Estimator) -> PlanRow:
    key = step.key.digest if step.key else None
    return PlanRow(
        step.node.name,
        step.node.spec.id,
        step.action,
        step.from_step,
        why(step, store),
        key,
        seconds=estimator.of(step),
    )


def _row_of_pictures(
    graph: Graph,
    folder: PictureFolder,
    name: str,
    seconds: Seconds | None,
    stored: int,
    total: int,
    complete: int,
) -> PlanRow:
    """Returns the row of a node that runs for each picture.

    seconds:  how long it takes for one picture.
    stored:   for how many of them its result is stored.
    complete: for how many of them all results are stored.
    """
    counts = f"{stored:,} of {total:,} results are stored"
    if name == folder.node:
        counts = (
            f"{total:,} picture{'s' if total > 1 else ''} in {folder.path.name!r};"
            f" {complete:,} of them are done, so their results are reused"
        )
    action: Action = "cached" if stored == total else "run"
    pictures = {"total": total, "cached": stored}
    missing = total - stored
    expected = seconds and Seconds(seconds.low * missing, seconds.high * missing)
    return PlanRow(
        name,
        graph.nodes[name].spec.id,
        action,
        None,
        counts,
        None,
        seconds=expected,
        pictures=pictures,
    )
