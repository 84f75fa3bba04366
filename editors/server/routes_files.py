"""Pictures that the editor shows and sends."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from ...contract.values.kinds import is_file_name
from ...pictures.suffixes import is_displayable, is_readable
from ...runner.store.temporary import write_whole
from .paths import inside
from .services import SERVICES, Services

routes = web.RouteTableDef()
_MAX_PIXELS = 200_000_000


@routes.get("/view")
async def view(request: web.Request) -> web.StreamResponse:
    """A picture of a run, or one of the user's own."""
    path = _viewed(request.app[SERVICES], request)
    if not path.is_file():
        raise web.HTTPNotFound(text=f"there is no file {path.name!r}")
    is_picture = is_displayable(path)
    if is_picture and ("preview" in request.query):
        return await _smaller(path)
    headers = {"Cache-Control": "no-cache"}
    if not is_picture:
        headers["Content-Disposition"] = "attachment"
        headers["Content-Type"] = "application/octet-stream"
    return web.FileResponse(path, headers=headers)


def _viewed(services: Services, request: web.Request) -> Path:
    """The file that a query names, in one of the three folders that may be seen."""
    kind = request.query.get("type", "output")
    name, folder = request.query.get("filename", ""), request.query.get("subfolder", "")
    rooms = {"output": services.engine.folder(""), "input": services.settings.input}
    rooms["temp"] = rooms["output"]
    if kind not in rooms:
        raise web.HTTPBadRequest(text=f"there is no kind of file {kind[:40]!r}")
    return inside(rooms[kind], f"{folder}/{name}" if folder else name)


async def _smaller(path: Path) -> web.Response:
    """A picture as WebP, at most 512 pixels wide or high."""

    def make() -> bytes:
        from PIL import Image

        with Image.open(path) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise web.HTTPBadRequest(text="too large a picture")
            image.thumbnail((512, 512))
            buffer = io.BytesIO()
            image.convert("RGB").save(buffer, "WEBP", quality=85)
            return buffer.getvalue()

    try:
        data = await asyncio.to_thread(make)
    except (OSError, ValueError, SyntaxError) as error:
        raise web.HTTPBadRequest(text=f"{path.name!r} is no picture that can be read") from error
    return web.Response(body=data, content_type="image/webp")


@routes.post("/upload/image")
@routes.post("/upload/mask")
async def upload(request: web.Request) -> web.Response:
    """Put a picture into the input folder; the same name with another content gets a number."""
    services = request.app[SERVICES]
    if not (request.content_type or "").startswith("multipart/"):
        raise web.HTTPBadRequest(text="a form with a picture is expected")
    fields, name, data = await _form(request, services.settings.max_upload)
    if not is_readable(Path(name)):
        raise web.HTTPUnsupportedMediaType(text=f"{name[:80]!r} is no picture that artgraph reads")
    folder = fields.get("subfolder", "")
    path = inside(services.settings.input, f"{folder}/{name}" if folder else name)
    count = 1
    while (
        path.exists() and fields.get("overwrite") not in ("1", "true") and path.read_bytes() != data
    ):
        count += 1
        path = path.with_name(f"{Path(name).stem} ({count}){path.suffix}")
    write_whole(path, data)
    return web.json_response({"name": path.name, "subfolder": folder, "type": "input"})


async def _form(request: web.Request, limit: int) -> tuple[dict[str, str], str, bytes]:
    """A form's texts, and the name and content of its picture."""
    fields: dict[str, str] = {}
    name, data = "", bytearray()
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                raise web.HTTPBadRequest(text="a form within a form is not expected")
            content = bytearray()
            while chunk := await part.read_chunk():
                content += chunk
                if len(content) + len(data) > limit:
                    raise web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=len(content))
            if part.name == "image":
                name, data = Path((part.filename or "").replace("\\", "/")).name, content
            elif part.name and len(fields) < 20:
                fields[part.name] = content[:1_000].decode(errors="replace")
    except (ValueError, HttpProcessingError) as error:
        raise web.HTTPBadRequest(text=f"a form that can't be read: {error}") from error
    if not data or not is_file_name(name):
        raise web.HTTPBadRequest(text="the form has no picture with a plain name")
    return fields, name, bytes(data)
