"""Objects and functions that several routes use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from ...contract.spec import NodeSpec
from .engine import Engine
from .graphs import Graphs
from .hub import Hub
from .jobs import RunQueue
from .paths import read_json
from .settings import Settings

MAX_JSON = 32 * 2**20  # largest size of a request's JSON in bytes


@dataclass(frozen=True)
class Services:
    """The parts of a running server."""

    settings: Settings
    registry: Mapping[str, NodeSpec]
    hub: Hub
    jobs: RunQueue
    engine: Engine
    graphs: Graphs


SERVICES = web.AppKey("services", Services)


async def json_body(request: web.Request, limit: int = MAX_JSON) -> Any:
    """Returns the request's JSON, whatever its content type.

    Raises: HTTPBadRequest, HTTPRequestEntityTooLarge.
    """
    data = bytearray()
    async for chunk in request.content.iter_chunked(65_536):
        data += chunk
        if len(data) > limit:
            raise web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=len(data))
    return read_json(bytes(data))


async def json_object(request: web.Request) -> dict[str, Any]:
    """Returns the request's JSON object, which is empty if the body is.

    Raises: HTTPBadRequest, HTTPRequestEntityTooLarge.
    """
    if not request.can_read_body:
        return {}
    body = await json_body(request)
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="the request is not a JSON object")
    return body


def whole_number(request: web.Request, name: str, default: int | None) -> int | None:
    """Returns a whole number of at least 0 from the query, or the default."""
    text = request.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default
