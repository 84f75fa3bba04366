"""Sets of pictures that the editor uploads: their names first, then file by file, then the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from ...runner.store.temporary import discard, temporary_in
from .routes_uploads import check_space, receive
from .services import SERVICES, json_object, whole_number
from .set_names import is_archive
from .sets import ExistsError, Sets, Upload

routes = web.RouteTableDef()
SETS = web.AppKey("sets", Sets)
_MOST_FILES = 100_000  # files in a folder, with those that are left out
_MOST_LETTERS = 1_000  # characters of a path
_SHOWN = 3  # new names that are listed


@routes.post("/artgraph/sets/begin")
async def begin(request: web.Request) -> web.Response:
    """Prepare an upload. The body contains the name of the folder, and the paths of its files.

    Returns the id of the upload, the numbers of the files to be sent, what is left out, and
    whether there is a set of this name.
    """
    services, body = request.app[SERVICES], await json_object(request)
    paths, size = body.get("paths"), body.get("bytes", 0)
    if not isinstance(paths, list) or not all(_is_path(path) for path in paths):
        raise web.HTTPBadRequest(text="`paths` must be a list of the paths of files")
    if len(paths) > _MOST_FILES:
        most = f"more than {_MOST_FILES:,} files - copy it into the input folder instead"
        raise web.HTTPRequestEntityTooLarge(
            max_size=_MOST_FILES, actual_size=len(paths), text=f"the folder contains {most}"
        )
    if type(size) is not int or size < 0:
        raise web.HTTPBadRequest(text="`bytes` must be a whole number")
    name = body.get("name")
    check_space(services.settings, "these pictures", size)
    sets = request.app[SETS]
    with _storage_errors():
        key, upload = await asyncio.to_thread(sets.begin, _text(name), paths)
        there = await asyncio.to_thread(sets.existing, upload.name)
    names = upload.chosen.names
    renamed = [names[n] for n in names if names[n] != paths[n]]
    answer = {
        "upload": key,
        "name": upload.name,
        "take": list(names),
        "left": upload.chosen.left,
        "notes": upload.chosen.notes,
        "renamed": [len(renamed), renamed[:_SHOWN]],
        "exists": there and there._asdict(),
    }
    if not names:
        sets.cancel(key)
    return web.json_response(answer)


@routes.post("/artgraph/sets/file")
async def file(request: web.Request) -> web.Response:
    """Store the body as a file of an upload. Its number is in the query, and no path."""
    upload = _upload(request, request.query.get("upload"))
    number = whole_number(request, "number", None)
    name = upload.chosen.names.get(-1 if number is None else number)
    if number is None or name is None:
        raise web.HTTPBadRequest(text="there is no such file in the upload")
    settings = request.app[SERVICES].settings
    limit = settings.max_file if is_archive(name) else settings.max_upload
    temporary = temporary_in(upload.place)
    try:
        with _storage_errors():
            await receive(request, name, temporary, limit)
            await asyncio.to_thread(request.app[SETS].receive, upload, number, temporary)
    finally:
        await asyncio.to_thread(discard, temporary)
    return web.json_response({})


@routes.post("/artgraph/sets/finish")
async def finish(request: web.Request) -> web.Response:
    """Store the set. The body says what to do with a set of its name, and which files are missing.

    Answers 409 with this set if that is not said, or can't be done. The upload is not over then.
    """
    body, sets = await json_object(request), request.app[SETS]
    key, how, without = body.get("upload"), body.get("how", "new"), body.get("without", [])
    upload = _upload(request, key)
    if how not in ("new", "replace", "add", "both"):
        raise web.HTTPBadRequest(text="`how` must be one of new, replace, add, both")
    if not isinstance(without, list) or not all(type(number) is int for number in without):
        raise web.HTTPBadRequest(text="`without` must be a list of numbers of files")
    if missing := upload.waiting() - set(without):
        text = f"{len(missing)} of the files have not arrived, so the set was not stored"
        raise web.HTTPBadRequest(text=text)
    if not upload.arrived:
        raise web.HTTPBadRequest(text="none of the files has arrived - choose another folder")
    with _storage_errors():
        try:
            stored = await asyncio.to_thread(sets.finish, str(key), upload, how)
        except ExistsError:
            there = await asyncio.to_thread(sets.existing, upload.name)
            return web.json_response({"exists": there and there._asdict()}, status=409)
    return web.json_response(
        {
            "name": stored.name,
            "pictures": stored.pictures,
            "same": stored.same,
            "renamed": [len(stored.renamed), stored.renamed[:_SHOWN]],
            "kept": stored.kept,
        }
    )


@routes.post("/artgraph/sets/cancel")
async def cancel(request: web.Request) -> web.Response:
    """Discard an upload. The set stays as it was."""
    await asyncio.to_thread(request.app[SETS].cancel, (await json_object(request)).get("upload"))
    return web.json_response({})


def _upload(request: web.Request, key: Any) -> Upload:
    upload = request.app[SETS].find(key)
    if upload is None:
        raise web.HTTPGone(text="this upload is over - start it again")
    return upload


def _is_path(path: Any) -> bool:
    return isinstance(path, str) and 0 < len(path) <= _MOST_LETTERS and "\0" not in path


def _text(value: Any) -> str:
    return value[:_MOST_LETTERS] if isinstance(value, str) else ""


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    """Answer with what is wrong if something can't be stored."""
    try:
        yield
    except FileNotFoundError as error:
        raise web.HTTPGone(text="this upload is over - start it again") from error
    except ConnectionError:
        raise
    except OSError as error:
        text = f"the pictures can't be stored: {error.strerror} - free some space on the disk"
        raise web.HTTPInsufficientStorage(text=text) from error
