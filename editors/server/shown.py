"""Prepares a node's results for the editor: texts, tables, and curves as plots.

The editor shows files that a node saved by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...contract.values.files import file_stem
from ...contract.values.kinds import Table
from ...runner.graph.bound import BoundNode
from ...runner.store.results import Result
from ...runner.store.store import Store

_MAX_ROWS = 50  # largest number of rows of a table that are shown
_MAX_TEXT = 5_000  # largest number of characters of a text that are shown


def shown_outputs(node: BoundNode, result: Result, store: Store, folder: Path) -> dict[str, Any]:
    """Returns texts, tables and the names of plots. The plots are written into `folder`."""
    texts: list[str] = []
    tables: list[dict[str, list[Any]]] = []
    plots: list[str] = []
    for name, stored in result.outputs.items():
        socket = node.spec.outputs[name].sockets[0]
        if socket.name in ("number", "text"):
            texts.append(str(store.value(socket, stored))[:_MAX_TEXT])
        elif socket.name == "table":
            table = store.value(socket, stored)
            if plot := _write_plot(
                table, folder / f"{file_stem(node.name)}-{name}.png", stored.digest
            ):
                plots.append(plot)
            else:
                tables.append(
                    {column: cells[:_MAX_ROWS] for column, cells in table.columns.items()}
                )
    shown = {"text": texts, "tables": tables, "plots": plots}
    return {kind: values for kind, values in shown.items() if values}


def _write_plot(table: Table, path: Path, digest: str) -> str | None:
    """Write the curves of a table. Returns the file's name, or None if there are no curves."""
    steps = table.columns.get(table.x)
    if steps is None or len(steps) < 2:
        return None
    from ...pictures.encoding import encode_still
    from ...pictures.plot import PlotError, plot

    try:
        pixels = plot(table.columns, table.x, "curves", "", 640, 400)
    except PlotError:
        return None
    path = path.with_stem(f"{path.stem}-{digest[:8]}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_still(pixels, "png", 0))
    return path.name
