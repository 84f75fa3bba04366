"""What the folder of a node contains, before any run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from aiohttp import web

from ...contract.errors import ArtgraphError
from ...contract.values.alpha import WHITE
from ...pictures.packed import SourceError
from ...pictures.sources.names import PACKED
from ...runner.graph.folders import Folders
from .looks import Look, Looks, Wanted
from .review_place import graph_folder
from .services import SERVICES, json_object

routes = web.RouteTableDef()
LOOKS = web.AppKey("looks", Looks)
_MOST = 500  # characters of a text
_SIZES = (8, 1024)  # smallest and largest size of pictures in pixels
_USUAL_SIZE = 64  # pixels, if the node's size is not a number
_FITS = ("crop", "salient", "pad", "stretch")


@routes.post("/artgraph/looks")
async def look(request: web.Request) -> web.Response:
    """Begin to look at the pictures of a node. The body contains values of its widgets."""
    wanted = _wanted(request, await json_object(request))
    try:
        found = await request.app[LOOKS].look(wanted)
    except SourceError as error:
        text = f"{wanted.folder.name!r}: {error.what} - {error.advice}"
        raise web.HTTPBadRequest(text=text) from error
    except OSError as error:
        text = f"{wanted.folder.name!r} can't be read: {error.strerror}"
        raise web.HTTPBadRequest(text=text) from error
    return web.json_response(found.state)


@routes.get("/artgraph/looks/state")
async def state(request: web.Request) -> web.Response:
    """Returns what is known about a folder by now."""
    return web.json_response(_look(request).state)


@routes.get("/artgraph/looks/sheet")
async def sheet(request: web.Request) -> web.Response:
    """Returns the contact sheet of a folder as WebP."""
    data = _look(request).sheet
    if data is None:
        raise web.HTTPNotFound(text="there is no sheet of these pictures yet")
    headers = {"Cache-Control": "private, max-age=3600"}
    return web.Response(body=data, content_type="image/webp", headers=headers)


def _look(request: web.Request) -> Look:
    found = request.app[LOOKS].find(request.query.get("look", ""))
    if found is None:
        raise web.HTTPGone(text="this folder was looked at too long ago - look again")
    return found


def _wanted(request: web.Request, body: dict[str, Any]) -> Wanted:
    """Returns the values of a node. Raises: HTTPBadRequest if there is no such folder."""
    settings = request.app[SERVICES].settings

    def text(name: str, usual: str = "") -> str:
        value = body.get(name)
        return value[:_MOST] if isinstance(value, str) else usual

    size = body.get("size")
    if type(size) is not int or not _SIZES[0] <= size <= _SIZES[1]:
        size = _USUAL_SIZE
    fit, colour = text("fit"), text("background")
    if not re.fullmatch("#[0-9a-fA-F]{6}", colour):
        colour = WHITE
    folders = Folders(graph_folder(settings, text("graph")), settings.input, settings.out)
    if not text("folder"):
        raise web.HTTPBadRequest(text="no folder is given - choose one on the node")
    try:
        folder = folders.resolve(text("folder"), "folder", files=PACKED)
        review: Path | None = None
        if text("review"):
            review = folders.resolve(text("review"), "file")
    except ArtgraphError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    return Wanted(
        folder,
        text("table"),
        text("label"),
        review,
        size,
        fit if fit in _FITS else "crop",  # type: ignore[arg-type]
        text("aspect", "1:1"),
        None if text("alpha") == "keep" else colour,
    )
