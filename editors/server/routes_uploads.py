"""Large files that the editor uploads: archives of pictures, films, and models."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from aiohttp import web

from ...runner.store.temporary import discard, temporary_in
from ..formats.offered import newest
from .brought import brought, stored
from .paths import inside
from .services import SERVICES, Services, json_object
from .set_names import file_name
from .settings import Settings

routes = web.RouteTableDef()
_BLOCK = 1 << 20  # bytes that are read from the connection at a time
_SPARE = 1 << 28  # bytes that must stay free on the disk


@routes.post("/artgraph/upload")
async def upload(request: web.Request) -> web.Response:
    """Store the body as a file in the input folder. A number is added if another file has its name.

    The name is in the query. Its ending must be one that a node reads.
    """
    services = request.app[SERVICES]
    name = file_name(request.query.get("name", ""))
    endings = _endings(services)
    if not name.lower().endswith(endings):
        formats = f"use one of {', '.join(endings)}"
        raise web.HTTPUnsupportedMediaType(text=f"can't use {name[:80]!r} - {formats}")
    folder = services.settings.input
    path = inside(folder, name)
    _check_size(services, name, request.content_length or 0)
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    temporary = temporary_in(folder)
    try:
        await receive(request, name, temporary, services.settings.max_file)
        path = await asyncio.to_thread(stored, temporary, path)
    except OSError as error:
        text = f"{name!r} can't be stored: {error.strerror} - free some space on the disk"
        raise web.HTTPInsufficientStorage(text=text) from error
    finally:
        await asyncio.to_thread(discard, temporary)
    return web.json_response({"name": path.name})


def _endings(services: Services) -> tuple[str, ...]:
    """Returns the endings of files that widgets of nodes accept."""
    specs = services.registry.values()
    found = (ending for spec in specs for w in spec.widgets.values() for ending in w.files)
    return tuple(dict.fromkeys(found))


def _check_size(services: Services, name: str, size: int) -> None:
    """Raises: HTTPRequestEntityTooLarge; HTTPInsufficientStorage if the disk is too full for it."""
    if size > services.settings.max_file:
        raise _too_large(name, size, services.settings.max_file)
    check_space(services.settings, repr(name), size)


def check_space(settings: Settings, what: str, size: int) -> None:
    """Raises: HTTPInsufficientStorage if the disk of the input folder is too full."""
    place = settings.input if settings.input.is_dir() else settings.folder
    if size + _SPARE > shutil.disk_usage(place).free:
        text = f"there is not enough space on the disk for {what} - free some space"
        raise web.HTTPInsufficientStorage(text=text)


def _too_large(name: str, size: int, limit: int) -> web.HTTPException:
    most = f"{limit / 2**30:g} GiB" if limit >= 2**30 else f"{limit / 2**20:g} MiB"
    text = f"{name!r} has more than {most} - copy it into the input folder instead"
    return web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=size, text=text)


async def receive(request: web.Request, name: str, path: Path, limit: int) -> None:
    """Write the body of a request into a file.

    Raises: HTTPRequestEntityTooLarge; HTTPBadRequest if it is empty; OSError.
    """
    size = 0
    with path.open("wb") as file:
        async for chunk in request.content.iter_chunked(_BLOCK):
            size += len(chunk)
            if size > limit:
                raise _too_large(name, size, limit)
            await asyncio.to_thread(file.write, chunk)
    if not size:
        raise web.HTTPBadRequest(text=f"{name!r} is empty - choose another file")


@routes.post("/artgraph/bring")
async def bring(request: web.Request) -> web.Response:
    """Copy a result, such as `sheet.png [output]`, into the input folder. Returns its name."""
    value = (await json_object(request)).get("value")
    services = request.app[SERVICES]
    try:
        text = value if isinstance(value, str) else ""
        name = await asyncio.to_thread(brought, services, text[:1_000])
    except OSError as error:
        text = f"it can't be copied into the input folder: {error.strerror} - free some space"
        raise web.HTTPInsufficientStorage(text=text) from error
    if name is None:
        raise web.HTTPNotFound(text="there is no such file among the results")
    return web.json_response({"name": name})


@routes.get("/internal/files/input")
async def imported(request: web.Request) -> web.Response:
    """Returns the pictures in the input folder, those that were changed last first."""
    folder = request.app[SERVICES].settings.input
    return web.json_response(await asyncio.to_thread(newest, folder))
