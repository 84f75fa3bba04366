"""The plan of a run, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..runner.run.estimate import Total
    from ..runner.run.plan_table import PlanRow


def plan_lines(rows: Sequence[PlanRow], total: Total | None) -> Iterator[str]:
    """Yields a line for each node; nodes that run have a number, in the order in which they start.

    total: how long the run takes; each line then says how long its node takes. None: no line does.
    """
    width = max((len(row.node) for row in rows), default=0)
    numbers = len(str(max((row.order or 0 for row in rows), default=0)))
    times = [_time(row) for row in rows] if total is not None else []
    wide = max(map(len, times), default=0)
    for index, row in enumerate(rows):
        time = f"{times[index]:{wide}}  " if times else ""
        order = row.order or "-"
        yield f"{order:>{numbers}}  {row.node:{width}}  {row.action:6}  {time}{row.why}"
    if total is not None and any(row.order for row in rows):
        yield total.words[:1].upper() + total.words[1:]
    elif total is not None:
        yield "Nothing is computed, since all results are stored"


def _time(row: PlanRow) -> str:
    if row.action == "cached":
        return ""
    return "unknown" if row.seconds is None else row.seconds.words
