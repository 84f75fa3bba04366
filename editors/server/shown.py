"""What a node's results look like in the editor: curves as a plot, texts, tables.

Files that a node saved are shown by their names; this is for what stays inside the graph.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...nodes.sockets import Table
from ...runner.graph import BoundNode
from ...runner.results import Result
from ...runner.store import Store

_ROWS = 50
_TEXT = 5_000


def shown_outputs(node: BoundNode, result: Result, store: Store, folder: Path) -> dict[str, Any]:
    """Texts, tables and the names of plots, which are written into `folder`."""
    texts: list[str] = []
    tables: list[dict[str, list[Any]]] = []
    plots: list[str] = []
    for name, stored in result.outputs.items():
        socket = node.spec.outputs[name].sockets[0]
        if socket.name in ("number", "text"):
            texts.append(str(store.value(socket, stored))[:_TEXT])
        elif socket.name == "table":
            table = store.value(socket, stored)
            if plot := _plotted(table, folder / f"{node.name}-{name}.png", stored.digest):
                plots.append(plot)
            else:
                tables.append({column: cells[:_ROWS] for column, cells in table.columns.items()})
    shown = {"text": texts, "tables": tables, "plots": plots}
    return {kind: values for kind, values in shown.items() if values}


def _plotted(table: Table, path: Path, digest: str) -> str | None:
    """Write the curves of a table that holds some; the file's name."""
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
