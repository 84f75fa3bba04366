"""The plan of a graph as a table: what a run would do with each node, and why.

If a folder of pictures goes through the graph, a node has one row for all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ...models.training.numerics import Numerics
from ..graph.bound import Graph
from ..graph.sources import PictureFolder, picture_folders, with_picture
from ..store.store import Store
from .events import Action
from .pictures import find_pictures
from .plan import Step, make_plan, why


@dataclass(frozen=True)
class PlanRow:
    """What a run would do with a node.

    from_step: the step at which its training resumes.
    why:       the reason for the action, in one line.
    key:       the key of its result, if it is known.
    pictures:  for a node that runs for each picture of a folder, how many there are (`total`), and
               for how many its result is stored (`cached`).
    """

    node: str
    type: str
    action: Action
    from_step: int | None
    why: str
    key: str | None
    pictures: dict[str, int] | None = None

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
    each = [step.node.name for step in steps if step.node.name in through]
    rows = [_row(step, store) for step in steps if step.node.name not in through]
    if not each:
        return rows
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
    return rows + [_row_of_pictures(graph, folders[0], n, stored[n], total, complete) for n in each]


def _row(step: Step, store: Store) -> PlanRow:
    key = step.key.digest if step.key else None
    spec = step.node.spec
    return PlanRow(step.node.name, spec.id, step.action, step.from_step, why(step, store), key)


def _row_of_pictures(
    graph: Graph, folder: PictureFolder, name: str, stored: int, total: int, complete: int
) -> PlanRow:
    """Returns the row of a node that runs for each picture.

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
    return PlanRow(name, graph.nodes[name].spec.id, action, None, counts, None, pictures)
