"""The plan of a run, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..runner.run.estimate import Total
    from ..runner.run.plan_table import PlanRow


def plan_lines(rows: Sequence[PlanRow], total: Total | None) -> Iterator[str]:
    """Yields a line for each node, in the order in which they start.

    total: how long the run takes; each line then has a number if its node runs, and says how long
           it takes. None: no line does.
    """
    width = max((len(row.node) for row in rows), default=0)
    if total is None:
        yield from (f"{row.node:{width}}  {row.action:6}  {row.why}" for row in rows)
        return
    numbers = len(str(max((row.order or 0 for row in rows), default=0)))
    times = [row.time for row in rows]
    wide = max(map(len, times), default=0)
    for row, time in zip(rows, times, strict=True):
        order = row.order or "-"
        yield f"{order:>{numbers}}  {row.node:{width}}  {row.action:6}  {time:{wide}}  {row.why}"
    if any(row.order for row in rows):
        yield total.words[:1].upper() + total.words[1:]
    else:
        yield "Nothing is computed, since all results are stored"
