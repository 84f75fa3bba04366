"""What the page of ComfyUI asks the server: what a folder contains, and texts in its language."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from ...contract.errors import ArtgraphError
from ...contract.registry import load_nodes
from ...contract.values.alpha import WHITE
from ...pictures.class_doubts import LOOSE
from ...pictures.packed import SourceError
from ..formats.forms import node_id
from . import folders

# Texts of the scripts by language: many of them are those of artgraph's own editor too.
_WORDS = {"zh": Path(__file__).parents[1] / "server" / "words_zh.json"}
_FITS = ("crop", "salient", "pad", "stretch")
_SHAPE = (1, 1)  # proportions of the pictures on the sheet
_MOST_CLASSES = 12  # classes that the line lists


@cache
def add_routes() -> None:
    """Add the route to ComfyUI's server, if there is one."""
    try:
        from aiohttp import web
        from server import PromptServer

        routes = PromptServer.instance.routes
    except (ImportError, AttributeError):
        return

    async def folder(request: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(look, dict(request.query)))

    async def texts(request: web.Request) -> web.Response:
        return web.json_response(words(request.query.get("language", "en")))

    routes.get("/artgraph/folder")(folder)
    routes.get("/artgraph/words")(texts)


def words(language: str) -> Any:
    """Returns the texts of the scripts in a language, by the English ones."""
    path = _WORDS.get(language)
    return json.loads(path.read_text(encoding="utf-8")) if path else {}


def look(values: dict[str, str]) -> dict[str, Any]:
    """Returns `line` and `sheet` (a data URL) for a folder, or what is the `problem`.

    values: `node` and `widget` name the class and the widget, `folder` is its value; `fit`, `table`
            and `label` are values of the other widgets of the node, if it has them.
    """
    spec = load_nodes().get(node_id(values.get("node", "")) or "")
    widget = spec.widgets.get(values.get("widget", "")) if spec else None
    if widget is None or not widget.is_folder:
        return {"problem": "this node does not load a folder"}
    try:
        path = folders.resolve(values.get("folder", ""), widget)
        assert isinstance(path, Path), "shards are not looked at"
        return _look(path, values)
    except (ArtgraphError, SourceError) as error:
        return {"problem": str(error)}
    except OSError as error:
        return {"problem": f"the folder can't be read: {error.strerror}"}


def _look(path: Path, values: dict[str, str]) -> dict[str, Any]:
    from ...pictures.sources.folder_sheet import folder_sheet
    from ...pictures.sources.reviewed import Reviewed
    from ...pictures.sources.source import open_source
    from ...pictures.walk import natural_order

    source = open_source(path, values.get("table", ""), values.get("label", ""))
    reviewed = Reviewed(path, source, None)
    counts = Counter(reviewed.label(entry.name) for entry in reviewed.survey.pictures)
    if not counts:
        return {"problem": f"there are no pictures in {path.name!r}"}
    fit: Any = values.get("fit") if values.get("fit") in _FITS else "crop"
    sheet = folder_sheet(source, reviewed, _SHAPE, fit, WHITE)
    names = sorted(counts, key=natural_order)
    shown = [f"{name} {counts[name]:,}" for name in names[:_MOST_CLASSES]]
    more = [f"{len(names) - _MOST_CLASSES} more"] if len(names) > _MOST_CLASSES else []
    total = f"{counts.total():,} picture{'s' if counts.total() > 1 else ''}"
    if sheet is None:
        return {"problem": f"none of the first of {total} can be read"}
    part = f" ({sheet.shown} shown)" if sheet.shown < counts.total() else ""
    if len(names) > 1:
        line = f"{total}{part}: {', '.join(shown + more)}"
    else:  # the folder's name says more than "pictures", the class of pictures directly in it
        line = f"{path.stem if names == [LOOSE] else names[0]}: {total}{part}"
    return {
        "line": line,
        "sheet": f"data:image/webp;base64,{base64.b64encode(sheet.data).decode()}",
    }
