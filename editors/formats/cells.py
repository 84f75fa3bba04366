"""The pictures that an editor shows on a node to choose from: of widgets that are `ChosenOf`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...contract.spec import NodeSpec
from ...runner.store.results import Stored
from ...runner.store.store import Store
from .samples import link


def shown_cells(
    spec: NodeSpec, inputs: Mapping[str, Stored], store: Store, folder: Path
) -> list[dict[str, Any]]:
    """Returns what to choose from on a node, and writes its pictures into `folder`.

    inputs: the values of those inputs that are known.
    """
    found = []
    for widget in spec.widgets.values():
        name = widget.chosen_of or ""
        if name in inputs:
            socket, stored = spec.inputs[name].sockets[0], inputs[name]
            about, data = drawn_cells(store.value(socket, stored))
            file = f"cells-{stored.digest[:16]}.png"
            link(folder / file, data)
            found.append({"widget": widget.name, "filename": file, **about})
    return found


def drawn_cells(image: Any) -> tuple[dict[str, Any], bytes]:
    """Returns how pictures are arranged in one PNG file, and this file."""
    from ...contract.values.pictures import to_uint8
    from ...pictures.cells import cells_of
    from ...pictures.encoding import encode_still

    cells = cells_of(to_uint8(image).numpy())
    about = {"count": len(image), "columns": cells.columns, "size": list(cells.size)}
    return about, encode_still(cells.pixels, "png", 0)
