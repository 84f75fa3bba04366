"""Tables as pictures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.kinds import Image, Table
from ..contract.widgets import Advanced, Choices
from ..contract.wording import chosen_names


@node(
    title="Plot table",
    category="judge",
    version=3,
    words="chart, graph, curve, loss graph, training curve, diagram, 图表, 曲线, 损失曲线",
)
def plot_table(
    table: Table,
    *,
    kind: Annotated[
        Literal["auto", "curves", "bars", "confusion"],
        Field(description="Kind of plot"),
        Choices(
            {
                "auto": "the kind that fits the columns",
                "curves": "for columns of numbers",
                "bars": "for texts with numbers",
                "confusion": "for a confusion matrix",
            }
        ),
    ] = "auto",
    columns: Annotated[
        str,
        Field(max_length=1000, description="Columns to draw, separated by commas; empty: all"),
    ] = "",
    title: Annotated[str, Field(max_length=200, description="Title above the plot")] = "",
    width: Annotated[int, Field(ge=128, le=4096, description="Width in pixels"), Advanced] = 960,
    height: Annotated[int, Field(ge=128, le=4096, description="Height in pixels"), Advanced] = 540,
) -> Image:
    """Draw a table: training curves, bars of scores, or a confusion matrix.

    Curves have a panel for each column of numbers. Their horizontal axis is the column `step`, or
    another one that the table names as its x; a table with such a column is drawn as curves. Long
    curves are pale, with their moving average on top. Bars are labelled by the first column of
    text, and their lengths are the next column of numbers. In a confusion matrix, each row is a
    true class.

    Raises: NodeError if the table does not fit the kind of plot or the size of the picture.
    """
    import torch

    from ..pictures.plot import PlotError, plot

    drawn = table.columns
    if names := chosen_names(columns, drawn, "the table has no column"):
        drawn = {name: cells for name, cells in drawn.items() if name in {*names, table.x}}
    try:
        pixels = plot(drawn, table.x, None if kind == "auto" else kind, title, width, height)
    except PlotError as error:
        raise NodeError(error.what, error.advice) from error
    return torch.from_numpy(pixels)[None].float().div_(255)


@node(title="Join tables", category="calculate", words="columns, merge, csv, 合并表格")
def join_tables(first: Table, second: Table) -> Table:
    """Join two tables of the same length side by side.

    If both have a column of the same name, the name of the second one ends with a 2.

    Raises: NodeError if the tables differ in length.
    """
    if len(first) != len(second):
        raise NodeError(
            f"the tables have different lengths, {len(first)} and {len(second)} rows",
            "wire tables of the same pictures",
        )
    joined = dict(first.columns)
    for name, column in second.columns.items():
        joined[_unused(name, joined)] = column
    return Table(joined, first.x if first.x in first.columns else second.x)


def _unused(name: str, taken: dict[str, list[Any]]) -> str:
    """Returns the name of a column, with the first number from 2 on at its end if it is taken."""
    numbered = (f"{name} {number}" for number in range(2, len(taken) + 3))
    return next(n for n in (name, *numbered) if n not in taken)
