"""Pictures that the editor shows and uploads."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from ...pictures.sources.names import is_table
from ...pictures.suffixes import FILMS, READABLE, is_displayable, is_film, is_readable, why_not_read
from ...runner.store.temporary import write_whole
from .paths import inside
from .services import SERVICES, Services
from .set_names import file_name

if TYPE_CHECKING:
    from PIL import Image

routes = web.RouteTableDef()
_MAX_PIXELS = 200_000_000  # largest picture that is made smaller for a view

_LAYER = re.compile(r"clipspace-(mask|paint|painted|painted-masked)-\d+\.png")  # its names


@routes.get("/view")
async def view(request: web.Request) -> web.StreamResponse:
    """Returns a picture or a film of a run, or one of the input folder."""
    path = _viewed(request.app[SERVICES], request)
    if not path.is_file():
        raise web.HTTPNotFound(text=f"there is no file {path.name!r}")
    is_picture = is_displayable(path)
    if is_picture and ("preview" in request.query):
        return await _smaller(path, _open)
    if not is_picture and is_readable(path):  # browsers don't show such formats
        return await _smaller(path, _read)
    headers = {"Cache-Control": "no-cache"}
    if is_film(path):
        headers["Content-Type"] = FILMS[path.suffix.lower()]
    elif not is_picture:
        headers["Content-Disposition"] = "attachment"
        headers["Content-Type"] = "application/octet-stream"
    return web.FileResponse(path, headers=headers)


def _viewed(services: Services, request: web.Request) -> Path:
    """Returns the path of the file in a query: in the input folder, or a run's files."""
    kind = request.query.get("type", "output")
    name, folder = request.query.get("filename", ""), request.query.get("subfolder", "")
    folders = {"output": services.engine.folder(""), "input": services.settings.input}
    folders["temp"] = folders["output"]
    if kind not in folders:
        raise web.HTTPBadRequest(text=f"{kind[:40]!r} is not a type of file")
    return inside(folders[kind], f"{folder}/{name}" if folder else name)


async def _smaller(path: Path, read: Callable[[Path], Image.Image]) -> web.Response:
    """Returns a picture as WebP, at most 512 pixels wide and high, on a checkerboard."""
    from ...pictures.alpha import on_checkerboard

    def encode() -> bytes:
        with read(path) as image:
            image.thumbnail((512, 512))
            buffer = io.BytesIO()
            on_checkerboard(image).save(buffer, "WEBP", quality=85)
            return buffer.getvalue()

    try:
        data = await asyncio.to_thread(encode)
    except (OSError, ValueError, SyntaxError) as error:
        raise web.HTTPBadRequest(text=f"{path.name!r} can't be read as a picture") from error
    return web.Response(body=data, content_type="image/webp")


def _open(path: Path) -> Image.Image:
    from PIL import Image

    too_large = f"{path.name!r} has more than {_MAX_PIXELS:,} pixels"
    try:
        image = Image.open(path)
    except Image.DecompressionBombError as error:
        raise web.HTTPBadRequest(text=too_large) from error
    if image.width * image.height > _MAX_PIXELS:
        image.close()
        raise web.HTTPBadRequest(text=too_large)
    return image


def _read(path: Path) -> Image.Image:
    from ...pictures.reading import UnreadableError, read_picture

    try:
        return read_picture(path, 512)
    except UnreadableError as error:
        raise web.HTTPBadRequest(text=f"can't read {path.name!r}: {error}") from error


def _problem(path: Path) -> str:
    """Returns what is wrong with a picture that can't be read; an empty text if nothing is."""
    from ...pictures.reading import UnreadableError, read_picture

    try:
        read_picture(path, 64)
    except UnreadableError as error:
        return f"{error} - {error.advice}"
    except (OSError, MemoryError):
        return "it can't be read now - try it again"
    return ""


@routes.post("/upload/image")
@routes.post("/upload/mask")
async def upload(request: web.Request) -> web.Response:
    """Store a picture, or a table of labels, in the input folder.

    The answer says what is wrong with a picture that can't be read. A number is added if another
    file has its name. The mask editor sends its layers too, of which only the finished picture is
    stored.
    """
    services = request.app[SERVICES]
    if not (request.content_type or "").startswith("multipart/"):
        raise web.HTTPBadRequest(text="the request is not a form with a picture")
    fields, name, data = await _form(request, services.settings.max_upload)
    if not is_readable(Path(name)) and not is_table(name):
        formats = f"use one of {', '.join(READABLE)}"
        reason = why_not_read(Path(name)) or ("it is not a picture that artgraph can read", formats)
        text = f"can't read {name[:80]!r}: {' - '.join(reason)}"
        raise web.HTTPUnsupportedMediaType(text=text)
    folder = fields.get("subfolder", "")
    if layer := _LAYER.fullmatch(name):
        if layer[1] != "painted-masked":
            return web.json_response({"name": name, "subfolder": folder, "type": "input"})
        folder, name, fields["overwrite"] = "", "painted.png", ""
    path = inside(services.settings.input, f"{folder}/{name}" if folder else name)
    count = 1
    while (
        path.exists() and fields.get("overwrite") not in ("1", "true") and path.read_bytes() != data
    ):
        count += 1
        path = path.with_name(f"{Path(name).stem} ({count}){path.suffix}")
    write_whole(path, data)
    stored = {"name": path.name, "subfolder": folder, "type": "input"}
    if not is_table(name) and (problem := await asyncio.to_thread(_problem, path)):
        stored["problem"] = problem
    return web.json_response(stored)


async def _form(request: web.Request, limit: int) -> tuple[dict[str, str], str, bytes]:
    """Returns the texts of a form, and the name and content of its picture."""
    fields: dict[str, str] = {}
    name, data = "", bytearray()
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                raise web.HTTPBadRequest(text="the form contains another form")
            content = bytearray()
            while chunk := await part.read_chunk():
                content += chunk
                if len(content) + len(data) > limit:
                    raise web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=len(content))
            if part.name == "image":
                name, data = file_name(part.filename or ""), content
            elif part.name and len(fields) < 20:
                fields[part.name] = content[:1_000].decode(errors="replace")
    except (ValueError, HttpProcessingError) as error:
        raise web.HTTPBadRequest(text=f"the form can't be read: {error}") from error
    if not data or not name:
        raise web.HTTPBadRequest(text="the form has no picture with a valid file name")
    return fields, name, bytes(data)
