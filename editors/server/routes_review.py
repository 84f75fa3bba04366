"""The review sheet: its pictures, what was decided about them, and what is wrong with them."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from typing import Any, NamedTuple

from aiohttp import web

from ...runner.graph.folders import Folders
from .flagging import Flagging
from .review_place import graph_folder, pictures_at, review_file
from .review_sheet import ChangedError, Sheet
from .services import SERVICES, Services, json_object, whole_number
from .thumbs import EDGES, NotShownError, Thumbnails

routes = web.RouteTableDef()
_MOST_SHEETS = 4  # open sheets; the one that was not used for the longest time is closed
_USUAL_SIZE = 64  # pixels, if the node's size is not a number
_CHANGED = (
    "the review was changed by someone else, so this was not saved - reload it to see the changes"
)


class _Open(NamedTuple):
    sheet: Sheet
    flagging: Flagging


class Reviews:
    """The open sheets by their ids, which are secret, and their small pictures."""

    def __init__(self) -> None:
        self.thumbnails = Thumbnails()
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._turns = asyncio.Semaphore(1)

    async def add(self, sheet: Sheet, flagging: Flagging) -> str:
        """Open a sheet. Returns its id."""
        while len(self._open) >= _MOST_SHEETS:
            await self.close_one(next(iter(self._open)))
        name = secrets.token_urlsafe(12)
        self._open[name] = _Open(sheet, flagging)
        flagging.start(self._turns)
        return name

    def find(self, name: Any) -> _Open:
        """Returns an open sheet. Raises: HTTPGone."""
        if not isinstance(name, str) or name not in self._open:
            raise web.HTTPGone(text="the sheet is closed - open it again")
        self._open.move_to_end(name)
        return self._open[name]

    async def close_one(self, name: str) -> None:
        if (found := self._open.pop(name, None)) is not None:
            await found.flagging.stop()

    async def close(self) -> None:
        for name in list(self._open):
            await self.close_one(name)
        self.thumbnails.close()


REVIEWS = web.AppKey("reviews", Reviews)


@routes.post("/artgraph/review/open")
async def open_sheet(request: web.Request) -> web.Response:
    """Open the sheet for the pictures of a node. The body contains values of its widgets."""
    services, body = request.app[SERVICES], await json_object(request)
    sheet = await asyncio.to_thread(_sheet, services, body)
    described = await asyncio.to_thread(sheet.described)
    size = body.get("size")
    if type(size) is not int or not 8 <= size <= 1024:
        size = _USUAL_SIZE
    widgets = {
        name: body[name]
        for name in ("table", "label", "fit", "aspect")
        if isinstance(body.get(name), str) and body[name]
    }
    flagging = Flagging(sheet, widgets, size, services.settings)
    name = await request.app[REVIEWS].add(sheet, flagging)
    return web.json_response(described | {"sheet": name})


def _sheet(services: Services, body: dict[str, Any]) -> Sheet:
    settings = services.settings
    texts = {
        name: text if isinstance(text := body.get(name), str) else ""
        for name in ("graph", "folder", "table", "label", "review")
    }
    folders = Folders(graph_folder(settings, texts["graph"]), settings.input, settings.out)
    pictures = pictures_at(texts["folder"], folders)
    file = review_file(texts["review"], pictures, folders, settings)
    return Sheet(pictures, file, texts["table"][:200], texts["label"][:200])


@routes.get("/artgraph/review/picture")
async def picture(request: web.Request) -> web.Response:
    """Returns a picture of a sheet as WebP, small or large."""
    reviews = request.app[REVIEWS]
    sheet = reviews.find(request.query.get("sheet")).sheet
    number, edge = whole_number(request, "number", None), whole_number(request, "edge", EDGES[0])
    if number is None or number >= len(sheet.entries) or edge not in EDGES:
        raise web.HTTPNotFound(text="there is no such picture on the sheet")
    try:
        data = await reviews.thumbnails.get(sheet, number, edge)
    except NotShownError as error:
        raise web.HTTPUnprocessableEntity(text=str(error)) from error
    headers = {"Cache-Control": "private, max-age=3600"}
    return web.Response(body=data, content_type="image/webp", headers=headers)


@routes.post("/artgraph/review/save")
async def save(request: web.Request) -> web.Response:
    """Write what was decided about some pictures into the file of the review."""
    body = await json_object(request)
    sheet = request.app[REVIEWS].find(body.get("sheet")).sheet
    digest, edits = body.get("digest"), body.get("edits")
    if not isinstance(digest, str) or not isinstance(edits, dict):
        raise web.HTTPBadRequest(text="`digest` must be a text, and `edits` a JSON object")
    try:
        digest = await asyncio.to_thread(sheet.save, digest, edits)
    except ChangedError:
        raise web.HTTPConflict(text=_CHANGED) from None
    except OSError as error:
        text = f"{sheet.file.path.name!r} can't be written: {error.strerror} - free some space, or"
        raise web.HTTPInsufficientStorage(text=f"{text} change who may write there") from error
    return web.json_response({"digest": digest, "file": sheet.file.text})


@routes.get("/artgraph/review/flags")
async def flags(request: web.Request) -> web.Response:
    """Returns what is wrong with the pictures, or which share of the search is done."""
    return web.json_response(request.app[REVIEWS].find(request.query.get("sheet")).flagging.state)


@routes.post("/artgraph/review/close")
async def close(request: web.Request) -> web.Response:
    """Close a sheet, and stop its search."""
    await request.app[REVIEWS].close_one(str((await json_object(request)).get("sheet")))
    return web.json_response({})
