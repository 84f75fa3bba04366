"""Tables as pictures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..contract.errors import NodeError
from ..contract.spec import node
from ..contract.values.kinds import Image, Table
from ..contract.widgets import Choices
from ..contract.wording import names_in


@node(title="Plot table", category="table", version=2)
def plot_table(
    table: Table,
    *,
    kind: Annotated[
        Literal["auto", "curves", "bars", "confusion"],
        Field(description="The kind of plot"),
        Choices(
            {
                "auto": "the one that suits the table",
                "curves": "for numbers alone",
                "bars": "for texts with numbers",
                "confusion": "for a square of classes",
            }
        ),
    ] = "auto",
    columns: Annotated[
        str,
        Field(max_length=1000, description="Only these columns, separated by commas; empty: all"),
    ] = "",
    title: Annotated[str, Field(max_length=200, description="A line on top")] = "",
    width: Annotated[int, Field(ge=128, le=4096, description="Pixels")] = 960,
    height: Annotated[int, Field(ge=128, le=4096, description="Pixels")] = 540,
) -> Image:
    """Draw a table: training curves, bars of scores, or a confusion matrix.

    Curves have a panel for each column of numbers, over the column `step` or another that
    the table names as its x; long ones are pale, with their moving average on top. Bars take their
    labels from the first column of text, their lengths from the next one of numbers. A confusion
    matrix has true classes as rows.

    Raises: NodeError where the table doesn't suit the kind, or doesn't fit.
    """
    import torch

    from ..pictures.plot import PlotError, plot

    shown = table.columns
    if names := names_in(columns):
        if unknown := [name for name in names if name not in shown]:
            known = ", ".join(shown) or "none"
            raise NodeError(f"the table has no column {unknown[0]!r}", f"its columns: {known}")
        shown = {name: cells for name, cells in shown.items() if name in {*names, table.x}}
    try:
        pixels = plot(shown, table.x, None if kind == "auto" else kind, title, width, height)
    except PlotError as error:
        raise NodeError(error.what, error.advice) from error
    return torch.from_numpy(pixels)[None].float().div_(255)


@node(title="Join tables", category="table")
def join_tables(first: Table, second: Table) -> Table:
    """Put two tables of as many rows side by side; a name that both have gets a 2 in the second.

    Raises: NodeError where their lengths differ.
    """
    if len(first) != len(second):
        raise NodeError(
            f"tables of {len(first)} and {len(second)} rows don't fit",
            "wire tables of the same pictures",
        )
    joined = dict(first.columns)
    for name, column in second.columns.items():
        joined[f"{name} 2" if name in joined else name] = column
    return Table(joined, first.x if first.x in first.columns else second.x)
