"""Prepares a node's results for the editors: texts, tables, curves, and pictures of preview nodes.

The editor shows files that a node saved by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...contract.spec import NodeSpec
from ...contract.values.files import file_stem
from ...contract.values.kinds import Table
from ...runner.store.results import Result
from ...runner.store.store import Store
from .samples import link

_MAX_ROWS = 50  # largest number of rows of a table that are shown
_MAX_POINTS = 400  # largest number of points of a curve that are shown
_MAX_TEXT = 5_000  # largest number of characters of a text that are shown
_MAX_PICTURES = 36  # largest number of pictures that a preview node shows
_MAX_PIXELS = 6_000_000  # pixels of all these pictures, unless it is one picture


def shown_outputs(
    spec: NodeSpec, node: str, result: Result, store: Store, folder: Path
) -> dict[str, Any]:
    """Returns texts, tables, curves, and the names of pictures, which are written into `folder`.

    node: the name of the node, for the names of the pictures.
    """
    shown: dict[str, list[Any]] = {"text": [], "tables": [], "curves": [], "pictures": []}
    for name, stored in result.outputs.items():
        socket = spec.outputs[name].sockets[0]
        if socket.name in ("number", "text"):
            shown["text"].append(str(store.value(socket, stored))[:_MAX_TEXT])
        elif socket.name == "table":
            table = store.value(socket, stored)
            if (curves := _curves(table)) is not None:
                shown["curves"].append(curves)
            else:
                rows = {column: cells[:_MAX_ROWS] for column, cells in table.columns.items()}
                shown["tables"].append(rows)
        elif socket.name == "image" and spec.shows:
            stem = f"{file_stem(node)}-{name}-{stored.digest[:8]}"
            files, line = write_pictures(store.value(socket, stored), folder, stem)
            shown["pictures"] += files
            shown["text"].append(line)
    return {kind: values for kind, values in shown.items() if values}


def _curves(table: Table) -> dict[str, Any] | None:
    """Returns a table's columns of numbers over its `x`; None if they are not curves."""
    steps = table.columns.get(table.x)
    if steps is None or len(steps) < 2:
        return None
    columns = {
        name: thinned(cells)
        for name, cells in table.columns.items()
        if all(cell is None or isinstance(cell, int | float) for cell in cells)
    }
    return {"x": table.x, "columns": columns} if len(columns) > 1 and table.x in columns else None


def thinned(cells: Sequence[Any]) -> list[Any]:
    """Returns a limited number of cells at equal distances, with the first and the last one."""
    if len(cells) <= _MAX_POINTS:
        return list(cells)
    last, parts = len(cells) - 1, _MAX_POINTS - 1
    return [cells[round(i * last / parts)] for i in range(_MAX_POINTS)]


def write_pictures(image: Any, folder: Path, stem: str) -> tuple[list[str], str]:
    """Write some pictures of a batch as files. Returns their names, and a line about the batch."""
    from ...contract.values.pictures import quantise
    from ...pictures.encoding import encode_still

    count, height, width = (int(length) for length in image.shape[:3])
    most = max(1, min(count, _MAX_PICTURES, _MAX_PIXELS // (height * width)))
    names = []
    for number in range(most):
        (pixels,) = quantise(image[number : number + 1]).numpy()
        names.append(f"{stem}-{number + 1:02}.png")
        link(folder / names[-1], encode_still(pixels, "png", 0))
    line = f"{count:,} picture{'s' if count > 1 else ''}, {width} × {height} px"
    return names, line if most == count else f"{line}; the first {most} are shown"
